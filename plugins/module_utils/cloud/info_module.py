# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The base of modules that list the resources of one kind."""

from __future__ import annotations

import typing as t

from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.module import CloudModule
from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.resources import Kind, Resource, listing
from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.tags import NoTags, found_by_id_only


class InfoModule(CloudModule):
    """Lists the resources of one kind. A subclass sets ``kind``."""

    kind: t.ClassVar[Kind]

    def __init_subclass__(cls) -> None:
        cls.key = f'{cls.kind.noun}s'
        cls.options = {f'{cls.kind.noun}_ids': {'type': 'list', 'elements': 'str'}, 'name': {'type': 'str'}}

    def find(self) -> list[Resource]:
        name, ids = self.params['name'], f'{self.kind.noun}_ids'
        found = listing(self.cloud, self.kind, name, self.params[ids])
        if name is not None and not found and self.kind.tag_named and not self.cloud.has_tags:
            raise NoTags(found_by_id_only(self.kind.title, ids))
        return found

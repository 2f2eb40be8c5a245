# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The base of modules that list the resources of one kind."""

from __future__ import annotations

import typing as t

from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.module import CloudModule
from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.resources import Kind, Resource, listing


class InfoModule(CloudModule):
    """Lists the resources of one kind. A subclass sets ``kind``."""

    kind: t.ClassVar[Kind]

    def __init_subclass__(cls) -> None:
        cls.key = f'{cls.kind.noun}s'
        cls.options = {f'{cls.kind.noun}_ids': {'type': 'list', 'elements': 'str'}, 'name': {'type': 'str'}}

    def find(self) -> list[Resource]:
        return listing(self.cloud, self.kind, self.params['name'], self.params[f'{self.kind.noun}_ids'])

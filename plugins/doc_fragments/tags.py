# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options of modules whose resource can be tagged."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  tags:
    description:
      - Tags to set. Other tags of the resource are left unchanged, unless O(purge_tags) is set.
      - A tag without a value gets an empty one.
      - If omitted, no tag is changed. Eucalyptus before 3.3 has no tags, so the task fails there.
    type: dict
  purge_tags:
    description: Whether to remove the tags that are not in O(tags), except the cloud's own (C(aws:), C(euca:)) and those of the
      role P(eucalyptus.cloud.image_build#role) (C(eucalyptus.cloud/build)).
    type: bool
    default: false
"""

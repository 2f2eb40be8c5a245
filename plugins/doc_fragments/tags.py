# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options of modules whose resource can be tagged."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  tags:
    description:
      - Tags that the resource is to have. Tags that it has besides are left alone, unless O(purge_tags) is set.
      - When the option is not given, tags are not touched. Eucalyptus 3.1 has no tags.
    type: dict
  purge_tags:
    description: Whether to remove the tags that are not in O(tags). The cloud's own (C(aws:), C(euca:)) always stay.
    type: bool
    default: false
"""

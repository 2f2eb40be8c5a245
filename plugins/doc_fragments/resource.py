# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options of modules that manage one resource, which its id or its name identifies."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  state:
    description: Whether the resource should exist.
    type: str
    choices: [present, absent]
    default: present
  name:
    description:
      - The resource's tag C(Name), by which the module finds it again.
      - If a resource with this name exists, no second one is created. If several exist, the task fails and lists them.
      - Eucalyptus before 3.3 has no tags. There, a resource has no name, and only its ID identifies it. A task with neither name
        nor ID creates a new one each time.
    type: str
"""

    # For the modules that list resources.
    INFO = r"""
options:
  name:
    description: Return only resources with this tag C(Name). Deleted ones that the cloud still lists are left out.
    type: str
"""

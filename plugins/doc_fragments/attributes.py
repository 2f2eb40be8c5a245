# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What all modules can do."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options: {}
attributes:
  check_mode:
    description: Can run in check mode and predict the result without changing anything.
    support: full
  diff_mode:
    description: Returns what has changed, or in check mode would change.
    support: full
  idempotent:
    description: Changes nothing when run again with the same options.
    support: full
"""

    # For modules that only read.
    READ = r"""
options: {}
attributes:
  check_mode:
    description: Only reads, so it does the same in check mode.
    support: full
  diff_mode:
    description: Returns what has changed, or in check mode would change.
    support: N/A
    details: Nothing is changed.
  idempotent:
    description: Changes nothing when run again with the same options.
    support: full
"""

    # The action group.
    ACTIONGROUP = r"""
options: {}
attributes:
  action_group:
    description: Use C(group/eucalyptus.cloud.all) in C(module_defaults) to set defaults for all modules.
    support: full
    membership:
      - eucalyptus.cloud.all
"""

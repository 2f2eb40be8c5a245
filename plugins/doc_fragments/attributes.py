# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Properties of modules."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options: {}
attributes:
  check_mode:
    description: Predicts the result in check mode, without changing anything.
    support: full
  diff_mode:
    description: Returns the changes; in check mode, those that would be made.
    support: full
  idempotent:
    description: Changes nothing if it is run again with the same options.
    support: full
"""

    # For modules that only read.
    READ = r"""
options: {}
attributes:
  check_mode:
    description: Only reads, even in check mode.
    support: full
  diff_mode:
    description: Returns the changes; in check mode, those that would be made.
    support: N/A
    details: Nothing is changed.
  idempotent:
    description: Changes nothing if it is run again with the same options.
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

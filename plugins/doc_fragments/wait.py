# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options of modules that wait for the cloud."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  wait:
    description:
      - Whether to wait until the cloud reports the wanted state. Waiting ends at once when that state can no longer
        come.
      - Without waiting, the resource is returned as it is directly after the request.
    type: bool
    default: true
  wait_timeout:
    description: How many seconds to wait at most. When they are over the task fails, and running it again goes on
      waiting.
    type: int
"""

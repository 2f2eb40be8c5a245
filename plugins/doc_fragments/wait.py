# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options of modules that wait for the cloud."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  wait:
    description:
      - Whether to wait until the resource reaches the wanted state. The task fails as soon as that state can no longer
        be reached. While it waits, it prints a line every half minute. The wait continues while the cloud is unreachable or
        busy.
      - If V(false), the resource is returned as it is directly after the request.
    type: bool
    default: true
  wait_timeout:
    description: Maximum time to wait, in seconds. After it the task fails; run it again to keep waiting.
    type: int
  progress_file:
    description: File for progress lines. Set by the action plugin.
    type: path
"""

# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options of the modules that follow an instance's console."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  instance_id:
    description: ID of the instance.
    type: str
    required: true
  console_file:
    description:
      - File for the whole console. The cloud itself shows only the last 64 KiB.
      - The file of an interrupted run is continued if the console still overlaps with it, otherwise it is replaced.
      - A new file has the mode 0600, because installers print secrets. An existing one keeps its mode.
      - If its disk becomes full, the module warns and continues without it.
    type: path
  poll_interval:
    description: Seconds between two requests for the state and console.
    type: int
    default: 2
  progress_file:
    description: File for progress lines. Set by the action plugin.
    type: path
"""

# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The machine that the lab runs on: processes, libvirt, guests, and the checks before a lab starts."""

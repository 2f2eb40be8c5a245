# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The services of a lab's network: DHCP, metadata, and a packet filter for security groups and public addresses."""

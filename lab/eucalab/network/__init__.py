# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What guests find in a lab's network: addresses, metadata, the API, and each other as their groups allow."""

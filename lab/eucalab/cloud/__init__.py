# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The cloud behind the services: its state, its accounts and keys, and the work of the cluster and storage controllers."""

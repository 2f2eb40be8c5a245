# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The cloud behind the services: its state, accounts and keys, and what the cluster and storage controllers do."""

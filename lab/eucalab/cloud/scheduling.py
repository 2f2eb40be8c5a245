# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Choice of the node controller for an instance."""

from __future__ import annotations

from .context import Cloud


def choose(cloud: Cloud) -> str:
    """The next node in turn (the cluster's ROUNDROBIN policy): the one after the last that was given an instance."""
    names = cloud.config.nodes
    last = cloud.store.row('SELECT node FROM instances WHERE node IS NOT NULL ORDER BY launched DESC, launch_index DESC')
    if last is None or last['node'] not in names:
        return names[0]
    return names[(names.index(last['node']) + 1) % len(names)]

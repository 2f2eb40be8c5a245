# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's API process, that leaves a file ``seen-SIZE`` beside each console when it has shown SIZE bytes of it.

The double of a node (node_double.py) waits for these files, so that no reader is too slow for its consoles.
"""

from __future__ import annotations

import sys
from pathlib import Path

from eucalab import server
from eucalab.ec2.families import load_actions

actions = load_actions()
show = actions['GetConsoleOutput']


def show_and_note(cloud, caller, request):
    row = cloud.store.row('SELECT instance_path FROM instances WHERE id = ?', request.get('InstanceId'))
    console = Path(row['instance_path'], 'console.log') if row and row['instance_path'] else None
    # Before it is shown: what comes in between counts as not yet seen.
    size = console.stat().st_size if console and console.exists() else None
    reply = show(cloud, caller, request)
    if size is not None:
        console.with_name(f'seen-{size}').touch()
    return reply


actions['GetConsoleOutput'] = show_and_note
sys.exit(server.main(sys.argv[1:]))

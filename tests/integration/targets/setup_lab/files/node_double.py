# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A DOUBLE of a node controller, for tests of modules only: it reports states, and runs nothing.

It keeps the protocol of the lab's store, so that the API believes instances run and volumes are attached. The word
``double=`` among an instance's boot parameters selects what its console shows, each line or block only when those before have
been read (api.py):

=========  =========================================================================================================
install    an installation that powers off at the end
fail       an installation that fails, prints that and stays up
silent     a first line, and then nothing
nohook     an installation on a node without the hook
flood      more than the cloud shows of a console, and then a power-off
(none)     a system that comes up to its login prompt and stays
=========  =========================================================================================================
"""

from __future__ import annotations

import base64
import binascii
import os
import re
import sys
import time
from pathlib import Path

from eucalab.cloud.store import Store
from eucalab.config import Config

BOOTS = ['Linux version 6.1.0 (double)\n', 'double login: ']
INSTALLS = ['installer: begins\n', *[f'installer: step {number}\n' for number in range(1, 6)]]
SCRIPTS = {
    'install': [*INSTALLS, 'installer: done, powering off\n'],
    'fail': [*INSTALLS, 'installer: FAILED: no disk vdb\n'],
    'silent': ['installer: begins\n'],
    'nohook': INSTALLS,
    # 27 KiB at a time.
    'flood': [
        ''.join(f'{part}-{number} {"=" * 60}\n' for part in range(first, first + 8) for number in range(50))
        for first in range(0, 40, 8)
    ],
    '': BOOTS,
}
POWERS_OFF = ('install', 'flood')


class Double:
    def __init__(self, config: Config, node: str) -> None:
        self.config, self.node = config, node
        self.store = Store(config.database)

    def work(self) -> None:
        """One look at all rows; what is to be done follows from them alone."""
        for row in self.store.rows("SELECT * FROM instances WHERE node = ? AND state != 'terminated'", self.node):
            if row['state'] in ('pending', 'running'):
                self.run(row)
            elif row['state'] in ('shutting-down', 'stopping') and row['node_state'] != 'teardown':
                self.report(row, 'teardown')
        for state, done in (('attaching', 'attached'), ('detaching', 'detached')):
            self.store.execute(
                'UPDATE attachments SET node_state = ? WHERE state = ? AND node_state IS NOT ? AND instance_id IN'
                ' (SELECT id FROM instances WHERE node = ?)',
                done,
                state,
                done,
                self.node,
            )

    def run(self, row) -> None:
        path = self.config.node_home(self.node) / row['id']
        words = user_data(row)
        play = (re.search(r'\bdouble=(\w+)', words) or ['', ''])[1]
        if row['node_state'] is None:
            path.mkdir(parents=True, exist_ok=True)
            (path / 'console.log').write_text('')
            applied = words.startswith('bootparams=') and play != 'nohook'
            (path / 'console.append.log').write_text('bootparams: applied: by a double\n' if applied else '')
            self.store.execute('UPDATE instances SET instance_path = ? WHERE id = ?', str(path), row['id'])
            self.report(row, 'running')
        elif row['state'] == 'running' and row['node_state'] == 'running':
            self.speak(row, path / 'console.log', play)

    def speak(self, row, console: Path, play: str) -> None:
        """The next part of the script, when all before has been read; after the last one perhaps the power-off."""
        said = console.stat().st_size
        if not console.with_name(f'seen-{said}').exists():
            return
        for part in SCRIPTS.get(play, BOOTS):
            if said <= 0:
                with console.open('a') as file:  # never rewritten: the reader may come in between
                    file.write(part)
                return
            said -= len(part)
        if play in POWERS_OFF:
            self.report(row, 'teardown')

    def report(self, row, state: str) -> None:
        self.store.execute('UPDATE instances SET node_state = ? WHERE id = ?', state, row['id'])


def user_data(row) -> str:
    try:
        return base64.b64decode(row['node_user_data'] or '').decode(errors='replace')
    except binascii.Error:
        return ''


def main(name: str, node: str) -> None:
    os.umask(0o022)
    double = Double(Config.load(name), node)
    while True:
        double.work()
        time.sleep(0.1)


if __name__ == '__main__':
    main(*sys.argv[1:])

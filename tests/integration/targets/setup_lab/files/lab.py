# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run a lab without virtual machines for as long as the tests run: the real API process, and a double of a node.

``lab.py COLLECTION`` prints the lab's facts as JSON, starting the lab first if it does not run. The lab ends, and
its state is removed, when the process that runs the tests has ended: ansible-test, otherwise ansible-playbook.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

NAME = 'integration'
NODE = 'double'
# Long enough for intermediate states to be seen, short enough for many tests.
PACE = 0.05
ENDED = b'The API process has ended.\n'


def main(collection: str) -> None:
    until = owner()
    sys.path[:0] = [f'{collection}/lab', f'{collection}/tests/bundle']
    os.environ['EUCALAB_STATE'] = f'{tempfile.gettempdir()}/eucalab-integration-{until}'
    from eucalab.cloud import labfiles
    from eucalab.cloud.accounts import TENANT, create_accounts
    from eucalab.cloud.store import Store
    from eucalab.config import Config
    from lab_process import free_port

    try:
        config = Config.load(NAME)
    except FileNotFoundError:
        config = Config(NAME, port=free_port(), pace=PACE, nodes=(NODE,))
        config.make_directories()
        config.save()
        store = Store(config.database)
        labfiles.write(config, create_accounts(store, config))
        store.close()
        supervise(config.home, collection, until)
    account = next(row for row in Store(config.database).rows('SELECT * FROM accounts') if row['name'] == TENANT)
    print(
        json.dumps(
            {
                'endpoint': config.endpoint,
                'zone': config.zone,
                'account': account['number'],
                'eucarc': str(config.home / 'tenant/eucarc'),
                'admin_eucarc': str(config.home / 'admin/eucarc'),
            }
        )
    )


def owner() -> int:
    """The process that runs the tests: the outermost ansible-test among our ancestors, or the outermost
    ansible-playbook."""
    found: dict[str, int] = {}
    pid = os.getpid()
    while pid > 1:
        words = Path(f'/proc/{pid}/cmdline').read_bytes().decode(errors='replace').split('\0')
        for name in ('ansible-test', 'ansible-playbook'):
            if any(os.path.basename(word) == name for word in words[:3]):
                found[name] = pid
        pid = int(Path(f'/proc/{pid}/stat').read_text().rpartition(')')[2].split()[1])
    return found.get('ansible-test') or found['ansible-playbook']


def supervise(home: Path, collection: str, until: int) -> None:
    """Start the processes, and one that ends them when ``until`` has ended. Returns when the API answers."""
    environment = {**os.environ, 'PYTHONPATH': f'{collection}/lab'}
    log = open(home / 'log' / 'integration.log', 'ab')  # noqa: SIM115 - the children keep it
    commands = [
        [sys.executable, str(Path(__file__).with_name('api.py')), NAME],
        [sys.executable, str(Path(__file__).with_name('node_double.py')), NAME, NODE],
    ]
    if os.fork() == 0:
        os.setsid()
        for descriptor in (0, 1, 2):
            os.dup2(log.fileno(), descriptor)
        children = [subprocess.Popen(command, env=environment) for command in commands]
        runs = True
        while Path(f'/proc/{until}').exists() and home.exists():
            if runs and children[0].poll() is not None:
                runs = False
                os.write(2, ENDED)
            time.sleep(0.5)
        for child in children:
            child.send_signal(signal.SIGTERM)
        for child in children:
            child.wait(10)
        shutil.rmtree(home.parent, ignore_errors=True)
        os._exit(0)
    deadline = time.monotonic() + 90  # as the lab's own command waits: on a busy machine the interpreter alone may take ten
    while b'plays' not in (said := (home / 'log' / 'integration.log').read_bytes()):
        if ENDED in said or time.monotonic() > deadline:
            sys.exit('The API did not start:\n' + said.decode(errors='replace'))
        time.sleep(0.1)


if __name__ == '__main__':
    main(sys.argv[1])

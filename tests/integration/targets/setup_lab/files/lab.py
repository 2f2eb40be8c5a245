# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run a lab without virtual machines for as long as the tests run: the real API process, and a double of a node.

``lab.py VERSION`` prints the lab's facts as JSON, starting the lab first if it is not running. It ends, and its state
is removed, when the process that runs the tests has ended: ansible-test, otherwise ansible-playbook. PYTHONPATH has the
checkout and its lab.
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

from eucalab.cloud import labfiles
from tests.kit.lab import Lab
from tests.kit.paths import environment

NAME = 'integration'
NODE = 'double'
# Long enough for intermediate states to be seen, short enough for many tests.
PACE = 0.05
ENDED = b'The API process has ended.\n'


def main() -> None:
    until = owner()
    os.environ['EUCALAB_STATE'] = f'{tempfile.gettempdir()}/eucalab-integration-{until}'
    try:
        lab = Lab.load(NAME)
    except FileNotFoundError:
        lab = Lab.create(NAME, play=sys.argv[1], pace=PACE, nodes=(NODE,))
        labfiles.write(lab.config, lab.accounts)
        supervise(lab.config.home, until)
    facts = {
        'endpoint': lab.config.endpoint,
        'zone': lab.config.zone,
        'play': lab.config.play,
        'account': lab.tenant.number,
        'eucarc': str(lab.config.home / 'tenant/eucarc'),
        'admin_eucarc': str(lab.config.home / 'admin/eucarc'),
    }
    print(json.dumps(facts))


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


def supervise(home: Path, until: int) -> None:
    """Start the processes, and one that ends them when ``until`` has ended. Returns when the API answers."""
    log = open(home / 'log' / 'integration.log', 'ab')  # noqa: SIM115 - the children keep it
    commands = [
        [sys.executable, str(Path(__file__).with_name('api.py')), NAME],
        [sys.executable, str(Path(__file__).with_name('node_double.py')), NAME, NODE],
    ]
    if os.fork() == 0:
        os.setsid()
        for descriptor in (0, 1, 2):
            os.dup2(log.fileno(), descriptor)
        children = [subprocess.Popen(command, env=environment()) for command in commands]
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
    while b'imitates' not in (said := (home / 'log' / 'integration.log').read_bytes()):
        if ENDED in said or time.monotonic() > deadline:
            sys.exit('The API did not start:\n' + said.decode(errors='replace'))
        time.sleep(0.1)


if __name__ == '__main__':
    main()

# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kill deployments at random moments while the node launches instances without pause.

Every launch must meet the old hook or the new one, with its own helpers; after every kill the next run must complete the work.
`python -m tests.nodes.kill --runs 200` prints what happened. `--ssh` kills the controller, which works over ssh, instead of
the module on the node.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
import typing as t
from pathlib import Path

from tests.nodes import fleet, node

MODULE = 'ansible_collections.eucalyptus.cloud.plugins.modules.nc_hook'
PARTS = ('kernel', 'ramdisk')
WRITES = 11  # more than a deployment makes in the directories that are looked at


def start_module(arguments: dict[str, t.Any], output: Path) -> int:
    """Run the module nc_hook in a child of this process, which has imported it already, and return the child's id."""
    basic = importlib.import_module('ansible.module_utils.basic')
    module = importlib.import_module(MODULE)
    pid = os.fork()
    if pid:
        return pid
    sys.stdout = sys.stderr = output.open('w')
    try:
        basic._ANSIBLE_ARGS = json.dumps({'ANSIBLE_MODULE_ARGS': arguments}).encode()
        basic._ANSIBLE_PROFILE = 'legacy'
        module.main()
    except SystemExit as error:
        sys.stdout.flush()
        os._exit(int(error.code or 0))
    finally:
        os._exit(70)


def look(place: Path) -> tuple[int, list[str]] | None:
    with contextlib.suppress(FileNotFoundError):
        return place.stat().st_mtime_ns, sorted(os.listdir(place))
    return None


class Campaign:
    """Deployments of two variants in turn on one node."""

    def __init__(self, directory: Path, seed: int) -> None:
        self.random = random.Random(seed)
        self.directory = directory
        self.home = fleet.make_home(directory / 'node')
        self.variants = {name: node.make_variant(directory / name, name) for name in 'AB'}
        self.installers = {name: node.make_installer(directory, name) for name in 'AB'}
        self.output = directory / 'module.out'
        self.duration = 1.0
        self.killed = self.finished = 0
        self.in_a_row = 3  # what was killed is killed again, before it is completed

    def arguments(self, name: str) -> dict[str, t.Any]:
        files = {path.name: path.read_text() for path in self.variants[name].iterdir()}
        installer = self.installers[name]
        return {
            'eucalyptus_home': str(self.home),
            'policy': node.policy_of(name),
            'files': files,
            'release': f'variant {name}',
            'installers': [installer],
            'uploads': {installer[f'{part}_sha256']: installer[part] for part in PARTS},
        }

    def deploy(self, name: str) -> dict[str, t.Any]:
        """Deploy to the end; the module's result."""
        began = time.monotonic()
        status = os.waitpid(start_module(self.arguments(name), self.output), 0)[1]
        self.duration = time.monotonic() - began
        text = self.output.read_text()
        assert status == 0, text
        return json.loads(text)

    def kill_one(self, name: str) -> None:
        """Start a deployment and kill it: at any moment, or after some of its writes, where it matters most."""
        pid = start_module(self.arguments(name), self.output)
        if self.random.random() < 0.25:
            time.sleep(self.random.uniform(0, self.duration))
        else:
            self._wait_for_writes(pid, self.random.randint(1, WRITES))
        os.kill(pid, signal.SIGKILL)
        status = os.waitpid(pid, 0)[1]
        if os.WIFSIGNALED(status):
            self.killed += 1
        else:
            self.finished += 1

    def _wait_for_writes(self, pid: int, count: int) -> None:
        seen, places = None, [self.home / 'etc/eucalyptus' / each for each in ('nc-hooks', 'bootparams', 'bootparams/next')]
        places.append(self.home / 'var/lib/eucalyptus/installers')
        while count >= 0 and os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
            now = [look(place) for place in places]
            if now != seen:
                seen, count = now, count - 1
        time.sleep(self.random.uniform(0, 0.002))

    def check(self, name: str) -> None:
        """The node has this variant, complete, and nothing else."""
        configuration = self.home / 'etc/eucalyptus/bootparams'
        executables = [path.name for path in (self.home / 'etc/eucalyptus/nc-hooks').iterdir() if path.stat().st_mode & 0o111]
        assert executables == ['bootparams'], executables
        wanted = sorted(
            [path.name for path in self.variants[name].iterdir() if path.name != 'bootparams'] + ['policy.conf', 'deployed.json']
        )
        assert sorted(os.listdir(configuration)) == wanted, sorted(os.listdir(configuration))
        for path in self.variants[name].iterdir():
            place = self.home / 'etc/eucalyptus/nc-hooks' if path.name == 'bootparams' else configuration
            assert (place / path.name).read_bytes() == path.read_bytes(), path.name
        installers = self.home / 'var/lib/eucalyptus/installers'
        assert os.listdir(installers) == ['quick'], os.listdir(installers)
        for part in PARTS:
            assert (installers / 'quick' / part).read_bytes() == Path(self.installers[name][part]).read_bytes(), part
        assert f'variant-{name}' in (configuration / 'policy.conf').read_text()

    def run(self, kills: int, say: t.Callable[[str], None] = lambda words: None) -> dict[str, t.Any]:
        """Kill so many deployments; what the launches meanwhile met. AssertionError when the next run did not complete the work."""
        self.deploy('A')
        launches = node.Launches(self.home, self.directory).start()
        try:
            while self.killed < kills:
                name = self.random.choice('AB')
                for _kill in range(self.random.randint(1, self.in_a_row)):
                    self.kill_one(name)
                    name = self.random.choice([name, name, 'A', 'B'])
                self.deploy(name)
                self.check(name)
                assert self.deploy(name)['changed'] is False, self.output.read_text()
                say(f'{self.killed} killed, {self.finished} were finished first')
        finally:
            result = launches.stop()
        return {**result, 'killed': self.killed, 'finished_first': self.finished}


class SshCampaign(Campaign):
    """The same, over ssh: the controller with all its processes is killed, the node's process lives on or not."""

    def __init__(self, directory: Path, seed: int, nodes: fleet.Fleet) -> None:
        super().__init__(directory, seed)
        self.nodes = nodes
        self.home = nodes.homes[nodes.names[0]]
        self.duration = 6.0
        self.in_a_row = 1

    def _start(self, name: str) -> t.Any:
        variables = {
            'src': str(self.variants[name]),
            'policy': node.policy_of(name),
            'installers': [self.installers[name]],
            'cache': str(self.directory / 'cache'),
        }
        return fleet.ansible(
            'ansible',
            '-i',
            self.nodes.inventory,
            self.nodes.names[0],
            '-m',
            'eucalyptus.cloud.nc_hook',
            '-a',
            json.dumps({**variables, 'eucalyptus_home': str(self.home)}),
            '-o',
            ANSIBLE_SSH_CONTROL_PATH_DIR=str(self.nodes.control),
        )

    def deploy(self, name: str) -> dict[str, t.Any]:
        began = time.monotonic()
        process = self._start(name)
        text = process.communicate()[0]
        self.duration = time.monotonic() - began
        assert process.returncode == 0, text[-3000:]
        self.output.write_text(text)
        return json.loads(text[text.index('=> ') + 3 :])

    def kill_one(self, name: str) -> None:
        process = self._start(name)
        if self.random.random() < 0.25:
            time.sleep(self.random.uniform(0, self.duration))
        else:
            self._wait_for_writes(process.pid, self.random.randint(1, WRITES))
        fleet.kill_all(process.pid)
        process.communicate()
        if process.returncode == -signal.SIGKILL:
            self.killed += 1
        else:
            self.finished += 1


def campaign(
    directory: Path, kills: int, seed: int, ssh: bool = False, say: t.Callable[[str], None] = lambda words: None
) -> dict[str, t.Any]:
    directory.chmod(0o755)
    if not ssh:
        return Campaign(directory, seed).run(kills, say)
    with fleet.Fleet(directory / 'fleet', 1) as nodes:
        return SshCampaign(directory, seed, nodes).run(kills, say)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--runs', type=int, default=200, help='deployments to kill')
    parser.add_argument('--seed', type=int, default=None)
    parser.add_argument('--ssh', action='store_true')
    options = parser.parse_args()
    seed = options.seed if options.seed is not None else random.SystemRandom().randrange(10**6)
    print(f'seed {seed}', flush=True)
    directory = Path(tempfile.mkdtemp(prefix='nodes-kill-', dir='/var/tmp'))
    try:
        result = campaign(directory, options.runs, seed, options.ssh, lambda words: print(words, flush=True))
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    print(json.dumps(result, indent=1))
    return 1 if result['problems'] or set(result['variants']) != {'A', 'B'} else 0


if __name__ == '__main__':
    sys.exit(main())

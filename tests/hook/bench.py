#!/usr/bin/env python3
# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the hook costs, against what the pipeline of 2012 cost for the same instance.

Prints `NAME VALUE UNIT (target TARGET) ok|short`, VALUE being a ratio of medians. The runs are interleaved, so that a busy
moment of the machine meets all of them.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tests.hook.hook_shapes import Shape, encode
from tests.hook.hook_world import ENVIRONMENT, PRE_BOOT, World

OLD = Path(__file__).with_name('old-pipeline.sh')
MARKER = b'bootparams=inst.ks=http://192.0.2.20/fedora.ks ip=dhcp inst.sshd console=ttyS0\n'
SCRIPT = b''.join(b'echo line %d of a long script >/dev/null\n' % number for number in range(292))  # 12 KB
# name, what is run, what it is compared with, the most that the ratio may be
FIGURES = (
    ('hook-other-event', 'other event', 'sh', 1.15),
    ('hook-no-user-data', 'no user data', 'old', 0.20),
    ('hook-12k-no-marker', '12 KB, no marker', 'old', 0.20),
    ('hook-boot-params', 'boot parameters', 'old', 0.95),
    ('hook-boot-params-12k', 'boot parameters, 12 KB', 'old', 1.25),
)


def spawn(argv: list[str], null: int) -> float:
    """Run a program with its output thrown away; give the seconds."""
    actions = [(os.POSIX_SPAWN_DUP2, null, 1), (os.POSIX_SPAWN_DUP2, null, 2)]
    began = time.perf_counter()
    pid = os.posix_spawn(argv[0], argv, ENVIRONMENT, file_actions=actions)
    status = os.waitpid(pid, 0)[1]
    seconds = time.perf_counter() - began
    if status:
        raise SystemExit(f'{argv} ended with {os.waitstatus_to_exitcode(status)}')
    return seconds


def cases(place: Path) -> dict[str, Callable[[], list[str]]]:
    """Yield, for every case, a function that prepares it and returns the command to run."""
    os.chmod(place, 0o755)
    worlds = {
        name: World(place / str(number))
        for number, name in enumerate(('old', 'no user data', '12 KB, no marker', 'boot parameters', 'boot parameters, 12 KB'))
    }
    data = {'old': MARKER, 'boot parameters': MARKER, '12 KB, no marker': SCRIPT, 'boot parameters, 12 KB': MARKER + SCRIPT}

    def prepare(name: str) -> list[str]:
        world = worlds[name]
        world.put(Shape(), encode(data.get(name, b'')))
        program = OLD if name == 'old' else world.hook
        return [str(program), PRE_BOOT, f'{world.home}/', str(world.directory)]

    def case(name: str) -> Callable[[], list[str]]:
        return lambda: prepare(name)

    hook = str(worlds['old'].hook)
    return {
        'sh': lambda: ['/bin/sh', '-c', 'exit 0'],
        'other event': lambda: [hook, 'euca-nc-pre-hyp-check', '/', '/'],
        **{name: case(name) for name in worlds},
    }


def verify(prepare: Callable[[], list[str]], null: int) -> None:
    """The pipeline and the hook must really do what is measured."""
    argv = prepare()
    spawn(argv, null)
    if MARKER.strip()[11:] not in Path(argv[3], 'instance-libvirt.xml').read_bytes():
        raise SystemExit(f'{argv[0]} did not insert the boot parameters')


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--runs', type=int, default=150, help='of each case (default 150)')
    runs = parser.parse_args().runs
    null = os.open('/dev/null', os.O_WRONLY)
    seconds: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as place:
        prepared = cases(Path(place))
        for name in ('old', 'boot parameters', 'boot parameters, 12 KB'):
            verify(prepared[name], null)
        for _ in range(runs):
            for name, prepare in prepared.items():
                seconds.setdefault(name, []).append(spawn(prepare(), null))
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    print('# medians of', runs, 'runs:', ', '.join(f'{name} {value * 1000:.2f} ms' for name, value in medians.items()))
    for name, case, reference, target in FIGURES:
        ratio = medians[case] / medians[reference]
        print(f'{name} {ratio:.2f} x (target {target:.2f}) {"ok" if ratio <= target else "short"}')
    return 0


if __name__ == '__main__':
    sys.exit(main())

# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two machines start the same build at once. They have the cloud in common, and no directory.

RACES=20 repeats the test; `make races` does that.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.kit.waiting import wait_for

RACES = int(os.environ.get('RACES', '1'))
SECONDS = 600


@pytest.mark.parametrize('race', range(RACES))
def test_one_machine_builds_one_waits_for_its_image_and_one_that_does_not_wait_is_refused(
    lab: Any, tmp_path: Path, race: int
) -> None:
    name = f'race-{race}'
    common = {**lab.variables('busybox'), 'image_build_name': name, 'image_build_boot_test': False}

    def on_machine(machine: str) -> dict:
        return {**common, 'image_build_directory': str(tmp_path / machine)}

    outputs = {machine: tmp_path / f'{machine}.log' for machine in ('one', 'two')}
    running = {
        machine: lab.start_build({**on_machine(machine), 'image_build_when_busy': 'wait'}, output)
        for machine, output in outputs.items()
    }

    def waiting() -> list[str]:
        return [machine for machine, output in outputs.items() if 'Waiting for it to end' in output.read_text()]

    try:
        wait_for('one of them waits', waiting, SECONDS)
        (waits,) = waiting()
        (builds,) = running.keys() - {waits}
        assert lab.installs(running[builds]), outputs[builds].read_text()
        running[builds].send_signal(signal.SIGSTOP)  # it does not end before the others have been refused
        elsewhere, here = lab.build(on_machine('three')), lab.build(on_machine(builds))
        running[builds].send_signal(signal.SIGCONT)
        statuses = [build.wait(timeout=1500) for build in running.values()]
    finally:
        for build in running.values():
            build.kill()
    assert statuses == [0, 0], '\n'.join(output.read_text() for output in outputs.values())
    (image,) = [row[0] for row in lab.rows("SELECT id FROM images WHERE state = 'available' AND name LIKE ?", f'{name}-%')]
    assert image in outputs[builds].read_text()
    waited = outputs[waits].read_text()
    assert 'nothing had to be done' in waited and image in waited
    for words in (f'{name}-', ' is being ', ', started 20', 'last seen', 'image_build_when_busy'):
        assert words in elsewhere.stdout
    assert 'is running on this machine' in here.stdout
    assert elsewhere.returncode != 0 and here.returncode != 0
    assert lab.settled() == []

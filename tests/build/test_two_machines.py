# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two machines start the same build at once. They have the cloud in common, and no directory.

RACES=20 repeats the first test; `make races` does that.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

RACES = int(os.environ.get('RACES', '1'))


def start_both(lab: Any, directory: Path, **variables: Any) -> list[tuple[int, str]]:
    """Exit status and output of two playbooks that start together, each with a directory of its own."""
    running = []
    for name in ('one', 'two'):
        (directory / name).mkdir()
        output = directory / name / 'output'
        own = {'image_build_directory': str(directory / name / 'builds'), 'image_build_boot_test': False}
        running.append((lab.start_build({**lab.variables('busybox'), **own, **variables}, output), output))
    try:
        return [(build.wait(timeout=1500), output.read_text()) for build, output in running]
    finally:
        for build, _output in running:
            build.kill()


def images(lab: Any, name: str) -> list[str]:
    return [row[0] for row in lab.rows("SELECT id FROM images WHERE state = 'available' AND name LIKE ?", f'{name}-%')]


@pytest.mark.parametrize('race', range(RACES))
def test_of_two_machines_exactly_one_builds_and_nothing_is_left(lab: Any, tmp_path: Path, race: int) -> None:
    name = f'race-{race}'
    results = start_both(lab, tmp_path, image_build_name=name)
    assert sorted(status != 0 for status, _output in results) == [False, True], results
    built = next(output for status, output in results if status == 0)
    refused = next(output for status, output in results if status != 0)
    assert images(lab, name)[0] in built
    assert len(images(lab, name)) == 1
    assert f'{name}-' in refused
    for words in (' is being ', ', started 20', 'last seen', 'image_build_when_busy'):
        assert words in refused
    assert lab.settled() == []


def test_with_wait_the_second_machine_uses_the_image_of_the_first(lab: Any, tmp_path: Path) -> None:
    results = start_both(lab, tmp_path, image_build_name='waiting', image_build_when_busy='wait')
    assert [status for status, _output in results] == [0, 0], results
    assert len(images(lab, 'waiting')) == 1
    waited = [output for _status, output in results if 'Waiting for it to end' in output]
    assert len(waited) == 1
    assert 'nothing had to be done' in waited[0]
    assert images(lab, 'waiting')[0] in waited[0]
    assert lab.settled() == []

# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""An administrator publishes an installer with the playbook. Kernel and ramdisk are any bytes: nothing boots here."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.kit.lab import Lab
from tests.kit.playbooks import connection, environment, play


@pytest.fixture
def publish(lab_api: Lab, tmp_path: Path) -> Any:
    def run(programs: str = '') -> subprocess.CompletedProcess[str]:
        """Run publish_installer.yml; programs in the directory `programs` come before the system's."""
        variables = {
            'image_build_name': 'published',
            'image_build_kernel': str(tmp_path / 'kernel'),
            'image_build_ramdisk': str(tmp_path / 'ramdisk'),
            'image_build_connection': connection(lab_api, lab_api.admin),
        }
        env = environment(tmp_path, TMPDIR=str(tmp_path))
        env['PATH'] = f'{programs}:{env["PATH"]}'
        return play('publish_installer.yml', variables, env=env, cwd=Path('/'))

    for name in ('kernel', 'ramdisk'):
        (tmp_path / name).write_text(name * 1000)
    return run


def left(directory: Path) -> list[Path]:
    return [*directory.rglob('image_build.*'), *directory.rglob('installer.ext2')]


def test_the_same_installer_is_published_once_and_leaves_no_file(publish: Any, tmp_path: Path) -> None:
    first, again = publish(), publish()
    assert first.returncode == 0, first.stdout + first.stderr
    images = re.findall('e[mkr]i-[0-9a-f]{8}', first.stdout)
    assert len(images) == 3
    assert re.findall('e[mkr]i-[0-9a-f]{8}', again.stdout) == images
    assert 'changed=0' in again.stdout
    assert left(tmp_path) == []


def test_a_failure_leaves_no_file(publish: Any, tmp_path: Path) -> None:
    (tmp_path / 'mke2fs').write_text('#!/bin/sh\necho no room >&2; exit 1\n')
    (tmp_path / 'mke2fs').chmod(0o755)
    failed = publish(programs=str(tmp_path))
    assert failed.returncode != 0 and 'no room' in failed.stdout
    assert left(tmp_path) == []

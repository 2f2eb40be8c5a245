# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""`down` ends the guests of every version: it finds them by their ids, which have capital letters before 4.0."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from eucalab.config import Config
from eucalab.host import guests
from tests.kit.lab import labs_below
from tests.kit.waiting import wait_for


@pytest.mark.parametrize('instance', ['i-2040A8F6', 'i-2040a8f6'])
def test_a_guest_is_found_by_its_id(tmp_path: Path, instance: str) -> None:
    with labs_below(tmp_path):
        config = Config('guests')
        config.home.mkdir()
        words = ['qemu', '-c', 'import time; time.sleep(60)', '-name', f'guest={instance},debug-threads=on', f'{config.home}/disk']
        guest = subprocess.Popen(words, executable=sys.executable)
        try:
            wait_for('the guest is found', lambda: guests.running(config) == {instance: guest.pid})
        finally:
            guest.kill()
            guest.wait()

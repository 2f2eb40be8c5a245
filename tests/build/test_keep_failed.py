# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""image_build_keep_failed keeps a failed build's resources for inspection, and no secret."""

from __future__ import annotations

import re
from typing import Any

from .conftest import run


def test_a_build_that_the_installer_refused_is_kept_except_its_answer_file_and_its_claim(lab: Any) -> None:
    variables = {
        **lab.variables('busybox'),
        'image_build_name': 'kept',
        'image_build_keep_failed': True,
        'image_build_install_url': lab.facts()['lab_mirror_url'] + '/no-such-system',
    }
    built = lab.build(variables)
    assert built.returncode != 0, built.stdout
    assert 'failed at: install' in built.stdout and 'installer: FAILED' in built.stdout
    assert 'was kept, except the answer file' in ' '.join(built.stdout.split())
    assert lab.rows("SELECT id FROM volumes WHERE state NOT IN ('deleted', 'deleting')")
    assert not lab.rows("SELECT key FROM objects WHERE bucket LIKE 'answer-files-%' OR bucket LIKE 'builds-%'")

    name = re.search(r'name=(kept-[0-9a-f]{10})', ' '.join(built.stdout.split()))
    assert name, built.stdout
    connection = ' '.join(f'{key}={value}' for key, value in variables['image_build_connection'].items())
    removed = run('ansible', 'localhost', '-m', 'eucalyptus.cloud.build_leftovers', '-a', f'name={name[1]} {connection}')
    assert removed.returncode == 0, removed.stdout + removed.stderr
    assert lab.settled() == []

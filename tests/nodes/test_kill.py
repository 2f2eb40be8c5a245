# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Deployments that are killed. kill.py does more of the same."""

from __future__ import annotations

import json
import os
import random
from pathlib import Path

import pytest

from tests.nodes import fleet, kill, node


@pytest.mark.parametrize('ssh', [False, True], ids=['the module is killed', 'the controller is killed'])
def test_every_launch_meets_one_whole_hook_and_the_next_run_completes_what_was_interrupted(directory: Path, ssh: bool) -> None:
    result = kill.campaign(directory, 1 if ssh else 8, random.SystemRandom().randrange(10**6), ssh)
    assert result['problems'] == []
    assert result['killed'] >= (1 if ssh else 8)
    assert sum(result['variants'].values()) == result['count'] > 0


def test_these_launches_notice_a_hook_that_meets_the_helpers_of_another(directory: Path) -> None:
    """That the test above can fail: files replaced one by one, as a loop of copies does it, are met half way."""
    home = fleet.make_home(directory / 'node')
    configuration, hook = home / 'etc/eucalyptus/bootparams', home / 'etc/eucalyptus/nc-hooks/bootparams'
    configuration.mkdir()
    first, second = (node.make_variant(directory / name, name) for name in 'AB')
    for source in (first, second):
        for path in source.glob('*.xsl'):
            (configuration / path.name).write_bytes(path.read_bytes())
        (configuration / 'policy.conf').write_text(f'forbidden = variant-{source.name}\n')
        if source is first:
            hook.write_bytes((source / 'bootparams').read_bytes())
            hook.chmod(0o755)
            assert node.launch(home, directory / 'i-1') == node.Launch('A', '')
    assert 'helpers of another variant' in node.launch(home, directory / 'i-1').problem


def test_two_at_once_on_one_node_do_not_interfere(directory: Path) -> None:
    work = kill.Campaign(directory, 1)
    work.deploy('A')
    launches = node.Launches(work.home, directory).start()
    children = [kill.start_module(work.arguments(name), directory / f'{name}.out') for name in 'AB']
    ended = [os.waitpid(child, 0)[1] for child in children]
    result = launches.stop()
    outputs = [(directory / f'{name}.out').read_text() for name in 'AB']
    assert ended == [0, 0], outputs
    assert result['problems'] == []
    hook = (work.home / 'etc/eucalyptus/nc-hooks/bootparams').read_bytes()
    work.check('A' if hook == (directory / 'A/bootparams').read_bytes() else 'B')
    assert all(json.loads(text)['nc_hook']['state'] == 'present' for text in outputs)

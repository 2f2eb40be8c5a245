# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The script that tries a deployed hook."""

from __future__ import annotations

import os
import subprocess

import pytest

from tests.hook.hook_shapes import Shape, encode
from tests.hook.hook_world import FILES, SHELLS, World

TESTS = 9


def attempt(world: World, *arguments: str, shell: str = 'dash') -> subprocess.CompletedProcess[str]:
    argv = [*SHELLS[shell], str(FILES / 'try-bootparams'), *arguments, str(world.home)]
    environment = {**os.environ, 'TMPDIR': str(world.cwd)}
    return subprocess.run(argv, capture_output=True, text=True, check=False, cwd='/', env=environment)


def test_a_good_deployment_passes_and_nothing_stays(world, shell):
    before = world.snapshot()
    done = attempt(world, shell=shell)
    assert (done.returncode, done.stderr) == (0, '')
    assert [line.split()[0] for line in done.stdout.splitlines()] == ['ok'] * TESTS
    assert world.snapshot() == before


def test_the_hook_may_not_be_executable_yet_and_lie_elsewhere(world):
    aside = world.cwd / 'candidate'
    world.hook.rename(aside)
    aside.chmod(0o644)
    done = attempt(world, '-k', str(aside), '-c', str(world.conf))
    assert done.returncode == 0, done.stdout


def test_a_policy_that_refuses_everybody_is_a_good_policy(world):
    (world.conf / 'policy.conf').write_text('accounts =\n')
    assert attempt(world).returncode == 0


def test_a_broken_policy_fails_with_the_hooks_own_words(world, shell):
    (world.conf / 'policy.conf').write_text('accuonts = *\n')
    done = attempt(world, shell=shell)
    assert done.returncode == 1
    assert 'FAILED  the policy is valid' in done.stdout
    assert 'line 1 has an unknown' in done.stdout
    assert done.stdout.count('ok ') == TESTS - 1


BROKEN = {'swap': "swap '&' '&amp;'", 'reboot': 'reboot=destroy', 'silent': 'printf \'%s\\n\' "$1"'}


@pytest.mark.parametrize('name', BROKEN)
def test_a_broken_hook_fails(world, name):
    text = world.hook.read_text()
    assert BROKEN[name] in text
    world.hook.write_text(text.replace(BROKEN[name], ': '))
    done = attempt(world)
    assert done.returncode == 1
    assert 'FAILED' in done.stdout


@pytest.mark.parametrize('name', ['get-user-data.xsl', 'insert-boot-params.xsl', 'policy.conf'])
def test_a_missing_file_is_named(world, name):
    (world.conf / name).unlink()
    done = attempt(world)
    assert done.returncode == 2
    assert name in done.stderr


def test_own_user_data_is_tried_under_the_policy(world, shell):
    (world.conf / 'policy.conf').write_text('installers = fedora-40\n')
    data = world.cwd / 'data'
    data.write_bytes(b'installer=fedora-40\nbootparams=a&b\n')
    done = attempt(world, '-u', str(data), shell=shell)
    assert done.returncode == 0, done.stdout + done.stderr
    assert '<cmdline>a&amp;b console=ttyS0</cmdline>' in done.stdout
    data.write_bytes(b'installer=fedora-41\nbootparams=a\n')
    done = attempt(world, '-u', str(data), shell=shell)
    assert done.returncode == 1
    assert 'refused: the installer is not allowed by the policy' in done.stdout


def test_a_copy_of_an_instance_is_tried(world, shell):
    world.put(Shape('3.1'), encode(b'bootparams=again\n'))
    assert world.run().code == 0
    before = world.snapshot()
    done = attempt(world, '-i', str(world.directory), shell=shell)
    assert done.returncode == 0
    assert '+    <cmdline>again' in done.stdout or '>     <cmdline>again' in done.stdout
    assert world.snapshot() == before

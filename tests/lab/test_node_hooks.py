# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hooks run as on a node controller: which files, as which user, in which environment, and the meaning of their status."""

from __future__ import annotations

import contextlib
import os
import pwd
from collections.abc import Iterator
from pathlib import Path

import pytest

from eucalab.node import hooks
from eucalab.node.model import NodeError
from eucalab.versions import PLAYED
from tests.lab.node_support import ScratchLab, scratch_lab

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason='hooks run as another user')


@pytest.fixture
def lab() -> Iterator[ScratchLab]:
    with scratch_lab() as scratch:
        drop = scratch.settings.home / 'drop'
        drop.mkdir(parents=True)
        drop.chmod(0o777)
        (scratch.settings.home / 'etc/eucalyptus/nc-hooks').mkdir(parents=True)
        yield scratch


def enabled(lab: ScratchLab, play: str = '4.4') -> hooks.Hooks:
    node_hooks = hooks.Hooks(lab.settings.home, 'nobody', PLAYED[play].node.hooks_by_shell)
    node_hooks.enable()
    return node_hooks


def marks(lab: ScratchLab) -> set[str]:
    return {path.name for path in (lab.settings.home / 'drop').iterdir()}


def mark(name: str) -> str:
    return f'#!/bin/sh\n: > $2/drop/{name}\n'


def test_a_hook_gets_event_home_and_parameter_with_every_special_character_intact(lab: ScratchLab) -> None:
    lab.add_hook('h', '#!/bin/sh\nprintf "%s\\n" "$#" "$1" "$2" "$3" > "$2/drop/arguments"\n')
    enabled(lab).call(hooks.PRE_BOOT, "/a b/$(id);'")
    lines = (lab.settings.home / 'drop/arguments').read_text().splitlines()
    assert lines == ['3', 'euca-nc-pre-boot', str(lab.settings.home), "/a b/$(id);'"]


OLD = pytest.mark.parametrize('play', ['3.1', '3.4'])
NEW = pytest.mark.parametrize('play', ['4.4', '5'])


@OLD
def test_until_3_4_the_shell_divides_an_unquoted_parameter_and_an_empty_one_is_missing(lab: ScratchLab, play: str) -> None:
    lab.add_hook('h', '#!/bin/sh\nprintf "%s\\n" "$#" "$@" > "$2/drop/arguments"\n')
    enabled(lab, play).call(hooks.PRE_BOOT, '/a b')
    lines = (lab.settings.home / 'drop/arguments').read_text().splitlines()
    assert lines == ['4', 'euca-nc-pre-boot', str(lab.settings.home), '/a', 'b']
    enabled(lab, play).call(hooks.PRE_CLEAN, '')
    assert (lab.settings.home / 'drop/arguments').read_text().splitlines()[0] == '2'


def test_an_empty_parameter_is_still_a_third_argument(lab: ScratchLab) -> None:
    lab.add_hook('h', '#!/bin/sh\n[ $# = 3 ] && [ -z "$3" ]\n')
    enabled(lab).call(hooks.PRE_CLEAN, '')


def test_a_hook_runs_unprivileged_in_the_root_directory_with_the_bare_environment(lab: ScratchLab) -> None:
    lab.add_hook('h', '#!/bin/sh\n{ id -u; id -g; id -G; pwd; umask; } > $2/drop/who; /usr/bin/env > $2/drop/env\n')
    os.environ['SECRET_OF_THE_LAB'] = 'x'
    enabled(lab).call(hooks.PRE_INIT, lab.settings.home)
    account = pwd.getpwnam('nobody')
    groups = ' '.join(str(group) for group in os.getgrouplist('nobody', account.pw_gid))
    assert (lab.settings.home / 'drop/who').read_text().split('\n')[:5] == [
        str(account.pw_uid),
        str(account.pw_gid),
        groups,
        '/',
        '0117',
    ]
    names = {line.partition('=')[0] for line in (lab.settings.home / 'drop/env').read_text().splitlines()}
    assert names - {'PWD', '_', 'SHLVL', 'OLDPWD'} == {'EUCALYPTUS', 'AXIS2C_HOME', 'LD_LIBRARY_PATH', 'PATH'}


def test_alarm_signals_are_blocked_in_hooks(lab: ScratchLab) -> None:
    # Not a shell script: dash clears the mask that it was given.
    lab.add_hook(
        'h',
        '#!/usr/bin/python3\nimport sys\n'
        'with open("/proc/self/status") as status, open(sys.argv[2] + "/drop/mask", "w") as out:\n'
        '    out.writelines(line for line in status if line.startswith("SigBlk"))\n',
    )
    enabled(lab).call(hooks.PRE_INIT, lab.settings.home)
    mask = int((lab.settings.home / 'drop/mask').read_text().split()[1], 16)
    assert mask == 1 << (10 - 1) | 1 << (14 - 1)


@pytest.mark.parametrize('mode', [0o755, 0o744, 0o655, 0o711])
def test_any_executable_bit_makes_a_file_a_hook(lab: ScratchLab, mode: int) -> None:
    path = lab.add_hook('h', mark('ran'), mode)
    if mode == 0o711:
        path.write_bytes(Path('/bin/true').read_bytes())  # a script would have to be readable, a program need not
        enabled(lab).call(hooks.PRE_BOOT, '/x')
    elif mode == 0o744:
        with pytest.raises(hooks.HookFailed):  # counted as a hook, and then the user may not execute it
            enabled(lab).call(hooks.PRE_BOOT, '/x')
    else:
        enabled(lab).call(hooks.PRE_BOOT, '/x')
        assert marks(lab) == {'ran'}


def test_dotfiles_backups_and_links_are_run_plain_files_and_directories_are_not(lab: ScratchLab) -> None:
    for name in ('.hidden', 'hook.1234.2024-01-01@00:00:00~', 'example.sh'):
        lab.add_hook(name, mark(name.strip('.')[:6]), 0o644 if name == 'example.sh' else 0o755)
    target = lab.settings.home / 'elsewhere'
    target.write_text(mark('linked'))
    target.chmod(0o755)
    directory = lab.settings.home / 'etc/eucalyptus/nc-hooks'
    (directory / 'link').symlink_to(target)
    (directory / 'dangling').symlink_to('/nonexistent')
    (directory / 'folder').mkdir()
    enabled(lab).call(hooks.PRE_BOOT, '/x')
    assert marks(lab) == {'hidden', 'hook.1', 'linked'}


@NEW
@pytest.mark.parametrize(
    'text, how',
    [
        ('#!/bin/sh\nexit 1\n', 'status 1'),
        ('#!/bin/sh\nexit 150\n', 'status 150'),
        ('#!/bin/sh\nkill -9 $$\n', 'signal 9'),
        ('#!/no/such/interpreter\n', 'status 255'),
    ],
)
def test_every_unsuccessful_end_refuses_the_event_and_names_the_hook(lab: ScratchLab, text: str, how: str, play: str) -> None:
    lab.add_hook('culprit', text)
    with pytest.raises(hooks.HookFailed, match=f'hook culprit ended with {how} on euca-nc-pre-boot'):
        enabled(lab, play).call(hooks.PRE_BOOT, '/x')


@OLD
@pytest.mark.parametrize(
    'text, how',
    [
        ('#!/bin/sh\nexit 1\n', 'status 1'),
        ('#!/bin/sh\nexit 150\n', 'status 150'),
        ('#!/bin/sh\nkill -9 $$\n', None),
        ('#!/no/such/interpreter\n', 'status 12[67]'),
    ],
)
def test_until_3_4_a_hook_that_a_signal_ended_has_succeeded(lab: ScratchLab, text: str, how: str | None, play: str) -> None:
    lab.add_hook('culprit', text)
    with pytest.raises(hooks.HookFailed, match=f'culprit ended with {how} on') if how else contextlib.nullcontext():
        enabled(lab, play).call(hooks.PRE_BOOT, '/x')


@OLD
def test_until_3_4_after_a_status_from_100_the_last_hook_decides(lab: ScratchLab, play: str) -> None:
    names = ['a', 'b']
    for name in names:
        lab.add_hook(name, 'placeholder')
    # The directory has an order of its own.
    first, last = (name for name in os.listdir(lab.settings.home / 'etc/eucalyptus/nc-hooks') if name in names)
    lab.add_hook(first, '#!/bin/sh\nexit 150\n')
    lab.add_hook(last, mark('last'))
    enabled(lab, play).call(hooks.PRE_BOOT, '/x')
    assert marks(lab) == {'last'}
    lab.add_hook(last, '#!/bin/sh\nexit 1\n')
    with pytest.raises(hooks.HookFailed, match=f'hook {last} ended with status 1'):
        enabled(lab, play).call(hooks.PRE_BOOT, '/x')


def test_a_script_without_an_interpreter_line_is_run_by_the_shell(lab: ScratchLab) -> None:
    lab.add_hook('h', ': > $2/drop/ran\n')
    enabled(lab).call(hooks.PRE_BOOT, '/x')
    assert marks(lab) == {'ran'}


def test_the_first_failure_keeps_the_rest_from_running(lab: ScratchLab) -> None:
    for number in range(6):
        lab.add_hook(f'h{number}', f'#!/bin/sh\n: > $2/drop/{number}\nexit 1\n')
    with pytest.raises(hooks.HookFailed):
        enabled(lab).call(hooks.PRE_BOOT, '/x')
    assert len(marks(lab)) == 1


def test_hooks_run_in_the_order_of_the_directory_not_of_their_names(lab: ScratchLab) -> None:
    for number in range(12):
        lab.add_hook(f'h{number}', f'#!/bin/sh\necho h{number} >> $2/drop/order\n')
    enabled(lab).call(hooks.PRE_BOOT, '/x')
    directory = lab.settings.home / 'etc/eucalyptus/nc-hooks'
    assert (lab.settings.home / 'drop/order').read_text().split() == os.listdir(directory)


def test_new_hooks_need_no_restart_but_a_missing_directory_turns_hooks_off_until_one(lab: ScratchLab) -> None:
    node_hooks = enabled(lab)
    lab.add_hook('late', mark('late'))
    node_hooks.call(hooks.PRE_BOOT, '/x')
    assert marks(lab) == {'late'}

    directory = lab.settings.home / 'etc/eucalyptus/nc-hooks'
    directory.rename(directory.with_name('away'))
    with pytest.raises(hooks.HookFailed, match='cannot be read'):
        node_hooks.call(hooks.PRE_BOOT, '/x')
    without = enabled(lab)
    directory.with_name('away').rename(directory)
    lab.add_hook('broken', '#!/bin/sh\nexit 1\n')
    without.call(hooks.PRE_BOOT, '/x')


def test_a_node_whose_hooks_directory_cannot_be_entered_reports_that_and_does_not_start(lab: ScratchLab) -> None:
    directory = lab.settings.home / 'etc/eucalyptus/nc-hooks'
    directory.chmod(0o700)
    with pytest.raises(NodeError, match=f'the user nobody cannot enter {directory}'):
        enabled(lab)
    directory.chmod(0o755)
    directory.parent.chmod(0o700)
    with pytest.raises(NodeError, match='no hook can run'):
        enabled(lab)

# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.eucalyptus.cloud.plugins.module_utils.console import following
from ansible_collections.eucalyptus.cloud.plugins.modules import console_log, install_wait
from ansible_collections.eucalyptus.cloud.tests.unit.plugins.cloud_xml import (
    NO_CONSOLE,
    console,
    instance,
    instances,
    missing,
)
from ansible_collections.eucalyptus.cloud.tests.unit.plugins.fake_cloud import error

HOOK = 'bootparams: applied: 20 bytes\n'
RUNNING = instances(instance('running'))
PENDING = instances(instance('pending'))
ENDED = instances(instance('terminated'))


@pytest.fixture(name='clock')
def fixture_clock(clock, monkeypatch):
    for module in (following, install_wait, console_log):
        monkeypatch.setattr(module, 'time', clock)
    return clock


def talking(*texts):
    """Console windows that grow by one text each."""
    return [console(''.join(texts[: number + 1])) for number in range(len(texts))]


@pytest.mark.parametrize('end', [ENDED, instances(instance('shutting-down')), instances(instance('stopped')), missing('i-1')])
def test_a_power_off_ends_the_installation_and_the_whole_console_is_kept(cloud, clock, run, tmp_path, end):
    cloud.on('DescribeInstances', RUNNING, RUNNING, RUNNING, RUNNING, end)
    cloud.on(
        'GetConsoleOutput',
        NO_CONSOLE,
        *talking(HOOK, 'installer: begins\n', 'installer: done, powering off'),
        NO_CONSOLE,
    )
    path = tmp_path / 'console.log'
    result = run('install_wait', instance_id='i-1', console_file=str(path), expect_boot_params=True)
    assert not result.get('failed'), result
    assert result['changed'] is False
    assert result['install']['ended'] == 'powered_off'
    assert result['install']['boot_params'] == 'applied: 20 bytes'
    assert result['install']['console_tail'][-1] == 'installer: done, powering off'
    assert path.read_text() == HOOK + 'installer: begins\ninstaller: done, powering off'
    assert cloud.writes == []


@pytest.mark.parametrize('state', ['shutting-down', 'terminated'])
def test_an_instance_with_a_volume_as_root_that_is_terminated_has_not_powered_off(cloud, clock, run, state):
    """Such an instance that powers off is stopped; only a request terminates it."""
    cloud.on('DescribeInstances', instances(instance('running', root='ebs')), instances(instance(state, root='ebs')))
    cloud.on('GetConsoleOutput', console('installer: begins\n'))
    result = run('install_wait', instance_id='i-1')
    assert result['failed'] and 'somebody terminated the instance' in result['msg']
    assert result['install']['ended'] == 'failed'
    assert run('install_wait', check=True, instance_id='i-1')['install']['ended'] == 'failed'


def test_the_power_off_is_noticed_within_one_poll(cloud, clock, run):
    ends = clock.now + 1000
    cloud.on('DescribeInstances', lambda _parameters: ENDED if clock.now >= ends else RUNNING)
    cloud.on('GetConsoleOutput', lambda _parameters: console(f'{clock.now}\n'))
    run('install_wait', instance_id='i-1')
    assert clock.now - ends <= 2


def test_a_failure_on_the_console_ends_it_with_the_line_that_tells(cloud, clock, run, tmp_path):
    cloud.on('DescribeInstances', RUNNING)
    cloud.on('GetConsoleOutput', *talking('installer: begins\n', '\x1b[31minstaller: FAILED: no disk vda\x1b[0m\r\n'))
    path = tmp_path / 'console.log'
    result = run('install_wait', instance_id='i-1', console_file=str(path))
    assert result['failed']
    assert result['install']['ended'] == 'failed'
    assert result['install']['failure_line'] == 'installer: FAILED: no disk vda'
    assert 'installer: FAILED: no disk vda' in result['msg']
    assert str(path) in result['msg']


def test_a_failure_without_a_line_end_is_noticed_too(cloud, clock, run):
    cloud.on('DescribeInstances', RUNNING)
    cloud.on('GetConsoleOutput', console('installer: FAILED: no ne'), console('installer: FAILED: no network'))
    assert run('install_wait', instance_id='i-1')['install']['failure_line'] == 'installer: FAILED: no network'


def test_own_failure_patterns_come_on_top_or_instead(cloud, clock, run):
    cloud.on('DescribeInstances', RUNNING, RUNNING, ENDED)
    cloud.on('GetConsoleOutput', console('my own mishap 7\n'))
    result = run('install_wait', instance_id='i-1', extra_failure_patterns=[r'mishap \d'])
    assert result['install']['failure_line'] == 'my own mishap 7'
    cloud.on('DescribeInstances', RUNNING, RUNNING, ENDED)
    cloud.on('GetConsoleOutput', console('installer: FAILED\n'))
    assert run('install_wait', instance_id='i-1', failure_patterns=['x'])['install']['ended'] == 'powered_off'
    assert "'(' is not a regular expression" in run('install_wait', instance_id='i-1', failure_patterns=['('])['msg']


def test_a_silent_console_ends_it_but_not_before_the_instance_runs(cloud, clock, run):
    runs = clock.now + 1000
    cloud.on('DescribeInstances', lambda _parameters: RUNNING if clock.now >= runs else PENDING)
    cloud.on('GetConsoleOutput', lambda _parameters: console('x\n') if clock.now >= runs + 50 else NO_CONSOLE)
    result = run('install_wait', instance_id='i-1', silence_timeout=300)
    assert result['install']['ended'] == 'silent'
    assert 1350 <= clock.now - (runs - 1000) <= 1356


def test_an_endless_installation_ends_at_the_time_limit(cloud, clock, run):
    cloud.on('DescribeInstances', RUNNING)
    cloud.on('GetConsoleOutput', lambda _parameters: console(f'{clock.now}\n'))
    result = run('install_wait', instance_id='i-1', timeout=100)
    assert result['install']['ended'] == 'timeout'
    assert 100 <= result['install']['seconds'] <= 102
    assert 'is still running' in result['msg']


@pytest.mark.parametrize(
    ('text', 'told'),
    [
        ('SeaBIOS\nLinux version 6.1\n', 'is it deployed on the node controller?'),
        ('bootparams: ignored: not printable\nLinux\n', 'said: ignored: not printable'),
    ],
)
def test_an_installer_without_boot_parameters_is_told_as_soon_as_the_console_speaks(cloud, clock, run, text, told):
    cloud.on('DescribeInstances', RUNNING)
    cloud.on('GetConsoleOutput', console(''), console(''), console(text))
    start = clock.now
    result = run('install_wait', instance_id='i-1', expect_boot_params=True)
    assert result['failed'] and told in result['msg']
    assert 'the installer got no boot parameters' in result['msg']
    assert clock.now - start < 10


def test_an_instance_that_never_ran_was_not_installed(cloud, clock, run):
    cloud.on('DescribeInstances', PENDING, instances(instance('terminated', reason='hook refused')))
    cloud.on('GetConsoleOutput', NO_CONSOLE)
    result = run('install_wait', instance_id='i-1')
    assert result['failed'] and 'never ran: hook refused' in result['msg']


def test_an_installation_that_ended_before_is_ended(cloud, clock, run):
    cloud.on('DescribeInstances', ENDED)
    cloud.on('GetConsoleOutput', NO_CONSOLE)
    assert run('install_wait', instance_id='i-1')['install']['ended'] == 'powered_off'


def test_a_cloud_that_is_away_for_a_while_does_not_end_it_but_one_that_stays_away_does(cloud, clock, run):
    away = error('ServiceUnavailable', 'restarting', 503)
    begin = clock.now
    cloud.on('DescribeInstances', RUNNING, lambda _parameters: away if clock.now < begin + 200 else ENDED)
    cloud.on('GetConsoleOutput', console('x\n'))
    assert run('install_wait', instance_id='i-1')['install']['ended'] == 'powered_off'
    cloud.on('DescribeInstances', RUNNING, RUNNING, away)
    begin = clock.now
    assert 'ServiceUnavailable: restarting' in run('install_wait', instance_id='i-1')['msg']
    assert 300 <= clock.now - begin <= 330


def test_an_instance_that_does_not_exist_is_told(cloud, clock, run):
    cloud.on('DescribeInstances', missing('i-1'))
    cloud.on('GetConsoleOutput', missing('i-1'))
    assert 'There is no instance i-1' in run('install_wait', instance_id='i-1')['msg']


def test_check_mode_looks_once_and_does_not_wait(cloud, clock, run, tmp_path):
    cloud.on('DescribeInstances', RUNNING)
    start = clock.now
    result = run('install_wait', check=True, instance_id='i-1', console_file=str(tmp_path / 'x'))
    assert (result['install']['ended'], result['install']['state']) == (None, 'running')
    assert clock.now == start
    assert not (tmp_path / 'x').exists()


def test_the_console_is_waited_for_until_all_was_seen_whatever_the_order(cloud, clock, run):
    cloud.on('DescribeInstances', RUNNING)
    cloud.on('GetConsoleOutput', *talking('address=10.1\n', 'noise\n', 'debian login: '))
    result = run('console_log', instance_id='i-1', wait_for=['login:', 'address=[0-9.]+'])
    assert result['console']['matched'] == {'login:': 'debian login:', 'address=[0-9.]+': 'address=10.1'}
    assert result['console']['output'] == 'address=10.1\nnoise\ndebian login:'


@pytest.mark.parametrize(
    ('describe', 'texts', 'told'),
    [
        ([RUNNING], ['Kernel panic!\n'], 'shows a failure: Kernel panic!'),
        ([RUNNING, RUNNING, ENDED], ['booting\n'], 'the instance is terminated, without: login:'),
        ([RUNNING], ['booting\n'], 'has been silent for 60 s, without: login:'),
    ],
)
def test_waiting_for_the_console_ends_when_it_is_in_vain(cloud, clock, run, describe, texts, told):
    cloud.on('DescribeInstances', *describe)
    cloud.on('GetConsoleOutput', *talking(*texts))
    options = {'wait_for': ['login:'], 'failure_patterns': ['panic'], 'silence_timeout': 60}
    result = run('console_log', instance_id='i-1', **options)
    assert result['failed'] and told in result['msg']
    assert result['console']['output'] == texts[0].rstrip()


def test_without_anything_to_wait_for_the_console_is_read_once(cloud, clock, run):
    cloud.on('DescribeInstances', RUNNING)
    cloud.on('GetConsoleOutput', console(b'\xff half a character \xc3'))
    start = clock.now
    assert 'half a character' in run('console_log', instance_id='i-1')['console']['output']
    assert clock.now == start


def test_a_full_disk_ends_the_waiting_with_the_files_name(cloud, clock, run, tmp_path, full_disk):
    cloud.on('DescribeInstances', RUNNING)
    cloud.on('GetConsoleOutput', *talking('installing\n'))
    path = tmp_path / 'console.log'
    result = run('install_wait', instance_id='i-1', console_file=str(path))
    assert result['failed'] is True
    assert result['msg'] == f'{path}: No space left on device.'

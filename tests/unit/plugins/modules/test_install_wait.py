# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from ansible_collections.eucalyptus.cloud.plugins.module_utils.console import following
from ansible_collections.eucalyptus.cloud.plugins.modules import console_log, install_wait
from ansible_collections.eucalyptus.cloud.tests.unit.plugins.cloud_xml import (
    NO_CONSOLE,
    console,
    instance,
    instances,
    missing,
    volumes,
)
from ansible_collections.eucalyptus.cloud.tests.unit.plugins.cloud_xml import volume as volume_item
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


def test_a_failure_on_the_console_ends_it_with_its_line(cloud, clock, run, tmp_path):
    cloud.on('DescribeInstances', RUNNING)
    cloud.on('GetConsoleOutput', *talking('installer: begins\n', '\x1b[31minstaller: FAILED: no disk vda\x1b[0m\r\n'))
    path = tmp_path / 'console.log'
    result = run('install_wait', instance_id='i-1', console_file=str(path))
    assert result['failed']
    assert result['install']['ended'] == 'failed'
    assert result['install']['failure_line'] == 'installer: FAILED: no disk vda'
    assert 'installer: FAILED: no disk vda' in result['msg']
    assert str(path) in result['msg']


def test_a_failure_without_a_line_end_is_noticed(cloud, clock, run):
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
    ('text', 'message'),
    [
        ('SeaBIOS\nLinux version 6.1\n', 'is it deployed on the node controller?'),
        ('bootparams: ignored: not printable\nLinux\n', 'printed: ignored: not printable'),
    ],
)
def test_an_installer_without_boot_parameters_is_reported_with_the_first_console_output(cloud, clock, run, text, message):
    cloud.on('DescribeInstances', RUNNING)
    cloud.on('GetConsoleOutput', console(''), console(''), console(text))
    start = clock.now
    result = run('install_wait', instance_id='i-1', expect_boot_params=True)
    assert result['failed'] and message in result['msg']
    assert 'the installer got no boot parameters' in result['msg']
    assert clock.now - start < 10


def test_an_instance_whose_console_stays_empty_has_no_hook_on_its_node(cloud, clock, run):
    cloud.on('DescribeInstances', RUNNING)
    cloud.on('GetConsoleOutput', console(''))
    start = clock.now
    result = run('install_wait', instance_id='i-1', expect_boot_params=True)
    assert result['failed'] and 'no installer was booted; is the hook deployed on the node controller?' in result['msg']
    assert 180 <= clock.now - start < 190


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


def test_an_instance_that_does_not_exist_is_reported(cloud, clock, run):
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
    ('describe', 'texts', 'message'),
    [
        ([RUNNING], ['Kernel panic!\n'], 'shows a failure: Kernel panic!'),
        ([RUNNING, RUNNING, ENDED], ['booting\n'], 'the instance is terminated. Still missing: login:'),
        ([RUNNING], ['booting\n'], 'has shown nothing new for 60 s. Still missing: login:'),
    ],
)
def test_waiting_for_the_console_ends_when_the_text_can_no_longer_come(cloud, clock, run, describe, texts, message):
    cloud.on('DescribeInstances', *describe)
    cloud.on('GetConsoleOutput', *talking(*texts))
    options = {'wait_for': ['login:'], 'failure_patterns': ['panic'], 'silence_timeout': 60}
    result = run('console_log', instance_id='i-1', **options)
    assert result['failed'] and message in result['msg']
    assert result['console']['output'] == texts[0].rstrip()


def test_without_anything_to_wait_for_the_console_is_read_once(cloud, clock, run):
    cloud.on('DescribeInstances', RUNNING)
    cloud.on('GetConsoleOutput', console(b'\xff half a character \xc3'))
    start = clock.now
    assert 'half a character' in run('console_log', instance_id='i-1')['console']['output']
    assert clock.now == start


@pytest.mark.parametrize('module', ['install_wait', 'console_log'])
def test_a_full_disk_on_the_controller_does_not_end_a_healthy_installation(cloud, clock, run, tmp_path, full_disk, module):
    cloud.on('DescribeInstances', RUNNING, RUNNING, RUNNING, ENDED)
    cloud.on('GetConsoleOutput', *talking('installing\n', 'done\n'))
    path = tmp_path / 'console.log'
    options = {'wait_for': ['done']} if module == 'console_log' else {}
    result = run(module, instance_id='i-1', console_file=str(path), **options)
    assert not result.get('failed'), result
    warning = f'{path}: No space left on device. The rest of the console is not kept in this file.'
    assert warning in str(result['warnings'])
    kept = result['console']['output'] if module == 'console_log' else '\n'.join(result['install']['console_tail'])
    assert kept == 'installing\ndone'


PROOF = 'installation-proof: key=0123456789 disk=vdb serial=euca-vol-11111111-de bytes=5368709120\n'
SUCCESS = r'installation-proof: key=0123456789 disk=(?P<disk>\S+) serial=(?P<serial>\S+) bytes=(?P<bytes>\d+)'


def volume(size=5):
    return volumes(volume_item('in-use', volume_id='vol-11111111', size=size))


def test_a_power_off_after_the_proof_is_a_success_and_the_disk_is_returned(cloud, clock, run):
    cloud.on('DescribeVolumes', volume())
    cloud.on('DescribeInstances', RUNNING, RUNNING, RUNNING, ENDED)
    cloud.on('GetConsoleOutput', *talking('installing\n', PROOF + 'powering off\n'))
    result = run('install_wait', instance_id='i-1', success_pattern=SUCCESS, volume_id='vol-11111111')
    assert not result.get('failed'), result
    assert result['install']['proof'] == PROOF.strip()
    assert result['install']['disk'] == {'device': 'vdb', 'serial': 'euca-vol-11111111-de', 'bytes': 5 << 30}
    assert 'no serial number' not in str(result.get('warnings'))


def test_a_power_off_without_the_proof_is_a_failure_that_names_the_proof(cloud, clock, run):
    cloud.on('DescribeInstances', RUNNING, RUNNING, ENDED)
    cloud.on('GetConsoleOutput', console('installing\nreboot: Power down\n'))
    result = run('install_wait', instance_id='i-1', success_pattern=SUCCESS)
    assert result['failed'] and 'the installer powered off without the line that proves success' in result['msg']
    assert result['install']['ended'] == 'failed'


def test_an_installation_onto_another_disk_is_a_failure_that_names_both(cloud, clock, run):
    cloud.on('DescribeVolumes', volume())
    cloud.on('DescribeInstances', RUNNING, RUNNING, ENDED)
    cloud.on('GetConsoleOutput', console(PROOF.replace('vol-11111111', 'vol-22222222')))
    result = run('install_wait', instance_id='i-1', success_pattern=SUCCESS, volume_id='vol-11111111')
    assert result['failed'] and 'a disk other than the volume' in result['msg']
    assert 'euca-vol-22222222-de' in result['msg'] and 'vol-11111111' in result['msg']


KERNEL = '[  12.3] eth0: link becomes ready\r\n'


@pytest.mark.parametrize('end', range(0, len(PROOF) - 1, 3))
@pytest.mark.parametrize('intruder', [KERNEL, '\r\n'])
def test_a_message_of_the_kernel_or_a_wrap_inside_the_proof_is_no_other_disk(cloud, clock, run, end, intruder):
    cloud.on('DescribeVolumes', volume())
    cloud.on('DescribeInstances', RUNNING, RUNNING, ENDED)
    whole = PROOF.strip() + ' path=none\r\n'
    cloud.on('GetConsoleOutput', console(f'installing\r\n{whole[:end]}{intruder}{whole[end:]}{whole}'))
    result = run('install_wait', instance_id='i-1', success_pattern=SUCCESS + r' path=\S+', volume_id='vol-11111111')
    assert not result.get('failed'), result
    assert result['install']['disk'] == {'device': 'vdb', 'serial': 'euca-vol-11111111-de', 'bytes': 5 << 30}


def test_a_proof_whose_disk_was_cut_gives_way_to_a_whole_one(cloud, clock, run):
    cloud.on('DescribeVolumes', volume())
    cloud.on('DescribeInstances', RUNNING, RUNNING, ENDED)
    cloud.on('GetConsoleOutput', console('my-proof euca-v\nmy-proof euca-vol-11111111\nmy-proof other\n'))
    result = run('install_wait', instance_id='i-1', success_pattern=r'my-proof (?P<serial>\S+)', volume_id='vol-11111111')
    assert result['install']['proof'] == 'my-proof euca-vol-11111111'


def test_a_failure_after_the_proof_is_a_failure(cloud, clock, run):
    cloud.on('DescribeInstances', RUNNING, RUNNING, RUNNING, ENDED)
    cloud.on('GetConsoleOutput', *talking('installing\n', PROOF, 'Kernel panic - not syncing: dead\n'))
    assert run('install_wait', instance_id='i-1', success_pattern=SUCCESS)['install']['ended'] == 'failed'


@pytest.mark.parametrize(('size', 'failed'), [(5, False), (4, True)])
def test_where_disks_have_no_serial_number_the_size_decides_with_a_warning(cloud, clock, run, size, failed):
    cloud.on('DescribeVolumes', volume(size))
    cloud.on('DescribeInstances', RUNNING, RUNNING, ENDED)
    cloud.on('GetConsoleOutput', console(PROOF.replace('euca-vol-11111111-de', 'none')))
    result = run('install_wait', instance_id='i-1', success_pattern=SUCCESS, volume_id='vol-11111111')
    assert bool(result.get('failed')) is failed
    assert 'no serial number' in str(result['warnings'])


def test_the_proof_that_an_interrupted_run_has_kept_counts(cloud, clock, run, tmp_path):
    path = tmp_path / 'console.log'
    path.write_text('installing\n' + PROOF)
    cloud.on('DescribeInstances', ENDED)
    cloud.on('GetConsoleOutput', NO_CONSOLE)
    result = run('install_wait', instance_id='i-1', success_pattern=SUCCESS, console_file=str(path))
    assert result['install']['proof'] == PROOF.strip()


def test_a_failure_before_the_proof_counts_more_than_the_proof(cloud, clock, run):
    cloud.on('DescribeInstances', RUNNING)
    cloud.on('GetConsoleOutput', console('Non interactive installation failed: no space\n' + PROOF))
    assert run('install_wait', instance_id='i-1', success_pattern=SUCCESS)['install']['ended'] == 'failed'


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'success_pattern': '('}, "'(' is not a regular expression"),
        ({'success_pattern': 'done', 'volume_id': 'vol-11111111'}, 'a group named serial or bytes'),
        ({'volume_id': 'vol-11111111'}, 'success_pattern'),
    ],
)
def test_an_expression_that_cannot_prove_anything_is_refused_before_waiting(cloud, clock, run, options, message):
    start = clock.now
    assert message in run('install_wait', instance_id='i-1', **options)['msg']
    assert clock.now == start


FIELD = Path(__file__).parents[1] / 'module_utils/console'


def grows(name, clock, begin):
    """A console that shows a hundred bytes more each second, and the whole of it once the installer waits."""
    raw = (FIELD / f'{name}.console').read_bytes()
    return lambda _parameters: console(raw[: int(100 * (clock.now - begin + 1))])


@pytest.mark.parametrize(
    ('name', 'ended', 'words'),
    [
        ('anaconda-cmdline-failed', 'failed', 'Some packages, groups or modules are missing'),
        ('anaconda-waits-at-hub', 'waiting', 'Kickstart insufficient'),
        ('debian-bad-mirror', 'failed', 'Bad archive mirror An error has been detected while trying to use the specified Debian'),
    ],
)
def test_an_installer_that_gave_up_or_asks_ends_the_build_within_15_seconds(cloud, clock, run, name, ended, words):
    begin = clock.now
    cloud.on('DescribeInstances', RUNNING)
    cloud.on('GetConsoleOutput', grows(name, clock, begin))
    result = run('install_wait', instance_id='i-1')
    assert result['install']['ended'] == ended
    assert words in result['msg']
    size = (FIELD / f'{name}.console').stat().st_size
    assert clock.now - begin - size / 100 <= 15


def test_a_person_at_the_installer_answers_its_prompts(cloud, clock, run):
    cloud.on('DescribeInstances', *[RUNNING] * 5, ENDED)
    cloud.on('GetConsoleOutput', console((FIELD / 'anaconda-waits-at-hub.console').read_bytes()))
    assert run('install_wait', instance_id='i-1', interactive=True)['install']['ended'] == 'powered_off'


def test_one_dot_a_second_for_ever_is_silence(cloud, clock, run):
    begin = clock.now
    cloud.on('DescribeInstances', RUNNING)
    cloud.on('GetConsoleOutput', lambda _parameters: console('Starting automated install' + '.' * int(clock.now - begin)))
    result = run('install_wait', instance_id='i-1', silence_timeout=300)
    assert result['install']['ended'] == 'silent'
    assert 'nothing new has appeared on the console' in result['msg']
    assert 300 <= clock.now - begin <= 310


def test_a_percentage_that_grows_in_place_is_progress(cloud, clock, run):
    begin = clock.now
    cloud.on('DescribeInstances', lambda _parameters: ENDED if clock.now >= begin + 2000 else RUNNING)
    cloud.on(
        'GetConsoleOutput', lambda _parameters: console(''.join(f'{n} %\b\b\b\b' for n in range(int(clock.now - begin) // 20)))
    )
    assert run('install_wait', instance_id='i-1', silence_timeout=100)['install']['ended'] == 'powered_off'


@pytest.mark.parametrize(
    ('describe', 'shown', 'words'),
    [
        (PENDING, NO_CONSOLE, 'i-1 is pending, waited 30 s for it to run'),
        (RUNNING, console('x\n'), 'i-1 is running, nothing new on its console for 30 s'),
    ],
)
def test_while_nothing_happens_a_line_every_30_seconds_names_what_it_waits_for(cloud, clock, run, tmp_path, describe, shown, words):
    progress = tmp_path / 'progress'
    cloud.on('DescribeInstances', describe)
    cloud.on('GetConsoleOutput', shown)
    run('install_wait', instance_id='i-1', timeout=300, silence_timeout=900, progress_file=str(progress))
    notes = [entry['text'] for entry in map(json.loads, progress.read_text().splitlines()) if entry.get('note')]
    assert words in notes
    assert len(notes) >= 300 // 32


def test_a_cloud_that_is_away_is_reported_every_30_seconds(cloud, clock, run, tmp_path):
    away, begin, progress = error('ServiceUnavailable', 'restarting', 503), clock.now, tmp_path / 'progress'
    cloud.on('DescribeInstances', RUNNING, lambda _parameters: away if clock.now < begin + 200 else ENDED)
    cloud.on('GetConsoleOutput', console('x\n'))
    run('install_wait', instance_id='i-1', progress_file=str(progress))
    lines = progress.read_text().splitlines()
    assert sum('the cloud has not answered for' in line and 'restarting' in line for line in lines) >= 4


def test_a_request_that_the_cloud_never_answers_is_reported_while_it_lasts(cloud, clock, run, tmp_path):
    progress = tmp_path / 'progress'

    def hangs(_parameters):
        for _second in range(3):
            clock.now += 35
            time.sleep(1.2)  # the reports come from another thread, once a second
        return ENDED

    cloud.on('DescribeInstances', RUNNING, RUNNING, hangs)
    cloud.on('GetConsoleOutput', console('x\n'))
    run('install_wait', instance_id='i-1', progress_file=str(progress))
    notes = [entry['text'] for entry in map(json.loads, progress.read_text().splitlines()) if entry.get('note')]
    hanging = [note for note in notes if 'the cloud has not answered for' in note]
    assert len(hanging) >= 2 and 'a request has had no reply yet' in hanging[0]


@pytest.mark.parametrize('text', ['SeaBIOS\nBooting from Hard Disk...\nWelcome to GRUB!\n', 'Booting from Hard Disk...\nGRUB'])
def test_a_console_that_stays_empty_after_the_boot_loader_gets_a_hint(cloud, clock, run, text):
    cloud.on('DescribeInstances', RUNNING)
    cloud.on('GetConsoleOutput', console(text))
    result = run('console_log', instance_id='i-1', wait_for=['login:'], silence_timeout=60)
    assert 'GRUB_TERMINAL=serial' in result['msg']
    cloud.on('GetConsoleOutput', console(text + '\nLinux version 6\n'))
    assert 'GRUB_TERMINAL' not in run('console_log', instance_id='i-1', wait_for=['login:'], silence_timeout=60)['msg']


def test_the_boot_test_uses_the_same_texts_as_the_installation(cloud, clock, run):
    cloud.on('DescribeInstances', RUNNING)
    cloud.on('GetConsoleOutput', console('Cannot open access to console, the root\r\naccount is locked.\n'))
    result = run('console_log', instance_id='i-1', wait_for=['login:'], known_failures='boot')
    assert result['failed'] and 'shows a prompt that somebody has to answer' in result['msg']
    cloud.on('GetConsoleOutput', console('boot-report: address=none endpoint=unknown\n'))
    result = run('console_log', instance_id='i-1', wait_for=['login:'], known_failures='boot')
    assert result['console']['failure_line'] == 'boot-report: address=none endpoint=unknown'


def test_a_failure_that_comes_with_everything_awaited_is_a_failure(cloud, clock, run):
    cloud.on('DescribeInstances', RUNNING)
    cloud.on('GetConsoleOutput', console('debian login:\nKernel panic - not syncing: dead\n'))
    assert run('console_log', instance_id='i-1', wait_for=['login:'], known_failures='boot')['failed']


LISTED = 'package: libgpg-error0 1.46-1 amd64\npackage: acl 2.3.1-3.el9 x86_64\npackages: 2\n'


def test_the_packages_of_the_installed_system_are_kept_in_a_file_and_are_neither_printed_nor_failures(cloud, clock, run, tmp_path):
    cloud.on('DescribeInstances', RUNNING, RUNNING, RUNNING, RUNNING, ENDED)
    cloud.on('GetConsoleOutput', *talking(HOOK, LISTED[:40], LISTED[40:], 'proof\n'))
    files = {name: tmp_path / name for name in ('packages_file', 'progress_file')}
    result = run('install_wait', instance_id='i-1', failure_patterns=['error'], **{name: str(path) for name, path in files.items()})
    assert result['install']['packages'] == 2
    assert json.loads(files['packages_file'].read_text()) == [
        {'name': 'libgpg-error0', 'version': '1.46-1', 'arch': 'amd64'},
        {'name': 'acl', 'version': '2.3.1-3.el9', 'arch': 'x86_64'},
    ]
    printed = files['progress_file'].read_text()
    assert 'proof' in printed and 'package' not in printed


def test_a_damaged_list_of_packages_is_a_warning_and_no_list_is_none(cloud, clock, run, tmp_path):
    cloud.on('DescribeInstances', RUNNING, RUNNING, ENDED)
    cloud.on('GetConsoleOutput', *talking(LISTED.replace('acl 2', 'acl\n[   10.0] eth0: link up\n2')))
    result = run('install_wait', instance_id='i-1')
    assert result['install']['packages'] == 1
    assert '2 installed packages, the console shows only 1' in str(result['warnings'])
    cloud.on('DescribeInstances', RUNNING, RUNNING, ENDED)
    forged = f'packages: {"9" * 5000}\n'
    cloud.on('GetConsoleOutput', *talking(f'{forged}package: half'))
    path = tmp_path / 'packages.json'
    assert run('install_wait', instance_id='i-1', packages_file=str(path))['install']['packages'] is None
    assert not path.exists()


def test_a_file_of_packages_that_cannot_be_written_is_a_warning(cloud, clock, run, tmp_path):
    cloud.on('DescribeInstances', RUNNING, RUNNING, ENDED)
    cloud.on('GetConsoleOutput', *talking(LISTED))
    result = run('install_wait', instance_id='i-1', packages_file=str(tmp_path / 'none/packages.json'))
    assert result['install']['packages'] == 2
    assert 'none/packages.json' in str(result['warnings'])

# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module install_wait while a person operates the installer."""

from __future__ import annotations

import json
import socket

import pytest
from ansible_collections.eucalyptus.cloud.plugins.module_utils.build import remote
from ansible_collections.eucalyptus.cloud.plugins.module_utils.console import following, listening
from ansible_collections.eucalyptus.cloud.plugins.modules import install_wait
from ansible_collections.eucalyptus.cloud.tests.unit.plugins.cloud_xml import console, instance, instances, volume, volumes

HOOK = 'bootparams: applied: 20 bytes\n'
RUNNING = instances(instance('running'))
ENDED = instances(instance('terminated'))


@pytest.fixture(name='clock')
def fixture_clock(clock, monkeypatch):
    for module in (following, install_wait, listening):
        monkeypatch.setattr(module, 'time', clock)
    return clock


HAND = 'installer: success: disk=vdb serial=euca-vol-11111111-de bytes=5368709120\n'


@pytest.mark.parametrize(
    ('line', 'ended'),
    [('', 'powered_off'), (HAND, 'powered_off'), (HAND.replace('11111111', '22222222'), 'failed')],
    ids=['no line', 'the volume', 'another disk'],
)
def test_after_an_installation_by_hand_a_power_off_counts_unless_a_line_names_another_disk(cloud, clock, run, line, ended):
    cloud.on('DescribeVolumes', volumes(volume('in-use', 'vol-11111111', 5)))
    cloud.on('DescribeInstances', *[RUNNING] * 3, ENDED)
    cloud.on('GetConsoleOutput', console(HOOK + line + 'installer: done\n'))
    options = {'interactive': True, 'success_pattern': remote.SUCCESS, 'volume_id': 'vol-11111111'}
    assert run('install_wait', instance_id='i-1', **options)['install']['ended'] == ended


def test_a_person_gets_the_command_to_connect_once_the_installer_listens(cloud, clock, run, tmp_path):
    progress = tmp_path / 'progress'
    with socket.socket() as port:
        port.bind(('127.0.0.1', 0))

        def booted(_parameters):
            if clock.now > begin + 10:
                port.listen()
            return console(HOOK)

        begin = clock.now
        cloud.on('DescribeInstances', *[RUNNING] * 10, ENDED)
        cloud.on('GetConsoleOutput', booted)
        options = {'address': '127.0.0.1', 'port': port.getsockname()[1], 'announce': ['Paste this:', 'ssh installer@127.0.0.1']}
        result = run('install_wait', instance_id='i-1', interactive=True, progress_file=str(progress), **options)
    assert result['install']['ended'] == 'powered_off'
    entries = [json.loads(line) for line in progress.read_text().splitlines()]
    notes = [entry['text'] for entry in entries if entry.get('note')]
    assert notes.count('ssh installer@127.0.0.1') == 1
    assert 'Paste this:' in notes


def test_an_installer_that_never_listens_ends_the_build(cloud, clock, run):
    cloud.on('DescribeInstances', RUNNING)
    cloud.on('GetConsoleOutput', console(HOOK))
    options = {'address': '127.0.0.1', 'port': 1, 'port_timeout': 60, 'announce': ['ssh …'], 'interactive': True}
    begin = clock.now
    result = run('install_wait', instance_id='i-1', **options)
    assert result['install']['ended'] == 'timeout'
    assert 'port 1 of 127.0.0.1 has accepted no connection within' in result['msg']
    assert 60 <= clock.now - begin <= 64
    assert 'port needs address' in run('install_wait', instance_id='i-1', port=1)['msg']


@pytest.mark.parametrize(('cidr', 'ended'), [('192.0.2.7/32', 'powered_off'), ('127.0.0.0/8', 'timeout')])
def test_only_a_host_that_may_connect_waits_for_the_port(cloud, clock, run, tmp_path, cidr, ended):
    cloud.on('DescribeInstances', *[RUNNING] * 9, ENDED)
    cloud.on('GetConsoleOutput', console(HOOK))
    progress = tmp_path / 'progress'
    options = {'address': '127.0.0.1', 'port': 1, 'port_timeout': 4, 'port_cidr': cidr, 'announce': ['ssh x']}
    result = run('install_wait', instance_id='i-1', interactive=True, progress_file=str(progress), **options)
    assert result['install']['ended'] == ended
    assert ('ssh x' in progress.read_text()) == (ended == 'powered_off')
    assert ('Only 192.0.2.7/32 may connect to port 1' in progress.read_text()) == (ended == 'powered_off')


def test_the_password_of_a_remote_interface_is_nowhere(cloud, clock, run, tmp_path):
    cloud.on('DescribeInstances', RUNNING, RUNNING, ENDED)
    line = (
        'Kernel command line: modules=network-console network-console/password=s3cretPW network-console/password-again=s3cretPW\n'
    )
    cloud.on('GetConsoleOutput', console(HOOK + line))
    files = tmp_path / 'console.log', tmp_path / 'progress'
    result = run('install_wait', instance_id='i-1', console_file=str(files[0]), progress_file=str(files[1]))
    assert 'network-console/password=(hidden) network-console/password-again=(hidden)' in files[0].read_text()
    assert not [text for text in (str(result), *(file.read_text() for file in files)) if 's3cretPW' in text]

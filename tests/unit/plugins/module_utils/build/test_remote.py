# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import subprocess
import typing as t
from pathlib import Path

import pytest
from ansible_collections.eucalyptus.cloud.plugins.module_utils.build import remote
from ansible_collections.eucalyptus.cloud.plugins.module_utils.build.recipe import Recipe, RecipeError
from ansible_collections.eucalyptus.cloud.plugins.module_utils.console.text import without_secrets
from ansible_collections.eucalyptus.cloud.tests.unit.plugins import build_kit

SPECS = build_kit.SPECS['main']['options']
GIVEN = {
    **build_kit.EVALUATED,
    'image_build_boot_params': 'ip=dhcp console=tty0 console=ttyS0',
    'image_build_boot_test_instance_type': 'm1.medium',
    'image_build_directory': '/var/tmp/builds',
    'image_build_name': 'debian-12',
    'image_build_kernel_id': 'eki-1a2b3c4d',
    'image_build_ramdisk_id': 'eri-1a2b3c4d',
    'image_build_installer_family': 'debian-installer',
}
DISPLAY = {'installer_family': '', 'remote_interface': 'display', 'display_listen': '127.0.0.1'}
CLOUD = 'http://192.0.2.1:8773/services/compute'
# Every entry of the table, by a version that it serves.
EVERY = [
    ('anaconda', 'RHEL6'),
    ('anaconda', 'F41'),
    ('anaconda', 'F42'),
    *((family, '') for family, ways in remote.WAYS.items() if ways and family != 'anaconda'),
]


def read(**changes: t.Any) -> Recipe:
    return Recipe.read({**GIVEN, **{f'image_build_{name}': value for name, value in changes.items()}}, '/')


def refusal(**changes: t.Any) -> str:
    with pytest.raises(RecipeError) as caught:
        read(**changes)
    return str(caught.value)


def planned(**changes: t.Any) -> dict[str, t.Any]:
    return remote.plan(read(operator_cidr=changes.pop('operator_cidr', '192.0.2.7'), **changes).values, CLOUD)


# --- the interface of each family


def test_the_families_are_those_of_the_roles_documentation() -> None:
    assert SPECS['image_build_installer_family']['choices'] == ['', *remote.WAYS]


@pytest.mark.parametrize(
    ('version', 'interface', 'words'),
    [
        ('RHEL6', 'VNC', 'vnc vncpassword=PASSWORD'),
        ('F16', 'VNC', 'vnc vncpassword=PASSWORD'),
        ('F17', 'VNC', 'inst.vnc inst.vncpassword=PASSWORD'),
        ('RHEL7', 'VNC', 'inst.vnc inst.vncpassword=PASSWORD'),
        ('RHEL9', 'VNC', 'inst.vnc inst.vncpassword=PASSWORD'),
        ('F41', 'VNC', 'inst.vnc inst.vncpassword=PASSWORD'),
        ('F42', 'RDP', 'inst.rdp inst.rdp.username=installer inst.rdp.password=PASSWORD'),
        ('RHEL10', 'RDP', 'inst.rdp inst.rdp.username=installer inst.rdp.password=PASSWORD'),
    ],
)
def test_anaconda_offers_vnc_up_to_fedora_41_and_el9_and_rdp_since(version: str, interface: str, words: str) -> None:
    way = planned(installer_family='anaconda', kickstart_version=version)
    assert (way['interface'], way['parameters']) == (interface, words)
    assert way['port'] == {'VNC': 5901, 'RDP': 3389}[interface]


@pytest.mark.parametrize(
    ('family', 'port', 'command'),
    [
        ('debian-installer', 22, 'ssh -o UserKnownHostsFile=/dev/null -o PreferredAuthentications=password installer@ADDRESS'),
        ('yast', 5901, 'vncviewer ADDRESS::5901'),
        ('agama', 443, 'xdg-open https://ADDRESS/'),
    ],
)
def test_the_other_families_have_one_interface_each(family: str, port: int, command: str) -> None:
    way = planned(installer_family=family)
    assert way['port'] == port
    assert command in way['notes']


@pytest.mark.parametrize(('family', 'version'), EVERY)
def test_no_password_is_in_a_command_or_left_on_the_console(family: str, version: str) -> None:
    way = planned(installer_family=family, kickstart_version=version)
    assert not [line for line in way['notes'] if 'PASSWORD' in line]
    console = f'[    0.00] Kernel command line: {way["parameters"].replace("PASSWORD", "s3cretPW")} ip=dhcp\n'
    assert 's3cretPW' in console
    hidden = without_secrets(console.encode())
    assert b's3cretPW' not in hidden
    assert hidden.endswith(b'(hidden) ip=dhcp\n') or b'(hidden)' in hidden


def test_a_note_names_the_disk_the_end_the_limit_and_what_decides() -> None:
    notes = ' '.join(planned(volume_size=6, timeout=900)['notes'])
    for words in ('disk of 6 GiB', 'VOLUME-ID', 'powers off', '900 s (image_build_timeout)', 'the boot test'):
        assert words in notes


# --- refusals


@pytest.mark.parametrize(
    ('changes', 'words'),
    [
        ({'installer_family': ''}, ['there is no way to reach it', 'image_build_installer_family to anaconda or', 'display']),
        ({'installer_family': 'calamares'}, ['image_build_installer_family must be anaconda or', "'calamares'"]),
        ({'installer_family': 'anaconda'}, ['image_build_kickstart_version is empty', 'RDP since']),
        ({'boot_test': False}, ['image_build_boot_test must be true without image_build_answer_file']),
        ({'remote_interface': 'vnc'}, ['image_build_remote_interface must be installer or display']),
        ({**DISPLAY, 'display_listen': ''}, ['image_build_display_listen is empty', "the node controllers' policy", 'vnc = yes']),
        ({**DISPLAY, 'display_listen': 'nc1'}, ['image_build_display_listen must be an address']),
        ({**DISPLAY, 'display_node': 'nc1; reboot'}, ['image_build_display_node must be a host']),
        ({**DISPLAY, 'display_node': '-oProxyCommand=x'}, ['image_build_display_node must be a host']),
        ({**DISPLAY, 'remote_password': 'Secret12'}, ['image_build_remote_password must be empty', 'vnc_password']),
        ({'operator_cidr': '0.0.0.0/0'}, ['image_build_operator_cidr must not be 0.0.0.0/0', 'Write anywhere']),
        ({'operator_cidr': '192.0.2.7/24'}, ['image_build_operator_cidr must be an IPv4 address', 'host bits']),
        ({'operator_cidr': 'home'}, ['image_build_operator_cidr must be an IPv4 address']),
        ({'operator_cidr': '2001:db8::1'}, ['image_build_operator_cidr must be an IPv4 address']),
        ({'remote_timeout': 0}, ['image_build_remote_timeout must be 1 or more']),
        ({'boot_params': 'x' * 2000}, ['image_build_boot_params', '2047']),
    ],
)
def test_an_installation_by_hand_that_nobody_could_operate_is_refused(changes: dict[str, t.Any], words: list[str]) -> None:
    said = refusal(**changes)
    assert not [word for word in words if word not in said], said


@pytest.mark.parametrize(
    ('family', 'version', 'password', 'words'),
    [
        ('anaconda', 'F41', 'Secret1', 'must have 8 characters for VNC, not 7'),
        ('anaconda', 'F41', 'Secret123', 'must have 8 characters for VNC, not 9'),
        ('yast', '', 'Secret123', 'must have 8 characters for VNC, not 9'),
        ('anaconda', 'F42', 'Secret1', 'must have 8 to 32 characters for RDP, not 7'),
        ('debian-installer', '', 'S' * 33, 'must have 8 to 32 characters for SSH, not 33'),
        ('debian-installer', '', 'Secret 123', 'must consist of letters, digits and'),
        ('debian-installer', '', 'Secret"123', 'must consist of letters, digits and'),
    ],
)
def test_a_password_that_does_not_fit_the_protocol_is_refused_and_not_shown(
    family: str, version: str, password: str, words: str
) -> None:
    said = refusal(installer_family=family, kickstart_version=version, remote_password=password)
    assert f'image_build_remote_password {words}' in said
    assert password not in said


@pytest.mark.parametrize(('family', 'version'), EVERY)
def test_the_password_that_the_role_makes_fits(family: str, version: str) -> None:
    length = planned(installer_family=family, kickstart_version=version)['password_length']
    read(installer_family=family, kickstart_version=version, remote_password='a' * length)


# --- who may connect


@pytest.mark.parametrize(
    ('given', 'cidr'),
    [('192.0.2.7', '192.0.2.7/32'), ('192.0.2.0/24', '192.0.2.0/24'), ('anywhere', '0.0.0.0/0')],
)
def test_the_group_admits_the_given_network(given: str, cidr: str) -> None:
    assert planned(operator_cidr=given)['cidr'] == cidr


def test_without_a_given_network_the_address_that_this_machine_sends_from_is_admitted(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr(remote, 'source_address', lambda url: asked.append(url) or '198.51.100.9')  # type: ignore[func-returns-value]
    assert planned(operator_cidr='')['cidr'] == '198.51.100.9/32'
    assert asked == [CLOUD]


def test_a_cloud_behind_the_loopback_interface_does_not_reveal_the_operators_address() -> None:
    assert remote.source_address('http://127.0.0.1:8773/services/compute').startswith('127.')
    with pytest.raises(remote.OperatorAddressError, match='image_build_operator_cidr is empty'):
        remote.admitted('', 'http://127.0.0.1:8773/services/compute')


def test_a_cloud_whose_name_is_unknown_is_named() -> None:
    with pytest.raises(remote.OperatorAddressError, match='reaches http://cloud.invalid/ is unknown'):
        remote.admitted('', 'http://cloud.invalid/')


# --- the display of the hypervisor


def test_the_display_needs_no_group_and_no_parameters() -> None:
    way = planned(**DISPLAY)
    assert (way['port'], way['cidr'], way['parameters']) == (0, '', '')
    assert 'vncviewer $(virsh vncdisplay INSTANCE-ID)' in way['notes']


FAKES = {
    'virsh': 'echo 127.0.0.1:3',
    'ssh': '[ "$2" = virsh ] && exec "$2" "$3" "$4"; echo "ssh $*" >> "$CALLS"',
    'vncviewer': 'echo "vncviewer $*" >> "$CALLS"',
}


@pytest.mark.parametrize(
    ('listen', 'host'), [('127.0.0.1', '127.0.0.1'), ('0.0.0.0', '127.0.0.1'), ('192.0.2.9', '192.0.2.9'), ('::1', '[::1]')]
)
def test_the_command_for_a_display_makes_a_tunnel_to_its_port(tmp_path: Path, listen: str, host: str) -> None:
    """The printed command, in a shell, with programs that record their calls."""
    for name, body in FAKES.items():
        (tmp_path / name).write_text(f'#!/bin/sh\n{body}\n')
        (tmp_path / name).chmod(0o755)
    values = read(**{**DISPLAY, 'display_listen': listen, 'display_node': 'root@nc1'}).values
    calls = tmp_path / 'calls'
    settings = {'PATH': f'{tmp_path}:/usr/bin:/bin', 'CALLS': str(calls)}
    subprocess.run(['sh', '-c', remote.display_command(values)], env=settings, check=True, timeout=20)
    assert calls.read_text().splitlines() == [
        f'ssh -f -o ExitOnForwardFailure=yes -L 5999:{host}:5903 root@nc1 sleep 60',
        'vncviewer 127.0.0.1::5999',
    ]

# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""User data of the instance module, read by cloud-init itself and by the hook itself."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.user_data import compose
from lxml import etree

from tests.hook.hook_check import check
from tests.hook.hook_oracle import Policy
from tests.hook.hook_shapes import Shape, encode
from tests.hook.hook_world import FILES, World, adopt_orphans
from tests.kit import cloud_init

CONFIG = '#cloud-config\nhostname: bö\n'
SCRIPT = '#!/bin/sh\necho "ü" --part\n'
JINJA = '## template: jinja\n#cloud-config\nhostname: {{ v1.region }}\n'
HOOK = '#cloud-boothook\n#!/bin/sh\n'
MESSAGE = (
    'Content-Type: multipart/mixed; boundary="mine"\nMIME-Version: 1.0\n\n'
    '--mine\nContent-Type: text/cloud-config\n\n#cloud-config\nhostname: box\n'
    '--mine\nContent-Type: text/x-shellscript\n\n#!/bin/sh\n\n--mine--\n'
)
SINGLE = 'MIME-Version: 1.0\nContent-Type: text/cloud-config\n\n#cloud-config\nhostname: box\n'


@pytest.fixture(scope='module', autouse=True)
def fixture_adopt_orphans() -> None:
    adopt_orphans()


def command_line(tmp_path: Path, data: bytes) -> str | None:
    """Result of the hook for an instance with this user data."""
    world = World(tmp_path / 'node', Policy(), FILES)
    world.put(Shape(), encode(data))
    assert check(world).applied
    return etree.fromstring(world.libvirt_file.read_bytes()).findtext('os/cmdline')


@pytest.mark.parametrize(
    ('own', 'read'),
    [
        (CONFIG, [('text/cloud-config', CONFIG)]),
        (SCRIPT, [('text/x-shellscript', SCRIPT)]),
        (JINJA, [('text/jinja2', JINJA)]),
        (HOOK, [('text/cloud-boothook', HOOK)]),
        (CONFIG.replace('\n', '\r\n'), [('text/cloud-config', CONFIG)]),
        ('\n' + CONFIG, [('text/cloud-config', '\n' + CONFIG)]),
        (' ' + SCRIPT, [('text/x-shellscript', ' ' + SCRIPT)]),
        (MESSAGE, [('text/cloud-config', '#cloud-config\nhostname: box'), ('text/x-shellscript', '#!/bin/sh\n')]),
        (SINGLE, [('text/cloud-config', '#cloud-config\nhostname: box\n')]),
    ],
    ids=['cloud-config', 'script', 'jinja', 'boothook', 'crlf', 'blank-line', 'blank', 'multipart', 'mime'],
)
def test_the_hook_reads_the_boot_parameters_and_cloud_init_reads_the_rest(own, read, tmp_path):
    data = compose('autoinstall ip=dhcp console=ttyS0', None, False, own)
    marker, *rest = cloud_init.parts(data)
    assert (marker[0], marker[1].strip()) == ('text/plain', 'bootparams=autoinstall ip=dhcp console=ttyS0')
    assert [(kind, payload.replace('\r\n', '\n')) for kind, payload in rest] == read
    assert command_line(tmp_path, data) == 'autoinstall ip=dhcp console=ttyS0'


def test_an_include_is_followed(tmp_path):
    (tmp_path / 'config').write_text(CONFIG)
    data = compose('ip=dhcp', None, False, f'#include\nfile://{tmp_path}/config\n')
    assert ('text/cloud-config', CONFIG) in cloud_init.parts(data)
    assert command_line(tmp_path, data) == 'ip=dhcp console=ttyS0'


def test_lines_in_front_of_a_cloud_config_would_hide_it():
    """The reason for the MIME message: if this fails, cloud-init has changed."""
    assert [kind for kind, _payload in cloud_init.parts(b'bootparams=ip=dhcp\n' + CONFIG.encode())] == ['text/x-not-multipart']

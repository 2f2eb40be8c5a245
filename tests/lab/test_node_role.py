# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The collection on node controllers of each version: the role deploys, its hook edits that version's files on that version's
events, the module libvirt_xml makes the same domain of them, and libvirt.xsl gets and loses a display."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.eucalyptus.cloud.plugins.module_utils.node import domain_xml
from lxml import etree

from eucalab.node import home, hooks, instance_xml, stylesheet
from eucalab.node.model import Instance, Settings, Vbr, write_owned
from tests.lab.node_support import ScratchLab, scratch_lab
from tests.nodes.fleet import ansible

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason='hooks run as another user')

VERSIONS = ['3.1', '3.4', '4.4', '5']
PARAMETERS = 'inst.ks=http://192.0.2.20/f.ks?a=1&b=<2> quoted="a b"'
OTHER_EVENTS = [
    hooks.PRE_INIT,
    hooks.POST_INIT,
    hooks.PRE_HYP_CHECK,
    hooks.PRE_ADOPT,
    hooks.PRE_CLEAN,
    hooks.PRE_ATTACH,
    hooks.POST_DETACH,
]


@dataclasses.dataclass
class Nodes:
    """One node of each version, in one lab."""

    lab: ScratchLab
    settings: dict[str, Settings]
    cache: Path

    def play(self, **variables: object) -> str:
        """Run the role on all of them; returns what Ansible printed."""
        inventory = self.cache.parent / 'inventory.ini'
        lines = [
            f'node{play} ansible_connection=local nc_hooks_eucalyptus_home={settings.home}'
            for play, settings in self.settings.items()
        ]
        inventory.write_text('\n'.join(['[node_controllers]', *lines]) + '\n')
        every = {'ansible_python_interpreter': sys.executable, 'nc_hooks_cache': str(self.cache), **variables}
        process = ansible('ansible-playbook', '-i', inventory, 'playbooks/node_controllers.yml', '-e', json.dumps(every))
        output = process.communicate(timeout=280)[0]
        assert process.returncode == 0, output[-4000:]
        return output

    def instance(self, play: str, user_data: str, **columns: object) -> Instance:
        """An instance as the node has it when it calls pre-boot."""
        settings = self.settings[play]
        columns = {'instance_type': settings.played.types.default, **columns}
        identifier = self.lab.add_instance(node_user_data=base64.b64encode(user_data.encode()).decode(), **columns)
        made = Instance.from_row(self.lab.store.row('SELECT * FROM instances WHERE id = ?', identifier), settings)
        for path in (made.path.parent, made.path):
            path.mkdir(parents=True, exist_ok=True)
            os.chown(path, settings.owner.pw_uid, settings.owner.pw_gid)
        disk = made.shape.root_disk
        if made.root_type == 'image':
            made.vbrs = [
                Vbr('kernel', 'none', type_name='kernel', backing=f'{made.path}/link-to-kernel'),
                Vbr('ramdisk', 'none', type_name='ramdisk', backing=f'{made.path}/link-to-ramdisk'),
                Vbr(made.shape.composed_type, disk, bus=made.shape.bus, backing=f'{made.path}/link-to-{disk}'),
            ]
        instance_xml.write_instance_xml(made, settings)
        write_owned(made.libvirt_file, stylesheet.transform(made.xml_file, settings), 0o644, settings.owner)
        return made

    def call(self, play: str, event: str, parameter: str | Path) -> None:
        settings = self.settings[play]
        node_hooks = hooks.Hooks(settings.home, settings.config.hook_user, settings.shape.hooks_by_shell)
        node_hooks.enable()
        node_hooks.call(event, parameter)


@pytest.fixture(scope='module')
def nodes() -> Iterator[Nodes]:
    with scratch_lab() as lab:
        cache = lab.config.home / 'controller/cache'
        cache.parent.mkdir()
        installer = []
        for part in ('kernel', 'ramdisk'):
            file = cache.parent / part
            file.write_bytes(part.encode())
            installer += [(part, str(file)), (f'{part}_sha256', hashlib.sha256(part.encode()).hexdigest())]
        settings = {}
        for play in VERSIONS:
            name = f'node-{play}'
            settings[play] = Settings(dataclasses.replace(lab.config, play=play, nodes=(name,)), name)
            home.prepare_home(settings[play])
        made = Nodes(lab, settings, cache)
        made.play(nc_hooks_installers=[{'name': 'debian-12', **dict(installer)}], nc_hooks_vnc=True)
        yield made


played = pytest.mark.parametrize('play', VERSIONS)


def domain(instance: Instance) -> etree._Element:
    return etree.parse(str(instance.libvirt_file)).getroot()


@played
def test_the_hook_puts_the_boot_parameters_into_the_domain_and_changes_nothing_else(nodes: Nodes, play: str) -> None:
    instance = nodes.instance(play, f'#cloud-config\nbootparams={PARAMETERS}\n')
    before, xml = domain(instance), instance.xml_file.read_bytes()
    nodes.call(play, hooks.PRE_BOOT, instance.path)
    after = domain(instance)
    assert after.findtext('os/cmdline') == f'{PARAMETERS} console=ttyS0' and after.findtext('on_reboot') == 'destroy'
    assert after.findtext('os/kernel') == f'{instance.path}/link-to-kernel'
    for path, text in (('os/cmdline', before.findtext('os/cmdline')), ('on_reboot', 'restart')):
        element = after.find(path)
        assert element is not None
        element.text = text
    assert etree.tostring(after, method='c14n') == etree.tostring(before, method='c14n')
    assert instance.xml_file.read_bytes() == xml


@played
def test_the_module_libvirt_xml_makes_the_same_domain_as_the_hook(nodes: Nodes, play: str) -> None:
    instance = nodes.instance(play, f'bootparams={PARAMETERS}\n')
    text = instance.libvirt_file.read_bytes()
    nodes.call(play, hooks.PRE_BOOT, instance.path)
    made = domain_xml.rewrite(text, PARAMETERS, on_reboot='destroy')
    assert etree.tostring(etree.fromstring(made), method='c14n') == etree.tostring(domain(instance), method='c14n')


@played
def test_an_instance_installs_itself_on_its_root_volume_with_an_installer_of_the_node(nodes: Nodes, play: str) -> None:
    data = 'bootparams=auto\ninstaller=debian-12\nconsole=vnc\n'
    instance = nodes.instance(play, data, root_device_type='ebs', kernel_id=None, ramdisk_id=None)
    nodes.call(play, hooks.PRE_BOOT, instance.path)
    after = domain(instance)
    folder = f'{nodes.settings[play].home}/var/lib/eucalyptus/installers/debian-12'
    assert after.findtext('os/kernel') == f'{folder}/kernel' and after.findtext('os/initrd') == f'{folder}/ramdisk'
    assert after.findtext('os/cmdline') == 'auto console=ttyS0'
    (display,) = after.findall('devices/graphics')
    assert display.get('listen') == '127.0.0.1'


@played
def test_an_instance_without_boot_parameters_and_every_other_event_leave_the_files_as_they_are(nodes: Nodes, play: str) -> None:
    instance = nodes.instance(play, f'bootparams={PARAMETERS}\n')
    plain = nodes.instance(play, '#cloud-config\n')
    files = [instance.libvirt_file, instance.xml_file, plain.libvirt_file, plain.xml_file]
    before = [file.read_bytes() for file in files]
    nodes.call(play, hooks.PRE_BOOT, plain.path)
    for event in OTHER_EVENTS:
        for parameter in (nodes.settings[play].home, instance.path, ''):
            nodes.call(play, event, parameter)
    assert [file.read_bytes() for file in files] == before


@played
def test_boot_parameters_of_an_instance_without_a_kernel_are_refused_with_the_reason(nodes: Nodes, play: str) -> None:
    instance = nodes.instance(play, 'bootparams=auto\n', root_device_type='ebs', kernel_id=None, ramdisk_id=None)
    with pytest.raises(hooks.HookFailed, match='hook bootparams ended with status 1 on euca-nc-pre-boot'):
        nodes.call(play, hooks.PRE_BOOT, instance.path)
    assert 'no kernel to give boot parameters to' in (instance.path / 'console.append.log').read_text()


def test_every_instance_gets_a_display_and_loses_it_again_whatever_the_spelling_of_the_vnc_line(nodes: Nodes) -> None:
    sheets = {play: settings.stylesheet for play, settings in nodes.settings.items()}
    before = {play: sheet.read_bytes() for play, sheet in sheets.items()}
    output = nodes.play(nc_hooks_vnc_for_all=True)
    assert all(f'node{play}' in output for play in VERSIONS)
    for play in VERSIONS:
        (display,) = domain(nodes.instance(play, '')).findall('devices/graphics')
        assert (display.get('type'), display.get('listen')) == ('vnc', '127.0.0.1')
    nodes.play()
    assert {play: sheet.read_bytes() for play, sheet in sheets.items()} == before

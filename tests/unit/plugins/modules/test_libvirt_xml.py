# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest
from ansible.module_utils import basic
from ansible_collections.eucalyptus.cloud.plugins.module_utils.node import domain_xml
from ansible_collections.eucalyptus.cloud.plugins.modules import libvirt_xml

DOMAIN = """<domain type="kvm">
  <os><type>hvm</type><kernel>/k</kernel><cmdline>root=/dev/vda1</cmdline></os>
  <on_reboot>restart</on_reboot>
  <devices/>
</domain>
"""


@pytest.fixture(name='file')
def fixture_file(tmp_path):
    file = tmp_path / 'domain.xml'
    file.write_text(DOMAIN)
    file.chmod(0o640)
    return file


@pytest.fixture(name='run')
def fixture_run(monkeypatch, capsys, tmp_path, file):
    """Run the module as Ansible does, on `file`, and return its result."""

    def run(check: bool = False, **options):
        arguments = {'path': str(file), 'boot_params': 'ip=dhcp', **options}
        arguments.update(_ansible_check_mode=check, _ansible_diff=True, _ansible_remote_tmp=str(tmp_path))
        monkeypatch.setattr(basic, '_ANSIBLE_ARGS', json.dumps({'ANSIBLE_MODULE_ARGS': arguments}).encode())
        monkeypatch.setattr(basic, '_ANSIBLE_PROFILE', 'legacy', raising=False)
        with pytest.raises(SystemExit):
            libvirt_xml.main()
        return json.loads(capsys.readouterr().out)

    return run


def test_the_file_gets_the_boot_parameters_and_keeps_its_mode(run, file):
    result = run()
    assert result['changed'] is True
    assert result['command_line'] == 'ip=dhcp console=ttyS0'
    text = file.read_text()
    assert '<cmdline>ip=dhcp console=ttyS0</cmdline>' in text
    assert '<on_reboot>destroy</on_reboot>' in text
    assert file.stat().st_mode & 0o777 == 0o640


def test_a_second_run_changes_nothing(run, file):
    run(vnc={'listen': '127.0.0.1'}, kernel='/x', initrd='/y')
    before = (file.read_bytes(), file.stat().st_ino, file.stat().st_mtime_ns)
    result = run(vnc={'listen': '127.0.0.1'}, kernel='/x', initrd='/y')
    assert result['changed'] is False
    assert result['diff']['before'] == result['diff']['after']
    assert (file.read_bytes(), file.stat().st_ino, file.stat().st_mtime_ns) == before


def test_check_mode_predicts_and_writes_nothing(run, file):
    predicted = run(check=True, backup=True)
    assert file.read_text() == DOMAIN
    assert len(os.listdir(file.parent)) == 1
    real = run(backup=True)
    assert predicted['changed'] is real['changed'] is True
    assert predicted['diff'] == real['diff']
    assert real['diff']['before'] == DOMAIN
    assert real['diff']['after'] == file.read_text()


def test_the_backup_is_the_file_before(run, file):
    backup = run(backup=True)['backup_file']
    assert Path(backup).read_text() == DOMAIN
    assert 'backup_file' not in run(backup=True)


def test_a_kept_reboot_stays(run, file):
    run(on_reboot='keep')
    assert '<on_reboot>restart</on_reboot>' in file.read_text()


def test_a_vnc_password_is_in_the_file_and_nowhere_else(run, file):
    result = run(vnc={'listen': '0.0.0.0', 'password': 'pa"<&\'ss'})
    assert 'passwd="pa&quot;&lt;&amp;\'ss"' in file.read_text()
    assert 'pa&quot;' not in json.dumps(result)
    assert 'passwd="********"' in result['diff']['after']


def test_a_display_that_is_there_is_reported(run, file):
    file.write_text(DOMAIN.replace('<devices/>', "<devices><graphics type='vnc' listen='0.0.0.0'/></devices>"))
    assert run(vnc={'listen': '127.0.0.1'})['displays'] == [{'type': 'vnc', 'listen': '0.0.0.0'}]


def test_a_password_that_was_there_is_not_shown(run, file):
    file.write_text(DOMAIN.replace('<devices/>', "<devices><graphics passwd='old-one'/></devices>"))
    assert 'old-one' not in json.dumps(run())


@pytest.mark.parametrize(
    ('vnc', 'words'),
    [
        ({'listen': '0.0.0.0'}, 'vnc.password is required'),
        ({'listen': '" onclick="'}, 'not an address'),
        ({'listen': ''}, 'not an address'),
        ({'listen': '127.attacker.example'}, 'not a loopback address'),
        ({'password': '123456789'}, '1 to 8'),
        ({'password': 'a b'}, 'blanks'),
    ],
)
def test_a_display_that_the_hooks_policy_would_refuse(run, file, vnc, words):
    result = run(vnc=vnc)
    assert result['failed'] and words in result['msg']
    assert file.read_text() == DOMAIN


@pytest.mark.parametrize('options', [{'kernel': '/x'}, {'initrd': '/y'}])
def test_kernel_and_initrd_belong_together(run, options):
    assert 'required together' in run(**options)['msg']


def test_a_symlink_is_refused(run, file, tmp_path):
    link = tmp_path / 'link.xml'
    link.symlink_to(file)
    assert 'symbolic link' in run(path=str(link))['msg']
    assert file.read_text() == DOMAIN


@pytest.mark.parametrize('content', ['', '<domain>', '<!DOCTYPE domain><domain/>', 'x' * (domain_xml.MAX_BYTES + 9)])
def test_errors_name_the_file(run, file, content):
    file.write_text(content)
    result = run()
    assert result['failed'] and str(file) in result['msg']
    assert file.read_text() == content


def test_a_missing_file_is_an_error(run, tmp_path):
    assert 'No such file' in run(path=str(tmp_path / 'none.xml'))['msg']


def test_invalid_boot_parameters_are_an_error(run, file):
    assert 'longer than 2047' in run(boot_params='x' * 2048)['msg']
    assert '0x20-0x7e' in run(boot_params='a\nb')['msg']
    assert file.read_text() == DOMAIN


def test_a_failed_write_leaves_the_old_file(run, file, monkeypatch):
    def fail(*_arguments, **_options):
        raise OSError(28, 'No space left on device')

    monkeypatch.setattr(basic.AnsibleModule, 'atomic_move', fail)
    assert 'No space left' in run()['msg']
    assert file.read_text() == DOMAIN


def test_without_lxml_the_module_reports_what_to_install_and_why_it_cannot_be_imported(run, monkeypatch):
    monkeypatch.setitem(sys.modules, 'lxml', None)
    imported_again: dict[str, object] = {'__name__': domain_xml.__name__}
    exec(Path(domain_xml.__file__).read_text(), imported_again)  # noqa: S102
    monkeypatch.setattr(domain_xml, 'LXML_ERROR', imported_again['LXML_ERROR'])
    fail_json, causes = basic.AnsibleModule.fail_json, []

    def fail(module, msg, **kwargs):
        causes.append(kwargs['exception'])  # later releases of ansible-core print it only on request
        fail_json(module, msg, **kwargs)

    monkeypatch.setattr(basic.AnsibleModule, 'fail_json', fail)
    assert 'lxml' in run()['msg']
    assert 'import of lxml halted' in causes[0]

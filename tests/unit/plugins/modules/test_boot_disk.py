# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module boot_disk. tests/lab/test_boot_disk.py boots what it makes."""

from __future__ import annotations

import errno
import hashlib
import io
import json
import os
import random
import shutil
import struct
import subprocess
import typing as t
from pathlib import Path

import pytest
from ansible.module_utils import basic
from ansible_collections.eucalyptus.cloud.plugins.module_utils.image import boot_disk
from ansible_collections.eucalyptus.cloud.plugins.module_utils.image.fat import File
from ansible_collections.eucalyptus.cloud.plugins.modules import boot_disk as module
from ansible_collections.eucalyptus.cloud.tests.unit.plugins.file_server import serving

MIB = 1 << 20
Run = t.Callable[..., dict[str, t.Any]]


def kernel_bytes(size: int = MIB, unpacked: int = 40 * MIB, line: int = 2047) -> bytes:
    """The setup header of a bzImage, and noise."""
    kernel = bytearray(random.Random(1).randbytes(size))
    kernel[0x1FE:0x206] = b'\x55\xaa\xeb\x6aHdrS'
    kernel[0x206:0x208] = struct.pack('<H', 0x20F)
    kernel[0x211] = 1
    kernel[0x238:0x23C] = struct.pack('<I', line)
    kernel[0x260:0x264] = struct.pack('<I', unpacked)
    return bytes(kernel)


@pytest.fixture(name='files')
def fixture_files(tmp_path: Path) -> Path:
    (tmp_path / 'vmlinuz').write_bytes(kernel_bytes())
    (tmp_path / 'initrd').write_bytes(random.Random(2).randbytes(2 * MIB + 7))
    return tmp_path


@pytest.fixture(name='run')
def fixture_run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], files: Path, spool: Path, tmp_path: Path
) -> Run:
    """Run the module as Ansible does and return its result. In the end TMPDIR must be empty."""

    def run(check: bool = False, **options: t.Any) -> dict[str, t.Any]:
        paths = {'dest': str(files / 'boot.img'), 'kernel': str(files / 'vmlinuz'), 'ramdisk': str(files / 'initrd')}
        arguments = {**paths, **options, '_ansible_check_mode': check, '_ansible_remote_tmp': str(tmp_path)}
        monkeypatch.setattr(basic, '_ANSIBLE_ARGS', json.dumps({'ANSIBLE_MODULE_ARGS': arguments}).encode())
        monkeypatch.setattr(basic, '_ANSIBLE_PROFILE', 'legacy', raising=False)
        with pytest.raises(SystemExit):
            module.main()
        return json.loads(capsys.readouterr().out)

    return run


def mtools(command: str, image: Path, *arguments: str) -> bytes:
    done = subprocess.run(
        [command, '-i', f'{image}@@{boot_disk.START * 512}', *arguments],
        capture_output=True,
        check=True,
        env={**os.environ, 'TZ': 'UTC'},
    )
    return done.stdout


def test_the_disk_holds_kernel_ramdisk_and_parameters_unchanged(run: Run, files: Path) -> None:
    parameters = 'url=http://h/?a=1&b=2 "q \'q" ${x} %2B \\ --- end'
    result = run(parameters=parameters)['boot_disk']
    image = files / 'boot.img'
    assert result['size'] == image.stat().st_size
    assert mtools('mtype', image, '::/K') == (files / 'vmlinuz').read_bytes()
    assert mtools('mtype', image, '::/R') == (files / 'initrd').read_bytes()
    assert f' APPEND {parameters}\n'.encode() in mtools('mtype', image, '::/SYSLINUX.CFG')
    assert set(mtools('mdir', image, '-b', '-a', '-/', '::').decode().split()) >= {'::/ldlinux.sys', '::/EFI/BOOT/BOOTX64.EFI'}
    assert b'EUCA-BOOT' in mtools('mlabel', image, '-s', '::')
    partition = files / 'partition'
    partition.write_bytes(image.read_bytes()[boot_disk.START * 512 :])
    subprocess.run(['/usr/sbin/fsck.fat', '-n', partition], check=True, capture_output=True)


def test_the_same_inputs_make_the_same_bytes_at_another_time(run: Run, files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run()
    first = (files / 'boot.img').read_bytes()
    monkeypatch.setenv('TZ', 'Asia/Tokyo')
    os.utime(files / 'initrd', (1e9, 1e9))
    run(dest=str(files / 'other.img'))
    assert (files / 'other.img').read_bytes() == first


@pytest.mark.parametrize('size', [1, 3 * MIB, 40 * MIB])
def test_the_disk_is_less_than_two_mebibytes_larger_than_its_contents(run: Run, files: Path, size: int) -> None:
    (files / 'initrd').write_bytes(bytes(size))
    most = max(MIB + size, 2 * MIB) + 2 * MIB  # a FAT16 file system has at least 2 MiB
    assert run()['boot_disk']['size'] <= most


def test_a_second_run_changes_nothing_and_other_contents_replace_the_disk(run: Run, files: Path) -> None:
    image = files / 'boot.img'
    assert run(parameters='a')['changed'] is True
    assert image.stat().st_mode & 0o777 == 0o600
    image.chmod(0o640)
    before = image.stat()
    again = run(parameters='a')
    assert (again['changed'], again['actions']) == (False, [])
    assert image.stat() == before
    changed = run(parameters='b')
    assert changed['actions'] == [f'write boot disk {image}']
    assert changed['diff']['before']['sha256'] == again['boot_disk']['sha256']
    assert image.stat().st_mode & 0o777 == 0o640
    assert sorted(os.listdir(files)) == ['boot.img', 'initrd', 'spool', 'vmlinuz']


def test_check_mode_predicts_the_disk_and_writes_nothing(run: Run, files: Path) -> None:
    predicted = run(check=True)
    assert not (files / 'boot.img').exists()
    real = run()
    assert predicted == {**real, 'invocation': predicted['invocation']}
    assert real['changed'] is True


def test_a_secret_in_the_parameters_is_on_the_disk_and_nowhere_else(run: Run, files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    logged: list[str] = []
    monkeypatch.setattr(basic.AnsibleModule, 'log', lambda _self, message, **_more: logged.append(message))
    result = run(parameters='url=http://h/x?Signature=aB3dE6gH9&Expires=1 ip=dhcp')
    refused = run(kernel='http://h/k?Signature=aB3dE6gH9')
    assert 'needs a checksum' in refused['msg']
    assert logged and 'aB3dE6gH9' not in json.dumps([logged, result, refused])
    assert b'aB3dE6gH9' in mtools('mtype', files / 'boot.img', '::/SYSLINUX.CFG')


def test_kernel_and_ramdisk_may_be_urls_with_checksums(run: Run, files: Path) -> None:
    kernel = (files / 'vmlinuz').read_bytes()
    with serving({'/k': kernel}) as (url, _asked):
        fetched = run(kernel=f'{url}/k', kernel_checksum=f'sha256:{hashlib.sha256(kernel).hexdigest()}')
        assert fetched['boot_disk'] == run()['boot_disk']
        assert 'A URL needs a checksum' in run(kernel=f'{url}/k')['msg']


def pe_program() -> bytes:
    return b'MZ' + bytes(0x300)


@pytest.mark.parametrize(
    ('kernel', 'words'),
    [
        (b'', 'is not a bzImage'),
        (b'\x7fELF' + bytes(0x300), 'is not a bzImage'),
        (kernel_bytes()[:0x210] + b'\0\0' + kernel_bytes()[0x212:], 'is not a bzImage'),  # a zImage
        (pe_program(), 'boots by EFI alone'),
        (b'MZ\0\0zimg' + bytes(0x300), 'boots by EFI alone'),
    ],
)
def test_a_kernel_that_no_bios_boots_is_refused(run: Run, files: Path, kernel: bytes, words: str) -> None:
    (files / 'vmlinuz').write_bytes(kernel)
    message = run()['msg']
    assert message.startswith(f'{files}/vmlinuz {words}')
    assert not (files / 'boot.img').exists()


def test_a_ramdisk_that_is_missing_or_empty_is_refused(run: Run, files: Path) -> None:
    assert f'Cannot read the image {files}/none: No such file' in run(ramdisk=str(files / 'none'))['msg']
    (files / 'initrd').write_bytes(b'')
    assert f'{files}/initrd is empty' in run()['msg']


def test_parameters_that_would_not_reach_the_kernel_whole_are_refused(run: Run, files: Path) -> None:
    assert run(parameters='x' * 2022)['changed'] is True
    assert 'have 2023 characters, but at most 2022 reach' in run(parameters='x' * 2023)['msg']
    assert "'\\n' at character 2" in run(parameters='a\nb')['msg']
    assert "'ä' at character 3" in run(parameters='a=ä')['msg']
    assert 'initrd=' in run(parameters='a initrd=/x')['msg']
    (files / 'vmlinuz').write_bytes(kernel_bytes(line=255))
    assert 'at most 230 reach' in run(parameters='x' * 255)['msg']


def test_an_instance_with_too_little_memory_is_refused(run: Run) -> None:
    needed = run()['boot_disk']['memory']
    assert needed == 43  # 40 MiB of kernel, as its header says, and 2 of ramdisk, which is a little more
    assert run(memory=needed)['changed'] is False
    assert f'need {needed} MiB of memory' in run(memory=needed - 1)['msg']


def test_without_room_in_tmpdir_nothing_is_left(run: Run, files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_arguments: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, 'posix_fallocate', full)
    assert f'There is no room for the boot disk of 4 MiB in {files}/spool/' in run()['msg']
    assert not (files / 'boot.img').exists()


def test_a_full_directory_keeps_the_old_disk(run: Run, files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(parameters='a')
    before = (files / 'boot.img').read_bytes()

    def full(*_arguments: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, 'replace', full)
    assert 'No space left on device' in run(parameters='b')['msg']
    assert (files / 'boot.img').read_bytes() == before
    assert sorted(os.listdir(files)) == ['boot.img', 'initrd', 'spool', 'vmlinuz']


@pytest.mark.parametrize(
    ('missing', 'package'),
    [('syslinux', 'syslinux'), ('mcopy', 'mtools'), ('mbr.bin', 'syslinux-common'), ('syslinux.efi', 'syslinux-efi')],
)
def test_a_missing_tool_is_named_with_its_package(run: Run, monkeypatch: pytest.MonkeyPatch, missing: str, package: str) -> None:
    which, isfile = shutil.which, os.path.isfile
    monkeypatch.setattr(boot_disk.shutil, 'which', lambda name, path: None if name == missing else which(name, path=path))
    monkeypatch.setattr(boot_disk.os.path, 'isfile', lambda path: os.path.basename(str(path)) != missing and isfile(path))
    message = run()['msg']
    assert message.startswith(f'{missing} is not installed')
    assert package in message


def test_without_uefi_its_files_are_not_needed(run: Run, files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(boot_disk.EFI, 'EFI/BOOT/BOOTX64.EFI', ('lib/no/syslinux.efi',))
    assert run(uefi=False)['changed'] is True
    assert b'EFI' not in mtools('mdir', files / 'boot.img', '-b', '-a', '::')


def test_a_place_without_a_directory_is_refused(run: Run, files: Path) -> None:
    assert 'There is no directory' in run(dest=str(files / 'none/boot.img'))['msg']
    assert 'is a directory' in run(dest=str(files))['msg']


@pytest.mark.parametrize('change', [-1, 1])
def test_a_kernel_that_changes_while_it_is_copied_is_refused(
    run: Run, files: Path, monkeypatch: pytest.MonkeyPatch, change: int
) -> None:
    def grown(path: str, source: str) -> File:
        content = Path(source).read_bytes()
        return File(path, len(content) + change, lambda: io.BytesIO(content))

    monkeypatch.setattr(boot_disk, '_disk_file', grown)
    assert 'changed while it was read' in run()['msg']
    assert not (files / 'boot.img').exists()

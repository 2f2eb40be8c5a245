# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import bz2
import errno
import gzip
import io
import lzma
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
from ansible.module_utils.urls import open_url
from ansible_collections.eucalyptus.cloud.plugins.module_utils.image import source
from ansible_collections.eucalyptus.cloud.plugins.module_utils.image.bundle import BundleError
from ansible_collections.eucalyptus.cloud.tests.unit.plugins.web_server import sha256

DATA = b'disk' * 300_000 + bytes(5 << 20) + b'end'
NUMBERS = gzip.compress(b''.join(b'%d,' % number for number in range(30_000)))
needs_qemu_img = pytest.mark.skipif(not shutil.which('qemu-img'), reason='needs qemu-img')
pytestmark = pytest.mark.usefixtures('spool')


def content(src: str | Path, image_type: str = 'machine', **options) -> bytes:
    with source.raw_image(str(src), image_type, open_url, **options) as image:
        return Path(image.path).read_bytes()


@pytest.mark.parametrize('pack', [bytes, gzip.compress, lzma.compress, lambda data: gzip.compress(lzma.compress(data))])
def test_a_machine_image_is_unpacked_whatever_its_name(tmp_path, pack):
    path = tmp_path / 'image'
    path.write_bytes(pack(DATA))
    assert content(path) == DATA


def test_unpacked_zeros_take_no_room(tmp_path):
    path = tmp_path / 'image.gz'
    path.write_bytes(gzip.compress(bytes(64 << 20)))
    with source.raw_image(str(path), 'machine', open_url) as image:
        assert image.size == 64 << 20
        assert os.stat(image.path).st_blocks * 512 < 1 << 20


@pytest.mark.parametrize('image_type', ['kernel', 'ramdisk'])
def test_kernels_and_ramdisks_stay_compressed(tmp_path, image_type):
    path = tmp_path / 'initrd.gz'
    path.write_bytes(gzip.compress(DATA))
    assert content(path, image_type) == path.read_bytes()


@needs_qemu_img
@pytest.mark.parametrize('pack', [bytes, lzma.compress])
def test_a_qcow2_image_becomes_raw(tmp_path, pack):
    raw, path = tmp_path / 'raw', tmp_path / 'image.qcow2'
    raw.write_bytes(DATA.ljust(6 << 20, b'\0')[: 6 << 20])
    subprocess.run(['qemu-img', 'convert', '-q', '-O', 'qcow2', raw, path], check=True)
    path.write_bytes(pack(path.read_bytes()))
    assert content(path) == raw.read_bytes()


@needs_qemu_img
def test_a_qcow2_image_that_points_at_another_file_is_refused(tmp_path):
    secret, path = tmp_path / 'secret', tmp_path / 'image.qcow2'
    secret.write_bytes(b'root:x:' * 1000)
    subprocess.run(['qemu-img', 'create', '-q', '-f', 'qcow2', '-b', secret, '-F', 'raw', path], check=True)
    with pytest.raises(source.SourceError, match='refers to another file'):
        content(path)


@needs_qemu_img
def test_a_qcow2_image_that_was_cut_short_is_not_filled_up_with_zeros(tmp_path):
    raw, path = tmp_path / 'raw', tmp_path / 'image.qcow2'
    raw.write_bytes(b'disk' * 300_000)
    subprocess.run(['qemu-img', 'convert', '-q', '-f', 'raw', '-O', 'qcow2', raw, path], check=True)
    os.truncate(path, 900_000)
    with pytest.raises(source.SourceError, match='is a damaged qcow2 image, perhaps cut short'):
        content(path)


def test_without_qemu_img_it_is_named_with_its_package(tmp_path, monkeypatch):
    path = tmp_path / 'image'
    path.write_bytes(b'QFI\xfb' + bytes(100))
    monkeypatch.setenv('PATH', str(tmp_path))
    with pytest.raises(source.SourceError, match='qemu-utils'):
        content(path)


@pytest.mark.parametrize(
    ('data', 'words'),
    [
        (gzip.compress(DATA)[:-100], 'cannot be unpacked'),
        (lzma.compress(DATA)[:-100], 'cannot be unpacked'),
        (gzip.compress(DATA)[:50] + bytes(50), 'cannot be unpacked'),
        (NUMBERS[:32_000] + b'\xff' * 50 + NUMBERS[32_050:], 'cannot be unpacked'),
        (b'\x28\xb5\x2f\xfd' + bytes(100), 'zstd'),
    ],
    ids=['cut gzip', 'cut xz', 'gzip with a damaged head', 'gzip with a damaged middle', 'zstd'],
)
def test_a_file_that_cannot_be_unpacked_is_reported(tmp_path, data, words):
    path = tmp_path / 'image'
    path.write_bytes(data)
    with pytest.raises(source.SourceError, match=words):
        content(path)


def tar(form: int) -> bytes:
    target, member = io.BytesIO(), tarfile.TarInfo('disk.raw')
    member.size = 512
    with tarfile.open(fileobj=target, mode='w', format=form) as file:
        file.addfile(member, io.BytesIO(bytes(512)))
    return target.getvalue()


def zipped() -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, 'w') as file:
        file.writestr('disk.raw', bytes(512))
    return target.getvalue()


TAR = tar(tarfile.GNU_FORMAT)
FOREIGN = {
    'bzip2': (bz2.compress(DATA), 'compressed with bzip2, .* bzip2 -d'),
    'bzip2 of nothing': (bz2.compress(b''), 'compressed with bzip2'),
    'lzma': (lzma.compress(DATA, lzma.FORMAT_ALONE), 'compressed with lzma, .* unlzma'),
    'lzma of known size': (b'\x5d\0\0\x80\0' + len(DATA).to_bytes(8, 'little') + bytes(100), 'compressed with lzma'),
    'zip': (zipped(), 'a zip archive, .* unzip'),
    'tar of GNU': (TAR, 'a tar archive, .* tar -x'),
    'tar of POSIX': (tar(tarfile.USTAR_FORMAT), 'a tar archive'),
    'tar in xz': (lzma.compress(TAR), 'a tar archive'),
    'tar in gzip': (gzip.compress(TAR), 'a tar archive'),
    'vmdk': (b'KDMV' + bytes(1020), 'a VMDK disk, .* qemu-img convert -O raw'),
    'vmdk in parts': (b'# Disk DescriptorFile\nversion=1\n', 'a VMDK disk'),
    'vhdx': (b'vhdxfile' + bytes(1016), 'a VHDX disk, .* qemu-img convert -O raw'),
    'vdi': (b'<<< QEMU VM Virtual Disk Image >>>'.ljust(64, b'\0') + b'\x7f\x10\xda\xbe' + bytes(956), 'a VDI disk, .* qemu-img'),
}


@pytest.mark.parametrize(('data', 'words'), FOREIGN.values(), ids=FOREIGN)
def test_what_would_be_stored_as_if_it_was_a_raw_disk_is_refused(tmp_path, data, words):
    (tmp_path / 'image').write_bytes(data)
    with pytest.raises(source.SourceError, match=f'image is {words}'):
        content(tmp_path / 'image')
    assert content(tmp_path / 'image', 'ramdisk') == data


@needs_qemu_img
@pytest.mark.parametrize('form', ['vmdk', 'vdi', 'vhdx'])
def test_the_disks_that_qemu_img_makes_are_recognised(tmp_path, form):
    subprocess.run(['qemu-img', 'create', '-q', '-f', form, tmp_path / 'image', '8M'], check=True)
    with pytest.raises(source.SourceError, match=f'a {form.upper()} disk'):
        content(tmp_path / 'image')


@pytest.mark.parametrize(
    ('at', 'words'),
    [
        (0, b'BZh9'),
        (0, b'\x5d\0\0'),
        (0, b'PK'),
        (64, b'\x7f\x10\xda\xbe'),
        (257, b'ustar'),
        (257, b'ustar\00000'),
    ],
)
def test_a_boot_sector_is_not_taken_for_something_else(tmp_path, at, words):
    sector = bytearray(b'\xeb\x63\x90'.ljust(510, b'\x90') + b'\x55\xaa')
    sector[at : at + len(words)] = words
    (tmp_path / 'image').write_bytes(bytes(sector) + DATA)
    assert content(tmp_path / 'image') == bytes(sector) + DATA


@pytest.mark.parametrize('pack', [bytes, gzip.compress])
def test_an_empty_machine_image_is_refused(tmp_path, pack):
    (tmp_path / 'image').write_bytes(pack(b''))
    with pytest.raises(source.SourceError, match='image is empty'):
        content(tmp_path / 'image')


def test_an_image_that_is_compressed_over_and_over_is_refused(tmp_path):
    path, data = tmp_path / 'image.gz', DATA
    for _layer in range(3):
        data = gzip.compress(data)
    path.write_bytes(data)
    assert content(path) == DATA
    for _layer in range(1500):
        data = gzip.compress(data)
    path.write_bytes(data)
    with pytest.raises(source.SourceError, match='compressed more than 3 times over'):
        content(path)


def test_a_full_disk_is_reported_with_the_way_out(tmp_path, monkeypatch):
    path = tmp_path / 'image'
    path.write_bytes(gzip.compress(DATA))

    def full(*_arguments):
        raise OSError(errno.ENOSPC, 'No space left on device')

    monkeypatch.setattr(source, '_decompressed', full)
    with pytest.raises(source.SourceError, match='No space left .* set TMPDIR'):
        content(path)


@pytest.mark.parametrize('scratch', ['missing', 'a file'])
def test_a_scratch_directory_that_cannot_be_used_is_not_blamed_on_the_image(tmp_path, monkeypatch, scratch):
    (tmp_path / 'a file').touch()
    (tmp_path / 'image').write_bytes(gzip.compress(DATA))
    monkeypatch.setenv('TMPDIR', str(tmp_path / scratch))
    with pytest.raises(source.SourceError, match=f'No temporary file can be made in {tmp_path}/{scratch}: .*Set TMPDIR'):
        content(tmp_path / 'image')


def test_a_path_with_a_nul_byte_is_a_clear_error():
    with pytest.raises(source.SourceError, match='NUL byte'):
        content('/tmp/a\0b')


@needs_qemu_img
@pytest.mark.parametrize('name', ['deb:12.qcow2', '-x.qcow2'])
def test_a_qcow2_image_may_have_a_name_that_qemu_img_takes_for_something_else(tmp_path, monkeypatch, name):
    subprocess.run(['qemu-img', 'create', '-q', '-f', 'qcow2', tmp_path / 'image', '1M'], check=True)
    (tmp_path / 'image').rename(tmp_path / name)
    monkeypatch.chdir(tmp_path)
    assert content(name) == bytes(1 << 20)


def fake_qemu_img(folder: Path, monkeypatch, words: str) -> None:
    """One that fails to convert with these words."""
    folder.mkdir()
    (folder / 'qemu-img').write_text(f'#!/bin/sh\n[ $1 != convert ] && echo {{}} && exit\nshift 5\necho "{words}" >&2\nexit 1\n')
    (folder / 'qemu-img').chmod(0o755)
    monkeypatch.setenv('PATH', f'{folder}:{os.environ["PATH"]}')


def test_a_full_disk_during_qemu_img_is_reported_with_the_same_way_out(tmp_path, monkeypatch):
    fake_qemu_img(tmp_path / 'bin', monkeypatch, 'qemu-img: error while writing at byte 4194304: No space left on device')
    (tmp_path / 'image').write_bytes(b'QFI\xfb' + bytes(100))
    with pytest.raises(source.SourceError, match=f'No space left to unpack {tmp_path}/image in .*: set TMPDIR'):
        content(tmp_path / 'image')


def test_an_error_of_qemu_img_names_the_image_as_the_user_does(tmp_path, monkeypatch):
    fake_qemu_img(tmp_path / 'bin', monkeypatch, "qemu-img: Could not open '$1': no, not '$2' either")
    (tmp_path / 'image.xz').write_bytes(lzma.compress(b'QFI\xfb' + bytes(100)))
    with pytest.raises(source.SourceError, match='image.xz cannot be converted to a raw image. qemu-img: Could not open') as caught:
        content(tmp_path / 'image.xz')
    assert 'eucalyptus-image-' not in str(caught.value)


def test_a_path_may_begin_with_the_home_directory(tmp_path, monkeypatch):
    monkeypatch.setenv('HOME', str(tmp_path))
    (tmp_path / 'image').write_bytes(DATA)
    assert content('~/image') == DATA


def test_a_pipe_is_refused_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / 'pipe')
    with pytest.raises(BundleError, match='neither a file nor a block device'):
        content(tmp_path / 'pipe')


@pytest.mark.parametrize('pack', [bytes, gzip.compress])
def test_a_file_that_is_replaced_after_its_checksum_was_seen_is_not_bundled(tmp_path, monkeypatch, pack):
    path, other, verify = tmp_path / 'image', tmp_path / 'other', source._verify
    packed = pack(DATA)  # once: gzip writes the second of the clock
    path.write_bytes(packed)
    other.write_bytes(pack(DATA[::-1]))

    def verify_and_replace(*arguments):
        verify(*arguments)
        os.replace(other, path)

    monkeypatch.setattr(source, '_verify', verify_and_replace)
    with pytest.raises(source.SourceError, match='was changed while it was read'):
        content(path, checksum=sha256(packed))


@needs_qemu_img
def test_a_qcow2_image_that_changes_while_it_is_converted_is_not_bundled(tmp_path, monkeypatch):
    path, qemu_img = tmp_path / 'image.qcow2', source._qemu_img
    subprocess.run(['qemu-img', 'create', '-q', '-f', 'qcow2', path, '1M'], check=True)

    def convert_and_write(name, command, *arguments, **options):
        said = qemu_img(name, command, *arguments, **options)
        if command == 'convert':
            with open(path, 'r+b') as file:
                file.write(b'QFI\xfb')
        return said

    monkeypatch.setattr(source, '_qemu_img', convert_and_write)
    with pytest.raises(source.SourceError, match='was changed while it was read'):
        content(path)


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_run_that_is_ended_takes_what_it_has_unpacked_with_it(tmp_path, spool, number):
    (tmp_path / 'image.gz').write_bytes(gzip.compress(DATA))
    # Tests may themselves run where some of the signals are ignored, by nohup for example.
    code = (
        f'import signal, time\nsignal.signal({int(number)}, signal.SIG_DFL)\n'
        f'if signal.SIGINT == {int(number)}: signal.signal({int(number)}, signal.default_int_handler)\n'
        f'from {source.__name__} import raw_image\n'
        f'with raw_image("{tmp_path}/image.gz", "machine", None): print(flush=True); time.sleep(600)'
    )
    with subprocess.Popen(
        [sys.executable, '-c', code],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, 'PYTHONPATH': ':'.join(sys.path)},
    ) as running:
        running.stdout.readline()
        assert os.listdir(spool) != []
        running.send_signal(number)
        assert running.wait(60) != 0
    assert os.listdir(spool) == []

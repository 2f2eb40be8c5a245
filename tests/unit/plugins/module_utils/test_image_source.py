# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import errno
import gzip
import hashlib
import io
import lzma
import os
import shutil
import subprocess
import urllib.error
from pathlib import Path

import pytest
from ansible_collections.eucalyptus.cloud.plugins.module_utils import image_source

DATA = b'disk' * 300_000 + bytes(5 << 20) + b'end'
needs_qemu_img = pytest.mark.skipif(not shutil.which('qemu-img'), reason='needs qemu-img')


@pytest.fixture(name='spool', autouse=True)
def fixture_spool(tmp_path, monkeypatch):
    spool = tmp_path / 'spool'
    spool.mkdir()
    monkeypatch.setenv('TMPDIR', str(spool))
    yield spool
    assert os.listdir(spool) == [], 'something was left behind'


def content(src: str | Path, image_type: str = 'machine', **options) -> bytes:
    with image_source.raw_image(str(src), image_type, **options) as image:
        return Path(image.path).read_bytes()


@pytest.mark.parametrize('pack', [bytes, gzip.compress, lzma.compress, lambda data: gzip.compress(lzma.compress(data))])
def test_a_machine_image_is_unpacked_whatever_its_name(tmp_path, pack):
    path = tmp_path / 'image'
    path.write_bytes(pack(DATA))
    assert content(path) == DATA


def test_unpacked_zeros_take_no_room(tmp_path):
    path = tmp_path / 'image.gz'
    path.write_bytes(gzip.compress(bytes(64 << 20)))
    with image_source.raw_image(str(path), 'machine') as image:
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
    raw.write_bytes(DATA.ljust(6 << 20, b'\0')[:6 << 20])
    subprocess.run(['qemu-img', 'convert', '-q', '-O', 'qcow2', raw, path], check=True)
    path.write_bytes(pack(path.read_bytes()))
    assert content(path) == raw.read_bytes()


@needs_qemu_img
def test_a_qcow2_image_that_points_at_another_file_is_refused(tmp_path):
    secret, path = tmp_path / 'secret', tmp_path / 'image.qcow2'
    secret.write_bytes(b'root:x:' * 1000)
    subprocess.run(['qemu-img', 'create', '-q', '-f', 'qcow2', '-b', secret, '-F', 'raw', path], check=True)
    with pytest.raises(image_source.SourceError, match='refers to another file'):
        content(path)


def test_without_qemu_img_it_is_named_with_its_package(tmp_path, monkeypatch):
    path = tmp_path / 'image'
    path.write_bytes(b'QFI\xfb' + bytes(100))
    monkeypatch.setenv('PATH', str(tmp_path))
    with pytest.raises(image_source.SourceError, match='qemu-utils'):
        content(path)


@pytest.mark.parametrize(('data', 'words'), [
    (gzip.compress(DATA)[:-100], 'cannot be unpacked'),
    (lzma.compress(DATA)[:-100], 'cannot be unpacked'),
    (gzip.compress(DATA)[:50] + bytes(50), 'cannot be unpacked'),
    (b'\x28\xb5\x2f\xfd' + bytes(100), 'zstd'),
], ids=['cut gzip', 'cut xz', 'damaged gzip', 'zstd'])
def test_what_cannot_be_unpacked_is_said(tmp_path, data, words):
    path = tmp_path / 'image'
    path.write_bytes(data)
    with pytest.raises(image_source.SourceError, match=words):
        content(path)


def test_a_full_disk_is_said_with_the_way_out(tmp_path, monkeypatch):
    path = tmp_path / 'image'
    path.write_bytes(gzip.compress(DATA))

    def full(*_arguments):
        raise OSError(errno.ENOSPC, 'No space left on device')

    monkeypatch.setattr(image_source, '_decompressed', full)
    with pytest.raises(image_source.SourceError, match='No space left .* set TMPDIR'):
        content(path)


# --- URLs


class Reply(io.BytesIO):
    headers: dict[str, str] = {}


def test_a_url_is_fetched_and_checked(monkeypatch):
    monkeypatch.setattr(image_source, 'open_url', lambda url, **options: Reply(gzip.compress(DATA)))
    checksum = 'sha256:' + hashlib.sha256(gzip.compress(DATA)).hexdigest()
    assert content('https://x.test/image', checksum=checksum) == DATA
    with pytest.raises(image_source.SourceError, match='has the sha256 checksum'):
        content('https://x.test/image', checksum='sha256:' + '0' * 64)


def test_a_url_without_a_checksum_is_not_even_asked(monkeypatch):
    monkeypatch.delattr(image_source, 'open_url')
    with pytest.raises(image_source.SourceError, match='checksum is needed'):
        content('http://x.test/image')


@pytest.mark.parametrize(('fault', 'words'), [
    (urllib.error.HTTPError('u', 404, 'Not Found', {}, None), 'the server answered 404 Not Found'),
    (urllib.error.URLError('connection refused'), 'cannot be fetched: connection refused'),
    (TimeoutError('timed out'), 'cannot be fetched: timed out'),
])
def test_a_url_that_cannot_be_fetched_is_said(monkeypatch, fault, words):
    def fail(url, **options):
        raise fault

    monkeypatch.setattr(image_source, 'open_url', fail)
    with pytest.raises(image_source.SourceError, match=words):
        content('https://x.test/image', checksum='sha256:' + '0' * 64)


def test_a_download_that_does_not_fit_is_not_begun(monkeypatch):
    reply = Reply()
    monkeypatch.setattr(reply, 'read', lambda size: pytest.fail('it was begun'))
    reply.headers = {'Content-Length': str(1 << 60)}
    monkeypatch.setattr(image_source, 'open_url', lambda url, **options: reply)
    with pytest.raises(image_source.SourceError, match='No space left'):
        content('https://x.test/image', checksum='sha256:' + '0' * 64)

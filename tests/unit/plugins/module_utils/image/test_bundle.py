# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import contextlib
import dataclasses
import gzip
import hashlib
import os
import random
import shutil
import subprocess
import tempfile
from pathlib import Path
from unittest import mock

import pytest
from ansible_collections.eucalyptus.cloud.plugins.module_utils.image import bundle, compression, image_file, manifest
from ansible_collections.eucalyptus.cloud.tests.kit import unbundle
from ansible_collections.eucalyptus.cloud.tests.unit.plugins.bundle_kit import make_bundle, pair
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

NOISE = random.Random(1)
LIBRARIES = ['zlib'] + ['isal'] * bool(compression.isal_zlib)


def opened(made, parts=None, key='user') -> bytes:
    return b''.join(unbundle.unbundle(manifest.parse(made.raw), parts or made.parts, pair(key).key))


def image(tmp_path: Path, data: bytes) -> Path:
    path = tmp_path / 'image'
    path.write_bytes(data)
    return path


@contextlib.contextmanager
def small_blocks(size: int):
    """Everything that happens between blocks, without megabytes."""
    small = mock.patch.multiple(compression, BLOCK=size, ZEROS=bytes(size), _GRAIN=size // 2)
    with small, mock.patch.object(image_file, 'BLOCK', size):
        yield


# --- what goes in comes out


@pytest.mark.parametrize('library', LIBRARIES)
@pytest.mark.parametrize(
    'size', [0, 1, 511, 512, 513, 10239, 10240, compression.BLOCK - 1, compression.BLOCK, compression.BLOCK + 1]
)
def test_an_image_of_any_size_comes_back_as_it_was(tmp_path, size, library):
    data = NOISE.randbytes(size)
    made = make_bundle(image(tmp_path, data), part_size=64 * 1024, library=library)
    assert opened(made) == data
    assert all(len(part) == 64 * 1024 for part in made.parts[:-1]) and 0 < len(made.parts[-1]) <= 64 * 1024


def test_ten_megabytes_of_zeros_become_a_few_kilobytes(tmp_path):
    made = make_bundle(image(tmp_path, bytes(10_000_000)))
    assert made.manifest.bundled_size < 12_000
    assert opened(made) == bytes(10_000_000)


def test_blocks_of_zeros_are_not_compressed_each_time(tmp_path):
    path = image(tmp_path, b'x' + bytes(5 * compression.BLOCK))
    compressed = []
    genuine = compression.Compressor.block

    def counting(self, data):
        compressed.append(len(data))
        return genuine(self, data)

    with mock.patch.object(compression.Compressor, 'block', counting):
        make_bundle(path)
    assert compressed.count(compression.BLOCK) == 1  # the one that begins with the x


def test_noise_is_stored_and_not_made_larger(tmp_path):
    made = make_bundle(image(tmp_path, NOISE.randbytes(3 << 20)))
    assert made.manifest.bundled_size < (3 << 20) * 1.001


def test_text_beside_noise_in_one_block_is_still_compressed(tmp_path):
    data = NOISE.randbytes(512 * 1024) + b'some text, ' * 50_000
    made = make_bundle(image(tmp_path, data))
    assert made.manifest.bundled_size < 512 * 1024 * 1.05
    assert opened(made) == data


def test_a_stream_that_ends_where_a_part_ends_leaves_no_empty_part(tmp_path):
    path = image(tmp_path, NOISE.randbytes(20_000))
    whole = make_bundle(path).manifest.bundled_size
    made = make_bundle(path, part_size=whole)
    assert [len(part) for part in made.parts] == [whole]
    assert opened(made)


def test_a_sparse_image_comes_back_without_its_holes_having_been_read(tmp_path):
    path = tmp_path / 'image'
    with open(path, 'wb') as file:
        file.seek(30 << 20)
        file.write(b'island')
        file.truncate(100 << 20)
    read = []
    genuine = bundle.ImageFile.read

    def counting(self, stretch):
        read.append(stretch.length)
        return genuine(self, stretch)

    with mock.patch.object(bundle.ImageFile, 'read', counting):
        made = make_bundle(path)
    assert sum(read) <= 4 * compression.BLOCK  # two passes; the island's block and the last one
    target = tmp_path / 'back'
    unbundle.extract(made.manifest, made.parts, pair('user').key, str(target))
    assert target.stat().st_size == 100 << 20
    assert target.stat().st_blocks * 512 <= 2 * compression.BLOCK
    with open(target, 'rb') as file:
        file.seek(30 << 20)
        assert file.read(6) == b'island'


PIECES = st.one_of(
    st.tuples(st.just('zeros'), st.integers(1, 40_000)),
    st.tuples(st.just('hole'), st.integers(1, 40_000)),
    st.tuples(st.just('noise'), st.integers(1, 20_000)),
    st.tuples(st.just('text'), st.integers(1, 20_000)),
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(PIECES, max_size=6), st.integers(64, 2048), st.sampled_from(LIBRARIES))
def test_every_mixture_of_data_zeros_and_holes_comes_back(pieces, part, library):
    with tempfile.TemporaryDirectory() as directory, small_blocks(8192):
        path = Path(directory) / 'image'
        with open(path, 'wb') as file:
            for kind, length in pieces:
                if kind == 'hole':
                    file.seek(length, os.SEEK_CUR)
                else:
                    data = {'zeros': bytes(length), 'noise': NOISE.randbytes(length), 'text': b'text ' * length}[kind]
                    file.write(data[:length])
            file.truncate()
        made = make_bundle(path, part_size=part * 16, library=library)
        assert opened(made) == path.read_bytes()
        assert made.manifest.bundled_size == sum(map(len, made.parts))
        assert [entry.digest for entry in made.manifest.parts] == [hashlib.sha1(one).hexdigest() for one in made.parts]


# --- the format, computed by others


def run(*command: str, data: bytes | None = None) -> bytes:
    return subprocess.run(command, input=data, check=True, stdout=subprocess.PIPE).stdout


@pytest.mark.skipif(not all(map(shutil.which, ('openssl', 'gzip', 'tar'))), reason='needs openssl, gzip and tar')
@pytest.mark.parametrize('library', LIBRARIES)
def test_openssl_gzip_and_tar_open_the_bundle(tmp_path, library):
    data = NOISE.randbytes(100_000) + bytes(3 << 20) + b'text ' * 100_000
    made = make_bundle(image(tmp_path, data), part_size=65536, library=library)
    decrypt = ['openssl', 'enc', '-d', '-aes-128-cbc', '-K', made.key.hex(), '-iv', made.iv.hex()]
    tar = run('gzip', '-dc', data=run(*decrypt, data=b''.join(made.parts)))
    assert hashlib.sha1(tar).hexdigest() == made.manifest.digest
    assert run('tar', '-xOf', '-', data=tar) == data
    assert run('tar', '-tf', '-', data=tar) == b'image\n'
    assert len(tar) % 10240 == 0


@pytest.mark.skipif(not shutil.which('openssl'), reason='needs openssl')
def test_openssl_verifies_the_signature_and_unwraps_the_key(tmp_path):
    made = make_bundle(image(tmp_path, b'data'))
    text = made.raw.decode()
    signed = text[text.index('<machine_configuration>') : text.index('<signature>')]
    (tmp_path / 'signature').write_bytes(bytes.fromhex(manifest.parse(made.raw).signature))
    (tmp_path / 'wrapped').write_bytes(bytes.fromhex(made.manifest.secrets.cloud_key))
    (tmp_path / 'cert').write_bytes(pair('user').certificate_pem())
    (tmp_path / 'key').write_bytes(pair('cloud').key_pem())
    public = tmp_path / 'public'
    public.write_bytes(run('openssl', 'x509', '-in', str(tmp_path / 'cert'), '-pubkey', '-noout'))
    assert b'OK' in run(
        'openssl', 'dgst', '-sha1', '-verify', str(public), '-signature', str(tmp_path / 'signature'), data=signed.encode()
    )
    unwrapped = run('openssl', 'pkeyutl', '-decrypt', '-inkey', str(tmp_path / 'key'), '-in', str(tmp_path / 'wrapped'))
    assert unwrapped == made.key.hex().encode()


# SHA1 of what TarInfo.tobuf(GNU_FORMAT) of Python 2.7.18 returns for a file 'img' of mode 0644, as euca2ools makes it.
@pytest.mark.parametrize(
    ('size', 'sha1'),
    [
        (0, '0b49f83355f3baf548b58bd032d29008add6c9db'),
        (5, '52651d55f5f9c8f90f16af7ff8b7c4bac23fbc7f'),
        (9 << 30, 'c5b2bd4f3deafed0f9fab01bea5372759625ffa9'),
    ],
)
def test_the_tar_header_is_the_one_of_euca2ools_to_the_byte(size, sha1):
    assert hashlib.sha1(bundle.tar_header('img', size)).hexdigest() == sha1


@pytest.mark.parametrize(('size', 'whole'), [(0, 10240), (8704, 10240), (8705, 20480), (18944, 20480)])
def test_the_tar_ends_with_two_empty_blocks_at_least_and_fills_its_record(size, whole):
    assert bundle.tar_size(size) == whole


# --- the identity, and what is derived from it


def identity(path: Path) -> bundle.Identity:
    with bundle.ImageFile(path) as opened_image:
        return bundle.identify(opened_image, 'image')


def test_zeros_and_holes_are_the_same_content(tmp_path):
    written, holes = tmp_path / 'written', tmp_path / 'holes'
    written.write_bytes(b'a' + bytes((3 << 20) + 5))
    with open(holes, 'wb') as file:
        file.write(b'a')
        file.truncate((3 << 20) + 6)
    assert identity(written) == identity(holes)


@pytest.mark.parametrize('other', [b'', bytes(99), bytes(101), b'\0' * 99 + b'\1', b'\1' + b'\0' * 99])
def test_other_content_has_another_identity(tmp_path, other):
    one = identity(image(tmp_path, bytes(100)))
    assert identity(image(tmp_path, other)) != one


def test_the_same_image_gives_the_same_parts_again(tmp_path):
    path = image(tmp_path, NOISE.randbytes(3 << 20) + b'text' * 1000)
    assert make_bundle(path).parts == make_bundle(path).parts


@pytest.mark.parametrize('change', [{'secret': 'other'}, {'name': 'other'}])
def test_another_user_or_name_gives_other_keys(tmp_path, change):
    path = image(tmp_path, b'data')
    one, two = make_bundle(path), make_bundle(path, **change)
    assert one.key != two.key and one.iv != two.iv and one.key != one.iv


# --- images that cannot be bundled


def test_an_image_that_changes_while_it_is_read_is_refused(tmp_path):
    path = image(tmp_path, bytes(1000))
    with bundle.ImageFile(path) as opened_image:
        identity = bundle.identify(opened_image, 'image')
        bundler = bundle.Bundler(opened_image, identity, 'image', bytes(16), bytes(16))
        path.write_bytes(bytes(1001))
        with pytest.raises(bundle.BundleError, match='changed while it was being read'):
            list(bundler)


def test_an_image_that_changes_between_the_passes_without_a_trace_is_refused(tmp_path):
    """As a block device does, whose time does not change."""
    path = image(tmp_path, b'one')
    with bundle.ImageFile(path) as opened_image:
        identity = bundle.identify(opened_image, 'image')
        before = os.stat(path)
        path.write_bytes(b'two')
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
        with pytest.raises(bundle.BundleError, match='changed while it was being read'):
            list(bundle.Bundler(opened_image, identity, 'image', bytes(16), bytes(16)))


def test_an_image_that_shrinks_while_it_is_read_is_refused(tmp_path):
    path = image(tmp_path, b'x' * 1000)
    with bundle.ImageFile(path) as opened_image:
        os.truncate(path, 10)
        with pytest.raises(bundle.BundleError, match='changed while it was being read'):
            bundle.identify(opened_image, 'image')


@pytest.mark.parametrize('size', [0, 1000, 1025, bundle.PART_SIZE_MAX + 16])
def test_part_sizes_that_node_controllers_cannot_retry_are_refused(tmp_path, size):
    with bundle.ImageFile(image(tmp_path, b'')) as opened_image, pytest.raises(bundle.BundleError, match='part size'):
        bundle.Bundler(opened_image, bundle.identify(opened_image, 'image'), 'image', bytes(16), bytes(16), size)


# --- bundles that must not be believed


@pytest.fixture(name='made', scope='module')
def fixture_made(tmp_path_factory):
    path = image(tmp_path_factory.mktemp('made'), random.Random(2).randbytes(50_000))
    return make_bundle(path, part_size=16384)


def flipped(part: bytes) -> bytes:
    return part[:100] + bytes([part[100] ^ 1]) + part[101:]


@pytest.mark.parametrize(
    ('spoil', 'words'),
    [
        (lambda parts: [parts[0], flipped(parts[1]), *parts[2:]], r'image\.part\.01 is corrupt: its SHA1'),
        (lambda parts: [parts[0], parts[1][:-7], *parts[2:]], r'image\.part\.01 is cut short: it has 16377 bytes of 16384'),
        (lambda parts: [parts[0][:-7000], *parts[1:]], r'image\.part\.00 is cut short'),
        (lambda parts: [*parts[:-1], parts[-1][:-1]], r'image\.part\.03 is cut short'),
        (lambda parts: [parts[1], parts[0], *parts[2:]], r'wrong order: in the place of image\.part\.00 there is image\.part\.01'),
        (lambda parts: parts[:-1], r'image\.part\.03 is missing: 3 of 4'),
        (lambda parts: [], r'image\.part\.00 is missing'),
        (lambda parts: [*parts, b'more'], 'more parts than the 4'),
    ],
)
def test_spoiled_parts_are_distinguished_and_leave_no_file(made, tmp_path, spoil, words):
    target = tmp_path / 'back'
    target.write_bytes(b'what was there')
    with pytest.raises(bundle.BundleError, match=words):
        unbundle.extract(made.manifest, spoil(made.parts), pair('user').key, str(target))
    assert os.listdir(tmp_path) == ['back']
    assert target.read_bytes() == b'what was there'


def test_a_key_that_the_bundle_is_not_encrypted_for_is_reported(made, tmp_path):
    with pytest.raises(manifest.ManifestError, match='does not open this bundle'):
        unbundle.extract(made.manifest, made.parts, pair('stranger').key, str(tmp_path / 'back'))
    assert os.listdir(tmp_path) == []


def test_the_cloud_opens_it_too(made):
    assert opened(made, key='cloud') == opened(made, key='user')


def forged(made, **change) -> manifest.Manifest:
    return dataclasses.replace(made.manifest, **change)


@pytest.mark.parametrize(
    ('change', 'words'),
    [
        ({'digest': '0' * 40}, "the image is not the manifest's"),
        ({'bundled_size': 5}, 'but the manifest contains 5'),
        ({'size': 49_999}, 'holds 50000 bytes, but the manifest contains 49999'),
    ],
)
def test_a_manifest_with_other_values_is_reported(made, change, words):
    with pytest.raises(bundle.BundleError, match=words):
        list(unbundle.unbundle(forged(made, **change), made.parts, pair('user').key))


def resealed(made, key: bytes, parts: list[bytes]) -> manifest.Manifest:
    """A manifest whose digests fit, but whose key or content does not."""
    entries = tuple(manifest.PartEntry(f'image.part.{i:02}', hashlib.sha1(part).hexdigest()) for i, part in enumerate(parts))
    secrets = manifest.wrap_secrets(key, made.iv, pair('cloud').certificate, pair('user').certificate)
    return forged(made, secrets=secrets, parts=entries, bundled_size=sum(map(len, parts)))


def test_a_well_sealed_key_that_is_not_the_parts_key_is_reported(made):
    wrong = resealed(made, bytes(16), made.parts)
    with pytest.raises(bundle.BundleError, match='do not decrypt|not a gzip stream'):
        list(unbundle.unbundle(wrong, made.parts, pair('user').key))


@pytest.mark.parametrize('cut', [8, 16, 1600])
def test_a_stream_that_ends_too_early_is_reported(made, cut):
    parts = [*made.parts[:-1], made.parts[-1][:-cut]]
    with pytest.raises(bundle.BundleError, match='AES blocks|do not decrypt|ends too early'):
        list(unbundle.unbundle(resealed(made, made.key, parts), parts, pair('user').key))


def sealed(made, tar: bytes, size: int, filler: bytes = b'') -> tuple[manifest.Manifest, list[bytes]]:
    """A bundle of any tar stream, with digests that fit."""
    packed = gzip.compress(tar)
    padding = 16 - len(packed) % 16
    encryptor = Cipher(algorithms.AES(made.key), modes.CBC(made.iv)).encryptor()
    parts = [encryptor.update(packed + (filler or bytes([padding])) * padding)]
    return dataclasses.replace(resealed(made, made.key, parts), size=size, digest=hashlib.sha1(tar).hexdigest()), parts


def test_parts_that_unpack_to_more_than_announced_are_stopped_early(made):
    bomb, parts = sealed(made, bundle.tar_header('image', 1000) + bytes(40 << 20), 1000)
    seen = 0
    with pytest.raises(bundle.BundleError, match='unpack to more than the 1000 bytes'):
        for chunk in unbundle.unbundle(bomb, parts, pair('user').key):
            seen += len(chunk)
    assert seen <= 1000


@pytest.mark.parametrize(
    ('header', 'words'),
    [
        (b'no tar at all'.ljust(512, b'\0'), 'no tar archive'),
        (bundle.tar_header('image', 4)[:-1] + b'x', 'no tar archive'),
        (bundle.tar_header('image', 5), 'holds 5 bytes, but the manifest contains 4'),
    ],
)
def test_a_tar_of_another_size_than_declared_is_reported(made, header, words):
    forgery, parts = sealed(made, header + b'data'.ljust(9728, b'\0'), 4)
    with pytest.raises(bundle.BundleError, match=words):
        list(unbundle.unbundle(forgery, parts, pair('user').key))


def test_invalid_padding_is_reported(made):
    forgery, parts = sealed(made, bundle.tar_header('image', 4) + b'data'.ljust(9728, b'\0'), 4, filler=b'\x55')
    with pytest.raises(bundle.BundleError, match='do not decrypt: key and parts'):
        list(unbundle.unbundle(forgery, parts, pair('user').key))


def test_a_link_instead_of_a_file_is_reported(made):
    header = bytearray(bundle.tar_header('image', 4))
    header[156:157] = b'2'
    header[148:156] = b'%06o\0 ' % (sum(header[:148]) + sum(header[156:]) + 256)
    forgery, parts = sealed(made, bytes(header) + b'data'.ljust(9728, b'\0'), 4)
    with pytest.raises(bundle.BundleError, match='does not begin with a plain file'):
        list(unbundle.unbundle(forgery, parts, pair('user').key))


def test_the_genuine_article_passes_the_same_forger(made):
    forgery, parts = sealed(made, bundle.tar_header('image', 4) + b'data'.ljust(9728, b'\0'), 4)
    assert b''.join(unbundle.unbundle(forgery, parts, pair('user').key)) == b'data'

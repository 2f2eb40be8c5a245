# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images are downloaded completely or not at all, and errors have a reason."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from eucalab.node.fetch import ImageCache
from eucalab.node.model import NodeError
from eucalab.node.storage import ObjectReader
from tests.kit.paths import environment
from tests.lab.node_support import ACCESS, SECRET, ScratchLab, make_bundle, scratch_lab

PREFIX = 'images/folder/disk'
MANIFEST = f'{PREFIX}.manifest.xml'
# Not compressible, so that the bundle has several parts; with a hole at the end.
IMAGE = os.urandom(300_000) + bytes(200_000)
PART = 100_000


@pytest.fixture
def lab() -> Iterator[ScratchLab]:
    with scratch_lab() as scratch:
        scratch.objects.contents.update(make_bundle(PREFIX, IMAGE, scratch.key, PART))
        yield scratch


def reader(lab: ScratchLab, secret: str = SECRET) -> ObjectReader:
    return ObjectReader(lab.objects.endpoint, ACCESS, secret, wait=lambda _seconds: None)


def fetch(lab: ScratchLab, sha256: str | None = None, **how: object) -> bytes:
    with ImageCache(lab.settings, **how).open(reader(lab), MANIFEST, sha256) as image:
        return image.read()


def refused(lab: ScratchLab) -> str:
    with pytest.raises(NodeError) as caught:
        fetch(lab)
    assert not list(Path(lab.settings.cache).glob('*'))
    return str(caught.value)


def part(number: int) -> str:
    return f'{PREFIX}.part.{number:02}'


def test_a_bundle_of_several_parts_becomes_its_image(lab: ScratchLab) -> None:
    assert fetch(lab) == IMAGE
    assert sum('part' in path for path in lab.objects.requests) > 2


def test_a_proxy_is_not_asked_for_the_labs_objects(lab: ScratchLab) -> None:
    proxy = {'http_proxy': 'http://127.0.0.1:9', 'no_proxy': ''}
    # In a process of its own: what is named when Python starts may be kept.
    script = f"""
from eucalab.node.storage import ObjectReader
reader = ObjectReader({lab.objects.endpoint!r}, {ACCESS!r}, {SECRET!r}, wait=lambda _seconds: None)
assert reader.read({MANIFEST!r}, 1 << 20)
"""
    subprocess.run([sys.executable, '-c', script], env=environment(**proxy), check=True)


def test_the_emptiness_of_an_image_takes_no_space(lab: ScratchLab) -> None:
    lab.objects.contents.update(make_bundle(PREFIX, b'begin' + bytes(40 << 20) + b'end', lab.key))
    assert fetch(lab) == b'begin' + bytes(40 << 20) + b'end'
    (cached,) = lab.settings.cache.iterdir()
    assert cached.stat().st_blocks * 512 < 1 << 20


def test_several_gzip_members_are_one_image(lab: ScratchLab, monkeypatch: pytest.MonkeyPatch) -> None:
    import gzip
    import types

    from tests.lab import node_support

    class Members:
        def __init__(self) -> None:
            self._data = b''

        def compress(self, data: bytes) -> bytes:
            return b''.join(gzip.compress(data[i : i + 70_000]) for i in range(0, len(data), 70_000))

        def flush(self) -> bytes:
            return b''

    monkeypatch.setattr(node_support, 'zlib', types.SimpleNamespace(compressobj=lambda *_a, **_k: Members()))
    lab.objects.contents.update(make_bundle(PREFIX, IMAGE, lab.key, PART))
    assert fetch(lab) == IMAGE


def test_a_second_instance_does_not_download_the_parts_again_but_still_needs_to_read_the_manifest(lab: ScratchLab) -> None:
    cache = ImageCache(lab.settings)
    for _instance in range(2):
        cache.open(reader(lab), MANIFEST, None).close()
    assert sum(path.endswith('part.00') for path in lab.objects.requests) == 1
    del lab.objects.contents[MANIFEST]
    with pytest.raises(NodeError, match='404 NoSuchKey'):
        cache.open(reader(lab), MANIFEST, None)


def test_the_cache_is_bounded_and_forgets_without_hurting_what_uses_an_image(lab: ScratchLab) -> None:
    cache = ImageCache(lab.settings, limit=500_000)
    first = cache.open(reader(lab), MANIFEST, None)
    lab.objects.contents.update(make_bundle('images/other/disk', IMAGE, lab.key, PART))
    second = cache.open(reader(lab), 'images/other/disk.manifest.xml', None)
    assert len(list(lab.settings.cache.iterdir())) == 1
    with first, second:
        assert first.read() == second.read() == IMAGE


def test_an_image_that_is_forgotten_while_it_is_asked_for_leaves_no_empty_one(
    lab: ScratchLab, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = ImageCache(lab.settings)
    cache.open(reader(lab), MANIFEST, None).close()
    genuine = os.utime

    def forget_first(*arguments: object, **options: object) -> None:
        for path in lab.settings.cache.iterdir():
            path.unlink()
        genuine(*arguments, **options)

    monkeypatch.setattr(os, 'utime', forget_first)
    for _instance in range(2):
        with cache.open(reader(lab), MANIFEST, None) as image:
            assert image.read() == IMAGE


def test_a_part_with_a_flipped_bit_is_refused_by_name(lab: ScratchLab) -> None:
    data = bytearray(lab.objects.contents[part(1)])
    data[50] ^= 1
    lab.objects.contents[part(1)] = bytes(data)
    assert f'cannot download {part(1)}: its SHA1 is ' in refused(lab)


def test_an_archive_that_goes_on_and_on_behind_the_image_is_refused(lab: ScratchLab) -> None:
    lab.objects.contents.update(make_bundle(PREFIX, IMAGE, lab.key, PART, padding_bytes=2 << 20))
    assert 'contains more than the image' in refused(lab)


def test_a_missing_part_is_refused_at_once(lab: ScratchLab) -> None:
    del lab.objects.contents[part(2)]
    assert refused(lab) == f'cannot download {part(2)}: 404 NoSuchKey'
    assert sum(path.endswith('part.02') for path in lab.objects.requests) == 1


def test_a_busy_server_is_asked_again(lab: ScratchLab) -> None:
    lab.objects.failures = {MANIFEST: [503], part(0): [500, 503]}
    assert fetch(lab) == IMAGE


def test_a_server_that_stays_broken_is_given_up(lab: ScratchLab) -> None:
    lab.objects.failures = {part(0): [503] * 99}
    assert '503' in refused(lab)


def test_a_wrong_secret_is_reported_with_the_servers_text(lab: ScratchLab) -> None:
    with pytest.raises(NodeError, match='403 SignatureDoesNotMatch'):
        reader(lab, 'wrong').read(MANIFEST, 1000)


def test_a_server_that_is_not_there_is_an_error_in_words(lab: ScratchLab) -> None:
    with pytest.raises(NodeError, match='cannot download a/b: .*refused'):
        ObjectReader('http://127.0.0.1:1', ACCESS, SECRET, wait=lambda _seconds: None).read('a/b', 1000)


@pytest.mark.parametrize(
    'change, words',
    [
        ({'size': 499_999}, 'the image has 500000 bytes, but its manifest lists 499999'),
        ({'bundled_size': 7}, 'their manifest lists 7'),
        ({'digest': '0' * 40}, 'its manifest lists 0000000000'),
        ({'key_text': 'ab' * 16}, 'decrypted|decompressed|broken'),
        ({'key_text': 'not hexadecimal'}, 'encrypted for another cloud'),
    ],
)
def test_a_manifest_that_does_not_fit_its_parts_is_refused(lab: ScratchLab, change: dict, words: str) -> None:
    import re

    lab.objects.contents.update(make_bundle(PREFIX, IMAGE, lab.key, PART, **change))
    assert re.search(words, refused(lab))


def test_a_bundle_for_another_cloud_is_refused(lab: ScratchLab) -> None:
    other = rsa.generate_private_key(65537, 2048)
    lab.objects.contents.update(make_bundle(PREFIX, IMAGE, other, PART))
    assert 'cannot be decrypted with the key of this cloud' in refused(lab) or 'another cloud' in refused(lab)


def test_a_manifest_that_changed_after_registration_is_refused(lab: ScratchLab) -> None:
    with pytest.raises(NodeError, match='changed after its image was registered'):
        fetch(lab, sha256='0' * 64)


@pytest.mark.parametrize(
    'old, new, words',
    [
        (b'<manifest>', b'<manifest', 'is not XML'),
        (b'<size>500000</size>', b'', 'has no image/size'),
        (b'<size>500000</size>', b'<size>-1</size>', 'image/size is not a number'),
        (b"index='1'", b"index='7'", 'does not count its parts'),
        (b'disk.part.01', b'../x', 'no plain file name'),
        (b'<manifest>', b'<!DOCTYPE m [<!ENTITY e SYSTEM "file:///etc/passwd">]><manifest>', None),
    ],
)
def test_odd_manifests_are_refused_in_words(lab: ScratchLab, old: bytes, new: bytes, words: str | None) -> None:
    assert old in lab.objects.contents[MANIFEST]
    lab.objects.contents[MANIFEST] = lab.objects.contents[MANIFEST].replace(old, new)
    if words is None:
        assert fetch(lab) == IMAGE  # an entity that nobody uses is nobody's business
    else:
        assert words in refused(lab)

# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images that are fetched, from a server that behaves well or not."""

from __future__ import annotations

import functools
import gzip
import socket
import ssl
import subprocess
from pathlib import Path

import pytest
from ansible.module_utils.urls import open_url
from ansible_collections.eucalyptus.cloud.plugins.module_utils.image import source
from ansible_collections.eucalyptus.cloud.tests.unit.plugins.web_server import ok, serving, sha256

DATA = b'disk' * 300_000 + b'end'
NEVER = 'sha256:' + '0' * 64
pytestmark = pytest.mark.usefixtures('spool')


def content(
    src: str, image_type: str = 'machine', checksum: str | None = sha256(DATA), ca_path: str | None = None, **options
) -> bytes:
    opener = functools.partial(open_url, timeout=60, decompress=False, **options)
    with source.raw_image(src, image_type, opener, checksum, ca_path) as image:
        return Path(image.path).read_bytes()


def refusal(answer: bytes, checksum: str = NEVER, path: str = 'image') -> str:
    """Why the image is not taken; the server is called HOST, the spool nothing at all."""
    with serving(answer) as (host, _asked), pytest.raises(source.SourceError) as caught:
        content(f'http://{host}/{path}', checksum=checksum)
    assert 'eucalyptus-image-' not in str(caught.value)
    return str(caught.value).replace(host, 'HOST')


def test_a_url_is_fetched_and_checked_as_it_is_given():
    packed = gzip.compress(DATA)
    with serving(ok(packed)) as (host, _asked):
        assert content(f'http://{host}/image', checksum=sha256(packed)) == DATA
        assert content(f'HTTP://{host}/image', checksum=sha256(packed)) == DATA
        with pytest.raises(source.SourceError, match='/image has the ' + sha256(packed).replace(':', ' checksum ')):
            content(f'http://{host}/image', checksum=sha256(DATA))


def test_the_checksum_is_of_what_the_server_sends_whatever_it_calls_the_encoding():
    packed = gzip.compress(DATA)
    with serving(ok(packed, 'Content-Encoding: gzip')) as (host, asked):
        assert content(f'http://{host}/initrd', 'ramdisk', sha256(packed)) == packed
        assert b'gzip' not in asked[0]


def test_a_url_without_a_checksum_is_not_even_asked():
    with serving(ok(DATA)) as (host, asked):
        with pytest.raises(source.SourceError, match='A URL needs a checksum'):
            content(f'http://{host}/image', checksum=None)
        assert asked == []


@pytest.mark.parametrize(
    ('answer', 'words'),
    [
        (b'HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n', 'the server answered 404 Not Found'),
        (b'HTTP/1.1 302 Found\r\nLocation: http://[\r\nContent-Length: 0\r\n\r\n', 'it is not a valid URL'),
        (b'hello\r\n\r\n', 'the server does not answer in HTTP (BadStatusLine)'),
        (b'', 'Remote end closed connection without response'),
        (ok(DATA, length=2 * len(DATA)), "the server's answer was cut short"),
        (b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n100000\r\n' + DATA[:5000], "the server's answer was cut short"),
        (b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nnumber\r\n' + DATA[:5000], "the server's answer was cut short"),
    ],
    ids=['404', 'bad redirect', 'no HTTP', 'nothing', 'short', 'short chunk', 'bad chunk'],
)
def test_a_url_that_cannot_be_fetched_is_reported(answer, words):
    assert refusal(answer) == f'http://HOST/image cannot be fetched: {words}.'


def test_a_checksum_is_understood_before_anything_is_fetched():
    with serving(ok(DATA)) as (host, asked):
        with pytest.raises(source.SourceError, match='not of the form sha256:HEX'):
            content(f'http://{host}/image', checksum='sha256:abc')
        assert asked == []


def test_a_server_that_cannot_be_reached_is_reported():
    with socket.socket() as taken:  # and not listening: a port that nobody has could be somebody's by now
        taken.bind(('127.0.0.1', 0))
        url = f'http://127.0.0.1:{taken.getsockname()[1]}/image'
        with pytest.raises(source.SourceError, match=f'{url} cannot be fetched: .*Connection refused'):
            content(url)


def test_a_download_that_does_not_fit_is_not_begun():
    assert refusal(ok(b'', length=1 << 60)).startswith('No space left to unpack http://HOST/image')


@pytest.mark.parametrize(
    'data',
    [
        gzip.compress(DATA)[:-100],
        b'\x28\xb5\x2f\xfd' + bytes(100),
        b'QFI\xfb' + bytes(1000),
    ],
    ids=['cut gzip', 'zstd', 'damaged qcow2'],
)
def test_a_fault_of_a_fetched_image_is_reported_with_its_url(data):
    assert refusal(ok(data), sha256(data)).startswith('http://HOST/image ')


@pytest.mark.parametrize('path', ['image?X-Signature=Pa55', 'my image?X-Signature=Pa55'])
@pytest.mark.parametrize('answer', [b'', b'hello\r\n\r\n', ok(b'', length=1), ok(b'x'), ok(b'', length=1 << 60)])
def test_no_error_contains_user_and_query(path, answer):
    with serving(answer) as (host, _asked), pytest.raises(source.SourceError) as caught:
        content(f'http://me:Pa55@{host}/{path}')
    assert f'http://{host}/{path[: path.index("?")]} ' in str(caught.value)
    assert 'Pa55' not in str(caught.value)


@pytest.mark.parametrize('src', ['http://me:Pa55/word@x.test/', 'http://me:Pa55#word@x.test/', 'http://[Pa55/'])
def test_an_invalid_url_is_refused_without_being_printed(src):
    with pytest.raises(source.SourceError, match='The URL cannot be fetched: it is not a valid URL'):
        content(src)


# --- who vouches for the server


@pytest.fixture(name='authorities', scope='module')
def fixture_authorities(tmp_path_factory):
    """Two certificates for loopback that vouch for themselves, each in a file with its key."""
    paths = [tmp_path_factory.mktemp('tls') / name for name in ('ours.pem', 'other.pem')]
    for path in paths:
        subprocess.run(
            [
                'openssl',
                'req',
                '-x509',
                '-newkey',
                'rsa:2048',
                '-nodes',
                '-subj',
                '/CN=loopback',
                '-days',
                '2',
                '-addext',
                'subjectAltName=IP:127.0.0.1',
                '-addext',
                'keyUsage=critical,keyCertSign,digitalSignature',
                '-keyout',
                f'{path}.key',
                '-out',
                path,
            ],
            check=True,
            capture_output=True,
        )
    return paths


@pytest.mark.parametrize(
    ('system', 'ca_path', 'validate_certs', 'taken'),
    [
        ('ours', None, True, True),
        ('ours', 'other', True, True),
        ('other', 'ours', True, True),
        ('other', 'other', True, False),
        ('other', None, True, False),
        ('other', None, False, True),
    ],
)
def test_the_systems_authorities_and_those_in_ca_path_vouch_for_the_server(
    authorities, monkeypatch, system, ca_path, validate_certs, taken
):
    files = {path.stem: str(path) for path in authorities}
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files['ours'], files['ours'] + '.key')
    monkeypatch.setenv('SSL_CERT_FILE', files[system])
    with serving(ok(DATA), context) as (host, _asked):

        def fetched() -> bytes:
            return content(f'https://{host}/image', validate_certs=validate_certs, ca_path=files.get(ca_path))

        if taken:
            assert fetched() == DATA
        else:
            with pytest.raises(source.SourceError, match='certificate verify failed'):
                fetched()

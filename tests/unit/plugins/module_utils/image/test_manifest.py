# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import re
import time
from dataclasses import replace
from xml.sax.saxutils import escape

import pytest
from ansible_collections.eucalyptus.cloud.plugins.module_utils.image import certificates, manifest
from ansible_collections.eucalyptus.cloud.tests.unit.plugins.bundle_kit import ACCOUNT, pair
from hypothesis import given, settings
from hypothesis import strategies as st

SECRETS = manifest.Secrets('ab' * 128, 'cd' * 128, 'ef' * 128, '01' * 128)


def made(**change) -> manifest.Manifest:
    parts = tuple(manifest.PartEntry(f'img.part.{i:02}', f'{i:040x}') for i in range(change.pop('parts', 2)))
    return manifest.Manifest(
        **{
            'name': 'img',
            'user': ACCOUNT,
            'image_type': 'machine',
            'architecture': 'x86_64',
            'size': 20,
            'bundled_size': 32,
            'digest': 'a' * 40,
            'secrets': SECRETS,
            'parts': parts,
            **change,
        }
    )


# --- what is written


def test_the_text_is_one_line_after_the_declaration():
    raw = manifest.render(made())
    assert raw.startswith(b"<?xml version='1.0' encoding='ASCII'?>\n<manifest><version>2007-10-10</version><bundler>")
    assert raw.count(b'\n') == 1 and b'> <' not in raw


def test_the_elements_come_in_the_order_that_clouds_read_them_in():
    raw = manifest.render(made(kernel_id='eki-1', ramdisk_id='eri-1', block_devices={'ami': 'sda'}))
    names = re.findall(rb'<([a-z0-9_]+)[ >]', raw)
    assert [name.decode() for name in names] == [
        'manifest',
        'version',
        'bundler',
        'name',
        'version',
        'release',
        'machine_configuration',
        'architecture',
        'block_device_mapping',
        'mapping',
        'virtual',
        'device',
        'kernel_id',
        'ramdisk_id',
        'image',
        'name',
        'user',
        'type',
        'digest',
        'size',
        'bundled_size',
        'ec2_encrypted_key',
        'user_encrypted_key',
        'ec2_encrypted_iv',
        'user_encrypted_iv',
        'parts',
        'part',
        'filename',
        'digest',
        'part',
        'filename',
        'digest',
        'signature',
    ]


@pytest.mark.parametrize(
    ('image_type', 'marker', 'missing'),
    [
        ('kernel', '<kernel_id>true</kernel_id>', '<ramdisk_id>'),
        ('ramdisk', '<ramdisk_id>true</ramdisk_id>', '<kernel_id>'),
        ('machine', '<type>machine</type>', '_id>true'),
    ],
)
def test_kernels_and_ramdisks_are_marked_as_such(image_type, marker, missing):
    text = manifest.render(made(image_type=image_type)).decode()
    assert marker in text and missing not in text and f'<type>{image_type}</type>' in text


def test_without_a_private_key_the_manifest_states_that_it_is_unsigned():
    raw = manifest.render(made(secrets=manifest.Secrets('ab', 'cd')))
    assert b'<signature>UNSIGNED</signature>' in raw
    assert b'<user_encrypted_key algorithm="AES-128-CBC"></user_encrypted_key>' in raw
    assert b'<user_encrypted_iv></user_encrypted_iv>' in raw


def test_devices_are_sorted_by_their_virtual_names():
    text = manifest.render(made(block_devices={'root': '/dev/sda1', 'ami': 'sda1'})).decode()
    assert text.index('<virtual>ami</virtual><device>sda1</device>') < text.index('<virtual>root</virtual>')


@pytest.mark.parametrize(
    'change',
    [
        {'name': 'a<b'},
        {'name': '../x'},
        {'name': ''},
        {'user': 'tenant'},
        {'architecture': 'vax'},
        {'image_type': 'disk'},
        {'kernel_id': 'eki&1'},
        {'block_devices': {'ami': 'sda</device>'}},
        {'digest': 'A' * 40},
        {'digest': '5'},
    ],
)
def test_text_that_needs_escaping_and_empty_text_are_never_written(change):
    with pytest.raises(manifest.ManifestError):
        manifest.render(made(**change))


# --- signature and keys


def test_the_signature_is_over_the_very_bytes_of_the_file():
    raw = manifest.render(made(), pair('user').key)
    assert manifest.verify(raw, pair('user').certificate)
    assert not manifest.verify(raw, pair('cloud').certificate)
    assert not manifest.verify(raw.replace(b'<size>20<', b'<size>21<'), pair('user').certificate)
    assert not manifest.verify(raw.replace(b'x86_64', b'i386'), pair('user').certificate)
    assert not manifest.verify(raw.replace(b'<image>', b'<image >'), pair('user').certificate)
    decoy = b'<image >' + raw[raw.index(b'<image>') + 7 : raw.index(b'</image>') + 8].replace(b'<size>20<', b'<size>21<')
    hidden = raw.replace(b'<image>', b'<x><image>').replace(b'</image>', b'</image></x>' + decoy)
    assert manifest.parse(hidden).size == 21
    assert not manifest.verify(hidden, pair('user').certificate)
    assert not manifest.verify(manifest.render(made()), pair('user').certificate)


def test_keys_are_wrapped_as_their_hex_digits_for_cloud_and_user():
    key, iv = bytes(range(16)), bytes(range(16, 32))
    secrets = manifest.wrap_secrets(key, iv, pair('cloud').certificate, pair('user').certificate)
    for name in ('cloud', 'user'):
        assert manifest.unwrap_secrets(secrets, pair(name).key) == (key, iv)
    with pytest.raises(manifest.ManifestError, match='does not open'):
        manifest.unwrap_secrets(secrets, pair('stranger').key)


def test_the_same_secrets_are_wrapped_the_same_every_time_and_others_otherwise():
    key, iv = bytes(range(16)), bytes(range(16, 32))
    cloud, user = pair('cloud').certificate, pair('user').certificate
    assert manifest.wrap_secrets(key, iv, cloud, user) == manifest.wrap_secrets(key, iv, cloud, user)
    alike = manifest.wrap_secrets(key, key, cloud, cloud)
    assert alike.cloud_key != alike.cloud_iv  # who holds the manifest does not see what is alike in it
    assert alike.cloud_key != manifest.wrap_secrets(key, iv, cloud, cloud).cloud_key


def test_without_a_user_certificate_only_the_cloud_can_open_it():
    secrets = manifest.wrap_secrets(bytes(16), bytes(16), pair('cloud').certificate, None)
    assert (secrets.user_key, secrets.user_iv) == ('', '')
    assert manifest.unwrap_secrets(secrets, pair('cloud').key) == (bytes(16), bytes(16))


@pytest.mark.parametrize('pem', [b'', b'-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n', b'\xff\xfe'])
def test_a_file_that_is_no_certificate_or_key_is_named(pem):
    with pytest.raises(certificates.CertificateError, match='The file x is not'):
        certificates.load_certificate(pem, 'The file x')
    with pytest.raises(certificates.CertificateError, match='The file y is not a private key'):
        certificates.load_private_key(pem, 'The file y')


# --- what is read


NAMES = st.from_regex(r'[A-Za-z0-9_][A-Za-z0-9._-]{0,30}', fullmatch=True)
HEX = st.text('0123456789abcdef', min_size=1, max_size=300)


@settings(max_examples=50, deadline=None)
@given(
    st.builds(
        made,
        name=NAMES,
        parts=st.integers(0, 30),
        size=st.integers(0, 10**14),
        bundled_size=st.integers(0, 10**14),
        image_type=st.just('machine'),
        architecture=st.sampled_from(manifest.ARCHITECTURES),
        kernel_id=st.none() | st.just('eki-12345678'),
        ramdisk_id=st.none() | st.just('eri-12345678'),
        block_devices=st.dictionaries(st.sampled_from(['ami', 'root', 'swap']), st.just('sda1')),
        secrets=st.builds(manifest.Secrets, HEX, HEX, HEX, HEX),
    )
)
def test_what_is_written_is_read_back_the_same(fields):
    assert manifest.parse(manifest.render(fields)) == fields


def test_a_manifest_of_euca2ools_with_white_space_and_dashes_is_read():
    raw = manifest.render(made(), pair('user').key).replace(b'><', b'>\n  <').replace(ACCOUNT.encode(), b'0001-2345-6789')
    assert manifest.parse(raw).parts == made().parts
    assert manifest.parse(raw).user == ACCOUNT


@pytest.mark.parametrize('name', ['my image.img', 'lib++.img', '.hidden', 'a&b <c>.img', 'für alle.img', '..img', '-x'])
def test_a_manifest_of_euca2ools_whose_files_are_named_after_any_image_file_is_read(name):
    fields = replace(made(), name='NAME', parts=(manifest.PartEntry('NAME.part.00', '0' * 40),))
    # lxml writes ASCII with character references, as euca2ools does.
    written = escape(name).encode('ascii', 'xmlcharrefreplace')
    raw = manifest.render(fields).replace(b'NAME', written)
    read = manifest.parse(raw)
    assert (read.name, read.parts[0].filename) == (name, f'{name}.part.00')


RAW = manifest.render(made())
BOMB = (
    b'<!DOCTYPE m [<!ENTITY a "aaaaaaaaaa">'
    + b''.join(b'<!ENTITY %c "&%c;&%c;&%c;&%c;&%c;&%c;&%c;&%c;">' % ((98 + i,) + (97 + i,) * 8) for i in range(20))
    + b']>'
)
FILE = b'<!DOCTYPE m [<!ENTITY a SYSTEM "file:///etc/passwd">]>'


@pytest.mark.parametrize(
    ('raw', 'words'),
    [
        (b'', 'not well-formed'),
        (b'garbage', 'not well-formed'),
        (RAW[:-20], 'not well-formed'),
        (b'<html/>', 'not a bundle manifest'),
        (b'<manifest/>', '0 elements <image>'),
        (b'x' * (manifest.MAX_BYTES + 1), 'at most 5242880 are read'),
        (RAW.replace(b'<manifest>', BOMB + b'<manifest>').replace(b'>img<', b'>&u;<'), 'DOCTYPE'),
        (RAW.replace(b'<manifest>', FILE + b'<manifest>').replace(b'>img<', b'>&a;<'), 'DOCTYPE'),
        (RAW.replace(b'img.part.00', b'../../etc/passwd'), 'not a plain file name'),
        (RAW.replace(b'img.part.00', b'/etc/passwd'), 'not a plain file name'),
        (RAW.replace(b'img.part.00', b'..'), 'not a plain file name'),
        (RAW.replace(b'img.part.00', b'.'), 'not a plain file name'),
        (RAW.replace(b'img.part.00', b'a/../b'), 'not a plain file name'),
        (RAW.replace(b'img.part.00', b'..\\b'), 'not a plain file name'),
        (RAW.replace(b'img.part.00', b'a&#10;b'), 'not a plain file name'),
        (RAW.replace(b'img.part.00', b'..&#47;b'), 'not a plain file name'),
        (RAW.replace(b'img.part.00', b''), 'not a plain file name'),
        (RAW.replace(b'img.part.00', b'a' * 300), 'not a plain file name'),
        (RAW.replace(b'img.part.00', b'img.part.01'), 'one file for several parts'),
        (RAW.replace(b'<name>img<', b'<name>a/b<'), 'not a plain file name'),
        (RAW.replace(b'count="2"', b'count="1000000000"'), 'declares'),
        (RAW.replace(b'count="2"', b'count="1"'), 'declares'),
        (RAW.replace(b'index="1"', b'index="7"'), 'not in order'),
        (RAW.replace(b'<size>20<', b'<size>-1<'), 'not a number of bytes'),
        (RAW.replace(b'<size>20<', b'<size>' + b'9' * 400 + b'<'), 'not a number of bytes'),
        (RAW.replace(b'<size>20<', b'<size>0x20<'), 'not a number of bytes'),
        (RAW.replace(b'</image>', b'</image><image >x</image>'), '2 elements <image>'),
        (RAW.replace(b'ASCII', b'UTF-16').decode().encode('utf-16'), 'not well-formed'),
        (RAW.replace(b'ASCII', b'UTF-7').replace(b'<manifest>', b'+ADw-+ACE-DOCTYPE m+AD4-<manifest>'), 'not well-formed'),
        (RAW.replace(b'>img<', '>\u0456mg<'.encode()), 'not well-formed'),
        (RAW.replace(b'<size>20</size>', b''), '0 elements <size>'),
        (RAW.replace(b'<size>20</size>', b'<size>20</size><size>30</size>'), '2 elements <size>'),
        (RAW.replace(f'<user>{ACCOUNT}<'.encode(), b'<user>me<'), '<user>'),
        (RAW.replace(b'a' * 40, b'z' * 40), '<digest>'),
        (RAW.replace(b'UNSIGNED', b'signed, honestly'), '<signature>'),
        (RAW.replace(b'ab' * 128, b'ab' * 9999), '<ec2_encrypted_key>'),
    ],
)
def test_a_hostile_manifest_is_refused_with_its_reason_and_at_once(raw, words):
    started = time.process_time()
    with pytest.raises(manifest.ManifestError, match=re.escape(words)):
        manifest.parse(raw)
    assert time.process_time() - started < 2


def test_more_parts_than_any_image_has_are_refused():
    with pytest.raises(manifest.ManifestError, match='at most 20000'):
        manifest.render(made(parts=manifest.MAX_PARTS + 1))


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_whatever_is_changed_it_is_read_or_refused_but_never_worse(data):
    at = data.draw(st.integers(0, len(RAW) - 1))
    changed = RAW[:at] + data.draw(st.binary(max_size=6)) + RAW[at + data.draw(st.integers(0, 9)) :]
    try:
        fields = manifest.parse(changed)
    except manifest.ManifestError:
        return
    assert all('/' not in part.filename for part in fields.parts)

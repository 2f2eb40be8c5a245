# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import base64
import errno
import os
import signal
import stat
import subprocess

import pytest
from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud import key_pairs
from ansible_collections.eucalyptus.cloud.tests.unit.plugins.cloud_xml import DONE
from ansible_collections.eucalyptus.cloud.tests.unit.plugins.fake_cloud import error
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

KEY = rsa.generate_private_key(65537, 2048)
PEM = KEY.private_bytes(
    serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
).decode()
NONE = error('InvalidKeyPair.NotFound', "The key pair 'k' does not exist")


def public(key) -> str:
    line = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    return f'{line.decode()} me@here\n'


def openssl(*arguments: str, given: bytes) -> bytes:
    return subprocess.run(['openssl', *arguments], input=given, stdout=subprocess.PIPE, check=True, timeout=30).stdout


def private_fingerprint(pem: str) -> str:
    """As Amazon documents it, by openssl: SHA-1 of the private key in PKCS #8."""
    der = openssl('pkcs8', '-topk8', '-nocrypt', '-outform', 'DER', given=pem.encode())
    return openssl('sha1', '-c', given=der).split()[-1].decode()


def md5(key, tmp_path) -> str:
    """As ssh-keygen prints it."""
    (tmp_path / 'id.pub').write_text(public(key))
    command = ['ssh-keygen', '-l', '-E', 'md5', '-f', str(tmp_path / 'id.pub')]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout.split()[1].removeprefix('MD5:')


FINGERPRINT = private_fingerprint(PEM)
CREATED = f'<keyName>k</keyName><keyFingerprint>{FINGERPRINT}</keyFingerprint><keyMaterial>{PEM}</keyMaterial>'


def listed(fingerprint: str = FINGERPRINT, name: str = 'k') -> str:
    return f'<keySet><item><keyName>{name}</keyName><keyFingerprint>{fingerprint}</keyFingerprint></item></keySet>'


def test_a_new_key_is_written_to_a_file_of_the_user_alone_and_not_returned(cloud, clock, run, tmp_path):
    cloud.on('DescribeKeyPairs', NONE, listed())
    cloud.on('CreateKeyPair', CREATED)
    path = tmp_path / 'k.pem'
    result = run('key_pair', name='k', path=str(path))
    assert result['actions'] == ['create key pair k']
    assert result['key_pair'] == {'name': 'k', 'fingerprint': FINGERPRINT, 'state': 'available'}
    assert path.read_text() == PEM
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert 'PRIVATE' not in str(result)
    assert os.listdir(tmp_path) == ['k.pem']
    assert run('key_pair', name='k', path=str(path))['changed'] is False


def test_without_a_file_the_private_key_is_returned_once(cloud, clock, run):
    cloud.on('DescribeKeyPairs', NONE, listed())
    cloud.on('CreateKeyPair', CREATED)
    assert run('key_pair', name='k')['private_key'].strip() == PEM.strip()
    again = run('key_pair', name='k')
    assert again['changed'] is False and 'private_key' not in again


def test_check_mode_predicts_the_real_result_and_writes_nothing(cloud, clock, run, tmp_path):
    path, fingerprint = tmp_path / 'k.pem', md5(KEY, tmp_path)
    for options, reply in (({'path': str(path)}, listed()), ({'public_key': public(KEY)}, listed(fingerprint))):
        cloud.on('DescribeKeyPairs', NONE)
        predicted = run('key_pair', check=True, name='k', **options)
        assert cloud.writes in ([], ['CreateKeyPair'])
        cloud.on('DescribeKeyPairs', NONE, reply)
        cloud.on('CreateKeyPair', CREATED)
        cloud.on('ImportKeyPair', DONE)
        real = run('key_pair', name='k', **options)
        assert predicted['actions'] == real['actions']
        assert predicted['key_pair'] == {**real['key_pair'], 'fingerprint': fingerprint if 'public_key' in options else None}
    assert cloud.writes == ['CreateKeyPair', 'ImportKeyPair']


def test_a_public_key_is_imported_and_recognised_by_its_fingerprint(cloud, clock, run, tmp_path):
    cloud.on('DescribeKeyPairs', NONE, listed(md5(KEY, tmp_path)))
    cloud.on('ImportKeyPair', DONE)
    assert run('key_pair', name='k', public_key=public(KEY))['actions'] == ['import key pair k']
    [request] = cloud.asked('ImportKeyPair')
    assert base64.b64decode(request['PublicKeyMaterial']).decode() == public(KEY).strip()
    assert run('key_pair', name='k', public_key=public(KEY))['changed'] is False


def test_another_public_key_replaces_the_existing_one_only_with_force(cloud, clock, run, tmp_path):
    cloud.on('DescribeKeyPairs', listed('00:11'))
    result = run('key_pair', name='k', public_key=public(KEY))
    assert result['failed'] and '00:11' in result['msg'] and 'force: true' in result['msg']
    assert cloud.writes == []
    cloud.on('DescribeKeyPairs', listed('00:11'), listed(md5(KEY, tmp_path)))
    cloud.on('DeleteKeyPair', DONE)
    cloud.on('ImportKeyPair', DONE)
    result = run('key_pair', name='k', public_key=public(KEY), force=True)
    assert result['actions'] == ['delete key pair k', 'import key pair k']
    assert result['diff']['after'] == {'fingerprint': md5(KEY, tmp_path)}
    assert run('key_pair', name='k', public_key=public(KEY), force=True)['changed'] is False


def test_an_existing_file_is_never_overwritten_without_force(cloud, clock, run, tmp_path):
    path = tmp_path / 'k.pem'
    path.write_text('precious')
    cloud.on('DescribeKeyPairs', NONE)
    for check in (True, False):
        result = run('key_pair', check=check, name='k', path=str(path))
        assert result['failed'] and 'k.pem exists, but key pair k does not' in result['msg']
    assert cloud.writes == [] and path.read_text() == 'precious'
    cloud.on('DescribeKeyPairs', NONE, listed())
    cloud.on('CreateKeyPair', CREATED)
    assert run('key_pair', name='k', path=str(path), force=True)['changed'] is True
    assert path.read_text() == PEM and stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_key_pair_without_its_file_or_with_the_file_of_another_is_an_error_until_force(cloud, clock, run, tmp_path):
    path = tmp_path / 'k.pem'
    cloud.on('DescribeKeyPairs', listed('00:11'))
    result = run('key_pair', name='k', path=str(path))
    assert result['failed'] and 'returns a private key only once' in result['msg']
    path.write_text(PEM)
    result = run('key_pair', name='k', path=str(path))
    assert result['failed'] and 'is not the private key of key pair k' in result['msg']
    path.write_text('-----BEGIN OPENSSH PRIVATE KEY-----\n')
    assert run('key_pair', name='k', path=str(path))['changed'] is False, 'another form is not compared'
    path.unlink()
    cloud.on('DescribeKeyPairs', listed('00:11'), listed())
    cloud.on('DeleteKeyPair', DONE)
    cloud.on('CreateKeyPair', CREATED)
    assert run('key_pair', name='k', path=str(path), force=True)['actions'] == ['delete key pair k', 'create key pair k']
    assert path.read_text() == PEM


def test_a_key_pair_whose_private_key_cannot_be_written_is_deleted_again(cloud, clock, run, tmp_path, monkeypatch):
    def full(_descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(key_pairs.os, 'fsync', full)
    cloud.on('DescribeKeyPairs', NONE)
    cloud.on('CreateKeyPair', CREATED)
    cloud.on('DeleteKeyPair', DONE)
    result = run('key_pair', name='k', path=str(tmp_path / 'k.pem'))
    assert result['failed'] and result['changed'] is False and result['actions'] == []
    assert 'No space left on device' in result['msg'] and 'was deleted again' in result['msg']
    assert cloud.writes == ['CreateKeyPair', 'DeleteKeyPair']
    assert os.listdir(tmp_path) == []
    cloud.on('DeleteKeyPair', error('InternalFailure', 'down', 500))
    result = run('key_pair', name='k', path=str(tmp_path / 'k.pem'))
    assert 'was not deleted again, so delete it' in result['msg'] and 'down' in result['msg']
    assert 'PRIVATE' not in str(result)


def test_a_private_key_is_returned_even_if_the_next_request_fails(cloud, clock, run):
    cloud.on('DescribeKeyPairs', NONE, error('InternalFailure', 'down', 500))
    cloud.on('CreateKeyPair', CREATED)
    result = run('key_pair', name='k')
    assert result['failed'] and result['changed'] is True and result['private_key'].strip() == PEM.strip()


def test_an_interrupt_waits_until_the_private_key_is_written(cloud, clock, run, tmp_path):
    def held(_parameters):
        blocked.append({signal.SIGINT, signal.SIGTERM} <= signal.pthread_sigmask(signal.SIG_BLOCK, []))
        return CREATED

    blocked = []
    cloud.on('DescribeKeyPairs', NONE, listed())
    cloud.on('CreateKeyPair', held)
    run('key_pair', name='k', path=str(tmp_path / 'k.pem'))
    assert blocked == [True]


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'public_key': public(ec.generate_private_key(ec.SECP256R1()))}, 'of the type ecdsa-sha2-nistp256'),
        ({'public_key': public(rsa.generate_private_key(65537, 3072))}, 'RSA key of 3072 bits'),
        ({'public_key': PEM}, 'not one line in the form of OpenSSH'),
        ({'public_key': 'ssh-rsa AAAA me'}, 'damaged'),
        ({'public_key': 'ssh-rsa ???? me'}, 'damaged'),
        ({'path': '/nonexistent/k.pem'}, 'existing, writable directory'),
        ({'path': '/'}, 'cannot be written'),
        ({'name': ''}, 'name must not be empty'),
    ],
)
def test_what_cannot_be_done_is_refused_before_anything_is_created(cloud, clock, run, options, message):
    cloud.on('DescribeKeyPairs', NONE)
    result = run('key_pair', check=True, **{'name': 'k', **options})
    assert result['failed'] and message in result['msg']


def test_a_cloud_that_ignores_an_import_is_an_error(cloud, clock, run):
    """Eucalyptus 3.1."""
    cloud.on('DescribeKeyPairs', '<keySet/>')
    cloud.on('ImportKeyPair', DONE)
    assert 'Eucalyptus 3.1 cannot import' in run('key_pair', name='k', public_key=public(KEY))['msg']


def test_a_key_pair_is_deleted_and_its_file_is_kept(cloud, clock, run, tmp_path):
    (tmp_path / 'k.pem').write_text(PEM)
    cloud.on('DescribeKeyPairs', listed())
    cloud.on('DeleteKeyPair', DONE)
    predicted = run('key_pair', check=True, name='k', path=str(tmp_path / 'k.pem'), state='absent')
    assert cloud.writes == []
    result = run('key_pair', name='k', path=str(tmp_path / 'k.pem'), state='absent')
    assert predicted['key_pair'] == result['key_pair'] == {'name': 'k', 'fingerprint': FINGERPRINT, 'state': 'deleted'}
    assert (tmp_path / 'k.pem').read_text() == PEM
    cloud.on('DescribeKeyPairs', NONE)
    gone = run('key_pair', name='k', state='absent')
    assert gone['changed'] is False and gone['key_pair'] is None


def test_the_list_of_key_pairs_can_be_narrowed(cloud, clock, run):
    def reply(parameters):
        return listed() if parameters.get('KeyName.1', 'k') == 'k' else NONE

    cloud.on('DescribeKeyPairs', reply)
    expected = [{'name': 'k', 'fingerprint': FINGERPRINT, 'state': 'available'}]
    assert run('key_pair_info')['key_pairs'] == expected
    assert run('key_pair_info', names=['k', 'other'])['key_pairs'] == expected
    assert run('key_pair_info', names=[])['key_pairs'] == []

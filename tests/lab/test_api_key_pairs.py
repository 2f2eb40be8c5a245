# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Key pairs: made by the cloud, brought by the user, seen by their account alone."""

from __future__ import annotations

import base64
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from tests.kit.lab import Lab
from tests.kit.refusals import refused


def openssh(bits: int = 2048) -> bytes:
    return rsa.generate_private_key(65537, bits).public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)


def test_a_created_key_pair_returns_its_private_key_once(lab_api: Lab) -> None:
    ec2 = lab_api.ec2()
    made = ec2.create_key_pair(KeyName='created')
    assert isinstance(load_pem_private_key(made['KeyMaterial'].encode(), None), rsa.RSAPrivateKey)
    (listed,) = ec2.describe_key_pairs(KeyNames=['created'])['KeyPairs']
    assert listed['KeyFingerprint'] == made['KeyFingerprint']
    assert 'KeyMaterial' not in listed
    assert lab_api.ec2(lab_api.admin).describe_key_pairs()['KeyPairs'] == []


def test_the_fingerprint_of_an_imported_key_is_that_of_ssh_keygen(lab_api: Lab, tmp_path: Path) -> None:
    public = tmp_path / 'key.pub'
    public.write_bytes(openssh() + b' me@here\n')
    shown = subprocess.run(['ssh-keygen', '-l', '-E', 'md5', '-f', public], capture_output=True, text=True, check=True).stdout
    made = lab_api.ec2().import_key_pair(KeyName='imported', PublicKeyMaterial=public.read_bytes())
    assert shown.split()[1] == f'MD5:{made["KeyFingerprint"]}'


def test_keys_are_imported_in_every_form_that_the_cloud_reads(lab_api: Lab, tmp_path: Path) -> None:
    public = tmp_path / 'key.pub'
    public.write_bytes(openssh())
    rfc4716 = subprocess.run(['ssh-keygen', '-e', '-m', 'RFC4716', '-f', public], capture_output=True, check=True).stdout
    der = subprocess.run(['ssh-keygen', '-e', '-m', 'PKCS8', '-f', public], capture_output=True, check=True).stdout
    body = base64.b64decode(b''.join(der.splitlines()[1:-1]))
    forms = {'line': public.read_bytes(), 'rfc4716': rfc4716, 'der': base64.b64encode(body)}
    found = {name: lab_api.ec2().import_key_pair(KeyName=name, PublicKeyMaterial=form) for name, form in forms.items()}
    assert len({made['KeyFingerprint'] for made in found.values()}) == 1


@pytest.mark.parametrize(
    'material', [b'', b'ssh-rsa', b'ssh-rsa AAAA', b'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5', b'<html>', openssh(3072)]
)
def test_what_is_no_rsa_key_of_a_known_size_is_refused(lab_api: Lab, material: bytes) -> None:
    with refused('InvalidKey.Format'):
        lab_api.ec2().import_key_pair(KeyName='bad', PublicKeyMaterial=material)


def test_a_name_is_taken_once_and_free_after_the_key_pair_is_deleted(lab_api: Lab) -> None:
    ec2 = lab_api.ec2()
    ec2.create_key_pair(KeyName='twice')
    with refused('InvalidKeyPair.Duplicate', "'twice' already exists"):
        ec2.create_key_pair(KeyName='twice')
    with refused('InvalidKeyPair.Duplicate'):
        ec2.import_key_pair(KeyName='twice', PublicKeyMaterial=openssh())
    ec2.delete_key_pair(KeyName='twice')
    ec2.create_key_pair(KeyName='twice')


def test_deleting_a_key_pair_that_does_not_exist_is_no_error(lab_api: Lab) -> None:
    lab_api.ec2().delete_key_pair(KeyName='never')
    assert '<return>false</return>' in lab_api.call('Action=DeleteKeyPair&KeyName=never')[1]


def test_an_unknown_name_and_a_name_beyond_ascii_are_refused(lab_api: Lab) -> None:
    with refused('InvalidKeyPair.NotFound', "'never'"):
        lab_api.ec2().describe_key_pairs(KeyNames=['never'])
    with refused('InvalidParameterValue', 'ASCII'):
        lab_api.ec2().create_key_pair(KeyName='schlüssel')

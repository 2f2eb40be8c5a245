# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.credentials import Credentials
from ansible_collections.eucalyptus.cloud.plugins.module_utils.image.certificates import (
    CertificateError,
    bootstrap_url,
    find_certificates,
)
from ansible_collections.eucalyptus.cloud.tests.unit.plugins.bundle_kit import pair
from botocore.exceptions import EndpointConnectionError

URL = 'http://cloud.test:8773/services/compute'


def account(**files) -> Credentials:
    return Credentials(ec2_url=URL, access_key='AKI', secret_key='very-secret', origin='the eucarc file /e', **files)


def described(usage: str = 'image-bundling', service: str = 'compute', name: str = 'cloud') -> str:
    return (
        '<DescribeServiceCertificatesResponseType xmlns="http://msgs.eucalyptus.com"><serviceCertificates><item>'
        f'<certificate>{pair(name).certificate_pem().decode()}</certificate><certificateFormat>pem</certificateFormat>'
        f'<certificateUsage>{usage}</certificateUsage><serviceType>{service}</serviceType></item></serviceCertificates>'
        '</DescribeServiceCertificatesResponseType>'
    )


@pytest.mark.parametrize(
    ('ec2_url', 'url'),
    [
        (URL, 'http://cloud.test:8773/services/Empyrean'),
        ('https://10.1.1.1:8773/services/Eucalyptus', 'https://10.1.1.1:8773/services/Empyrean'),
        ('https://ec2.cloud.example.com:8773/', 'https://bootstrap.cloud.example.com:8773/'),
        ('http://compute.cloud.example.com/', 'http://bootstrap.cloud.example.com/'),
    ],
)
def test_the_cloud_is_asked_beside_its_ec2_service(ec2_url, url):
    assert bootstrap_url(ec2_url) == url


def test_the_files_that_the_credentials_name_are_read(tmp_path):
    (tmp_path / 'cloud').write_bytes(pair('cloud').certificate_pem())
    (tmp_path / 'cert').write_bytes(pair('user').certificate_pem())
    (tmp_path / 'key').write_bytes(pair('user').key_pem())
    found = find_certificates(
        account(cloud_cert=str(tmp_path / 'cloud'), user_cert=str(tmp_path / 'cert'), user_private_key=str(tmp_path / 'key'))
    )
    assert (found.cloud, found.user) == (pair('cloud').certificate, pair('user').certificate)
    assert found.user_key.private_numbers() == pair('user').key.private_numbers()


def test_a_path_may_begin_with_the_home_directory(tmp_path, monkeypatch, cloud):
    cloud.on('DescribeServiceCertificates', (200, described()))
    monkeypatch.setenv('HOME', str(tmp_path))
    (tmp_path / 'cloud').write_bytes(pair('cloud').certificate_pem())
    assert find_certificates(account(cloud_cert='~/cloud')).cloud == pair('cloud').certificate


def test_without_a_file_the_cloud_is_asked_with_a_version_4_signature(cloud):
    cloud.on('DescribeServiceCertificates', (200, described()))
    found = find_certificates(account())
    assert found.cloud == pair('cloud').certificate and found.user is None and found.user_key is None
    assert cloud.sent[0].url == 'http://cloud.test:8773/services/Empyrean'
    assert 'AWS4-HMAC-SHA256 Credential=AKI/' in str(cloud.sent[0].headers['Authorization'])
    assert cloud.asked('DescribeServiceCertificates')[0] == {
        'Version': 'eucalyptus',
        'Format': 'pem',
        'FingerprintDigest': 'SHA-256',
    }


@pytest.mark.parametrize(
    ('reply', 'words'),
    [
        ((403, ''), 'euserv:DescribeServiceCertificates'),
        ((404, ''), 'answered 404: clouds older than 4.2'),
        ((200, 'no xml'), 'is not XML'),
        ((200, '<a/>'), 'lists none for bundling'),
        ((200, described(usage='other')), 'lists none for bundling'),
        ((200, described(service='other')), 'lists none for bundling'),
        (EndpointConnectionError(endpoint_url='x'), 'cannot be reached'),
    ],
)
def test_when_the_cloud_does_not_return_it_the_message_names_the_file_to_use(cloud, reply, words):
    cloud.on('DescribeServiceCertificates', reply)
    with pytest.raises(CertificateError, match=words) as caught:
        find_certificates(account())
    assert 'Set cloud_cert, or EUCALYPTUS_CERT in the eucarc, to the file cloud-cert.pem' in str(caught.value)
    assert 'very-secret' not in str(caught.value)


@pytest.mark.parametrize('reply', [(200, described()), (403, ''), EndpointConnectionError(endpoint_url='x')])
def test_a_bundle_may_be_unsigned_unless_the_cloud_is_known_to_be_older_than_4_2(cloud, reply, tmp_path):
    (tmp_path / 'cloud').write_bytes(pair('cloud').certificate_pem())
    cloud.on('DescribeServiceCertificates', reply)
    assert find_certificates(account(cloud_cert=str(tmp_path / 'cloud'))).user_key is None
    cloud.on('DescribeServiceCertificates', (404, ''))
    with pytest.raises(CertificateError, match='because the eucarc file /e names no private key.* EC2_CERT and EC2_PRIVATE_KEY'):
        find_certificates(account(cloud_cert=str(tmp_path / 'cloud')))


def test_a_missing_file_is_named_with_the_place_that_named_it():
    with pytest.raises(CertificateError, match=r'Cannot read the cloud certificate /x: No such file .* from the eucarc file /e'):
        find_certificates(account(cloud_cert='/x'))


def test_a_key_that_does_not_belong_to_the_certificate_is_refused(tmp_path):
    (tmp_path / 'cert').write_bytes(pair('user').certificate_pem())
    (tmp_path / 'key').write_bytes(pair('cloud').key_pem())
    (tmp_path / 'cloud').write_bytes(pair('cloud').certificate_pem())
    with pytest.raises(CertificateError, match='does not belong to the private key'):
        find_certificates(
            account(cloud_cert=str(tmp_path / 'cloud'), user_cert=str(tmp_path / 'cert'), user_private_key=str(tmp_path / 'key'))
        )

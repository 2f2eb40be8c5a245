# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The keys of a bundle: the cloud's certificate, which every bundle needs, and the user's own pair, which signs it."""

from __future__ import annotations

import os
import typing as t
from dataclasses import dataclass
from urllib.parse import urlsplit

from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.credentials import Credentials
from ansible_collections.eucalyptus.cloud.plugins.module_utils.errors import CollectionError

try:
    from botocore.auth import SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials as Keys
    from botocore.exceptions import BotoCoreError, HTTPClientError
    from botocore.httpsession import URLLib3Session
    from cryptography import x509
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa
    from lxml import etree
except ImportError:  # the modules report the library's name
    pass


class CertificateError(CollectionError):
    """A certificate or key is missing or unusable. The message names it and its origin."""


@dataclass(frozen=True)
class Certificates:
    cloud: x509.Certificate
    user: x509.Certificate | None
    user_key: rsa.RSAPrivateKey | None


def find_certificates(credentials: Credentials, verify: bool | str = True) -> Certificates:
    """Read the files that the credentials name. Without a cloud certificate, request it from the cloud (4.2 and newer).

    Raises CertificateError, for example if the cloud requires a signature and there is no private key.
    """
    if credentials.cloud_cert:
        cloud_pem = _read(credentials.cloud_cert, 'cloud certificate', 'cloud_cert', credentials)
    else:
        cloud_pem = _ask_the_cloud(credentials, verify)
    cloud = load_certificate(cloud_pem, f'The cloud certificate ({credentials.cloud_cert or "from the cloud"})')
    user = user_key = None
    if credentials.user_cert:
        pem = _read(credentials.user_cert, "user's certificate", 'user_cert', credentials)
        user = load_certificate(pem, f"The user's certificate {credentials.user_cert}")
    if credentials.user_private_key:
        pem = _read(credentials.user_private_key, "user's private key", 'user_private_key', credentials)
        user_key = load_private_key(pem, f"The user's private key {credentials.user_private_key}")
    if user and user_key and rsa_key(user).public_numbers() != user_key.public_key().public_numbers():
        raise CertificateError(
            f'The certificate {credentials.user_cert} does not belong to the private key {credentials.user_private_key}.'
        )
    if not user_key and credentials.cloud_cert:
        _check_unsigned(credentials, verify)
    return Certificates(cloud, user, user_key)


def _read(path: str, what: str, option: str, credentials: Credentials) -> bytes:
    try:
        with open(os.path.expanduser(path), 'rb') as file:  # ini files and eucarcs contain ~/.euca/…
            return file.read(1 << 20)
    except OSError as error:
        raise CertificateError(
            f'Cannot read the {what} {path}: {error.strerror}. The path came from {credentials.origin}; '
            f'to use another, set the option {option}.'
        ) from error


def load_certificate(pem: bytes, what: str) -> x509.Certificate:
    """Raises CertificateError, whose message begins with `what`."""
    try:
        certificate = x509.load_pem_x509_certificate(pem)
        rsa_key(certificate, what)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise CertificateError(f'{what} is not an X.509 certificate in PEM form: {error}.') from error
    return certificate


def rsa_key(certificate: x509.Certificate, what: str = 'The certificate') -> rsa.RSAPublicKey:
    key = certificate.public_key()
    if not isinstance(key, rsa.RSAPublicKey):
        raise CertificateError(f'{what} has no RSA key, the only kind that bundles support.')
    return key


def load_private_key(pem: bytes, what: str) -> rsa.RSAPrivateKey:
    """Raises CertificateError, whose message begins with `what`."""
    try:
        key = serialization.load_pem_private_key(pem, None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise CertificateError(f'{what} is not a private key in PEM form without a passphrase.') from error
    if not isinstance(key, rsa.RSAPrivateKey):
        raise CertificateError(f'{what} is not an RSA key, the only kind that bundles support.')
    return key


def bootstrap_url(ec2_url: str) -> str:
    """URL of the bootstrap service: beside EC2 on the same port, or a name of its own when the cloud has DNS."""
    url = urlsplit(ec2_url)
    first, _dot, domain = url.netloc.partition('.')
    if first in ('ec2', 'compute') and domain:
        return f'{url.scheme}://bootstrap.{domain}/'
    return f'{url.scheme}://{url.netloc}/services/Empyrean'


def _ask_the_cloud(credentials: Credentials, verify: bool | str) -> bytes:
    url = bootstrap_url(credentials.ec2_url)
    ways_out = (
        'Set cloud_cert, or EUCALYPTUS_CERT in the eucarc, to the file cloud-cert.pem of the credentials that the '
        "cloud's administrator provides."
    )
    try:
        status, content = _request_certificates(credentials, url, verify)
    except (BotoCoreError, HTTPClientError) as error:
        raise CertificateError(f'No cloud certificate was given, and {url} cannot be reached. {ways_out}') from error
    if status == 403:
        raise CertificateError(
            'No cloud certificate was given, and this user may not request it from the cloud: allow '
            f'euserv:DescribeServiceCertificates. {ways_out}'
        )
    if status != 200:
        raise CertificateError(
            f'No cloud certificate was given, and {url} answered {status}: clouds older than 4.2 do not provide it. {ways_out}'
        )
    return _bundling_certificate(content, url, ways_out)


def _check_unsigned(credentials: Credentials, verify: bool | str) -> None:
    """Raise CertificateError if the cloud requires signed manifests. Up to 4.1 it does, and has no service for certificates.

    4.0 and 4.1 check the signature at the registration (ImageManifests), 3.x when an instance starts (WalrusImageManager).
    """
    url = bootstrap_url(credentials.ec2_url)
    try:
        status, _content = _request_certificates(credentials, url, verify)
    except (BotoCoreError, HTTPClientError):
        return
    if status == 404:
        raise CertificateError(
            f'The image cannot be signed, because {credentials.origin} names no private key. Nothing was uploaded. {url} '
            'returned 404, so the cloud is older than 4.2 and runs only signed images. Set user_cert and user_private_key, or '
            "EC2_CERT and EC2_PRIVATE_KEY in the eucarc, to the files of the credentials that the cloud's administrator provides."
        )


def _request_certificates(credentials: Credentials, url: str, verify: bool | str) -> tuple[int, bytes]:
    """HTTP status and content of the reply. Raises BotoCoreError, HTTPClientError."""
    request = AWSRequest(
        'POST',
        url,
        data={'Action': 'DescribeServiceCertificates', 'Version': 'eucalyptus', 'Format': 'pem', 'FingerprintDigest': 'SHA-256'},
    )
    keys = Keys(credentials.access_key, credentials.secret_key, credentials.security_token)
    SigV4Auth(keys, 'bootstrap', 'eucalyptus').add_auth(request)
    # The stubs do not allow the path of a bundle as verify.
    session = URLLib3Session(verify=verify, timeout=30)  # type: ignore[arg-type]
    reply = session.send(request.prepare())
    return reply.status_code, reply.content


def _bundling_certificate(content: bytes, url: str, ways_out: str) -> bytes:
    def value(item: t.Any, tag: str) -> str:
        return ''.join(item.xpath(f'string(*[local-name()="{tag}"])')).strip()

    try:
        root = etree.fromstring(content, etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False))
    except etree.XMLSyntaxError as error:
        raise CertificateError(f'No cloud certificate was given, and the answer of {url} is not XML. {ways_out}') from error
    for item in root.iter():
        if value(item, 'certificateUsage') == 'image-bundling' and value(item, 'serviceType') == 'compute':
            return value(item, 'certificate').encode('ascii', 'replace')
    raise CertificateError(f'No cloud certificate was given, and {url} lists none for bundling images. {ways_out}')

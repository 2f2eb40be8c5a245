# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The bootstrap service (/services/Empyrean), with the one action that clients of images need.

DescribeServiceCertificates (4.2 and later) returns the cloud's certificate, for which images are encrypted.
The elements are those that the message class has; the names around them (prefix, namespace) are those that the
default binding writes; clients strip them.
"""

from __future__ import annotations

import base64
import hashlib
import re
import ssl
from typing import Any
from xml.sax.saxutils import escape

from ..cloud import keys
from ..cloud.context import Cloud
from . import filters

PATH = '/services/Empyrean'
ACTION = 'DescribeServiceCertificates'
_DIGESTS = {'SHA-1': 'sha1', 'SHA-224': 'sha224', 'SHA-256': 'sha256', 'SHA-384': 'sha384', 'SHA-512': 'sha512'}
_KNOWN = re.compile(r'Format|FingerprintDigest|Filter\.\d{1,7}\..*')
_FILTERS: dict[str, filters.Lookup] = {
    'certificate-usage': lambda item: item['certificateUsage'],
    'service-type': lambda item: item['serviceType'],
}


def unknown_parameters(names: list[str]) -> list[str]:
    return [name for name in names if not _KNOWN.fullmatch(name)]


def describe_service_certificates(cloud: Cloud, parameters: dict[str, str], request_id: str) -> bytes:
    pem = keys.cloud_certificate(cloud.config).read_text()
    der = ssl.PEM_cert_to_DER_cert(pem)
    digest = parameters.get('FingerprintDigest', '')
    digest = digest if digest in _DIGESTS else 'SHA-256'
    item = {
        'serviceType': 'compute',
        'certificateUsage': 'image-bundling',
        'certificateFormat': 'der' if parameters.get('Format') == 'der' else 'pem',
        'certificate': base64.b64encode(der).decode() if parameters.get('Format') == 'der' else pem,
        'certificateFingerprint': hashlib.new(_DIGESTS[digest], der).digest().hex(':').upper(),
        'certificateFingerprintDigest': digest,
    }
    items = filters.apply([item], _request_filters(parameters), _FILTERS)
    return _reply(items, request_id, cloud.played.storage.bootstrap_namespace or '')


def _request_filters(parameters: dict[str, str]) -> list[dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for name, value in sorted(parameters.items()):
        match = re.fullmatch(r'Filter\.(\d+)\.(Name|Value\.\d+)', name)
        if match:
            one = found.setdefault(match.group(1), {'Name': '', 'Values': []})
            if match.group(2) == 'Name':
                one['Name'] = value
            else:
                one['Values'].append(value)
    return list(found.values())


def _reply(items: list[dict[str, str]], request_id: str, namespace: str) -> bytes:
    rows = ''.join(
        '<euca:item>' + ''.join(f'<euca:{name}>{escape(value)}</euca:{name}>' for name, value in item.items()) + '</euca:item>'
        for item in items
    )
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<euca:{ACTION}ResponseType xmlns:euca="{namespace}">'
        f'<euca:correlationId>{request_id}</euca:correlationId><euca:_return>true</euca:_return>'
        f'<euca:serviceCertificates>{rows}</euca:serviceCertificates></euca:{ACTION}ResponseType>'
    ).encode()

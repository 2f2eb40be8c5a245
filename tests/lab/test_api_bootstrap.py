# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The cloud returns the certificate that images are encrypted for, to authenticated callers only."""

from __future__ import annotations

import re
import urllib.parse
import urllib.request
from html import unescape

import botocore.auth
import botocore.awsrequest
import botocore.credentials
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes

from eucalab.cloud import keys
from tests.kit.lab import Lab

URL = '/services/Empyrean'


def ask(lab_api: Lab, **parameters: str) -> tuple[int, str]:
    """As euca2ools does: a POST, signed with version 4, API version "eucalyptus"."""
    body = urllib.parse.urlencode({'Action': 'DescribeServiceCertificates', 'Version': 'eucalyptus', **parameters})
    request = botocore.awsrequest.AWSRequest(
        'POST', lab_api.config.endpoint + URL, data=body, headers={'Content-Type': 'application/x-www-form-urlencoded'}
    )
    account = botocore.credentials.Credentials(lab_api.tenant.access_key, lab_api.tenant.secret_key)
    botocore.auth.SigV4Auth(account, 'bootstrap', 'eucalyptus').add_auth(request)
    return lab_api.fetch(urllib.request.Request(request.url, body.encode(), dict(request.headers), method='POST'))


def element(name: str, body: str) -> str:
    return unescape(re.search(f'<euca:{name}>(.*?)</euca:{name}>', body, re.DOTALL).group(1))


def test_the_certificate_is_the_clouds_own(lab_api: Lab) -> None:
    status, body = ask(lab_api, Format='pem', FingerprintDigest='SHA-256')
    assert status == 200
    assert (element('serviceType', body), element('certificateUsage', body)) == ('compute', 'image-bundling')
    pem = element('certificate', body)
    assert pem == keys.cloud_certificate(lab_api.config).read_text()
    fingerprint = x509.load_pem_x509_certificate(pem.encode()).fingerprint(hashes.SHA256())
    assert element('certificateFingerprint', body) == fingerprint.hex(':').upper()


@pytest.mark.parametrize('usage, found', [('image-bundling', 1), ('something-else', 0)])
def test_filters_choose(lab_api: Lab, usage: str, found: int) -> None:
    _, body = ask(lab_api, **{'Filter.1.Name': 'certificate-usage', 'Filter.1.Value.1': usage})
    assert body.count('<euca:item>') == found


def test_strangers_are_refused_and_unknown_parameters_do_not_bind(lab_api: Lab) -> None:
    query = 'Action=DescribeServiceCertificates&Version=eucalyptus'
    assert lab_api.fetch(f'{lab_api.config.endpoint}{URL}?{query}')[0] == 403
    status, body = ask(lab_api, Colour='blue')
    assert (status, 'Failed to bind the following fields' in body) == (400, True)

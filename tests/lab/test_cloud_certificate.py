# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The collection gets the lab's certificate, as from a cloud of 4.2 or later."""

from __future__ import annotations

import pytest
from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.credentials import Credentials
from ansible_collections.eucalyptus.cloud.plugins.module_utils.image.certificates import (
    CertificateError,
    find_certificates,
)

from tests.kit.lab import Lab


def test_the_cloud_returns_its_certificate_for_a_valid_signature(lab_api: Lab):
    user = lab_api.tenant
    found = find_certificates(Credentials(lab_api.ec2_url, user.access_key, user.secret_key))
    lab_own = Credentials(lab_api.ec2_url, 'x', 'y', cloud_cert=str(lab_api.config.keys / 'cloud-cert.pem'))
    assert found.cloud == find_certificates(lab_own).cloud


def test_a_wrong_secret_is_reported_with_the_way_out(lab_api: Lab):
    with pytest.raises(CertificateError, match='Set cloud_cert'):
        find_certificates(Credentials(lab_api.ec2_url, lab_api.tenant.access_key, 'wrong'))

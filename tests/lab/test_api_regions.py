# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The small reads that clients make before anything else."""

from __future__ import annotations

from tests.kit.lab import Lab


def test_the_lab_is_one_region_whose_endpoint_answers(lab_api: Lab) -> None:
    ec2 = lab_api.ec2()
    (region,) = ec2.describe_regions()['Regions']
    assert region['RegionName'] == 'eucalyptus'
    assert region['Endpoint'].startswith(lab_api.config.endpoint)
    assert ec2.describe_regions(RegionNames=['elsewhere'])['Regions'] == []


def test_an_account_has_no_vpc(lab_api: Lab) -> None:
    reply = lab_api.ec2().describe_account_attributes(AttributeNames=['supported-platforms'])
    (attribute,) = reply['AccountAttributes']
    assert attribute['AttributeValues'] == [{'AttributeValue': 'EC2'}]
    assert len(lab_api.ec2().describe_account_attributes()['AccountAttributes']) == 2

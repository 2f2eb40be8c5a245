# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The small reads that clients make before anything else."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree

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


def test_instance_types_are_listed_with_their_memory_and_a_wrong_name_is_left_out(lab_api: Lab) -> None:
    status, body = lab_api.call('Action=DescribeInstanceTypes&InstanceType.1=m1.small&InstanceType.2=x9.huge&Version=2014-10-01')
    assert status == 200, body
    (item,) = ElementTree.fromstring(re.sub(' xmlns="[^"]*"', '', body)).findall('instanceTypeDetails/item')
    assert (item.findtext('name'), int(item.findtext('memory', '0')) > 0) == ('m1.small', True)


def test_only_the_administrator_sees_how_many_instances_of_a_type_fit(lab_api: Lab) -> None:
    query = 'Action=DescribeInstanceTypes&Availability=true&Version=2014-10-01'
    assert 'AuthFailure' in lab_api.call(query)[1]
    assert '<available>' in lab_api.call(query, lab_api.admin)[1]

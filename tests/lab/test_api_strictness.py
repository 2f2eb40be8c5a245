# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Requests that the API refuses, like Eucalyptus 4.4."""

from __future__ import annotations

import urllib.request
from xml.etree import ElementTree

import boto.ec2.connection
import boto.ec2.regioninfo
import pytest

from eucalab.versions import PLAYED
from tests.kit.lab import Lab
from tests.kit.refusals import refused


def test_an_unknown_parameter_is_a_bind_error_that_names_it(lab_api: Lab) -> None:
    status, body = lab_api.call('Action=DescribeVolumes&Colour=blue')
    assert status == 400
    assert '<Code>400 Bad Request</Code><Message>Failed to bind the following fields:\nColour = blue\n</Message>' in body


@pytest.mark.parametrize(
    'query',
    [
        'Action=CreateVolume&Size=1&AvailabilityZone=one&ClientToken=t',
        'Action=CreateVolume&Size=1&AvailabilityZone=one&TagSpecification.1.ResourceType=volume',
        'Action=DescribeImages&MaxResults=5',
        'Action=DescribeInstances&DryRun=true',
        'Action=GetConsoleOutput&InstanceId=i-12345678&Latest=true',
        'Action=RunInstances&ImageId=emi-12345678&MinCount=1&MaxCount=1&CpuOptions.CoreCount=1',
        'Action=CreateSnapshot&VolumeId=vol-12345678&TagSpecification.1.ResourceType=snapshot',
        'Action=RegisterImage&Name=abc&ImageLocation=b/m&EnaSupport=true',
        'Action=DescribeVolumes&MaxResults=many',
        'Action=DescribeTags&Filter=x&Filters.1.Name=y',
    ],
)
def test_what_4_4_has_no_field_for_does_not_bind(lab_api: Lab, query: str) -> None:
    status, body = lab_api.call(query)
    assert (status, 'Failed to bind the following fields' in body) == (400, True), body


def test_paging_parameters_bind_where_4_4_has_them(lab_api: Lab) -> None:
    for action in ('DescribeVolumes', 'DescribeSnapshots', 'DescribeInstances', 'DescribeTags'):
        assert lab_api.call(f'Action={action}&MaxResults=5')[0] == 200


def test_what_is_unknown_below_a_list_of_structures_is_dropped(lab_api: Lab) -> None:
    status, body = lab_api.call('Action=DescribeVolumes&Filter.1.Name=status&Filter.1.Value.1=none&Filter.1.Odd=1')
    assert status == 200, body


@pytest.mark.parametrize('version', ['2010-08-31', '2016-11-15', '2031-01-01', 'eucalyptus'])
def test_an_unknown_api_version_falls_back(lab_api: Lab, version: str) -> None:
    status, body = lab_api.call(f'Action=DescribeAvailabilityZones&Version={version}')
    assert (status, '<zoneName>one</zoneName>' in body) == (200, True)
    assert f'/doc/{version if version[0] == "2" else "2016-09-15"}/' in body


@pytest.mark.parametrize('path', ['/services/compute', '/services/compute/', '/services/Eucalyptus', '/services/Eucalyptus/'])
def test_ec2_answers_at_all_its_paths(lab_api: Lab, path: str) -> None:
    assert lab_api.call('Action=DescribeVolumes', path=path)[0] == 200


@pytest.mark.parametrize('path', ['/', '/services/Nowhere', '/services/computer'])
def test_any_other_path_is_404_with_an_error_that_has_no_details(lab_api: Lab, path: str) -> None:
    status, body = lab_api.call('Action=DescribeVolumes', path=path)
    assert (status, '<Code>404 Not Found</Code><Message>unknown</Message>' in body) == (404, True)


def test_a_request_without_a_version_finds_nobody(lab_api: Lab) -> None:
    status, body = lab_api.fetch(urllib.request.Request(lab_api.ec2_url, b'Action=DescribeVolumes'))
    assert (status, '<Code>404 Not Found</Code>' in body) == (404, True)


def test_a_get_request_serves_as_well(lab_api: Lab) -> None:
    region = boto.ec2.regioninfo.RegionInfo(name='x', endpoint='127.0.0.1')
    ec2 = boto.ec2.connection.EC2Connection(
        lab_api.tenant.access_key,
        lab_api.tenant.secret_key,
        is_secure=False,
        region=region,
        port=lab_api.config.port,
        path='/services/compute',
    )
    assert ec2.make_request('DescribeVolumes', {}, verb='GET').status == 200


@pytest.mark.parametrize('action', sorted(PLAYED['4.4'].requests.known))
@pytest.mark.parametrize(
    'rest',
    [
        '',
        '&InstanceId=&VolumeId=&ImageId=&SnapshotId=',
        '&Filter.1=x&Tag.1=y&ResourceId.1=i-12345678',
        '&Filter.1.Value.1=x&ResourceId.1=i-1&Tag.1.Value=y',
        '&BlockDeviceMapping.1.NoDevice=x',
    ],
)
def test_whatever_is_left_out_the_answer_is_a_service_error_or_a_reply(lab_api: Lab, action: str, rest: str) -> None:
    status, body = lab_api.call(f'Action={action}{rest}')
    assert '<Code>InternalError</Code>' not in body, body
    assert status in (200, 400, 403, 500) and ElementTree.fromstring(body.replace('xmlns=', 'ns=')) is not None


@pytest.mark.parametrize(
    'query',
    [
        'Action=CreateTags&ResourceId.1={volume}&Tag.1.Key=a&Tag.1.Value=%01',
        'Action=CreateTags&ResourceId.1={volume}&Tag.1.Key=%EF%BF%BF&Tag.1.Value=a',
        'Action=CreateSnapshot&VolumeId={volume}&Description=%0B',
    ],
)
def test_text_that_no_reply_could_show_is_refused(lab_api: Lab, query: str) -> None:
    volume = lab_api.ec2().create_volume(Size=1, AvailabilityZone='one')['VolumeId']
    status, body = lab_api.call(query.format(volume=volume))
    assert (status, '<Code>InvalidParameterValue</Code>' in body) == (400, True), body


def test_text_with_line_breaks_and_rare_letters_is_kept(lab_api: Lab) -> None:
    volume = lab_api.ec2().create_volume(Size=1, AvailabilityZone='one')['VolumeId']
    lab_api.ec2().create_tags(Resources=[volume], Tags=[{'Key': 'a', 'Value': 'tab\t, line\n, 🐨'}])
    tags = lab_api.ec2().describe_volumes(VolumeIds=[volume])['Volumes'][0]['Tags']
    assert tags == [{'Key': 'a', 'Value': 'tab\t, line\n, 🐨'}]


def test_whatever_an_error_repeats_it_is_well_formed(lab_api: Lab) -> None:
    for query in ('Action=%01', 'Action=DescribeVolumes&Colour=%01', 'Action=DescribeVolumes&Version=2014-10-01&%02=x'):
        status, body = lab_api.call(query)
        assert status == 400 and ElementTree.fromstring(body) is not None
    status, body = lab_api.fetch(f'{lab_api.s3_url}/no-such-bucket/%01')
    assert status in (403, 404) and ElementTree.fromstring(body) is not None


def test_an_unknown_action_is_refused(lab_api: Lab) -> None:
    status, body = lab_api.call('Action=MakeTea')
    assert (status, 'MakeTea' in body) == (400, True)


def test_describing_what_is_not_there_names_it(lab_api: Lab) -> None:
    ec2 = lab_api.ec2()
    with refused('InvalidVolume.NotFound', "The volume 'vol-12345678' does not exist"):
        ec2.describe_volumes(VolumeIds=['vol-12345678'])
    with refused('InvalidSnapshot.NotFound', 'snap-12345678'):
        ec2.describe_snapshots(SnapshotIds=['snap-12345678'])
    with refused('InvalidInstanceID.NotFound', "The instance IDs 'i-12345678', 'i-87654321' do not exist"):
        ec2.describe_instances(InstanceIds=['i-12345678', 'i-87654321'])
    with refused('InvalidAMIID.NotFound', 'emi-12345678'):
        ec2.describe_images(ImageIds=['emi-12345678'])


def test_malformed_ids_have_their_own_errors(lab_api: Lab) -> None:
    ec2 = lab_api.ec2()
    with refused('InvalidInstanceID.Malformed', '"vol-12345678"'):
        ec2.describe_instances(InstanceIds=['vol-12345678'])
    with refused('InvalidParameterValue', "Expected: 'vol-...'"):
        ec2.delete_volume(VolumeId='mydisk')
    with refused('InternalFailure', 'Invalid id', status=500):
        ec2.deregister_image(ImageId='ami-12345678')


def test_ids_are_accepted_in_capital_letters(lab_api: Lab) -> None:
    with refused('InvalidVolume.NotFound', 'vol-abcdef12'):
        lab_api.ec2().describe_volumes(VolumeIds=['vol-ABCDEF12'])

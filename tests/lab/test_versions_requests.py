# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each version's service paths, signatures and binding. The source files are in eucalab/versions, group ``requests``."""

from __future__ import annotations

import time
import urllib.request
from xml.etree import ElementTree

import pytest

from eucalab.versions import PLAYED
from tests.kit.lab import Lab
from tests.kit.refusals import refused

OLD, NEW = ('3.1', '3.4'), ('4.4', '5')


def code(body: str) -> str:
    return ElementTree.fromstring(body).findtext('Errors/Error/Code', '')


def message(body: str) -> str:
    return ElementTree.fromstring(body).findtext('Errors/Error/Message', '')


def test_each_version_has_its_paths_and_no_others(cloud: Lab) -> None:
    ec2 = {path: cloud.call('Action=DescribeVolumes', path=path)[0] for path in ('/services/compute', '/services/Eucalyptus')}
    s3 = {path: cloud.fetch(cloud.config.endpoint + path)[0] for path in ('/services/objectstorage', '/services/Walrus')}
    new = cloud.played.name in NEW
    assert ec2 == {'/services/compute': 200 if new else 404, '/services/Eucalyptus': 200}
    assert s3 == {'/services/objectstorage': 403 if new else 404, '/services/Walrus': 403}


def test_the_header_server_names_the_version_since_4_2(cloud: Lab) -> None:
    header = cloud.ec2().describe_volumes()['ResponseMetadata']['HTTPHeaders'].get('server', '')
    assert header.startswith(f'Eucalyptus/{cloud.played.name}.') if cloud.played.name in NEW else not header


def test_a_version_4_signature_finds_no_service_before_4_0(cloud: Lab) -> None:
    client = cloud.ec2(signature='v4')
    if cloud.played.name in NEW:
        client.describe_volumes()
    else:
        with refused('404 Not Found', 'unknown', status=404):
            client.describe_volumes()


def test_the_same_signature_counts_once_before_4_2(cloud: Lab) -> None:
    sent = {}
    client = cloud.ec2()
    client.meta.events.register('before-send.ec2', lambda request, **_: sent.update(url=request.url, body=request.body))
    client.describe_volumes()
    body = sent['body'] if isinstance(sent['body'], bytes) else sent['body'].encode()
    status, text = cloud.fetch(urllib.request.Request(sent['url'], body))
    if cloud.played.name in OLD:
        assert (status, code(text)) == (403, '403 Forbidden')
        assert message(text) == 'Message replay detected.  Same signature was used within the last 15 minutes'
    else:
        assert status == 200


def test_a_wrong_secret_is_refused_in_the_versions_words(cloud: Lab) -> None:
    old = 'Login Failure: all modules ignored'
    with refused('403 Forbidden', old if cloud.played.name in OLD else 'Signature validation failed', status=403):
        cloud.ec2(aws_secret_access_key='x' * 40).describe_volumes()


def test_a_tilde_breaks_the_signature_on_3_1_only(cloud: Lab) -> None:
    status, body = cloud.call('Action=CreateSnapshot&VolumeId=vol-00000000&Description=a~b')
    assert ('Login Failure' in body) == (cloud.played.name == '3.1')
    assert (status == 403) == (cloud.played.name == '3.1')


def test_an_unknown_parameter_has_the_versions_status(cloud: Lab) -> None:
    status, body = cloud.call('Action=DescribeVolumes&Colour=blue')
    expected = (412, '412 Precondition Failed') if cloud.played.name == '3.1' else (400, '400 Bad Request')
    assert (status, code(body)) == expected
    assert message(body) == 'Failed to bind the following fields:\nColour = blue\n'


def test_an_unknown_action_is_named_with_its_namespace(cloud: Lab) -> None:
    status, body = cloud.call('Action=MakeTea&Version=2010-08-31')
    assert status == cloud.played.requests.bind_status
    assert message(body) == (
        'Failed to find corresponding class mapping for element: MakeTea in namespace: ec2_amazonaws_com_doc_2010_08_31'
    )


# Versions in which the parameter binds.
BINDING = [
    ('CreateVolume', 'Size=1&AvailabilityZone=one&VolumeType=standard', '3.4 4.4 5'),
    ('CreateVolume', 'Size=1&AvailabilityZone=one&Encrypted=false', '4.4 5'),
    ('CreateVolume', 'Size=1&AvailabilityZone=one&ClientToken=t', ''),
    ('CreateVolume', 'Size=1&AvailabilityZone=one&TagSpecification.1.ResourceType=volume', '5'),
    ('DescribeVolumes', 'Filter.1.Name=status&Filter.1.Value.1=none', '3.4 4.4 5'),
    ('DescribeVolumes', 'MaxResults=5', '4.4 5'),
    ('DescribeInstances', 'MaxResults=5', '4.4 5'),
    ('DescribeImages', 'MaxResults=5', ''),
    ('DescribeInstanceTypes', '', '3.4 4.4 5'),
    ('DescribeInstanceStatus', '', '3.4 4.4 5'),
    ('DescribeAccountAttributes', '', '4.4 5'),
    ('DescribeTags', '', '3.1 3.4 4.4 5'),
    ('AllocateAddress', 'Domain=standard', '4.4 5'),
    ('CreateTags', 'ResourceId.1=vol-00000000&Tag.1.Key=a&Tag.1.Value=b', '3.4 4.4 5'),
    ('RegisterImage', 'ImageLocation=bb/m&VirtualizationType=hvm', '3.4 4.4 5'),
    ('RegisterImage', 'ImageLocation=bb/m&Platform=windows', '4.4 5'),
    ('RegisterImage', 'BlockDeviceMapping.1.DeviceName=sda&BlockDeviceMapping.2.DeviceName=sdb', '3.4 4.4 5'),
    ('RunInstances', 'ImageId=emi-00000000&MinCount=1&MaxCount=1&ClientToken=t', '3.1 3.4 4.4 5'),
    ('RunInstances', 'ImageId=emi-00000000&MinCount=1&MaxCount=1&Monitoring.Enabled=false', '3.4 4.4 5'),
    ('RunInstances', 'ImageId=emi-00000000&MinCount=1&MaxCount=1&InstanceInitiatedShutdownBehavior=stop', '3.4 4.4 5'),
    ('RunInstances', 'ImageId=emi-00000000&MinCount=1&MaxCount=1&SecurityGroupId.1=sg-1', '3.4 4.4 5'),
    ('ModifyImageAttribute', 'ImageId=emi-00000000&LaunchPermission.Add.1.Group=all', '3.4 4.4 5'),
    ('ModifyImageAttribute', 'ImageId=emi-00000000&Attribute=launchPermission&OperationType=add&UserGroup.1=all', '3.1 3.4 4.4 5'),
    ('ModifyInstanceAttribute', 'InstanceId=i-00000000&UserData.Value=YQ==', '4.4 5'),
    ('DescribeInstanceAttribute', 'InstanceId=i-00000000&Attribute=userData', '4.4 5'),
    ('AuthorizeSecurityGroupIngress', 'GroupName=x&IpPermissions.1.IpProtocol=tcp', '3.4 4.4 5'),
    ('AuthorizeSecurityGroupIngress', 'GroupName=x&IpProtocol=tcp&FromPort=1&ToPort=1&CidrIp=10.0.0.0/8', '3.1 3.4 4.4 5'),
    ('DeleteSecurityGroup', 'GroupId=sg-00000000', '3.4 4.4 5'),
    ('DescribeVolumeAttribute', 'VolumeId=vol-00000000&Attribute=productCodes', '4.4 5'),
    ('GetConsoleOutput', 'InstanceId.1=i-00000000', '3.1 3.4 4.4 5'),
    ('GetConsoleOutput', 'InstanceId=i-00000000&Latest=true', ''),
]


@pytest.mark.parametrize('action, rest, versions', BINDING)
def test_a_parameter_binds_where_its_version_has_a_field_for_it(cloud: Lab, action: str, rest: str, versions: str) -> None:
    _, body = cloud.call(f'Action={action}&{rest}')
    missing = any(text in body for text in ('Failed to bind the following fields', 'Failed to find corresponding class mapping'))
    assert missing == (cloud.played.name not in versions.split()), body


def test_an_empty_value_is_none_before_4_0(cloud: Lab) -> None:
    """On 3.x an empty number does not even fail to bind: the parameter is gone."""
    _, body = cloud.call('Action=CreateVolume&Size=&AvailabilityZone=one')
    assert ('One of size or snapshotId is required' in body) == (cloud.played.name in OLD), body


@pytest.mark.parametrize('version', ['2010-08-31', '2014-10-01', '2031-01-01'])
def test_an_api_version_that_the_cloud_does_not_know_is_answered_in_its_own_namespace(cloud: Lab, version: str) -> None:
    status, body = cloud.call(f'Action=DescribeAvailabilityZones&Version={version}')
    root = ElementTree.fromstring(body)
    internal = cloud.played.name == '3.1' and version != '2010-08-31'
    name = 'DescribeAvailabilityZonesResponseType' if internal else 'DescribeAvailabilityZonesResponse'
    assert (status, root.tag) == (200, f'{{http://ec2.amazonaws.com/doc/{version}/}}{name}')
    assert root.findtext('.//{*}zoneName') == 'one'


def test_a_client_newer_than_3_1_finds_only_part_of_its_replies(clouds: dict[str, Lab]) -> None:
    """What EC2's form has at the top of a reply is one level deeper in the internal form, and states have other names."""
    for play, lab in clouds.items():
        _, body = lab.call('Action=CreateVolume&Size=1&AvailabilityZone=one&Version=2014-10-01')
        root = ElementTree.fromstring(body)
        assert (root.find('{*}volumeId') is None) == (play == '3.1'), body
        assert root.find('.//{*}volumeId') is not None


INCOMPLETE = [
    '',
    '&InstanceId=&VolumeId=&ImageId=&SnapshotId=',
    '&InstanceId.1=i-1&VolumeId.1=x&ImageId.1=&SnapshotId.1=snap-0&GroupId.1=sg-1',
    '&ResourceId.1=vol-00000000&Tag.1.Value=y',
    '&BlockDeviceMapping.1.VirtualName=ephemeral0',
    '&ImageId=emi-00000000&InstanceId=i-00000000&VolumeId=vol-00000000&SnapshotId=snap-00000000&GroupName=default&KeyName=k',
]


@pytest.mark.parametrize('rest', INCOMPLETE)
def test_whatever_is_left_out_no_version_fails_without_an_error_of_its_own(cloud: Lab, rest: str) -> None:
    failed = []
    for action, known in cloud.played.requests.known.items():
        # Parameters that the action does not have would only fail to bind.
        names = {name.removesuffix('.*').removesuffix('.N').removesuffix('.1') for name in known.split()}
        parts = [part for part in rest.split('&') if part and part.split('=')[0].removesuffix('.1').split('.1.')[0] in names]
        status, body = cloud.call('&'.join([f'Action={action}', *parts]))
        if '<Code>InternalError</Code>' in body or status not in (200, 400, 403, 406, 412, 500, 501):
            failed.append((action, body))
    assert not failed


def test_signed_clocks_may_differ_as_in_every_version(cloud: Lab) -> None:
    for seconds, fine in ((-600, True), (-1000, False), (10, True), (120, False)):
        stamp = time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime(time.time() + seconds))
        assert (cloud.call(f'Action=DescribeVolumes&Timestamp={stamp}')[0] == 200) == fine


def test_the_bootstrap_service_exists_from_4_2_on(cloud: Lab) -> None:
    query = 'Action=DescribeServiceCertificates&Version=eucalyptus&Format=pem'
    assert (cloud.call(query, path='/services/Empyrean')[0] == 200) == (cloud.played.name in NEW)


@pytest.mark.parametrize('play', PLAYED)
def test_every_group_names_the_files_it_was_read_from(play: str) -> None:
    sources = PLAYED[play].sources
    assert {'requests', 'errors', 'replies', 'images', 'instances', 'types', 'volumes', 'storage'} <= set(sources)
    for files in sources.values():
        assert files and all(name.endswith(('.java', '.groovy', '.xml', '.c', '.xsl', '.h')) for name in files)

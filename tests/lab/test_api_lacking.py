# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Requests that Eucalyptus supports and the lab does not are refused with that reason, and the log has every refusal."""

from __future__ import annotations

import re

import pytest

from tests.kit.lab import Lab
from tests.kit.refusals import refused

WITHOUT_BODY = 'Action=RunInstances&ImageId=emi-12345678&MinCount=1&MaxCount=1'


def log_of(lab_api: Lab, query: str) -> str:
    """The lines that a request adds to the log."""
    log = lab_api.home / 'api.log'
    start = log.stat().st_size
    lab_api.call(query)
    return log.read_bytes()[start:].decode()


@pytest.mark.parametrize('action', ['DescribeVpnConnections', 'BundleInstance', 'MigrateInstances', 'CopyImage'])
def test_an_action_that_only_the_lab_lacks_is_refused_with_that_reason(lab_api: Lab, action: str) -> None:
    status, body = lab_api.call(f'Action={action}')
    assert status == 501
    assert f'<Message>The lab lacks the action {action}, which Eucalyptus 4.4 has.</Message>' in body


@pytest.mark.parametrize('action', ['MakeTea', 'DescribeHosts', 'DescribeLaunchTemplates', ''])
def test_an_action_that_4_4_lacks_is_refused_in_its_words(lab_api: Lab, action: str) -> None:
    status, body = lab_api.call(f'Action={action}')
    assert (status, f'<Message>Failed to find corresponding class mapping for element: {action} in' in body) == (400, True)


@pytest.mark.parametrize(
    'query, what',
    [
        (f'{WITHOUT_BODY}&IamInstanceProfile.Name=web', 'instance profiles'),
        (f'{WITHOUT_BODY}&Monitoring.Enabled=true', 'detailed monitoring'),
        (f'{WITHOUT_BODY}&AddressingType=private', 'private addressing'),
        ('Action=ModifyImageAttribute&ImageId={image}&ProductCode.1=x', 'product codes of images'),
        ('Action=ModifySnapshotAttribute&SnapshotId={snapshot}&ProductCode.1=x', 'product codes of snapshots'),
    ],
)
def test_a_parameter_that_the_lab_does_not_support_is_not_ignored(lab_api: Lab, query: str, what: str) -> None:
    image = lab_api.register(lab_api.tenant, 'machine', 'lacking-images', VirtualizationType='hvm')
    lab_api.insert(
        'snapshots',
        id=(snapshot := f'snap-{image[4:]}'),
        account=lab_api.tenant.number,
        volume_id='vol-12345678',
        size=1,
        state='completed',
        started=0,
    )
    status, body = lab_api.call(query.format(image=image, snapshot=snapshot))
    assert (status, f'<Message>The lab lacks {what}.</Message>' in body) == (501, True), body


def test_a_cloud_without_vpc_refuses_its_parameters(lab_api: Lab) -> None:
    with refused('InvalidParameterValue', 'EC2-VPC not supported'):
        lab_api.ec2().run_instances(ImageId='emi-12345678', MinCount=1, MaxCount=1, SubnetId='subnet-12345678')
    with refused('InvalidVpcID.NotFound', 'vpc-12345678'):
        lab_api.ec2().create_security_group(GroupName='in-a-vpc', Description='d', VpcId='vpc-12345678')


@pytest.mark.parametrize(
    'query, words',
    [
        ('Action=DescribeVolumes&VolumeId.1=vol-12345678', "400 .* ms InvalidVolume.NotFound: The volume 'vol-12345678' does not"),
        (
            'Action=MakeTea',
            '400 .* ms 400 Bad Request: Failed to find corresponding class mapping for element: MakeTea in namespace: .*',
        ),
        ('Action=DescribeVpnGateways', '501 .* ms NotImplemented: The lab lacks the action DescribeVpnGateways'),
        ('Action=DescribeVolumes&Timestamp=2001-01-01T00:00:00Z', '403 .* ms 403 Forbidden: Message has expired'),
    ],
)
def test_the_log_has_code_and_message_of_a_refusal(lab_api: Lab, query: str, words: str) -> None:
    (line,) = log_of(lab_api, query).splitlines()
    assert re.search(words, line), line


def test_the_log_has_neither_values_that_do_not_bind_nor_lines_of_a_clients_own(lab_api: Lab) -> None:
    line = log_of(lab_api, 'Action=RunInstances&Password=s3cret&UserData2=s3cret')
    assert 'Failed to bind the following fields: Password, UserData2' in line and 's3cret' not in line
    assert len(log_of(lab_api, 'Action=Make%0ATea%1B%5B0m').splitlines()) == 1
    assert '\x1b' not in log_of(lab_api, 'Action=Make%0ATea%1B%5B0m')
    assert len(log_of(lab_api, f'Action={"x" * 100000}')) < 1200


def test_the_log_has_refusals_of_object_storage_without_the_signature(lab_api: Lab) -> None:
    log = lab_api.home / 'api.log'
    start = log.stat().st_size
    url = lab_api.s3().generate_presigned_url('get_object', {'Bucket': 'no-such-bucket', 'Key': 'k'})
    assert lab_api.fetch(url)[0] == 404
    line = log.read_bytes()[start:].decode()
    assert 'GET /services/objectstorage/no-such-bucket/k 404 NoSuchBucket: The specified bucket does not exist' in line
    assert 'Signature' not in line and 'AWSAccessKeyId' not in line

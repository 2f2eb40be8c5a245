# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab reads and writes messages in the form of botocore's own serialiser and parser."""

from __future__ import annotations

import datetime
from typing import Any

import botocore.loaders
import botocore.parsers
import botocore.serialize
import pytest
from botocore.model import ServiceModel

from eucalab.protocol.wire import BindError, Ec2Wire, decode_base64
from eucalab.versions import PLAYED

CLIENTS = ('2014-10-01', '2016-09-15', '2016-11-15')


@pytest.fixture(scope='module')
def wire() -> Ec2Wire:
    return Ec2Wire(PLAYED['4.4'].requests.newest_api)


def model(version: str) -> ServiceModel:
    return ServiceModel(botocore.loaders.Loader().load_service_model('ec2', 'service-2', version), 'ec2')


REQUESTS: list[tuple[str, dict[str, Any]]] = [
    (
        'DescribeVolumes',
        {
            'VolumeIds': [f'vol-{number}' for number in range(12)],
            'Filters': [{'Name': 'tag:Name', 'Values': ['a', 'b*']}, {'Name': 'size', 'Values': ['1']}],
        },
    ),
    (
        'RegisterImage',
        {
            'Name': 'n',
            'Description': 'two\nlines & <signs>',
            'RootDeviceName': '/dev/sda',
            'BlockDeviceMappings': [
                {'DeviceName': '/dev/sda', 'Ebs': {'SnapshotId': 'snap-1', 'VolumeSize': 7, 'DeleteOnTermination': False}},
                {'DeviceName': '/dev/sdb', 'VirtualName': 'ephemeral0'},
            ],
        },
    ),
    (
        'RunInstances',
        {
            'ImageId': 'emi-1',
            'MinCount': 1,
            'MaxCount': 3,
            'SecurityGroups': ['default', 'b'],
            'Placement': {'AvailabilityZone': 'one'},
            'Monitoring': {'Enabled': False},
            'ClientToken': 't',
            'KernelId': 'eki-1',
            'BlockDeviceMappings': [{'DeviceName': '/dev/sdb', 'NoDevice': 'true'}],
        },
    ),
    (
        'ModifyImageAttribute',
        {
            'ImageId': 'emi-1',
            'LaunchPermission': {'Add': [{'Group': 'all'}, {'UserId': '123456789012'}]},
            'Description': {'Value': 'd'},
        },
    ),
    ('CreateTags', {'Resources': ['i-1', 'vol-1'], 'Tags': [{'Key': 'ü', 'Value': ''}, {'Key': 'b', 'Value': 'c'}]}),
    ('DetachVolume', {'VolumeId': 'vol-1', 'Force': True}),
]


@pytest.mark.parametrize('version', CLIENTS)
@pytest.mark.parametrize('action, request_', REQUESTS)
def test_requests_are_read_as_they_were_meant(wire: Ec2Wire, version: str, action: str, request_: dict[str, Any]) -> None:
    serialiser = botocore.serialize.create_serializer('ec2', include_validation=False)
    body = serialiser.serialize_to_request(request_, model(version).operation_model(action))['body']
    parameters = {name: str(value) for name, value in body.items() if name not in ('Action', 'Version')}
    assert not PLAYED['4.4'].requests.unknown_parameters(action, list(parameters))
    assert wire.parse(action, parameters) == request_


@pytest.mark.parametrize('version', CLIENTS)
def test_replies_are_understood(wire: Ec2Wire, version: str) -> None:
    reply = {
        'Volumes': [
            {
                'VolumeId': 'vol-1',
                'Size': 3,
                'State': 'in-use',
                'CreateTime': 1480000000.25,
                'Encrypted': False,
                'Tags': [{'Key': 'a<b', 'Value': 'é & "q"'}],
                'Attachments': [{'VolumeId': 'vol-1', 'State': 'attached', 'DeleteOnTermination': True}],
            },
            {'VolumeId': 'vol-2', 'Tags': []},
        ]
    }
    content = wire.serialise('DescribeVolumes', version, 'id-1', reply)
    parser = botocore.parsers.create_parser('ec2')
    parsed = parser.parse(
        {'body': content, 'headers': {}, 'status_code': 200}, model(version).operation_model('DescribeVolumes').output_shape
    )
    assert parsed['ResponseMetadata']['RequestId'] == 'id-1'
    first = parsed['Volumes'][0]
    assert first.pop('CreateTime') == datetime.datetime(2016, 11, 24, 15, 6, 40, 250000, datetime.timezone.utc)
    del reply['Volumes'][0]['CreateTime']
    assert parsed['Volumes'] == reply['Volumes']


def test_a_member_that_the_model_does_not_have_is_a_mistake_of_ours(wire: Ec2Wire) -> None:
    with pytest.raises(AssertionError, match='Colour'):
        wire.serialise('DescribeVolumes', '2014-10-01', 'x', {'Volumes': [{'Colour': 'blue'}]})


@pytest.mark.parametrize(
    'name, text', [('Size', text) for text in ('ten', '', '1.5', '1_0', ' 1 ', '0x1', '2147483648', '-2147483649', '9' * 5000)]
)
def test_a_number_that_is_none_does_not_bind(wire: Ec2Wire, name: str, text: str) -> None:
    with pytest.raises(BindError, match=f'{name} = {text}'):
        wire.parse('CreateVolume', {name: text})


@pytest.mark.parametrize('text, number', [('1', 1), ('+1', 1), ('-1', -1), ('0000000000001', 1), ('2147483647', 2147483647)])
def test_a_number_has_digits_and_perhaps_a_sign(wire: Ec2Wire, text: str, number: int) -> None:
    assert wire.parse('CreateVolume', {'Size': text}) == {'Size': number}


def test_a_list_without_an_index_is_a_list_of_one(wire: Ec2Wire) -> None:
    assert wire.parse('DescribeVolumes', {'VolumeId': 'vol-1'}) == {'VolumeIds': ['vol-1']}


@pytest.mark.parametrize(
    'text, data', [('YQ==', b'a'), ('Y\nQ=\r\n=', b'a'), ('', b''), ('Y', None), ('YQ=', None), ('Y!Q=', None)]
)
def test_base64_may_have_line_breaks_and_nothing_else(text: str, data: bytes | None) -> None:
    assert decode_base64(text) == data

# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Addresses, metadata, DHCP and the packet filter of a lab with a network of its own, without a network: no root needed."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import dataclasses
import json
import secrets
import struct
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from eucalab.addressing import ALL, NUMBERS, Addressing
from eucalab.cloud.accounts import create_accounts
from eucalab.cloud.context import Cloud
from eucalab.cloud.instances import set_state
from eucalab.cloud.keys import cloud_certificate
from eucalab.cloud.store import Store
from eucalab.config import Config
from eucalab.ec2.families import load_actions
from eucalab.ec2.instances import assign_addresses
from eucalab.errors import LabError
from eucalab.host import namespaces
from eucalab.network import dhcp, filter, metadata, service
from eucalab.protocol.auth import Caller
from eucalab.protocol.errors import ApiError
from eucalab.versions import PLAYED
from tests.kit.lab import labs_below

ADDRESSING = Addressing(5)
LAUNCHED = 1700000000.0


@dataclasses.dataclass
class Desk:
    """A cloud whose actions are called directly, as one of two accounts or as the administrator."""

    cloud: Cloud

    def call(self, action: str, account: str = '111111111111', is_admin: bool = False, **request: Any) -> dict[str, Any]:
        caller = Caller(account=account, account_name='someone', user_id='AID', user_name='admin', is_admin=is_admin, secret_key='')
        return dict(load_actions()[action](self.cloud, caller, request))  # type: ignore[call-overload]

    def launch(self, account: str = '111111111111', node: str = 'node1', **columns: Any) -> str:
        """An instance as RunInstances leaves it."""
        identifier = f'i-{secrets.token_hex(4)}'
        values = {
            'id': identifier,
            'reservation': 'r-1',
            'account': account,
            'user_id': 'AID',
            'image_id': 'emi-1',
            'instance_type': 'm1.small',
            'zone': 'one',
            'root_device_type': 'ebs',
            'root_device_name': '/dev/sda',
            'mac': 'd0:0d:01:02:03:04',
            'state': 'pending',
            'state_since': 0,
            'launched': LAUNCHED,
            'node': node,
            'groups': '["default"]',
            **columns,
        }
        self.cloud.store.insert('instances', **values)
        assign_addresses(self.cloud, identifier)
        return identifier

    def attach(self, instance: str, device: str, is_root: int = 0, attached: float = LAUNCHED) -> None:
        """A volume of the instance's."""
        volume = f'vol-{secrets.token_hex(4)}'
        state = {'state': 'available', 'state_since': 0}
        self.cloud.store.insert('volumes', id=volume, account='1', size=1, zone='one', created=0, **state)
        columns = {'device': device, 'is_root': is_root, 'state': 'attached', 'state_since': 0, 'attached': attached}
        self.cloud.store.insert('attachments', volume_id=volume, instance_id=instance, **columns)

    def row(self, instance: str) -> dict[str, Any]:
        return dict(self.cloud.store.rows('SELECT * FROM instances WHERE id = ?', instance)[0])

    def metadata(self, instance: str, path: str) -> str | None:
        found = metadata.get(self.cloud, self.row(instance)['private_ip'], path)
        return None if found is None else found.decode()


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with labs_below(tmp_path):
        config = Config('rules', network='namespace', network_number=ADDRESSING.number)
        config.make_directories()
        with contextlib.closing(Store(config.database)) as store:
            yield Desk(Cloud(config, store, PLAYED[config.play]))


def test_no_two_labs_and_no_two_networks_of_a_lab_overlap() -> None:
    labs = [Addressing(number) for number in NUMBERS]
    assert all(lab.subnet.subnet_of(ALL) for lab in labs)
    assert len({lab.subnet for lab in labs}) == len(labs)
    for lab in labs:
        networks = [lab.of_node(number) for number in range(1, 10)]
        assert len({*networks}) == 9 and all(network.subnet_of(lab.subnet) for network in networks)
        assert not any(address in network for address in (*lab.public, lab.router, lab.machine) for network in networks)
        assert all(address in lab.subnet for address in lab.public)


def test_no_two_instances_share_an_address(desk: Desk) -> None:
    rows = [desk.row(desk.launch(node=node)) for node in ('node1', 'node2') * 20]
    assert len({row['private_ip'] for row in rows} | {row['public_ip'] for row in rows}) == 80
    for row in rows:
        number = int(row['node'][-1])
        assert IPv4Address(row['private_ip']) in ADDRESSING.of_node(number)
        assert IPv4Address(row['public_ip']) in ADDRESSING.public


def test_when_all_addresses_are_used_a_launch_is_refused(desk: Desk) -> None:
    for _ in range(253):
        desk.launch()
    with pytest.raises(ApiError, match='Not enough resources available: addresses'):
        desk.launch()
    assert desk.launch(node='node2')


@pytest.mark.parametrize('state', ['stopped', 'terminated'])
def test_an_instance_that_ends_loses_its_addresses_and_its_account_keeps_the_elastic_one(desk: Desk, state: str) -> None:
    instance = desk.launch()
    address = desk.call('AllocateAddress')['PublicIp']
    desk.call('AssociateAddress', PublicIp=address, InstanceId=instance)
    set_state(desk.cloud, instance, state)
    assert desk.row(instance)['private_ip'] is desk.row(instance)['public_ip'] is None
    assert desk.call('DescribeAddresses')['Addresses'] == [{'PublicIp': address, 'Domain': 'standard', 'InstanceId': None}]


def test_an_instance_that_is_started_again_gets_addresses_of_its_new_node(desk: Desk) -> None:
    instance = desk.launch(node='node2')
    set_state(desk.cloud, instance, 'stopped')
    desk.attach(instance, '/dev/sda', is_root=1)
    desk.call('StartInstances', InstanceIds=[instance])
    row = desk.row(instance)
    number = int(row['node'][-1])
    assert IPv4Address(row['private_ip']) in ADDRESSING.of_node(number) and IPv4Address(row['public_ip']) in ADDRESSING.public


def test_an_elastic_address_is_the_accounts_until_it_is_released(desk: Desk) -> None:
    first, second = desk.launch(), desk.launch()
    original = desk.row(first)['public_ip']
    reply = desk.call('AllocateAddress')
    address = reply['PublicIp']
    assert reply == {'PublicIp': address, 'Domain': 'standard'} and address not in (original, desk.row(second)['public_ip'])
    desk.call('AssociateAddress', PublicIp=address, InstanceId=first)
    assert desk.row(first)['public_ip'] == address
    desk.call('AssociateAddress', PublicIp=address, InstanceId=second)
    assert desk.row(second)['public_ip'] == address and desk.row(first)['public_ip'] not in (address, None)
    described = desk.call('DescribeAddresses', Filters=[{'Name': 'instance-id', 'Values': [second]}])['Addresses']
    assert [one['PublicIp'] for one in described] == [address]
    desk.call('DisassociateAddress', PublicIp=address)
    desk.call('DisassociateAddress', PublicIp=address)
    assert desk.row(second)['public_ip'] not in (address, None)
    desk.call('AssociateAddress', PublicIp=address, InstanceId=second)
    desk.call('ReleaseAddress', PublicIp=address)
    assert desk.row(second)['public_ip'] not in (address, None)
    assert desk.call('DescribeAddresses') == {'Addresses': []}


def test_requests_for_addresses_are_refused_as_by_eucalyptus(desk: Desk) -> None:
    instance, address = desk.launch(), desk.call('AllocateAddress')['PublicIp']
    other = {'account': '222222222222'}
    cases: list[tuple[str, str, dict[str, Any]]] = [
        ('MissingParameter', 'ReleaseAddress', {}),
        ('InternalFailure', 'ReleaseAddress', {'PublicIp': '192.0.2.1'}),
        ('InternalFailure', 'AssociateAddress', {'PublicIp': '192.0.2.1', 'InstanceId': instance}),
        ('InvalidAddressID.NotFound', 'ReleaseAddress', {'AllocationId': 'eipalloc-12345678'}),
        ('InvalidAssociationID.NotFound', 'DisassociateAddress', {'AssociationId': 'eipassoc-12345678'}),
        ('InvalidParameterCombination', 'AssociateAddress', {'PublicIp': address}),
        ('InvalidInstanceID.NotFound', 'AssociateAddress', {'PublicIp': address, 'InstanceId': 'i-00000000'}),
        ('UnauthorizedOperation', 'AssociateAddress', {'PublicIp': address, 'InstanceId': instance, **other}),
        ('UnauthorizedOperation', 'ReleaseAddress', {'PublicIp': address, **other}),
        ('UnauthorizedOperation', 'DisassociateAddress', {'PublicIp': address, **other}),
    ]
    for code, action, request in cases:
        with pytest.raises(ApiError) as caught:
            desk.call(action, **request)
        assert caught.value.code == code, action
    set_state(desk.cloud, instance, 'stopped')
    with pytest.raises(ApiError) as caught:
        desk.call('AssociateAddress', PublicIp=address, InstanceId=instance)
    assert caught.value.code == 'InvalidInstanceID'
    assert desk.call('DescribeAddresses', **other) == {'Addresses': []}


def test_the_administrator_sees_every_address_with_its_owner(desk: Desk) -> None:
    instance, address = desk.launch(), desk.call('AllocateAddress')['PublicIp']
    shown = {
        one['PublicIp']: one['InstanceId']
        for one in desk.call('DescribeAddresses', is_admin=True, PublicIps=['verbose'])['Addresses']
    }
    assert list(shown) == [str(one) for one in ADDRESSING.public]
    assert shown[desk.row(instance)['public_ip']].startswith(f'{instance} ')
    assert '111111111111' in shown[address] and list(shown.values()).count('nobody') == len(shown) - 2


def test_the_versions_of_the_metadata_are_listed_for_who_asks_by_address() -> None:
    assert metadata._versions('169.254.169.254') == b'\n'.join(version.encode() for version in metadata.VERSIONS)
    assert metadata._versions('localhost') is None


def test_a_folder_of_the_metadata_lists_what_is_in_it(desk: Desk) -> None:
    instance = desk.launch(kernel_id='eki-1', root_device_type='instance-store', root_device_name='/dev/sda1')
    listed = desk.metadata(instance, '/latest/meta-data/')
    assert listed == desk.metadata(instance, '/2009-04-04/meta-data')
    assert listed is not None and listed.split('\n') == [
        *('ami-id', 'ami-launch-index', 'block-device-mapping/', 'hostname', 'instance-id', 'instance-type', 'kernel-id'),
        *('local-hostname', 'local-ipv4', 'mac', 'network/', 'placement/', 'public-hostname', 'public-ipv4', 'reservation-id'),
        *('security-groups', 'services/'),
    ]
    assert desk.metadata(instance, '/latest/') == 'dynamic\nmeta-data'
    assert desk.metadata(instance, '/latest/meta-data/placement/') == 'availability-zone'
    assert desk.metadata(instance, '/latest/meta-data/placement/availability-zone') == 'one'
    assert desk.metadata(instance, '/latest/meta-data/block-device-mapping') == 'ami\nemi\nephemeral0\nroot\nswap'
    assert desk.metadata(instance, '/latest/meta-data/block-device-mapping/root') == '/dev/sda1'
    mac = desk.row(instance)['mac']
    assert desk.metadata(instance, '/latest/meta-data/network/interfaces/macs/') == f'{mac}/'
    assert desk.metadata(instance, '/latest//meta-data//instance-id') == instance
    for missing in ('/latest/meta-data/nothing', '/latest/api/token', '/latest/user-data', '/nothing', '/2009-04-04', '/latest/x'):
        assert desk.metadata(instance, missing) is None


def test_the_volumes_of_the_launch_are_in_the_metadata_and_later_ones_are_not(desk: Desk) -> None:
    instance = desk.launch()
    desk.attach(instance, '/dev/sda', is_root=1)
    desk.attach(instance, '/dev/sdc')
    desk.attach(instance, '/dev/sdf', attached=LAUNCHED + 9)
    assert desk.metadata(instance, '/latest/meta-data/block-device-mapping/') == 'ami\nebs1\nemi\nroot'
    assert desk.metadata(instance, '/latest/meta-data/block-device-mapping/ebs1') == 'sdc'


def test_the_ephemeral_disk_is_in_the_metadata_where_the_instance_has_it(desk: Desk) -> None:
    def mapping(instance: str) -> str | None:
        return desk.metadata(instance, '/latest/meta-data/block-device-mapping/ephemeral0')

    store = {'root_device_type': 'instance-store'}
    assert mapping(desk.launch(**store, root_device_name='/dev/sda1')) == 'sda2'
    assert mapping(desk.launch(**store, root_device_name='/dev/sda')) == 'sdb'
    instance = desk.launch()
    assert mapping(instance) is None
    desk.cloud.store.insert('ephemeral_disks', instance_id=instance, name='ephemeral0', device='/dev/sdc')
    assert mapping(instance) == 'sdc'


def test_the_key_of_the_launch_and_the_user_data_are_in_the_metadata(desk: Desk) -> None:
    instance = desk.launch(key_name='mine', user_data='aGVsbG8=')
    desk.cloud.store.insert('launch_keys', instance_id=instance, public_key='ssh-rsa AAAA mine')
    for path in ('public-keys', 'public-keys/'):
        assert desk.metadata(instance, f'/latest/meta-data/{path}') == '0=mine'
    assert desk.metadata(instance, '/latest/meta-data/public-keys/0/openssh-key') == 'ssh-rsa AAAA mine'
    assert desk.metadata(instance, '/latest/meta-data/public-keys/0') == 'openssh-key'
    assert desk.metadata(instance, '/latest/user-data') == 'hello'
    assert desk.metadata(instance, '/latest/') == 'dynamic\nmeta-data\nuser-data'


def test_the_identity_document_is_signed_by_the_cloud(desk: Desk) -> None:
    create_accounts(desk.cloud.store, desk.cloud.config)
    instance = desk.launch()
    text = desk.metadata(instance, '/latest/dynamic/instance-identity/document') or ''
    signature = desk.metadata(instance, '/latest/dynamic/instance-identity/signature') or ''
    certificate = x509.load_pem_x509_certificate(cloud_certificate(desk.cloud.config).read_bytes())
    key = certificate.public_key()
    assert isinstance(key, rsa.RSAPublicKey)
    key.verify(base64.b64decode(signature), text.encode(), padding.PKCS1v15(), hashes.SHA1())  # raises when it is another's
    document = json.loads(text)
    assert (document['instanceId'], document['accountId']) == (instance, '111111111111')
    listed = desk.metadata(instance, '/latest/dynamic/instance-identity')
    assert listed == 'document\npkcs7\nsignature'
    assert desk.metadata(instance, '/latest/dynamic/') == 'fws/\ninstance-identity/'


@pytest.mark.parametrize(('state', 'served'), [('pending', True), ('running', True), ('shutting-down', False)])
def test_metadata_are_served_from_the_launch_to_the_end(desk: Desk, state: str, served: bool) -> None:
    instance = desk.launch()
    set_state(desk.cloud, instance, state)
    assert (desk.metadata(instance, '/latest/meta-data/instance-id') == instance) is served


def test_an_address_that_no_instance_has_gets_no_metadata(desk: Desk) -> None:
    desk.launch()
    for sender in ('127.0.0.1', str(ADDRESSING.machine), '', '198.18.255.1'):
        assert metadata.get(desk.cloud, sender, '/latest/meta-data/instance-id') is None


LEASE = dhcp.Lease('d0:0d:01:02:03:04', IPv4Address('198.18.1.7'), IPv4Network('198.18.1.0/24'), IPv4Address('198.18.1.1'))


def packet(kind: int, mac: str = LEASE.mac, requested: str | None = None, server: str | None = None) -> bytes:
    head = struct.pack('>BBBBIHH', 1, 1, 6, 0, 0x12345678, 0, 0) + bytes(16)
    head += bytes.fromhex(mac.replace(':', '')).ljust(16, b'\0') + bytes(192)
    options = bytes([53, 1, kind])
    if requested:
        options += bytes([50, 4]) + IPv4Address(requested).packed
    if server:
        options += bytes([54, 4]) + IPv4Address(server).packed
    return head + b'\x63\x82\x53\x63' + b'\0' + options + b'\xff'


def test_a_guest_is_offered_its_address_and_gets_no_other() -> None:
    offer = dhcp.answer(packet(dhcp.DISCOVER), LEASE)
    assert offer is not None and offer[0] == 2 and offer[4:8] == b'\x12\x34\x56\x78'
    assert offer[16:20] == LEASE.address.packed and bytes([53, 1, dhcp.OFFER]) in offer
    assert bytes([1, 4, 255, 255, 255, 0]) in offer and bytes([3, 4]) + LEASE.router.packed in offer
    assert bytes([12]) not in {bytes([number]) for number in (dhcp._options(offer) or {})}  # no host name
    taken = dhcp.answer(packet(dhcp.REQUEST, requested='198.18.1.7', server='198.18.1.1'), LEASE)
    assert taken is not None and bytes([53, 1, dhcp.ACK]) in taken
    refused = dhcp.answer(packet(dhcp.REQUEST, requested='198.18.1.8'), LEASE)
    assert refused is not None and bytes([53, 1, dhcp.NAK]) in refused and refused[16:20] == bytes(4)


def test_packets_that_are_not_for_this_server_get_no_answer() -> None:
    assert dhcp.answer(packet(dhcp.DISCOVER, mac='d0:0d:ff:ff:ff:ff'), LEASE) is None
    assert dhcp.answer(packet(dhcp.REQUEST, requested='198.18.1.7', server='198.18.1.9'), LEASE) is None
    for broken in (b'', b'\1' * 236, packet(dhcp.DISCOVER)[:-4], packet(99), b'\2' + packet(dhcp.DISCOVER)[1:]):
        assert dhcp.answer(broken, LEASE) is None


def test_the_filter_has_a_chain_for_each_group_that_has_instances(desk: Desk) -> None:
    desk.call('CreateSecurityGroup', GroupName='web', Description='x')
    desk.call('CreateSecurityGroup', GroupName='idle', Description='x')
    web = desk.launch(groups='["web"]')
    client = desk.launch()
    ranges = [{'CidrIp': '198.51.100.0/24'}]
    permissions = [
        {'IpProtocol': 'tcp', 'FromPort': 80, 'ToPort': 80, 'IpRanges': ranges},
        {'IpProtocol': 'udp', 'FromPort': 5000, 'ToPort': 5010, 'IpRanges': ranges},
        {'IpProtocol': 'icmp', 'FromPort': -1, 'ToPort': -1, 'IpRanges': ranges},
        {'IpProtocol': 'icmp', 'FromPort': 8, 'ToPort': 0, 'IpRanges': ranges},
        {'IpProtocol': 'tcp', 'FromPort': 90, 'ToPort': 90, 'UserIdGroupPairs': [{'GroupName': 'default'}, {'GroupName': 'idle'}]},
    ]
    desk.call('AuthorizeSecurityGroupIngress', GroupName='web', IpPermissions=permissions)
    text = filter.ruleset(desk.cloud)
    group = desk.call('DescribeSecurityGroups', GroupNames=['web'])['SecurityGroups'][0]['GroupId'].replace('-', '_')
    address, other = desk.row(web)['private_ip'], desk.row(client)['private_ip']
    assert f'ip daddr {{ {address} }} jump {group}\n' in text
    chain = text.partition(f'chain {group} {{')[2].partition('}\n')[0]
    for line in (
        'ip saddr 198.51.100.0/24 tcp dport 80 accept',
        'ip saddr 198.51.100.0/24 udp dport 5000-5010 accept',
        'ip saddr 198.51.100.0/24 ip protocol icmp accept',
        'ip saddr 198.51.100.0/24 icmp type 8 icmp code 0 accept',
        f'ip saddr {{ {other} }} tcp dport 90 accept',
    ):
        assert f'    {line}\n' in text
    assert chain.count('accept') >= 3 and text.count('chain sg_') == 2
    assert f'"vn_{web}" . {address}' in text and f'{desk.row(web)["public_ip"]} : {address}' in text


def test_a_filter_that_cannot_be_set_is_tried_again_and_logged_once(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    tries = []

    def fail(namespace: str, rules: str) -> None:
        tries.append(namespace)
        raise LabError('no nft')

    monkeypatch.setattr(namespaces, 'apply', fail)
    monkeypatch.setattr(service, 'LOOK_SECONDS', 0.01)
    with contextlib.suppress(TimeoutError):
        asyncio.run(asyncio.wait_for(service._follow(desk.cloud), 1))
    assert len(tries) > 1
    assert len(caplog.records) == 1


def test_a_rule_for_icmp_that_no_packet_has_does_not_stop_the_filter(desk: Desk) -> None:
    desk.launch()
    for kind, code in ((-5, -1), (3, -5)):
        permission = {'IpProtocol': 'icmp', 'FromPort': kind, 'ToPort': code, 'IpRanges': [{'CidrIp': '0.0.0.0/0'}]}
        desk.call('AuthorizeSecurityGroupIngress', GroupName='default', IpPermissions=[permission])
    assert '-5' not in filter.ruleset(desk.cloud)

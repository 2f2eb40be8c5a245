# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Security groups of a cloud without VPC."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from tests.kit.lab import Lab
from tests.kit.refusals import refused

_numbers = itertools.count()
SSH = {'IpProtocol': 'tcp', 'FromPort': 22, 'ToPort': 22, 'IpRanges': [{'CidrIp': '192.0.2.0/24'}]}


@pytest.fixture(name='group')
def fixture_group(lab_api: Lab) -> str:
    """The name of a new group."""
    name = f'group-{next(_numbers)}'
    lab_api.ec2().create_security_group(GroupName=name, Description='for a test')
    return name


def permissions(lab_api: Lab, name: str) -> list[dict[str, Any]]:
    return lab_api.ec2().describe_security_groups(GroupNames=[name])['SecurityGroups'][0]['IpPermissions']


def test_every_account_has_a_default_group_that_stays(lab_api: Lab) -> None:
    for account in (lab_api.admin, lab_api.tenant):
        (group,) = lab_api.ec2(account).describe_security_groups(GroupNames=['default'])['SecurityGroups']
        assert (group['OwnerId'], group['IpPermissions']) == (account.number, [])
    with refused('InvalidGroup.Reserved'):
        lab_api.ec2().delete_security_group(GroupName='default')


def test_a_rule_is_added_once_and_removed(lab_api: Lab, group: str) -> None:
    ec2 = lab_api.ec2()
    ec2.authorize_security_group_ingress(GroupName=group, IpPermissions=[SSH])
    (rule,) = permissions(lab_api, group)
    assert (rule['IpProtocol'], rule['FromPort'], rule['ToPort'], rule['IpRanges']) == ('tcp', 22, 22, [{'CidrIp': '192.0.2.0/24'}])
    ec2.authorize_security_group_ingress(GroupName=group, IpPermissions=[SSH])  # answered with return=false, no error
    assert len(permissions(lab_api, group)) == 1
    ec2.revoke_security_group_ingress(GroupName=group, IpPermissions=[SSH])
    ec2.revoke_security_group_ingress(GroupName=group, IpPermissions=[SSH])
    assert permissions(lab_api, group) == []


def test_a_rule_in_the_form_of_before_2009_is_the_same_rule(lab_api: Lab, group: str) -> None:
    ec2 = lab_api.ec2()
    ec2.authorize_security_group_ingress(GroupName=group, IpProtocol='tcp', FromPort=22, ToPort=22, CidrIp='192.0.2.0/24')
    ec2.revoke_security_group_ingress(GroupName=group, IpPermissions=[SSH])
    assert permissions(lab_api, group) == []


def test_a_group_may_be_the_source_of_another_whose_rule_outlives_it(lab_api: Lab, group: str) -> None:
    ec2 = lab_api.ec2()
    other = ec2.create_security_group(GroupName=f'{group}-source', Description='s')['GroupId']
    rule = {'IpProtocol': 'udp', 'FromPort': 53, 'ToPort': 53, 'UserIdGroupPairs': [{'GroupName': f'{group}-source'}]}
    ec2.authorize_security_group_ingress(GroupName=group, IpPermissions=[rule])
    (pair,) = permissions(lab_api, group)[0]['UserIdGroupPairs']
    assert (pair['GroupId'], pair['UserId']) == (other, lab_api.tenant.number)
    ec2.delete_security_group(GroupId=other)
    assert permissions(lab_api, group)[0]['UserIdGroupPairs'] == [pair]


def test_the_sources_of_one_permission_are_one_rule_which_is_revoked_whole(lab_api: Lab, group: str) -> None:
    """Up to 4.4; Amazon's cloud has a rule per source."""
    ec2 = lab_api.ec2()
    both = {**SSH, 'IpRanges': [{'CidrIp': '192.0.2.0/25'}, {'CidrIp': '192.0.2.128/25'}]}
    ec2.authorize_security_group_ingress(GroupName=group, IpPermissions=[both])
    ec2.revoke_security_group_ingress(GroupName=group, IpPermissions=[{**SSH, 'IpRanges': both['IpRanges'][:1]}])
    assert [permission['IpRanges'] for permission in permissions(lab_api, group)] == [both['IpRanges']]
    ec2.revoke_security_group_ingress(GroupName=group, IpPermissions=[both])
    assert permissions(lab_api, group) == []


def test_networks_beside_groups_in_a_permission_are_ignored(lab_api: Lab, group: str) -> None:
    ec2 = lab_api.ec2()
    ec2.authorize_security_group_ingress(GroupName=group, IpPermissions=[{**SSH, 'UserIdGroupPairs': [{'GroupName': group}]}])
    (permission,) = permissions(lab_api, group)
    assert permission['IpRanges'] == [] and [pair['GroupName'] for pair in permission['UserIdGroupPairs']] == [group]


@pytest.mark.parametrize(
    ('change', 'code', 'words'),
    [
        ({'IpProtocol': 'gre'}, 'InvalidPermission.Malformed', 'Invalid protocol (gre)'),
        ({'IpProtocol': '-1'}, 'InvalidPermission.Malformed', 'Invalid protocol (-1)'),
        ({'FromPort': 23}, 'InvalidPermission.Malformed', 'port range (23-22)'),
        ({'ToPort': 70000}, 'InvalidPermission.Malformed', '70000'),
        ({'IpRanges': [{'CidrIp': '300.0.0.0/8'}]}, 'InvalidPermission.Malformed', '300.0.0.0/8'),
        ({'IpProtocol': 'icmp', 'FromPort': 300}, 'InvalidParameterValue', 'ICMP code (300)'),
        ({'UserIdGroupPairs': [{'GroupName': 'nobody'}]}, 'InvalidGroup.NotFound', "'nobody'"),
    ],
)
def test_impossible_rules_are_refused(lab_api: Lab, group: str, change: dict[str, Any], code: str, words: str) -> None:
    with refused(code, words):
        lab_api.ec2().authorize_security_group_ingress(GroupName=group, IpPermissions=[{**SSH, **change}])
    assert permissions(lab_api, group) == []


def test_names_that_are_taken_or_look_like_ids_are_refused(lab_api: Lab, group: str) -> None:
    ec2 = lab_api.ec2()
    with refused('InvalidGroup.Duplicate'):
        ec2.create_security_group(GroupName=group, Description='x')
    with refused('InvalidParameterValue', 'sg-*'):
        ec2.create_security_group(GroupName='sg-mine', Description='x')
    with refused('InvalidGroup.NotFound', "'never'"):
        ec2.describe_security_groups(GroupNames=['never'])
    with refused('InvalidGroupId.Malformed'):
        ec2.describe_security_groups(GroupIds=['group'])


def test_another_account_neither_sees_nor_deletes_a_group(lab_api: Lab, group: str) -> None:
    (mine,) = lab_api.ec2().describe_security_groups(GroupNames=[group])['SecurityGroups']
    with refused('InvalidGroup.NotFound'):
        lab_api.ec2(lab_api.admin).describe_security_groups(GroupNames=[group])
    lab_api.ec2(lab_api.admin).describe_security_groups(GroupIds=[mine['GroupId']])  # the administrator does, by id


def test_a_group_has_tags_and_filters_find_it(lab_api: Lab, group: str) -> None:
    ec2 = lab_api.ec2()
    (made,) = ec2.describe_security_groups(GroupNames=[group])['SecurityGroups']
    ec2.create_tags(Resources=[made['GroupId']], Tags=[{'Key': 'purpose', 'Value': group}])
    ec2.authorize_security_group_ingress(GroupName=group, IpPermissions=[{**SSH, 'FromPort': 20}])
    for name, value in (('tag:purpose', group), ('group-name', group), ('ip-permission.from-port', '20')):
        found = ec2.describe_security_groups(Filters=[{'Name': name, 'Values': [value]}])['SecurityGroups']
        assert group in [each['GroupName'] for each in found]

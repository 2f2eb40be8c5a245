# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import signal

import pytest
from ansible_collections.eucalyptus.cloud.tests.unit.plugins.cloud_xml import (
    ACCOUNT,
    DONE,
    instance,
    instances,
    permission,
    security_group,
    security_groups,
)
from ansible_collections.eucalyptus.cloud.tests.unit.plugins.fake_cloud import error

NONE = security_groups()
SSH = permission('tcp', 22, 22, '192.0.2.7/32')
WEB = permission('tcp', 80, 81, 'front')
IN_USE = error('InvalidGroup.InUse', 'Specified group cannot be deleted because it is in use.')
WANTED = {'name': 'web', 'description': 'd', 'rules': [{'ports': ['22'], 'cidr_ip': '192.0.2.7'}], 'tags': {'a': 'b'}}


def group(*permissions: str, **tags: str) -> str:
    return security_groups(security_group('front', 'sg-2'), security_group('web', permissions=permissions, **tags))


def sent(cloud, action: str) -> list[dict[str, str]]:
    """The parameters of the requests that concern rules, without those that every request has."""
    names = ('Group', 'Ip', 'From', 'To', 'Cidr', 'Source')
    return [{name: value for name, value in request.items() if name.startswith(names)} for request in cloud.asked(action)]


def test_a_new_group_is_created_gets_its_rules_and_is_tagged(cloud, clock, run):
    cloud.on('DescribeSecurityGroups', NONE, NONE, group(SSH, a='b'))
    cloud.on('CreateSecurityGroup', '<groupId>sg-1</groupId>')
    cloud.on('AuthorizeSecurityGroupIngress', DONE)
    cloud.on('CreateTags', DONE)
    result = run('security_group', **WANTED)
    assert result['actions'] == ['create security group web', 'allow tcp 22 from 192.0.2.7/32', 'set tags a']
    assert result['security_group'] == {
        'security_group_id': 'sg-1',
        'name': 'web',
        'state': 'available',
        'description': 'd',
        'owner_id': ACCOUNT,
        'vpc_id': None,
        'tags': {'a': 'b'},
        'rules': [
            {'protocol': 'tcp', 'from_port': 22, 'to_port': 22, 'cidr_ip': '192.0.2.7/32', 'group': None, 'group_owner': None}
        ],
    }
    assert sent(cloud, 'AuthorizeSecurityGroupIngress') == [
        {
            'GroupId': 'sg-1',
            'IpPermissions.1.IpProtocol': 'tcp',
            'IpPermissions.1.FromPort': '22',
            'IpPermissions.1.ToPort': '22',
            'IpPermissions.1.IpRanges.1.CidrIp': '192.0.2.7/32',
        }
    ]
    assert cloud.asked('CreateTags')[0]['Tag.1.Key'] == 'a', 'the name is no tag'


def test_check_mode_predicts_the_real_result_and_writes_nothing(cloud, clock, run):
    cloud.on('DescribeSecurityGroups', NONE)
    predicted = run('security_group', check=True, **WANTED)
    assert cloud.writes == []
    cloud.on('DescribeSecurityGroups', NONE, NONE, group(SSH, a='b'))
    cloud.on('CreateSecurityGroup', '<groupId>sg-1</groupId>')
    cloud.on('AuthorizeSecurityGroupIngress', DONE)
    cloud.on('CreateTags', DONE)
    real = run('security_group', **WANTED)
    assert predicted['actions'] == real['actions']
    assert predicted['diff'] == real['diff']
    assert {**predicted['security_group'], 'security_group_id': 'sg-1'} == real['security_group']


@pytest.mark.parametrize(
    ('listed', 'rule'),
    [
        (permission('tcp', 22, 22, '192.0.2.7/32'), {'from_port': 22, 'cidr_ip': '192.0.2.7'}),
        (permission('tcp', 22, 22, '10.1.2.3/8'), {'to_port': 22, 'protocol': '6', 'cidr_ip': '10.0.0.0/8'}),
        (
            permission('6', 20, 29, '10.0.0.0/8'),
            {'ports': ['20-29', '20 - 29'], 'protocol': 'TCP', 'cidr_ip': '10.9.9.9/8, 10.0.0.0/8'},
        ),
        (permission('icmp', -1, -1, '0.0.0.0/0'), {'protocol': '1', 'cidr_ip': '0.0.0.0/0'}),
        (permission('icmp', 8, 0, '0.0.0.0/0'), {'protocol': 'icmp', 'from_port': 8, 'to_port': 0, 'cidr_ip': '0.0.0.0/0'}),
        (permission('-1', None, None, '10.0.0.0/8'), {'protocol': 'all', 'cidr_ip': '10.0.0.0/8'}),
        (permission('50', None, None, '10.0.0.0/8'), {'protocol': '050', 'cidr_ip': '10.0.0.0/8'}),
        (permission('tcp', 80, 81, 'front'), {'ports': ['80-81'], 'group': 'front'}),
        (permission('tcp', 80, 81, 'front'), {'ports': ['80-81'], 'group': 'sg-2', 'group_owner': ACCOUNT}),
        (permission('udp', 5, 5, 'web'), {'ports': ['5'], 'protocol': 'udp', 'group': 'web'}),
    ],
)
def test_the_same_rule_written_another_way_is_no_change(cloud, clock, run, listed, rule):
    cloud.on('DescribeSecurityGroups', group(listed))
    result = run('security_group', name='web', rules=[rule, rule])
    assert (result['changed'], result['actions']) == (False, [])


def test_the_rules_that_were_returned_are_accepted_as_rules(cloud, clock, run):
    cloud.on(
        'DescribeSecurityGroups', group(SSH, WEB, permission('-1', None, None, '10.0.0.0/8'), permission('icmp', -1, -1, 'web'))
    )
    rules = run('security_group', name='web')['security_group']['rules']
    assert len(rules) == 4
    again = run('security_group', name='web', rules=rules)
    assert again.get('changed') is False, again


def test_other_rules_are_removed_unless_they_should_stay(cloud, clock, run):
    cloud.on('DescribeSecurityGroups', group(SSH, WEB))
    cloud.on('AuthorizeSecurityGroupIngress', DONE)
    cloud.on('RevokeSecurityGroupIngress', DONE)
    rules = [{'ports': ['22'], 'cidr_ip': '192.0.2.7'}]
    assert run('security_group', name='web', rules=rules, purge_rules=False)['changed'] is False
    assert run('security_group', name='web')['changed'] is False, 'without rules nothing is removed'
    cloud.on('DescribeSecurityGroups', group(SSH, WEB), group(SSH, WEB), group(SSH))
    result = run('security_group', name='web', rules=rules)
    assert result['actions'] == ['revoke tcp 80-81 from group front']
    assert [rule['from_port'] for rule in result['diff']['before']['rules']] == [22, 80]
    assert [rule['from_port'] for rule in result['diff']['after']['rules']] == [22]
    assert sent(cloud, 'RevokeSecurityGroupIngress') == [
        {
            'GroupId': 'sg-1',
            'IpPermissions.1.IpProtocol': 'tcp',
            'IpPermissions.1.FromPort': '80',
            'IpPermissions.1.ToPort': '81',
            'IpPermissions.1.Groups.1.UserId': ACCOUNT,
            'IpPermissions.1.Groups.1.GroupName': 'front',
        }
    ]


def test_an_empty_list_removes_all_rules_in_one_request(cloud, clock, run):
    cloud.on('DescribeSecurityGroups', group(SSH, WEB), group(SSH, WEB), group())
    cloud.on('RevokeSecurityGroupIngress', DONE)
    assert run('security_group', name='web', rules=[])['security_group']['rules'] == []
    [request] = sent(cloud, 'RevokeSecurityGroupIngress')
    assert request['IpPermissions.2.ToPort'] == '81'


def test_a_permission_with_several_sources_is_revoked_whole_after_the_kept_sources_were_added(cloud, clock, run):
    """Eucalyptus keeps it as one rule and removes it only whole."""
    both = permission('tcp', 22, 22, '10.1.2.3/8', '192.0.2.7/32')
    cloud.on('DescribeSecurityGroups', group(both), group(both), group(SSH))
    cloud.on('AuthorizeSecurityGroupIngress', DONE)
    cloud.on('RevokeSecurityGroupIngress', DONE)
    result = run('security_group', name='web', rules=[{'ports': ['22'], 'cidr_ip': '192.0.2.7'}])
    assert result['actions'] == ['revoke tcp 22 from 10.0.0.0/8']
    assert cloud.writes == ['AuthorizeSecurityGroupIngress', 'RevokeSecurityGroupIngress']
    assert sent(cloud, 'AuthorizeSecurityGroupIngress')[0]['IpPermissions.1.IpRanges.1.CidrIp'] == '192.0.2.7/32'
    [revoked] = sent(cloud, 'RevokeSecurityGroupIngress')
    assert revoked['IpPermissions.1.IpRanges.1.CidrIp'] == '10.1.2.3/8', 'as it is listed'
    assert revoked['IpPermissions.1.IpRanges.2.CidrIp'] == '192.0.2.7/32'


def test_rules_that_the_cloud_refuses_in_silence_are_an_error(cloud, clock, run):
    cloud.on('DescribeSecurityGroups', group())
    cloud.on('AuthorizeSecurityGroupIngress', '<return>false</return>')
    result = run('security_group', name='web', rules=[{'ports': ['22'], 'cidr_ip': '192.0.2.7'}])
    assert result['failed'] and 'tcp 22 from 192.0.2.7/32' in result['msg'] and 'Run the task again' in result['msg']


def test_a_new_group_whose_rules_are_refused_is_deleted_again(cloud, clock, run):
    cloud.on('DescribeSecurityGroups', NONE, NONE, group(), NONE)
    cloud.on('CreateSecurityGroup', '<groupId>sg-1</groupId>')
    cloud.on('AuthorizeSecurityGroupIngress', error('InvalidPermission.Malformed', 'Invalid protocol (50)'))
    cloud.on('DeleteSecurityGroup', DONE)
    result = run('security_group', name='web', description='d', rules=[{'protocol': '50', 'cidr_ip': '10.0.0.0/8'}])
    assert result['failed'] and result['changed'] is False and result['failure']['code'] == 'InvalidPermission.Malformed'
    assert cloud.asked('DeleteSecurityGroup')[0]['GroupId'] == 'sg-1'


@pytest.mark.parametrize(
    ('rule', 'message'),
    [
        ({'cidr_ip': '10.0.0.0/8'}, 'a rule for tcp needs ports'),
        ({'ports': ['ssh'], 'cidr_ip': '10.0.0.0/8'}, "'ssh' is neither a port nor a range"),
        ({'ports': ['90-80'], 'cidr_ip': '10.0.0.0/8'}, '90-80 is not a range of ports'),
        ({'ports': ['65536'], 'cidr_ip': '10.0.0.0/8'}, 'from 0 to 65535'),
        ({'ports': ['22'], 'cidr_ip': 'example.com'}, "'example.com' is neither an IPv4 address nor a network"),
        ({'ports': ['22'], 'cidr_ip': '2001:db8::/32'}, 'neither an IPv4 address'),
        ({'protocol': 'sctp', 'cidr_ip': '10.0.0.0/8'}, "'sctp' is not a protocol"),
        ({'protocol': '256', 'cidr_ip': '10.0.0.0/8'}, "'256' is not a protocol"),
        ({'protocol': 'icmp', 'from_port': 256, 'cidr_ip': '10.0.0.0/8'}, 'icmp has no ports'),
        ({'protocol': 'all', 'ports': ['22'], 'cidr_ip': '10.0.0.0/8'}, 'the protocol all has no ports'),
        ({'ports': ['22'], 'group': 'nobody'}, f'there is no security group nobody in the account {ACCOUNT}'),
        ({'ports': ['22'], 'group': 'sg-9'}, 'there is no security group sg-9'),
        ({'ports': ['22']}, 'either cidr_ip or group'),
        ({'ports': ['22'], 'cidr_ip': '10.0.0.0/8', 'group': 'web'}, 'either cidr_ip or group'),
        ({'ports': ['22'], 'to_port': 23, 'cidr_ip': '10.0.0.0/8'}, 'mutually exclusive'),
    ],
)
def test_rules_that_cannot_be_fulfilled_are_refused_before_anything_is_created(cloud, clock, run, rule, message):
    cloud.on('DescribeSecurityGroups', NONE)
    result = run('security_group', name='web', description='d', rules=[rule])
    assert result['failed'] and message in result['msg']
    assert cloud.writes == []


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'name': 'web'}, 'set description'),
        ({'name': 'sg-web', 'description': 'd'}, 'must not begin with sg-'),
        ({'name': 'wéb', 'description': 'd'}, 'must be ASCII'),
        ({'security_group_id': 'sg-9'}, 'There is no security group sg-9'),
        ({'security_group_id': 'sg-0', 'name': 'other'}, 'Security group sg-0 has the name default, not other'),
        ({'name': 'default', 'state': 'absent'}, 'cannot be deleted'),
    ],
)
def test_what_the_cloud_would_refuse_is_refused_with_the_way_out(cloud, clock, run, options, message):
    cloud.on('DescribeSecurityGroups', NONE)
    result = run('security_group', check=True, **options)
    assert result['failed'] and message in result['msg']


def test_a_group_is_deleted_as_soon_as_its_last_instance_has_left(cloud, clock, run):
    def interruptible(reply):
        def answer(_parameters):
            assert not signal.pthread_sigmask(signal.SIG_BLOCK, []), 'Ctrl-C ends the wait'
            return reply

        return answer

    used = instance('shutting-down').replace('default', 'web')
    cloud.on('DescribeSecurityGroups', *[group()] * 4, NONE)
    cloud.on('DescribeInstances', instances(used, instance('running', 'i-2')))
    cloud.on('DeleteSecurityGroup', interruptible(IN_USE), IN_USE, DONE)
    result = run('security_group', name='web', state='absent')
    assert result['actions'] == ['delete security group sg-1']
    assert result['security_group']['state'] == 'deleted'
    assert len(cloud.asked('DeleteSecurityGroup')) == 3


def test_the_message_of_a_group_that_stays_in_use_names_its_instances(cloud, clock, run):
    cloud.on('DescribeSecurityGroups', group())
    cloud.on('DescribeInstances', instances(instance('running').replace('default', 'web'), instance('running', 'i-2')))
    cloud.on('DeleteSecurityGroup', IN_USE)
    result = run('security_group', name='web', state='absent', wait_timeout=5)
    assert result['failed'] and 'because: i-1 uses it' in result['msg'] and result['changed'] is False
    hurried = run('security_group', name='web', state='absent', wait=False)
    assert hurried['failed'] and 'With wait: true' in hurried['msg']


def test_another_refusal_to_delete_ends_the_task_at_once(cloud, clock, run):
    cloud.on('DescribeSecurityGroups', group())
    cloud.on('DeleteSecurityGroup', error('UnauthorizedOperation', 'no'))
    assert run('security_group', name='web', state='absent')['failure']['code'] == 'UnauthorizedOperation'
    assert len(cloud.asked('DeleteSecurityGroup')) == 1


def test_a_cloud_without_ids_of_groups_gets_names_and_one_rule_per_request(cloud, clock, run):
    """Eucalyptus up to 3.2."""

    def old(*permissions):
        return security_groups(security_group('front', ''), security_group('web', '', permissions))

    cloud.on('DescribeSecurityGroups', NONE, security_groups(security_group('front', '')), old(SSH, WEB))
    cloud.on('CreateSecurityGroup', DONE)
    cloud.on('AuthorizeSecurityGroupIngress', DONE)
    rules = [{'ports': ['22'], 'cidr_ip': '192.0.2.7'}, {'ports': ['80-81'], 'group': 'front'}]
    created = run('security_group', name='web', description='d', rules=rules)
    assert created['security_group']['security_group_id'] == 'web'
    ssh = {'GroupName': 'web', 'IpProtocol': 'tcp', 'FromPort': '22', 'ToPort': '22', 'CidrIp': '192.0.2.7/32'}
    web = {'GroupName': 'web', 'IpProtocol': 'tcp', 'FromPort': '80', 'ToPort': '81', 'SourceSecurityGroupName': 'front'}
    web['SourceSecurityGroupOwnerId'] = ACCOUNT
    assert sent(cloud, 'AuthorizeSecurityGroupIngress') == [ssh, web]
    cloud.on('DescribeSecurityGroups', *[old(SSH, WEB)] * 3, old(WEB))
    cloud.on('RevokeSecurityGroupIngress', DONE)
    assert run('security_group', name='web', rules=rules[1:])['changed'] is True
    assert sent(cloud, 'RevokeSecurityGroupIngress') == [ssh]
    cloud.on('DescribeSecurityGroups', old(), old(), NONE)
    cloud.on('DeleteSecurityGroup', DONE)
    assert run('security_group', name='web', state='absent')['changed'] is True
    assert sent(cloud, 'DeleteSecurityGroup') == [{'GroupName': 'web'}]


def test_the_list_of_groups_can_be_narrowed(cloud, clock, run):
    cloud.on('DescribeSecurityGroups', group(SSH))
    listed = run('security_group_info')['security_groups']
    assert [one['name'] for one in listed] == ['default', 'web', 'front']
    assert [one['name'] for one in run('security_group_info', name='web')['security_groups']] == ['web']
    assert [one['name'] for one in run('security_group_info', security_group_ids=['sg-2', 'sg-9'])['security_groups']] == ['front']

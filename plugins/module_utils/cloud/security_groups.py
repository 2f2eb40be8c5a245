# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Security groups and their rules, in one form however the cloud lists them or a playbook writes them."""

from __future__ import annotations

import ipaddress
import typing as t
from dataclasses import asdict, dataclass

from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.client import Cloud, CloudError
from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.resources import Kind, Resource
from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.tags import read_tags
from ansible_collections.eucalyptus.cloud.plugins.module_utils.errors import CollectionError

DEFAULT = 'default'  # the group that every account, or every VPC, has
ALL = 'all'  # protocols; only groups in a VPC support it
NAMED = {'-1': ALL, '1': 'icmp', '6': 'tcp', '17': 'udp'}
WITH_PORTS = ('tcp', 'udp')
PORTS = range(65536)
ICMP = range(-1, 256)  # types and codes; -1 stands for all
PROTOCOLS = range(256)


class InvalidRule(CollectionError):
    """A rule that no cloud accepts, or that is incomplete. Raised before the first request that changes something."""


@dataclass(frozen=True)
class Rule:
    """One protocol, one range of ports, and one source: ``cidr_ip``, or a ``group`` (its name) of an account.

    For icmp the range is the type and the code. Protocols without ports have none.
    """

    protocol: str
    from_port: int | None
    to_port: int | None
    cidr_ip: str | None = None
    group: str | None = None
    group_owner: str | None = None

    def __str__(self) -> str:
        ports = '' if self.from_port is None else f' {self.from_port}'
        ports += '' if self.from_port == self.to_port else f'-{self.to_port}'
        return f'{self.protocol}{ports} from {self.cidr_ip or f"group {self.group}"}'

    def permission(self) -> Resource:
        """The rule in a request's IpPermissions."""
        protocol = '-1' if self.protocol == ALL else self.protocol
        ports = {} if self.from_port is None else {'FromPort': self.from_port, 'ToPort': self.to_port}
        if self.cidr_ip:
            return {'IpProtocol': protocol, **ports, 'IpRanges': [{'CidrIp': self.cidr_ip}]}
        return {'IpProtocol': protocol, **ports, 'UserIdGroupPairs': [{'UserId': self.group_owner, 'GroupName': self.group}]}


def wanted_rules(options: list[Resource], source: t.Callable[[Resource], tuple[str, str]]) -> list[Rule]:
    """The rules of a playbook, each once, in order. Raises InvalidRule.

    ``source`` returns the name and the owner of a rule's source group.
    """
    rules = []
    for option in options:
        if (option['cidr_ip'] is None) is (option['group'] is None):
            raise InvalidRule('rules: each rule needs either cidr_ip or group.')
        protocol = _protocol(option['protocol'])
        for low, high in _ranges(protocol, option):
            rules += [Rule(protocol, low, high, cidr_ip=_network(cidr)) for cidr in option['cidr_ip'] or []]
            if option['group']:
                group, owner = source(option)
                rules.append(Rule(protocol, low, high, group=group, group_owner=owner))
    return in_order(rules)


def in_order(rules: t.Iterable[Rule]) -> list[Rule]:
    def key(rule: Rule) -> tuple[t.Any, ...]:
        return (rule.protocol, rule.from_port or 0, rule.to_port or 0, rule.cidr_ip or '', rule.group or '', rule.group_owner or '')

    return sorted(set(rules), key=key)


def rules_in(group: Resource) -> list[Rule]:
    return [Rule(**rule) for rule in group['rules']]


def values(rules: t.Iterable[Rule]) -> list[Resource]:
    """The rules as a module returns them."""
    return [asdict(rule) for rule in in_order(rules)]


def _protocol(text: str) -> str:
    name = str(int(text)) if text.isdecimal() else text.lower()
    name = NAMED.get(name, name)
    if name in NAMED.values() or (name.isdecimal() and int(name) in PROTOCOLS):
        return name
    raise InvalidRule(f'rules: {text!r} is not a protocol. Set tcp, udp, icmp, all or a number from 0 to 255.')


def _ranges(protocol: str, option: Resource) -> list[tuple[int | None, int | None]]:
    """The ranges of ports of an option; for icmp, its type and code."""
    low, high, ports = option['from_port'], option['to_port'], option.get('ports')
    if protocol == 'icmp':
        low, high = (-1 if low is None else low), (-1 if high is None else high)
        if ports is not None or low not in ICMP or high not in ICMP:
            raise InvalidRule('rules: icmp has no ports. Set from_port to its type and to_port to its code, from -1 (all) to 255.')
        return [(low, high)]
    if protocol not in WITH_PORTS:
        if ports or low not in (None, -1) or high not in (None, -1):
            raise InvalidRule(f'rules: the protocol {protocol} has no ports. Omit from_port, to_port and ports.')
        return [(None, None)]
    if ports is None:
        low = high if low is None else low
        return [_checked(protocol, low, low if high is None else high)]
    return [_checked(protocol, *_bounds(text)) for text in ports]


def _bounds(text: str) -> tuple[int, int]:
    low, _dash, high = text.replace(' ', '').partition('-')
    try:
        return int(low), int(high or low)
    except ValueError:
        raise InvalidRule(f'rules: {text!r} is neither a port nor a range of ports such as 8000-8010.') from None


def _checked(protocol: str, low: int | None, high: int | None) -> tuple[int, int]:
    if low is None or high is None:
        raise InvalidRule(f'rules: a rule for {protocol} needs ports, or from_port and to_port.')
    if low not in PORTS or high not in PORTS or low > high:
        raise InvalidRule(f'rules: {low}-{high} is not a range of ports. Ports are numbers from 0 to 65535, the lower one first.')
    return low, high


def _network(text: str) -> str:
    """A network in the form in which Eucalyptus lists it: a host has /32, and no bit beyond the mask is set."""
    try:
        return str(ipaddress.IPv4Network(text.strip(), strict=False))
    except ValueError:
        raise InvalidRule(f'rules: {text!r} is neither an IPv4 address nor a network such as 192.0.2.0/24.') from None


def listed_rules(permission: Resource) -> list[Rule]:
    """The rules in one of the listed IpPermissions, which can have several sources."""
    number = str(permission.get('IpProtocol') or '-1')
    protocol = NAMED.get(number, number)
    ported = protocol in (*WITH_PORTS, 'icmp')
    low, high = (permission.get('FromPort'), permission.get('ToPort')) if ported else (None, None)
    rules = [Rule(protocol, low, high, cidr_ip=_listed_network(one['CidrIp'])) for one in permission.get('IpRanges') or []]
    for pair in permission.get('UserIdGroupPairs') or []:
        group = pair.get('GroupName') or pair.get('GroupId')
        rules.append(Rule(protocol, low, high, group=group, group_owner=pair.get('UserId')))
    return rules


def _listed_network(text: str) -> str:
    try:
        return _network(text)
    except InvalidRule:
        return text  # older versions store whatever they were sent


def read_group(raw: Resource) -> Resource:
    tags = read_tags(raw)
    return {
        # Groups have had ids since Eucalyptus 3.3. Before, the name serves as the id.
        'security_group_id': raw.get('GroupId') or raw.get('GroupName'),
        'name': raw.get('GroupName'),
        'state': 'available',
        'description': raw.get('Description') or None,
        'owner_id': raw.get('OwnerId'),
        'vpc_id': raw.get('VpcId') or None,
        'rules': values(rule for permission in raw.get('IpPermissions') or [] for rule in listed_rules(permission)),
        'tags': tags,
    }


def is_id(text: str) -> bool:
    """Whether it is the id of a group; names of this form are refused by the cloud."""
    return text.startswith('sg-')


def which(group_id: str) -> Resource:
    """The parameter that identifies a group. Up to Eucalyptus 3.2 there are only names."""
    return {'GroupId' if is_id(group_id) else 'GroupName': group_id}


SECURITY_GROUP = Kind(
    'security_group',
    'describe_security_groups',
    'GroupIds',
    lambda reply: [read_group(raw) for raw in reply.get('SecurityGroups') or []],
    remove='delete_security_group',
    which=which,
    gone=frozenset({'deleted'}),
    empty=read_group({}),
)


def in_use(error: CloudError) -> bool:
    """Whether a group could not be deleted because something uses it. The text is that of Eucalyptus up to 3.3."""
    texts = ('Failed to delete security group', 'cannot be deleted because it is in use')
    return error.code in ('InvalidGroup.InUse', 'DependencyViolation') or any(text in (error.text or '') for text in texts)


def authorize(cloud: Cloud, group_id: str, rules: list[Rule]) -> None:
    """Add rules, none of which may exist: otherwise the cloud adds none of them, without an error."""
    _send(cloud, 'authorize_security_group_ingress', group_id, [rule.permission() for rule in rules])


def revoke(cloud: Cloud, group_id: str, surplus: set[Rule]) -> None:
    """Remove the rules. Permissions with several sources can only be revoked as a whole (``NetworkRule.equals``), so
    the sources that stay are added first, each as a permission of its own."""
    about = f'security group {group_id}'
    ids: dict[str, t.Any] = {f'{name}s': [value] for name, value in which(group_id).items()}
    reply = cloud.ec2('describe_security_groups', about, **ids)
    [raw] = [one for one in reply['SecurityGroups'] if group_id in (one.get('GroupId'), one.get('GroupName'))]
    doomed, kept, alone = [], set(), set()
    for permission in raw.get('IpPermissions') or []:
        rules = set(listed_rules(permission))
        if rules & surplus:
            doomed.append({key: value for key, value in permission.items() if value not in (None, [], '')})
            kept |= rules - surplus
        else:
            alone |= rules
    if kept - alone:
        authorize(cloud, group_id, in_order(kept - alone))
    if doomed:
        _send(cloud, 'revoke_security_group_ingress', group_id, doomed)


def _send(cloud: Cloud, operation: str, group_id: str, permissions: list[Resource]) -> None:
    about = f'security group {group_id}'
    if is_id(group_id):
        cloud.ec2(operation, about, **which(group_id), IpPermissions=permissions)
        return
    # Up to Eucalyptus 3.2 a request has one permission, in the parameters used before 2009 (VmSecurity.groovy).
    for permission in permissions:
        sources: list[Resource] = [{'CidrIp': one['CidrIp']} for one in permission.get('IpRanges') or []]
        for pair in permission.get('UserIdGroupPairs') or []:
            sources.append({'SourceSecurityGroupName': pair['GroupName'], 'SourceSecurityGroupOwnerId': pair['UserId']})
        ports = {key: permission[key] for key in ('IpProtocol', 'FromPort', 'ToPort') if key in permission}
        for source in sources:
            cloud.ec2(operation, about, **which(group_id), **ports, **source)

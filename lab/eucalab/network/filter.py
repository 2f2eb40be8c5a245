# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's packet filter, as text for nft: security groups, public addresses, and a check of senders' addresses.

Like eucanetd of 4.4 (eucanetd_edge.c) it first accepts established connections, so revoking a rule does not end them.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator

from ..addressing import GUEST_CARDS, METADATA, card
from ..cloud.context import Cloud
from ..cloud.rules import Rule, rules_of

GUESTS = f'"{GUEST_CARDS}*"'  # interfaces


def ruleset(cloud: Cloud) -> str:
    """The table for the state that the lab's database has now. Only for a lab with a network of its own."""
    addressing, port = cloud.config.addressing, cloud.config.port
    assert addressing is not None
    rows = cloud.store.rows(
        'SELECT id, account, groups, private_ip, public_ip FROM instances WHERE private_ip IS NOT NULL ORDER BY id'
    )
    groups, inside = _groups(cloud, rows)
    chains = [_chain(identifier, rules_of(row), inside) for identifier, row in groups.items() if inside[identifier]]
    jumps = [f'ip daddr {_set(addresses)} jump {_name(identifier)}' for identifier, addresses in inside.items() if addresses]
    cards = [f'"{card(row["id"])}" . {row["private_ip"]}' for row in rows]
    public = [f'{row["public_ip"]} : {row["private_ip"]}' for row in rows if row['public_ip']]
    return f"""table ip eucalab {{
  set cards {{ type ifname . ipv4_addr; {_elements(cards)} }}
  map public {{ type ipv4_addr : ipv4_addr; {_elements(public)} }}
  chain senders {{
    type filter hook prerouting priority raw; policy accept;
    iifname {GUESTS} ip saddr 0.0.0.0 ip daddr 255.255.255.255 udp dport 67 accept
    iifname {GUESTS} iifname . ip saddr != @cards drop
  }}
  chain incoming {{
    type nat hook prerouting priority dstnat; policy accept;
    dnat to ip daddr map @public
  }}
  chain input {{
    type filter hook input priority filter; policy drop;
    iifname "lo" accept
    ct state established,related accept
    ip protocol icmp accept
    iifname {GUESTS} udp dport 67 accept
    iifname {GUESTS} ip daddr {METADATA} tcp dport 80 accept
    ip daddr {addressing.router} tcp dport {port} accept
  }}
  chain forwarded {{
    type filter hook forward priority filter; policy drop;
    ct state established,related accept
    oifname != {GUESTS} drop
{_lines(jumps)}  }}
{''.join(chains)}}}
"""


def _groups(cloud: Cloud, instances: list[sqlite3.Row]) -> tuple[dict[str, sqlite3.Row], dict[str, list[str]]]:
    """The security groups by id, and the private addresses of the instances in each."""
    members: dict[tuple[str, str], list[str]] = {}
    for row in instances:
        for name in json.loads(row['groups']):
            members.setdefault((row['account'], name), []).append(row['private_ip'])
    groups = {row['id']: row for row in cloud.store.rows('SELECT * FROM security_groups ORDER BY id')}
    return groups, {identifier: members.get((row['account'], row['name']), []) for identifier, row in groups.items()}


def _chain(identifier: str, rules: list[Rule], inside: dict[str, list[str]]) -> str:
    return f'  chain {_name(identifier)} {{\n{_lines(text for rule in rules for text in _accepted(rule, inside))}  }}\n'


def _accepted(rule: Rule, inside: dict[str, list[str]]) -> Iterator[str]:
    """The rule as nft has it, once per source; a group without instances is none."""
    if rule.low < -1 or rule.high < -1:  # of ICMP: 4.4 checks only the upper limit, and no packet has such a type or code
        return
    groups = [_set(inside[identifier]) for _, identifier, _ in rule.groups if inside.get(identifier)]
    for source in (*rule.cidrs, *groups):
        yield f'ip saddr {source} {_traffic(rule)} accept'


def _traffic(rule: Rule) -> str:
    if rule.protocol != 'icmp':
        ports = str(rule.low) if rule.low == rule.high else f'{rule.low}-{rule.high}'
        return f'{rule.protocol} dport {ports}'
    if rule.low == -1:
        return 'ip protocol icmp'
    return f'icmp type {rule.low}' + ('' if rule.high == -1 else f' icmp code {rule.high}')


def _name(identifier: str) -> str:
    return identifier.replace('-', '_')


def _set(addresses: Iterable[str]) -> str:
    return f'{{ {", ".join(addresses)} }}'


def _elements(items: list[str]) -> str:
    return f'elements = {_set(items)};' if items else ''


def _lines(texts: Iterable[str]) -> str:
    return ''.join(f'    {text}\n' for text in texts)

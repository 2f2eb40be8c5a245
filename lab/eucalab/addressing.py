# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The addresses and names of a lab's network, derived from the lab's number on this machine.

The addresses are from 198.18.0.0/15, which RFC 2544 reserves for tests of network devices: neither the internet nor
private networks use them. Lab number N has the N-th /20: its first /24 is the lab's own, one /24 each is for the guests
of a node, and the last four are public addresses.
"""

from __future__ import annotations

import dataclasses
from ipaddress import IPv4Address, IPv4Network

ALL = IPv4Network('198.18.0.0/15')
NUMBERS = range(32)
NODES = range(1, 10)
METADATA = IPv4Address('169.254.169.254')
PREFIX = 'eucalab'  # of the names of interfaces and namespaces
GUEST_CARDS = 'vn_'  # and the instance id: the interface of a guest, as eucanetd of 4.4 names it


@dataclasses.dataclass(frozen=True)
class Addressing:
    """The network of one lab."""

    number: int

    @property
    def subnet(self) -> IPv4Network:
        """All addresses of the lab."""
        return IPv4Network((int(ALL.network_address) + (self.number << 12), 20))

    @property
    def link(self) -> str:
        """The interface of this machine that leads into the lab's namespace; the other end has the same name."""
        return f'{PREFIX}{self.number}'

    @property
    def router(self) -> IPv4Address:
        """The namespace's end of the link, where guests find the API."""
        return self.subnet[1]

    @property
    def machine(self) -> IPv4Address:
        """This machine's end of the link: the source address of connections from here to guests."""
        return self.subnet[2]

    def namespace(self, lab: str) -> str:
        return f'{PREFIX}-{self.number}-{lab}'

    def of_node(self, number: int) -> IPv4Network:
        """The network of a node's guests. Nodes count from 1; the first address is the guests' router."""
        return self._part(number)

    @property
    def public(self) -> list[IPv4Address]:
        return [address for part in range(12, 16) for address in self._part(part).hosts()]

    def _part(self, number: int) -> IPv4Network:
        return list(self.subnet.subnets(new_prefix=24))[number]


def card(instance: str) -> str:
    """The name of a guest's interface in the lab's namespace, with 8 digits of the id (euca_truncate_interfaceid in 5)."""
    return GUEST_CARDS + instance[: len('i-') + 8]

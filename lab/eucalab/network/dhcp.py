# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""DHCP for guests (RFC 2131), with the options that eucanetd of 4.4 gives and no others: there is no host name among them.

The server identifies a guest by the interface of its request, so no guest can get another's address.
"""

from __future__ import annotations

import dataclasses
import socket
import struct
from ipaddress import IPv4Address, IPv4Network

SERVER_PORT, CLIENT_PORT = 67, 68
IP_PKTINFO = 8  # linux/in.h
LEASE_SECONDS = 86400
DOMAIN = 'eucalyptus.internal'
MAGIC = b'\x63\x82\x53\x63'
FIXED = 236  # octets before the options' magic number
DISCOVER, OFFER, REQUEST, ACK, NAK, INFORM = 1, 2, 3, 5, 6, 8
MASK, ROUTER, DOMAIN_NAME, BROADCAST, REQUESTED, LEASE, TYPE, SERVER, END = 1, 3, 15, 28, 50, 51, 53, 54, 255


@dataclasses.dataclass(frozen=True)
class Lease:
    """The addresses for one guest, which its MAC identifies."""

    mac: str
    address: IPv4Address
    network: IPv4Network
    router: IPv4Address


def open_socket() -> socket.socket:
    """Of the namespace that this thread is in."""
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
    server.setsockopt(socket.IPPROTO_IP, IP_PKTINFO, 1)
    server.setblocking(False)
    server.bind(('0.0.0.0', SERVER_PORT))
    return server


def receive(server: socket.socket) -> tuple[bytes, int]:
    """A packet, and the number of the interface that it came in on."""
    data, ancillary, _flags, _sender = server.recvmsg(2048, socket.CMSG_SPACE(12))
    for level, kind, value in ancillary:
        if (level, kind) == (socket.IPPROTO_IP, IP_PKTINFO):
            return data, struct.unpack('=I', value[:4])[0]
    return data, 0


def send(server: socket.socket, data: bytes, interface: int, router: IPv4Address) -> None:
    """Broadcast to that interface. The only guest on it may not have an address yet."""
    information = struct.pack('=I4s4s', interface, router.packed, bytes(4))
    server.sendmsg([data], [(socket.IPPROTO_IP, IP_PKTINFO, information)], 0, ('255.255.255.255', CLIENT_PORT))


def answer(packet: bytes, lease: Lease) -> bytes | None:
    """The reply to a guest's packet; None for one that needs none, is not well formed or bears another's MAC."""
    options = _options(packet)
    if options is None or packet[0] != 1 or packet[28:34] != bytes.fromhex(lease.mac.replace(':', '')):
        return None
    kind = options.get(TYPE, b'')
    if kind == bytes([DISCOVER]):
        return _reply(packet, lease, OFFER)
    if kind == bytes([INFORM]):
        return _reply(packet, lease, ACK)
    if kind != bytes([REQUEST]) or options.get(SERVER, lease.router.packed) != lease.router.packed:
        return None
    wanted = options.get(REQUESTED) or packet[12:16]
    return _reply(packet, lease, ACK if wanted == lease.address.packed else NAK)


def _options(packet: bytes) -> dict[int, bytes] | None:
    if len(packet) <= FIXED + len(MAGIC) or packet[FIXED : FIXED + 4] != MAGIC:
        return None
    found, at = {}, FIXED + 4
    while at < len(packet) and packet[at] != END:
        if packet[at] == 0:  # padding
            at += 1
            continue
        if at + 1 >= len(packet):
            return None
        length = packet[at + 1]
        found[packet[at]] = packet[at + 2 : at + 2 + length]
        at += 2 + length
    return found


def _reply(packet: bytes, lease: Lease, kind: int) -> bytes:
    address = bytes(4) if kind == NAK else lease.address.packed
    flags = b'\x80\x00'  # broadcast
    head = (
        bytes([2]) + packet[1:4] + packet[4:8] + bytes(2) + flags + packet[12:16] + address + bytes(4) + packet[24:44] + bytes(192)
    )
    options = _option(TYPE, bytes([kind])) + _option(SERVER, lease.router.packed)
    if kind != NAK:
        options += _option(LEASE, struct.pack('>I', LEASE_SECONDS))
        options += _option(MASK, lease.network.netmask.packed) + _option(ROUTER, lease.router.packed)
        options += _option(BROADCAST, lease.network.broadcast_address.packed) + _option(DOMAIN_NAME, DOMAIN.encode())
    return (head + MAGIC + options + bytes([END])).ljust(300, b'\0')


def _option(number: int, value: bytes) -> bytes:
    return bytes([number, len(value)]) + value

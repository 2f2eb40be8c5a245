# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The part of the API process that serves guests: its sockets are in the lab's namespace, the process is not."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import socket
from ipaddress import IPv4Address

from aiohttp import web

from ..addressing import GUEST_CARDS, METADATA
from ..cloud.context import Cloud
from ..host import namespaces
from . import dhcp, filter, metadata

log = logging.getLogger(__name__)

LOOK_SECONDS = 0.1  # until a changed security group counts


async def run(cloud: Cloud, api: web.AppRunner) -> None:
    """Serve guests until cancelled: DHCP, metadata, the API, and a packet filter that follows the lab's state."""
    assert cloud.config.addressing is not None
    with namespaces.inside(cloud.config.namespace):
        names = dhcp.open_socket()
        listening = [_listen(METADATA, 80), _listen(cloud.config.addressing.router, cloud.config.port)]
    application = web.Application()
    application.router.add_route('*', '/{path:(?s:.*)}', functools.partial(metadata.handle, cloud))
    guests = web.AppRunner(application, access_log=None, shutdown_timeout=1)
    with names, contextlib.ExitStack() as stack:
        stack.callback(asyncio.get_running_loop().remove_reader, names)
        asyncio.get_running_loop().add_reader(names, _lease, cloud, names)
        await guests.setup()
        try:
            await web.SockSite(guests, listening[0]).start()
            await web.SockSite(api, listening[1]).start()
            await _follow(cloud)
        finally:
            await guests.cleanup()


async def _follow(cloud: Cloud) -> None:
    applied = failed = ''
    while True:
        try:
            wanted = filter.ruleset(cloud)
            if wanted != applied:
                namespaces.apply(cloud.config.namespace, wanted)
                applied = wanted
            failed = ''
        except Exception as error:
            if str(error) != failed:  # ten times a second would fill the log
                log.exception('the packet filter will be set again')
            failed = str(error)
        await asyncio.sleep(LOOK_SECONDS)


def _listen(address: IPv4Address, port: int) -> socket.socket:
    return socket.create_server((str(address), port), backlog=128)


def _lease(cloud: Cloud, server: socket.socket) -> None:
    """Answer one packet. An invalid one gets no answer."""
    try:
        packet, interface = dhcp.receive(server)
        lease = _lease_of(cloud, interface)
        reply = dhcp.answer(packet, lease) if lease else None
        if lease and reply:
            dhcp.send(server, reply, interface, lease.router)
    except (OSError, ValueError) as error:  # the guest has gone
        log.warning('no DHCP reply: %s', error)


def _lease_of(cloud: Cloud, interface: int) -> dhcp.Lease | None:
    addressing = cloud.config.addressing
    with namespaces.inside(cloud.config.namespace):
        name = socket.if_indextoname(interface)
    row = cloud.store.row(
        'SELECT mac, private_ip, node FROM instances WHERE id = ? AND private_ip IS NOT NULL', name.removeprefix(GUEST_CARDS)
    )
    if row is None or addressing is None:
        return None
    network = addressing.of_node(cloud.config.nodes.index(row['node']) + 1)
    return dhcp.Lease(row['mac'], IPv4Address(row['private_ip']), network, network[1])

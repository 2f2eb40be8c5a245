# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The network namespace of a lab, and the one link that leads from this machine into it.

The only addition to this machine's own network is one end of a pair of interfaces, with a route for the lab's addresses.
Its alias is the lab's state directory, by which the next command finds and removes the leftovers of a killed one.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import ipaddress
import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from ..addressing import METADATA, NODES, NUMBERS, PREFIX, Addressing
from ..config import Config
from ..errors import LabError

NAMESPACES = Path('/run/netns')
LOCK = Path('/run')
CLONE_NEWNET = 0x40000000  # sched.h
GENERAL = 8  # routes with a shorter prefix are general ones, such as the default route, which the lab's own precedes
# Sysctls of the namespace. A guest's interface takes the values of "default" when it is moved there.
SETTINGS = {
    'ipv6/conf/all/disable_ipv6': 1,
    'ipv6/conf/default/disable_ipv6': 1,
    'ipv4/conf/default/proxy_arp': 1,  # the router answers for the other guests of the same network
    'ipv4/neigh/default/gc_stale_time': 5,
    'ipv4/ip_forward': 1,
}
# Blocks everything until the lab's own rules replace these.
CLOSED = """
table ip eucalab {
  chain input { type filter hook input priority filter; policy drop; }
  chain forwarded { type filter hook forward priority filter; policy drop; }
}
"""
_libc = ctypes.CDLL(None, use_errno=True)


def ensure(config: Config, has_instances: bool) -> tuple[Config, bool]:
    """Create the lab's namespace and link if necessary; returns the configuration, saved with their number, and whether they
    are new.

    has_instances: keep the number, because instances have its addresses

    :raises LabError: with what is missing, and the option for a lab without a namespace
    """
    with _locked():
        _sweep()
        addressing = config.addressing
        new = addressing is None or not _complete(config, addressing)
        if new:
            addressing = _choose(config, has_instances)
            config = config.numbered(addressing.number)
            try:
                _make(config, addressing)
            except BaseException:
                _remove(addressing.link, config.namespace)
                raise
        config.save()
    return config, new


def remove(config: Config) -> None:
    """Remove the link and the namespace with everything in it."""
    with _locked():
        for link, home in _links().items():
            if home == str(config.home.resolve()):
                _remove(link, _namespace_of(link))
        _sweep()


@contextlib.contextmanager
def inside(namespace: str) -> Iterator[None]:
    """Run this thread in the namespace. Processes and sockets that it creates stay there."""
    with open('/proc/thread-self/ns/net', 'rb') as before, (NAMESPACES / namespace).open('rb') as there:
        _enter(there.fileno())
        try:
            yield
        finally:
            _enter(before.fileno())


def plug(namespace: str, card: str, address: str, router: str) -> None:
    """Move a guest's interface from this machine into the namespace and route the address to it.

    :raises LabError: it cannot be moved
    """
    if Path('/sys/class/net', card).exists():
        ip('link', 'set', card, 'netns', namespace)
    ip('-n', namespace, '-batch', '-', script=f'link set {card} up\nroute replace {address}/32 dev {card} src {router}\n')


def apply(namespace: str, rules: str) -> None:
    """Replace the filter's rules with others, in one step.

    :raises LabError: with the reason that nft prints
    """
    with inside(namespace):
        _run(['nft', '-f', '-'], f'table ip eucalab {{}}\ndelete table ip eucalab\n{rules}')


def ip(*arguments: str, script: str = '') -> str:
    return _run(['ip', *arguments], script)


def _run(command: list[str], script: str) -> str:
    search = f'{os.environ.get("PATH", "")}:/usr/sbin:/sbin'
    program = shutil.which(command[0], path=search) or command[0]
    try:
        done = subprocess.run([program, *command[1:]], input=script, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise LabError(f'{command[0]} is not installed') from None
    if done.returncode:
        raise LabError(f'{" ".join(command)} failed: {done.stderr.strip()[-300:]}')
    return done.stdout


def _enter(descriptor: int) -> None:
    if _libc.setns(descriptor, CLONE_NEWNET):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


@contextlib.contextmanager
def _locked() -> Iterator[None]:
    """One command of this machine at a time: labs of different state directories share its addresses and names."""
    descriptor = os.open(LOCK, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _choose(config: Config, must_stay: bool) -> Addressing:
    """The lab's previous number if its addresses are free, otherwise the first free number."""
    taken = _taken()
    free = [number for number in NUMBERS if not any(Addressing(number).subnet.overlaps(one) for one in taken)]
    names = {path.name for path in NAMESPACES.glob(f'{PREFIX}-*')} | {path.name for path in Path('/sys/class/net').iterdir()}
    free = [one for one in free if Addressing(one).link not in names and Addressing(one).namespace(config.name) not in names]
    if not free:
        raise LabError(
            'all addresses for labs, 198.18.0.0/15, are in use on this machine.'
            ' Remove a lab, or use one without a network of its own: --network none'
        )
    if config.network_number in free:
        return Addressing(config.network_number)
    if must_stay and config.addressing:
        raise LabError(
            f"the addresses of this lab's instances, {config.addressing.subnet}, are now in use elsewhere on this machine."
            f' Free them, or remove the instances with: eucalab reset --name {config.name}'
        )
    return Addressing(free[0])


def _taken() -> list[ipaddress.IPv4Network]:
    """Networks in which this machine has addresses or to which it has routes."""
    found = []
    for route in json.loads(ip('-4', '-json', 'route', 'show', 'table', 'all')):
        with contextlib.suppress(ValueError):  # "default"
            network = ipaddress.IPv4Network(route['dst'], strict=False)
            if network.prefixlen >= GENERAL:
                found.append(network)
    return found


def _complete(config: Config, addressing: Addressing) -> bool:
    home = str(config.home.resolve())
    return _links().get(addressing.link) == home and (NAMESPACES / config.namespace).exists()


def _make(config: Config, addressing: Addressing) -> None:
    name, link = config.namespace, addressing.link
    try:
        if not Path('/dev/net/tun').exists():
            raise LabError('/dev/net/tun is missing')
        ip('netns', 'add', name)
        apply(name, CLOSED)
        ip('link', 'add', link, 'type', 'veth', 'peer', 'name', link, 'netns', name)
        with contextlib.suppress(FileNotFoundError):  # no IPv6 in this kernel
            Path(f'/proc/sys/net/ipv6/conf/{link}/disable_ipv6').write_text('1')
        with inside(name):
            for setting, value in SETTINGS.items():
                with contextlib.suppress(FileNotFoundError):
                    Path('/proc/sys/net', setting).write_text(str(value))
        routers = [addressing.of_node(number)[1] for number in NODES]
        lines = [f'addr add {address}/32 dev lo' for address in (METADATA, *routers)]
        lines += ['link set lo up', f'addr add {addressing.router}/30 dev {link}', f'link set {link} up']
        ip('-n', name, '-batch', '-', script='\n'.join(lines) + '\n')
        ip(
            '-batch',
            '-',
            script=f'link set {link} alias {config.home.resolve()}\n'
            f'addr add {addressing.machine}/30 dev {link}\n'
            f'link set {link} up\n'
            f'route add {addressing.subnet} via {addressing.router} dev {link}\n',
        )
    except (LabError, OSError) as problem:
        raise LabError(
            f'the network namespace of the lab cannot be created: {problem}. It requires the capabilities CAP_SYS_ADMIN and'
            ' CAP_NET_ADMIN and a kernel with veth, tun and nf_tables. Without them, use: --network none'
        ) from None


def _links() -> dict[str, str]:
    """The links of all labs of this machine, with their labs' state directories."""
    pattern = re.compile(PREFIX + '[0-9]+')
    found = {}
    for path in Path('/sys/class/net').glob(f'{PREFIX}*'):
        if pattern.fullmatch(path.name):
            with contextlib.suppress(OSError):
                found[path.name] = (path / 'ifalias').read_text().strip()
    return found


def _namespace_of(link: str) -> str:
    number = link.removeprefix(PREFIX)
    return next((path.name for path in NAMESPACES.glob(f'{PREFIX}-{number}-*')), '')


def _sweep() -> None:
    """Remove the networks of labs that no longer exist, and namespaces that have lost their link."""
    for link, home in _links().items():
        if home and not Path(home, 'config.json').exists():
            _remove(link, _namespace_of(link))
    links = _links()
    for path in NAMESPACES.glob(f'{PREFIX}-[0-9]*-*'):
        if PREFIX + path.name.split('-')[1] not in links:
            _remove('', path.name)


def _remove(link: str, namespace: str) -> None:
    if link and Path('/sys/class/net', link).exists():
        ip('link', 'delete', link)
    if namespace and (NAMESPACES / namespace).exists():
        ip('netns', 'delete', namespace)

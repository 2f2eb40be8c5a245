# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Guests on the lab's network: two of them, one on each node, in groups of their own."""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from eucalab.host.guests import running
from eucalab.host.processes import start_time
from tests.kit.command import eucalab
from tests.kit.waiting import wait_for
from tests.lab.guest_support import GuestLab, guest_lab, reaches, ssh

pytestmark = [pytest.mark.vm, pytest.mark.skipif(os.geteuid() != 0, reason='a lab needs root')]


class Guests:
    """The lab, and its guests ``a`` in group ``alpha`` and ``b`` in group ``beta``. Both groups let SSH in."""

    def __init__(self, lab: GuestLab, folder: Path) -> None:
        self.lab, self.key = lab, folder / 'key'
        self.ec2 = lab.ec2()
        material = self.ec2.create_key_pair(KeyName='k')['KeyMaterial']
        self.key.touch(0o600)
        self.key.write_text(material)
        for group in ('alpha', 'beta'):
            self.ec2.create_security_group(GroupName=group, Description='of a test')
            self.open(group, 22)
        image = lab.publish_busybox()
        self.a = lab.run(image, KeyName='k', SecurityGroups=['alpha'], UserData='who=a\n')
        self.b = lab.run(image, KeyName='k', SecurityGroups=['beta'])
        for instance in (self.a, self.b):
            lab.wait_for_login(instance)
            wait_for('SSH answers', lambda instance=instance: reaches(self.private(instance), 22))

    def open(self, group: str, port: int, cidr: str = '0.0.0.0/0') -> None:
        self.ec2.authorize_security_group_ingress(GroupName=group, IpProtocol='tcp', FromPort=port, ToPort=port, CidrIp=cidr)

    def close(self, group: str, port: int, cidr: str = '0.0.0.0/0') -> None:
        self.ec2.revoke_security_group_ingress(GroupName=group, IpProtocol='tcp', FromPort=port, ToPort=port, CidrIp=cidr)

    def private(self, instance: str) -> str:
        return str(self.lab.described(instance)['PrivateIpAddress'])

    def public(self, instance: str) -> str:
        return str(self.lab.described(instance)['PublicIpAddress'])

    def on(self, instance: str, command: str) -> str:
        return ssh(self.private(instance), self.key, command)

    def listen(self, instance: str, port: int) -> None:
        """Start a server in the guest that prints the instance id to each client."""
        self.on(instance, f'nc -ll -p {port} -e echo {instance} > /dev/null 2>&1 < /dev/null &')

    def hears(self, instance: str, address: str, port: int) -> str:
        """Reply that a guest receives from an address and port."""
        return self.on(instance, f'timeout 4 nc {address} {port} < /dev/null 2> /dev/null; true').strip()

    def metadata(self, instance: str, path: str) -> str:
        url = shlex.quote(f'http://169.254.169.254/{path}')
        return self.on(instance, f'timeout 10 wget -q -O - {url} || echo nothing').strip()


@pytest.fixture(scope='module')
def guests(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guests]:
    with guest_lab('network') as lab:
        yield Guests(lab, tmp_path_factory.mktemp('network'))


def settles(condition: Callable[[], bool]) -> bool:
    """Whether a condition holds soon: the packet filter follows the API within a moment."""
    deadline = time.monotonic() + 15
    while not (held := condition()) and time.monotonic() < deadline:
        time.sleep(0.1)
    return held


def test_a_guest_has_the_address_name_and_mac_that_the_cloud_shows(guests: Guests) -> None:
    for instance, node in ((guests.a, 1), (guests.b, 2)):
        described = guests.lab.described(instance)
        network = guests.lab.addressing.of_node(node)
        address = described['PrivateIpAddress']
        shown = guests.on(instance, 'ip addr show eth0; ip route')
        assert f'inet {address}/24 ' in shown and f'default via {network[1]} ' in shown
        assert f'link/ether d0:0d:{instance[2:4]}:{instance[4:6]}:{instance[6:8]}:{instance[8:10]} ' in shown
        assert guests.metadata(instance, 'latest/meta-data/hostname') == described['PrivateDnsName']
        assert described['PrivateDnsName'] == f'euca-{address.replace(".", "-")}.eucalyptus.internal'


def test_both_addresses_of_a_guest_lead_to_it(guests: Guests) -> None:
    for instance in (guests.a, guests.b):
        for address in (guests.private(instance), guests.public(instance)):
            assert ssh(address, guests.key, 'wget -q -O - http://169.254.169.254/latest/meta-data/instance-id') == instance


def test_only_the_ports_that_the_group_allows_are_reached(guests: Guests) -> None:
    guests.listen(guests.a, 8000)
    addresses = guests.private(guests.a), guests.public(guests.a)
    assert not any(reaches(address, 8000) for address in addresses)
    guests.open('alpha', 8000)
    assert settles(lambda: all(reaches(address, 8000) for address in addresses))
    guests.close('alpha', 8000)
    assert settles(lambda: not any(reaches(address, 8000, 1) for address in addresses))
    assert reaches(addresses[0], 22)


def test_a_rule_for_another_address_does_not_count(guests: Guests) -> None:
    guests.listen(guests.a, 8001)
    guests.open('alpha', 8001, '192.0.2.77/32')
    time.sleep(1)
    assert not reaches(guests.private(guests.a), 8001)
    guests.open('alpha', 8001, f'{guests.lab.addressing.machine}/32')
    assert settles(lambda: reaches(guests.private(guests.a), 8001))


def test_a_connection_outlives_the_rule_that_allowed_it(guests: Guests) -> None:
    """As with eucanetd's "ESTABLISHED -j ACCEPT": closing a group blocks new connections only."""
    guests.on(guests.a, 'nc -ll -p 8002 -e cat > /dev/null 2>&1 < /dev/null &')
    guests.open('alpha', 8002)
    address = guests.private(guests.a)
    assert settles(lambda: reaches(address, 8002))
    with socket.create_connection((address, 8002), timeout=20) as connection:
        connection.sendall(b'before')
        assert connection.recv(100) == b'before'
        guests.close('alpha', 8002)
        assert settles(lambda: not reaches(address, 8002, 1))
        connection.sendall(b'after')
        assert connection.recv(100) == b'after'


def test_guests_reach_each_other_as_their_groups_allow(guests: Guests) -> None:
    guests.listen(guests.b, 8003)
    pair = {'UserId': guests.lab.tenant.number, 'GroupName': 'alpha'}
    rule = {'IpProtocol': 'tcp', 'FromPort': 8003, 'ToPort': 8003, 'UserIdGroupPairs': [pair]}
    assert guests.hears(guests.a, guests.private(guests.b), 8003) == ''
    guests.ec2.authorize_security_group_ingress(GroupName='beta', IpPermissions=[rule])
    for address in (guests.private(guests.b), guests.public(guests.b)):
        assert settles(lambda address=address: guests.hears(guests.a, address, 8003) == guests.b)
    assert not reaches(guests.private(guests.b), 8003)


@contextlib.contextmanager
def listener() -> Iterator[tuple[int, list[str]]]:
    """A port on all addresses of this machine, and the hosts that have connected to it."""
    seen: list[str] = []
    with socket.create_server(('0.0.0.0', 0)) as server:

        def accept() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection, sender = server.accept()
                    seen.append(sender[0])
                    connection.close()

        threading.Thread(target=accept, daemon=True).start()
        yield server.getsockname()[1], seen
        server.shutdown(socket.SHUT_RDWR)


def test_a_guest_reaches_the_api_and_nothing_else_of_this_machine(guests: Guests) -> None:
    facts = guests.lab.config.guest_endpoint
    assert facts == f'http://{guests.lab.addressing.router}:{guests.lab.port}'
    bucket = f'{facts}/services/objectstorage/mirror/busybox/rootfs.tar'
    assert guests.on(guests.a, f'wget -q -O - {bucket} | head -c 10 | wc -c').strip() == '10'
    assert 'errors' in guests.on(guests.a, f'wget -S -O - "{facts}/services/compute?Version=1" 2>&1; echo errors')
    with listener() as (port, seen):
        machine = str(guests.lab.addressing.machine)
        assert reaches(machine, port)
        for address in (machine, '127.0.0.1', '192.0.2.2'):
            guests.hears(guests.a, address, port)
        assert seen == [machine]


def test_the_metadata_are_those_of_the_guest_that_asks(guests: Guests) -> None:
    for instance in (guests.a, guests.b):
        described = guests.lab.described(instance)
        assert guests.metadata(instance, 'latest/meta-data/instance-id') == instance
        assert guests.metadata(instance, '2009-04-04/meta-data/local-ipv4') == described['PrivateIpAddress']
        assert guests.metadata(instance, '1.0/meta-data/public-ipv4') == described['PublicIpAddress']
    assert guests.metadata(guests.a, 'latest/user-data') == 'who=a'
    assert guests.metadata(guests.b, 'latest/user-data') == 'nothing'
    assert guests.metadata(guests.a, 'latest/meta-data/security-groups') == 'alpha'


def test_a_guest_that_takes_anothers_address_gets_no_answer(guests: Guests) -> None:
    other, router = guests.private(guests.b), guests.lab.addressing.of_node(1)[1]
    ask = 'timeout 4 wget -q -O - http://169.254.169.254/latest/meta-data/instance-id || echo nothing'
    script = (
        f'{ask}; echo; ip addr add {other}/32 dev eth0; ip route add 169.254.169.254 via {router} src {other};'
        f'{ask}; ip route del 169.254.169.254; ip addr del {other}/32 dev eth0'
    )
    assert guests.on(guests.a, script).split() == [guests.a, 'nothing']
    assert guests.on(guests.b, 'echo here').strip() == 'here'


def test_nobody_outside_gets_metadata(guests: Guests) -> None:
    """Through the link into the lab, so that the request cannot leave this machine."""
    for address in ('169.254.169.254', str(guests.lab.addressing.router)):
        with socket.socket() as client, pytest.raises(OSError):
            client.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, guests.lab.addressing.link.encode())
            client.settimeout(3)
            client.connect((address, 80))


def test_an_elastic_address_moves_from_guest_to_guest(guests: Guests) -> None:
    address = guests.ec2.allocate_address()['PublicIp']
    assert not reaches(address, 22, 1)
    for instance in (guests.a, guests.b):
        before = guests.public(instance)
        guests.ec2.associate_address(PublicIp=address, InstanceId=instance)
        assert guests.public(instance) == address
        assert settles(lambda before=before: reaches(address, 22, 1) and not reaches(before, 22, 1))
        assert ssh(address, guests.key, 'wget -q -O - http://169.254.169.254/latest/meta-data/instance-id') == instance
    guests.ec2.disassociate_address(PublicIp=address)
    assert guests.public(guests.b) not in ('0.0.0.0', address)
    assert settles(lambda: not reaches(address, 22, 1) and reaches(guests.public(guests.b), 22, 1))
    guests.ec2.release_address(PublicIp=address)


def pids(guests: Guests) -> dict[str, int]:
    """The lab's own processes."""
    return {file.stem: int(file.read_text().split()[0]) for file in (guests.lab.home / 'run').glob('*.pid')}


def kill(number: int) -> None:
    os.kill(number, signal.SIGKILL)
    wait_for('it is gone', lambda: start_time(number) is None)


def test_guests_outlive_the_labs_processes_and_a_killed_guest_leaves_no_interface(guests: Guests) -> None:
    address = guests.private(guests.a)
    assert guests.lab.inside('ip', '-br', 'link').count('vn_') == 2
    for number in (*pids(guests).values(), running(guests.lab.config)[guests.b]):
        kill(number)
    wait_for('its interface is gone', lambda: guests.lab.inside('ip', '-br', 'link').count('vn_') == 1)
    assert reaches(address, 22)
    assert eucalab('up', '--name', guests.lab.config.name).returncode == 0
    assert guests.metadata(guests.a, 'latest/meta-data/instance-id') == guests.a
    wait_for('the dead guest is noticed', lambda: guests.lab.ended(guests.b), 120)
    assert guests.lab.described(guests.b)['PrivateIpAddress'] == '0.0.0.0'


def test_down_ends_running_guests_even_when_no_process_of_the_lab_runs(guests: Guests) -> None:
    link, namespace = guests.lab.addressing.link, guests.lab.config.namespace
    number = running(guests.lab.config)[guests.a]
    for process in pids(guests).values():
        kill(process)
    done = eucalab('down', '--name', guests.lab.config.name)
    assert (done.returncode, done.stderr) == (0, '')
    assert start_time(number) is None
    assert not Path('/run/netns', namespace).exists() and not Path('/sys/class/net', link).exists()
    assert (
        str(guests.lab.addressing.subnet) not in subprocess.run(['ip', 'route'], capture_output=True, text=True, check=True).stdout
    )

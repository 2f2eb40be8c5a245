# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Effects of a lab's network on the machine: labs without guests, up and down again."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from eucalab.config import Config
from eucalab.host.processes import start_time
from tests.kit.command import Place
from tests.kit.ports import free_port
from tests.lab.guest_support import reaches

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason='a lab needs root')


def show(*command: str) -> list[str]:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()


def others(lines: list[str]) -> list[str]:
    """The lines that belong to no lab: other labs of this machine come and go meanwhile."""
    return [line for line in lines if 'eucalab' not in line and 'vn_i-' not in line and 'scope link tentative' not in line]


def machine() -> dict[str, list[str]]:
    """This machine's own network."""
    return {
        'addresses': others(show('ip', '-o', 'addr')),
        'routes': others(show('ip', 'route', 'show', 'table', 'all')),
        'rules': show('ip', 'rule'),
        'filter': show('nft', 'list', 'ruleset'),
        'forwarding': [
            Path('/proc/sys/net/ipv4/ip_forward').read_text(),
            Path('/proc/sys/net/ipv4/conf/all/rp_filter').read_text(),
        ],
    }


def there(place: Place, config: Config) -> list[bool]:
    """Whether the lab's interface and its namespace are on this machine. Another lab may have taken the number since."""
    assert config.addressing is not None
    alias = Path('/sys/class/net', config.addressing.link, 'ifalias')
    mine = alias.exists() and alias.read_text().strip() == str((place.state / config.name).resolve())
    return [mine, Path('/run/netns', config.namespace).exists()]


def test_a_lab_adds_one_link_with_a_route_and_takes_it_away(place: Place) -> None:
    before = machine()
    lab = place.up('linked')
    assert lab.addressing is not None and machine() == before
    mine = [line for line in show('ip', '-4', 'route') if lab.addressing.link in line.split()]
    assert len(mine) == 2 and any(line.startswith(f'{lab.addressing.subnet} via {lab.addressing.router} ') for line in mine)
    assert all(there(place, lab))
    assert place.run('down', '--name', lab.name).returncode == 0
    assert not any(there(place, lab)) and machine() == before


def test_labs_side_by_side_do_not_interfere(place: Place) -> None:
    one, two = place.up('one'), place.up('two')
    assert one.addressing is not None and two.addressing is not None
    assert not one.addressing.subnet.overlaps(two.addressing.subnet)
    assert reaches(str(two.addressing.router), two.port)
    script = f'import socket; socket.create_connection(({str(two.addressing.router)!r}, {two.port}), timeout=3)'
    into = ['nsenter', f'--net=/run/netns/{one.namespace}', sys.executable, '-c', script]
    assert 'unreachable' in subprocess.run(into, capture_output=True, text=True, check=False).stderr
    assert place.run('down', '--name', 'one').returncode == 0
    assert reaches(str(two.addressing.router), two.port)
    assert place.run('down', '--name', 'two').returncode == 0


def test_the_services_in_the_namespace_are_open_to_guests_only_but_for_the_api(place: Place) -> None:
    lab = place.up('services')
    assert lab.addressing is not None
    for port in (80, 22, 53):
        assert not reaches(str(lab.addressing.router), port, 1)
    assert reaches(str(lab.addressing.router), lab.port)
    assert lab.guest_endpoint == f'http://{lab.addressing.router}:{lab.port}'
    assert place.run('down', '--name', lab.name).returncode == 0


def test_nothing_of_the_metadata_service_is_on_this_machines_loopback(place: Place) -> None:
    place.up('loopback')
    assert not [line for line in show('ip', '-o', 'addr') if '169.254.169.254' in line]
    assert place.run('down', '--name', 'loopback').returncode == 0


def test_a_lab_whose_directory_was_removed_by_hand_loses_its_network_with_the_next_command(place: Place) -> None:
    lost = place.up('lost')
    for name in ('api', 'node1'):
        os.kill(place.pid('lost', name), 9)
    shutil.rmtree(place.state / 'lost')
    assert all(there(place, lost))
    assert place.run('down', '--name', 'lost').returncode == 0
    assert not any(there(place, lost))


def test_a_lab_gets_its_network_back_and_its_processes_go_on_in_it(place: Place) -> None:
    lab = place.up('again')
    assert lab.addressing is not None
    before = place.pid('again', 'api')
    subprocess.run(['ip', 'link', 'delete', lab.addressing.link], check=True)
    subprocess.run(['ip', 'netns', 'delete', lab.namespace], check=True)
    assert place.run('up', '--name', 'again').returncode == 0
    assert place.config('again').addressing == lab.addressing and start_time(before) is None
    assert reaches(str(lab.addressing.router), lab.port)
    assert place.run('down', '--name', 'again').returncode == 0


def test_a_number_whose_names_or_addresses_are_taken_is_passed_over(place: Place) -> None:
    first = place.up('first')
    assert first.addressing is not None
    free = place.up('probe')
    assert free.addressing is not None and place.run('down', '--name', 'probe').returncode == 0
    subprocess.run(['ip', 'link', 'add', free.addressing.link, 'type', 'bridge'], check=True)
    try:
        other = place.up('other')
        assert other.addressing is not None and other.addressing.number not in (first.network_number, free.network_number)
    finally:
        subprocess.run(['ip', 'link', 'delete', free.addressing.link], check=True)
    for name in ('first', 'other'):
        assert place.run('down', '--name', name).returncode == 0


def test_without_the_right_to_make_namespaces_the_way_out_is_named(place: Place) -> None:
    command = ['setpriv', '--bounding-set=-sys_admin,-net_admin', '--inh-caps=-sys_admin,-net_admin']
    done = subprocess.run(
        [*command, sys.executable, '-m', 'eucalab', 'up', '--name', 'poor', '--port', str(free_port()), '--nodes', '0'],
        capture_output=True,
        text=True,
        cwd='/',
        env=place.environment(),
        check=False,
    )
    assert done.returncode == 1 and done.stderr.startswith('eucalab: the network namespace of the lab cannot be created: ')
    assert 'CAP_SYS_ADMIN' in done.stderr and done.stderr.endswith('--network none\n') and done.stderr.count('\n') == 1
    assert not (place.state / 'poor').exists()


def test_a_lab_without_a_network_has_neither_link_nor_namespace(place: Place) -> None:
    lab = place.up('plain', '--network', 'none')
    assert lab.addressing is None and lab.guest_endpoint == f'http://10.0.2.2:{lab.port}'
    assert not [line for line in show('ip', 'netns') if re.match(r'eucalab-\d+-plain( |$)', line)]
    assert place.run('up', '--name', 'plain', '--network', 'namespace').returncode == 0
    changed = place.config('plain')
    assert all(there(place, changed)) and changed.guest_endpoint == f'http://{changed.addressing.router}:{lab.port}'
    assert place.run('up', '--name', 'plain', '--network', 'none').returncode == 0
    assert not any(there(place, changed))
    with socket.create_connection(('127.0.0.1', lab.port), timeout=10):
        pass
    assert place.run('down', '--name', 'plain').returncode == 0

# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What 50 node controllers, with two installers each, cost the controller, over ssh on the loopback network, with pipelining.

Prints `NAME VALUE UNIT (target TARGET) ok|short`. CPU seconds are those of ansible-playbook, its workers and its ssh clients, the
shared ones that outlive a task included; start-up is part of it.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import resource
import shutil
import statistics
import tempfile
import typing as t
from pathlib import Path

from tests.nodes import fleet

TICKS = os.sysconf('SC_CLK_TCK')
FILES = ('bootparams', 'get-user-data.xsl', 'insert-boot-params.xsl', 'try-bootparams', 'policy.conf')
INSTALLERS = ('debian-12', 'fedora-40')
ETC = '{{ nc_hooks_eucalyptus_home }}/etc/eucalyptus'
KEPT = '{{ nc_hooks_eucalyptus_home }}/var/lib/eucalyptus/installers'


def by_role(directory: Path) -> list[dict[str, t.Any]]:
    """A play that deploys hook, policy and two installers with the role."""
    installers = []
    for name in INSTALLERS:
        installers.append({'name': name})
        for part in ('kernel', 'ramdisk'):
            content = f'{part} of {name}\n'.encode() * 1000
            (directory / f'{name}.{part}').write_bytes(content)
            installers[-1] |= {part: str(directory / f'{name}.{part}'), f'{part}_sha256': hashlib.sha256(content).hexdigest()}
    return [
        {
            'hosts': 'node_controllers',
            'gather_facts': False,
            'vars': {'nc_hooks_installers': installers, 'nc_hooks_cache': str(directory / 'cache')},
            'tasks': [{'ansible.builtin.import_role': {'name': 'eucalyptus.cloud.nc_hooks', 'rolespec_validate': False}}],
        }
    ]


def by_loops(directory: Path) -> list[dict[str, t.Any]]:
    """A play that deploys the same files as one would without the module."""
    folders = [f'{ETC}/nc-hooks', f'{ETC}/bootparams', KEPT, *(f'{KEPT}/{name}' for name in INSTALLERS)]
    files = [
        {'src': f'{fleet.CHECKOUT}/roles/nc_hooks/files/{name}', 'dest': f'{folders[name != "bootparams"]}/{name}'}
        for name in FILES
    ]
    files += [
        {'src': f'{directory}/{name}.{part}', 'dest': f'{KEPT}/{name}/{part}'}
        for name in INSTALLERS
        for part in ('kernel', 'ramdisk')
    ]
    return [
        {
            'hosts': 'node_controllers',
            'gather_facts': False,
            'tasks': [
                {'ansible.builtin.file': {'path': '{{ item }}', 'state': 'directory', 'mode': '0755'}, 'loop': folders},
                {'ansible.builtin.copy': {'src': '{{ item.src }}', 'dest': '{{ item.dest }}', 'mode': 'preserve'}, 'loop': files},
            ],
        }
    ]


def cpu(nodes: fleet.Fleet, playbook: Path, *arguments: str) -> tuple[float, str]:
    """(CPU seconds that a run cost the controller, its output)"""
    before = spent(nodes)
    output = nodes.play(*arguments, playbook=playbook, ANSIBLE_PIPELINING='true')
    return spent(nodes) - before, output


def spent(nodes: fleet.Fleet) -> float:
    """CPU seconds of ended children, and of the ssh clients that serve one task after the other."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    total = usage.ru_utime + usage.ru_stime
    for path in Path('/proc').glob('[0-9]*'):
        try:
            if str(nodes.control).encode() in (path / 'cmdline').read_bytes():
                fields = (path / 'stat').read_text().rpartition(')')[2].split()
                total += (int(fields[11]) + int(fields[12])) / TICKS
        except (FileNotFoundError, ProcessLookupError):
            continue
    return total


def report(name: str, value: float, unit: str, target: float, at_most: bool) -> None:
    good = value <= target if at_most else value >= target
    print(f'{name} {value:.3f} {unit} (target {"<=" if at_most else ">="} {target}) {"ok" if good else "short"}', flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--hosts', type=int, default=50)
    parser.add_argument('--rounds', type=int, default=3)
    options = parser.parse_args()
    directory = Path(tempfile.mkdtemp(prefix='nodes-bench-', dir='/var/tmp'))
    try:
        with fleet.Fleet(directory / 'fleet', options.hosts) as nodes:
            role, loops = directory / 'role.yml', directory / 'loops.yml'
            role.write_text(json.dumps(by_role(directory)))
            loops.write_text(json.dumps(by_loops(directory)))
            first = cpu(nodes, role)[0] / options.hosts
            print(f'nodes_first_run {first:.3f} CPU s per host', flush=True)
            again = []
            for _round in range(options.rounds):
                seconds, output = cpu(nodes, role)
                assert 'changed=1' not in output, output[-3000:]
                again.append(seconds / options.hosts)
            # Some of the hosts are enough for what takes so much longer. The files are there already: the cheaper case.
            some = nodes.names[: options.hosts // 5]
            slow = [cpu(nodes, loops, '--limit', ','.join(some))[0] / len(some) for _round in range(options.rounds)]
            second = statistics.median(again)
            report('nodes_second_run', second, 'CPU s per host', 0.12, True)
            report('nodes_loops_over_role', statistics.median(slow) / second, 'times', 10, False)
    finally:
        shutil.rmtree(directory, ignore_errors=True)


if __name__ == '__main__':
    main()

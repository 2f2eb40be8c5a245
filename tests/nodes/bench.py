# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What 50 node controllers cost the controller, over ssh on the loopback network, with pipelining.

Prints `NAME VALUE UNIT (target TARGET) ok|short`. CPU seconds are those of ansible-playbook, its workers and its ssh clients, the
shared ones that outlive a task included; start-up is part of it.
"""
from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import sys
import tempfile
from pathlib import Path

import fleet

TICKS = os.sysconf('SC_CLK_TCK')
FILES = ('bootparams', 'get-user-data.xsl', 'insert-boot-params.xsl', 'try-bootparams', 'policy.conf')
ROLE = [{'hosts': 'node_controllers', 'gather_facts': False, 'tasks': [
    {'ansible.builtin.import_role': {'name': 'eucalyptus.cloud.nc_hooks', 'rolespec_validate': False}}]}]
# The same files, deployed as one would without the module.
ETC = '{{ nc_hooks_eucalyptus_home }}/etc/eucalyptus'
LOOPS = [{'hosts': 'node_controllers', 'gather_facts': False, 'tasks': [
    {'ansible.builtin.file': {'path': f'{ETC}/{{{{ item }}}}', 'state': 'directory', 'mode': '0755'},
     'loop': ['bootparams', 'nc-hooks']},
    {'ansible.builtin.copy': {'src': f'{fleet.CHECKOUT}/roles/nc_hooks/files/{{{{ item }}}}', 'mode': 'preserve',
                              'dest': f"{ETC}/{{{{ 'nc-hooks' if item == 'bootparams' else 'bootparams' }}}}/{{{{ item }}}}"},
     'loop': list(FILES)},
]}]


def cpu(nodes: fleet.Fleet, playbook: Path) -> tuple[float, str]:
    """(CPU seconds that a run cost the controller, what it said)"""
    before = spent(nodes)
    output = nodes.play(playbook=playbook, ANSIBLE_PIPELINING='true')
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


def report(name: str, value: float, unit: str, target: float, at_most: bool) -> bool:
    good = value <= target if at_most else value >= target
    print(f"{name} {value:.3f} {unit} (target {'<=' if at_most else '>='} {target}) {'ok' if good else 'short'}", flush=True)
    return good


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--hosts', type=int, default=50)
    parser.add_argument('--rounds', type=int, default=3)
    options = parser.parse_args()
    directory = Path(tempfile.mkdtemp(prefix='nodes-bench-', dir='/var/tmp'))
    try:
        with fleet.Fleet(directory / 'fleet', options.hosts) as nodes:
            role, loops = directory / 'role.yml', directory / 'loops.yml'
            role.write_text(json.dumps(ROLE))
            loops.write_text(json.dumps(LOOPS))
            first = cpu(nodes, role)[0]
            again, by_loops = [], []
            for _round in range(options.rounds):
                seconds, output = cpu(nodes, role)
                assert 'changed=1' not in output, output[-3000:]
                again.append(seconds)
            for _round in range(options.rounds - 1):
                by_loops.append(cpu(nodes, loops)[0])
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    second = sorted(again)[len(again) // 2]
    print(f'nodes_first_run {first / options.hosts:.3f} CPU s per host')
    good = report('nodes_second_run', second / options.hosts, 'CPU s per host', 0.12, True)
    good &= report('nodes_loops_over_role', min(by_loops) / second, 'times', 10, False)
    return 0 if good else 1


if __name__ == '__main__':
    sys.exit(main())

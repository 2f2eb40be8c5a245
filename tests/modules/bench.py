# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Processor time of a module that sends one request to the lab's API, beside boto3 and beside a task that sends none.

Prints `NAME VALUE UNIT (target TARGET) ok|short`. The two that are compared run alternately; each figure is the median.
"""

from __future__ import annotations

import json
import resource
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.kit.lab import Lab

RUNS = 11
TASKS, PLAYS = 15, 5
MODULE = 'ansible_collections.eucalyptus.cloud.plugins.modules.volume_info'
BOTO3 = """
import boto3, sys
url, access, secret = sys.argv[1:]
client = boto3.client('ec2', endpoint_url=url, region_name='x', aws_access_key_id=access, aws_secret_access_key=secret)
client.describe_volumes()
"""


def cpu_seconds(command: Sequence[str | Path]) -> float:
    """User and system time of the command and its children."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def show(name: str, value: float, unit: str, target: float) -> None:
    print(f'{name} {value:.2f} {unit} (target {target:g}) {"ok" if value <= target else "short"}', flush=True)


def options(lab: Lab) -> dict[str, str]:
    keys = {'access_key': lab.tenant.access_key, 'secret_key': lab.tenant.secret_key}
    return {'ec2_url': f'{lab.config.endpoint}/services/compute', **keys}


def measure_process(lab: Lab, directory: Path) -> None:
    """The module's process as Ansible runs it, without the packing and unpacking of its archive."""
    arguments = directory / 'arguments.json'
    arguments.write_text(json.dumps({'ANSIBLE_MODULE_ARGS': options(lab)}))
    commands = [sys.executable, '-c', BOTO3, *options(lab).values()], [sys.executable, '-m', MODULE, str(arguments)]
    boto3, module = zip(*((cpu_seconds(commands[0]), cpu_seconds(commands[1])) for _ in range(RUNS)), strict=True)
    show('module-process-to-boto3', statistics.median(module) / statistics.median(boto3), 'times', 0.55)


def measure_task(lab: Lab, directory: Path) -> None:
    """A task's processor time beyond that of `stat`: the controller's share and the archive included."""
    tasks = {'eucalyptus.cloud.volume_info': options(lab), 'ansible.builtin.stat': {'path': '/'}}
    plays = []
    for name, arguments in tasks.items():
        plays.append(directory / f'{name}.yml')
        tasks_ = [{'name': f'Task {number}', name: arguments} for number in range(TASKS)]
        plays[-1].write_text(json.dumps([{'hosts': 'localhost', 'gather_facts': False, 'tasks': tasks_}]))
    commands = [[Path(sys.executable).parent / 'ansible-playbook', play] for play in plays]
    module, stat = zip(*((cpu_seconds(commands[0]), cpu_seconds(commands[1])) for _ in range(PLAYS)), strict=True)
    show('module-task-over-stat', (statistics.median(module) - statistics.median(stat)) / TASKS, 'CPU s', 0.12)


def main() -> None:
    with tempfile.TemporaryDirectory(prefix='eucalab-bench-') as root, Lab.running(Path(root), 'bench') as lab:
        measure_process(lab, Path(root))
        measure_task(lab, Path(root))


if __name__ == '__main__':
    main()

# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How long the lab and its API take. Prints `NAME VALUE UNIT (target TARGET) ok|short`.

Medians of 100 requests, of five labs, and of one guest. As root only, the lab's network is measured too.
"""

from __future__ import annotations

import http.client
import os
import re
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from eucalab.host import namespaces
from tests.kit.lab import Lab
from tests.kit.waiting import wait_for
from tests.lab.guest_support import GUEST_SECONDS, GuestLab, guest_lab, reaches

REQUESTS = 100
LABS = 5


def median_ms(request: Callable[[], object]) -> float:
    seconds = []
    for _ in range(REQUESTS):
        began = time.perf_counter()
        request()
        seconds.append(time.perf_counter() - began)
    return statistics.median(seconds) * 1000


def show(name: str, value: float, unit: str, target: float) -> None:
    print(f'{name} {value:.1f} {unit} (target {target:g}) {"ok" if value <= target else "short"}', flush=True)


def main() -> None:
    with tempfile.TemporaryDirectory(prefix='eucalab-bench-') as root, Lab.running(Path(root), 'bench') as lab:
        measure_api(lab)
    if os.geteuid() == 0:
        measure_up_and_down()
        with guest_lab('bench') as guests:
            measure_memory(guests)
            measure_metadata(guests)
            measure_guest(guests)


def measure_api(lab: Lab) -> None:
    image = lab.register(lab.tenant, 'machine', 'bench-images', **lab.published_boot())
    ec2 = lab.ec2()
    few = [ec2.run_instances(ImageId=image, MinCount=1, MaxCount=1)['Instances'][0]['InstanceId'] for _ in range(20)]
    show('lab-describe-20-instances', median_ms(lambda: ec2.describe_instances(InstanceIds=few)), 'ms', 15)
    show('lab-run-instances', median_ms(lambda: ec2.run_instances(ImageId=image, MinCount=1, MaxCount=1)), 'ms', 50)


def measure_up_and_down() -> None:
    """Labs with two nodes and without guests; libvirt's daemons run if they did before."""
    up, down = [], []
    for _ in range(LABS):
        began = time.monotonic()
        with guest_lab('bench'):
            up.append(time.monotonic() - began)
            began = time.monotonic()
        down.append(time.monotonic() - began)
    show('lab-up', statistics.median(up), 's', 4)
    show('lab-down', statistics.median(down), 's', 2)


def measure_memory(lab: GuestLab) -> None:
    """PSS of the lab's own processes."""
    total = 0
    for file in (lab.home / 'run').glob('*.pid'):
        rollup = Path('/proc', file.read_text().split()[0], 'smaps_rollup').read_text()
        total += int(re.findall(r'^Pss: +(\d+) kB$', rollup, re.MULTILINE)[0])
    show('lab-memory', total / 1024, 'MiB', 250)


def measure_metadata(lab: GuestLab) -> None:
    """As an instance whose address is in the namespace itself: the time of the service, without that of a guest."""
    address = str(lab.addressing.of_node(9)[9])
    identity = {'id': 'i-00000009', 'reservation': 'r-9', 'account': lab.tenant.number, 'user_id': 'x', 'image_id': 'emi-9'}
    state = {'state': 'running', 'state_since': 0, 'launched': 0, 'private_ip': address, 'mac': 'd0:0d:00:00:00:09', 'node': '-'}
    shape = {'instance_type': 'm1.small', 'zone': 'one', 'root_device_type': 'ebs'}
    lab.insert('instances', **identity, **state, **shape)
    lab.inside('ip', 'addr', 'add', f'{address}/32', 'dev', 'lo')

    def first_byte() -> None:
        connection = http.client.HTTPConnection('169.254.169.254', source_address=(address, 0), timeout=10)
        connection.request('GET', '/latest/meta-data/')
        assert connection.getresponse().read(1)
        connection.close()

    with namespaces.inside(lab.config.namespace):
        show('lab-metadata-first-byte', median_ms(first_byte), 'ms', 10)
    lab.execute("DELETE FROM instances WHERE id = 'i-00000009'")


def measure_guest(lab: GuestLab) -> None:
    """From RunInstances of the busybox system to an open SSH port, in terms of the time to its login prompt."""
    image = lab.publish_busybox()
    lab.ec2().authorize_security_group_ingress(GroupName='default', IpProtocol='tcp', FromPort=22, ToPort=22, CidrIp='0.0.0.0/0')
    began = time.monotonic()
    instance = lab.run(image)
    address = lab.described(instance)['PrivateIpAddress']
    wait_for('it has booted', lambda: 'login:' in lab.console(instance), GUEST_SECONDS)
    login = time.monotonic() - began
    wait_for('SSH answers', lambda: reaches(address, 22, 1), GUEST_SECONDS)
    ready = time.monotonic() - began
    print(f'lab-guest-login {login:.1f} s', flush=True)
    show('lab-guest-ssh-to-login', ready / login, 'times', 1.3)


if __name__ == '__main__':
    main()

# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How long the lab's API takes to answer. Prints `NAME VALUE UNIT (target TARGET) ok|short`; medians of 100 requests."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tests.kit.lab import Lab

REQUESTS = 100
TARGET = 50.0  # ms


def median_ms(request: Callable[[], object]) -> float:
    seconds = []
    for _ in range(REQUESTS):
        began = time.perf_counter()
        request()
        seconds.append(time.perf_counter() - began)
    return statistics.median(seconds) * 1000


def main() -> None:
    with tempfile.TemporaryDirectory(prefix='eucalab-bench-') as root, Lab.running(Path(root), 'bench') as lab:
        measure(lab)


def measure(lab: Lab) -> None:
    image = lab.register(lab.tenant, 'machine', 'bench-images', **lab.published_boot())
    ec2 = lab.ec2()
    few = [ec2.run_instances(ImageId=image, MinCount=1, MaxCount=1)['Instances'][0]['InstanceId'] for _ in range(20)]
    for name, request in (
        ('lab-describe-20-instances', lambda: ec2.describe_instances(InstanceIds=few)),
        ('lab-run-instances', lambda: ec2.run_instances(ImageId=image, MinCount=1, MaxCount=1)),
    ):
        value = median_ms(request)
        print(f'{name} {value:.1f} ms (target {TARGET:.0f}) {"ok" if value <= TARGET else "short"}')


if __name__ == '__main__':
    main()

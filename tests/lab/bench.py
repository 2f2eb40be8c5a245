#!/usr/bin/env python3
# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How long the lab's API takes to answer. Prints `NAME VALUE UNIT (target TARGET) ok|short`; medians of 100 requests."""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from collections.abc import Callable

from api_support import LabApi  # it puts the lab's package on the path
from eucalab.cloud.accounts import create_accounts
from eucalab.cloud.store import Store
from eucalab.config import Config
from lab_process import free_port

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
    with tempfile.TemporaryDirectory(prefix='eucalab-bench-') as root:
        os.environ['EUCALAB_STATE'] = root
        config = Config(name='bench', port=free_port(), pace=0.02)
        config.save()
        config.make_directories()
        store = Store(config.database)
        lab = LabApi(config, create_accounts(store, config))
        store.close()
        lab.start()
        try:
            measure(lab)
        finally:
            lab.stop()


def measure(lab: LabApi) -> None:
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

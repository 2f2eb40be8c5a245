# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs modules of the collection, many at once, and with short time limits. A process of its own, started by module_runs.py.

Each line of standard input is a list of jobs as JSON, each line of standard output the list of their outcomes. A job is a fork
of this process, which has imported everything: so a module that fails does not cost a start of Python.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import tempfile
import time
import traceback

from ansible.module_utils import basic
from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud import client, session, waiting
from botocore.config import Config

PREFIX = 'ansible_collections.eucalyptus.cloud.plugins.modules.'
READ_TIMEOUT = 4  # seconds instead of 120
LONGEST_PAUSE = 0.1  # seconds between two requests, whatever the module would wait

genuine_config, genuine_sleep, genuine_time, genuine_gmtime = client._config, time.sleep, time.time, time.gmtime


def in_a_hurry() -> None:
    """Shorten all time limits and pauses, but none that an option of the module sets."""
    warm = session.make()
    for service, version in (('ec2', session.EC2_API_VERSION), ('s3', None)):
        warm.create_client(service, region_name='x', api_version=version, endpoint_url='http://127.0.0.1:1')
    session.make = lambda: warm
    client._config = lambda *given: genuine_config(*given).merge(Config(connect_timeout=READ_TIMEOUT, read_timeout=READ_TIMEOUT))
    time.sleep = lambda seconds: genuine_sleep(min(seconds, LONGEST_PAUSE))
    waiting.LAST_LOOK = 3.0


def run(job: dict) -> None:
    """In the child: run the module like Ansible. Its clock is ``skew`` seconds wrong."""
    skew = job['skew']
    time.time = lambda: genuine_time() + skew
    time.gmtime = lambda seconds=None: genuine_gmtime(time.time() if seconds is None else seconds)
    basic._ANSIBLE_ARGS = json.dumps({'ANSIBLE_MODULE_ARGS': job['options']}).encode()
    basic._ANSIBLE_PROFILE = 'legacy'
    importlib.import_module(PREFIX + job['module']).main()


def start(job: dict) -> tuple[int, tuple[float, object, object]]:
    """Start the job; returns its process, the time, and the files with what it prints."""
    files = [tempfile.TemporaryFile('w+') for _stream in ('output', 'errors')]  # noqa: SIM115 - read when the job has ended
    child = os.fork()
    if child:
        return child, (time.monotonic(), *files)
    status = 1
    try:
        for number, file in enumerate(files, 1):
            os.dup2(file.fileno(), number)
        run(job)
    except SystemExit as end:
        sys.stdout.flush()
        status = int(end.code or 0)
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
    os._exit(status)


def outcome(begun: float, *files: object) -> dict:
    seconds = time.monotonic() - begun
    for file in files:
        file.seek(0)
    output, errors = (file.read() for file in files)
    return {'seconds': seconds, 'output': output, 'errors': errors}


def main() -> None:
    in_a_hurry()
    for module in sys.argv[1:]:
        importlib.import_module(PREFIX + module)
    for line in sys.stdin:
        started = dict(map(start, json.loads(line)))
        outcomes = {}
        while len(outcomes) < len(started):
            child, _status = os.wait()
            if child in started:
                outcomes[child] = outcome(*started[child])
        print(json.dumps([outcomes[child] for child in started]), flush=True)


if __name__ == '__main__':
    main()

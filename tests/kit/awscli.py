# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command ``aws`` for the tenant of a lab, with a configuration file of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .lab import Lab
from .strangers import awscli, without_aws_variables
from .waiting import wait_for

if TYPE_CHECKING:
    from typing_extensions import Self  # in typing from Python 3.11 on

CONFIG = """[default]
region = eucalyptus
cli_pager =
aws_access_key_id = {key}
aws_secret_access_key = {secret}
s3 =
    addressing_style = path

# The newest API sends a ClientToken with CreateVolume, which no Eucalyptus accepts (docs/lab.md).
[profile older-api]
region = eucalyptus
cli_pager =
aws_access_key_id = {key}
aws_secret_access_key = {secret}
api_versions =
    ec2 = 2016-09-15
"""
# One process for all commands: to start awscli and to load its models takes longer than a request.
LOOP = """
import contextlib, io, json, os, sys
from awscli.clidriver import create_clidriver
drivers = {}
for line in sys.stdin:
    os.environ['AWS_PROFILE'], *words = json.loads(line)
    driver = drivers.setdefault(os.environ['AWS_PROFILE'], None) or create_clidriver()
    drivers[os.environ['AWS_PROFILE']] = driver
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = driver.main(words)
    print(json.dumps([status, out.getvalue(), err.getvalue()]), flush=True)
"""


class Aws:
    """Ends with the block that it is used in."""

    def __init__(self, lab: Lab, directory: Path) -> None:
        config = directory / 'config'
        config.write_text(CONFIG.format(key=lab.tenant.access_key, secret=lab.tenant.secret_key))
        self._endpoints = {'ec2': lab.ec2_url, 's3': lab.s3_url}
        self._process = subprocess.Popen(
            [sys.executable, '-c', LOOP],
            env={**without_aws_variables(), 'PYTHONPATH': str(awscli()), 'AWS_CONFIG_FILE': str(config)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate(timeout=20)

    def run(self, service: str, *words: str, profile: str = 'default') -> tuple[int, str, str]:
        """Exit status, output and error output of one command."""
        assert self._process.stdin and self._process.stdout
        command = [profile, '--endpoint-url', self._endpoints[service], service, *words]
        self._process.stdin.write(json.dumps(command) + '\n')
        self._process.stdin.flush()
        status, out, error = json.loads(self._process.stdout.readline())
        return status, out, error

    def ec2(self, *words: str, profile: str = 'default') -> Any:
        """The command's JSON, None for no output. It must succeed."""
        status, out, error = self.run('ec2', *words, profile=profile)
        assert status == 0, (words, error)
        return json.loads(out) if out.strip() else None

    def refused(self, *words: str) -> str:
        """The error of a command that must fail."""
        status, out, error = self.run('ec2', *words)
        assert status, out
        return error

    def wait(self, waiter: str, *words: str, query: str, state: str) -> None:
        """See a state come, and then awscli's own waiter agree; the waiter alone would look every 15 s."""
        what = words[0].removeprefix('--').removesuffix('-ids') + 's'
        wait_for(f'{words} {state}', lambda: set(self.ec2(f'describe-{what}', *words, '--query', query)) == {state})
        self.ec2('wait', waiter, *words)

    def create_volume(self) -> str:
        """A new volume that is available."""
        words = ('create-volume', '--size', '1', '--availability-zone', 'one')
        volume: str = self.ec2(*words, profile='older-api')['VolumeId']
        self.wait('volume-available', '--volume-ids', volume, query='Volumes[].State', state='available')
        return volume

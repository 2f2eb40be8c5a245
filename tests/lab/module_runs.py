# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs of modules against a lab, each over a line of its own, all at once."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import ssl
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tests.kit.lab import Lab
from tests.kit.paths import ROOT, environment
from tests.lab.faulty_line import FaultyLine

MODULES = ROOT / 'plugins/modules'
# The modules that have the options for the connection to a cloud.
TALKING = sorted(path.stem for path in MODULES.glob('*.py') if 'eucalyptus.cloud.connection' in path.read_text())


@dataclasses.dataclass
class Outcome:
    seconds: float
    output: str
    errors: str
    actions: list[str]  # the requests of the run

    @property
    def result(self) -> dict[str, Any]:
        assert 'Traceback' not in self.errors, self.errors
        found: dict[str, Any] = json.loads(self.output)
        return found

    @property
    def message(self) -> str:
        """The message of a failure, which must be one."""
        assert self.result.get('failed'), self.output
        return str(self.result['msg'])


Options = dict[str, Any]
Fault = Callable[[str], str | None]


class Runner:
    """The process of module_runner.py."""

    def __init__(self) -> None:
        command = [sys.executable, '-m', 'tests.lab.module_runner', *TALKING]
        self.process = subprocess.Popen(command, env=environment(), text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def run(
        self,
        lab: Lab,
        options: dict[str, Options],
        fault: Callable[[str], Fault] = lambda name: lambda action: None,
        skew: float = 0,
        tls: ssl.SSLContext | None = None,
        **connection: Any,
    ) -> dict[str, Outcome]:
        """Run each module of ``options`` once. ``fault`` makes the faults of each. A name may be a module's with a
        dot and any text appended: the same module again."""
        with contextlib.ExitStack() as stack:
            lines = {name: stack.enter_context(FaultyLine(lab.config.port, fault(name), tls).running()) for name in options}
            jobs = []
            for name, line in lines.items():
                given = lab.options(line.port)
                if tls:
                    given = {key: value.replace('http://', 'https://') for key, value in given.items()}
                connect = {key: value for key, value in given.items() if key not in KEYS or name == 'image'}
                job = {**connect, **connection, **options[name]}
                jobs.append({'module': name.partition('.')[0], 'options': job, 'skew': skew})
            outcomes = self._ask(jobs)
        return {name: Outcome(**outcome, actions=lines[name].actions) for name, outcome in zip(options, outcomes, strict=True)}

    def _ask(self, jobs: list[dict[str, Any]]) -> list[dict[str, Any]]:
        assert self.process.stdin and self.process.stdout
        print(json.dumps(jobs), file=self.process.stdin, flush=True)
        outcomes: list[dict[str, Any]] = json.loads(self.process.stdout.readline())
        return outcomes

    @classmethod
    @contextlib.contextmanager
    def running(cls) -> Iterator[Runner]:
        runner = cls()
        try:
            yield runner
        finally:
            assert runner.process.stdin
            runner.process.stdin.close()
            runner.process.wait(20)


KEYS = ('user_cert', 'user_private_key', 'cloud_cert')  # options of the module image


def self_signed(directory: Path) -> tuple[ssl.SSLContext, Path]:
    """A server's side of TLS with a certificate that signs itself, and the certificate."""
    key, certificate = directory / 'key.pem', directory / 'certificate.pem'
    command = f'openssl req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=cloud -addext subjectAltName=IP:127.0.0.1 -keyout {key}'
    subprocess.run([*command.split(), '-out', str(certificate)], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context, certificate

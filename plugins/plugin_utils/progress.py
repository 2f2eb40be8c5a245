# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action of a task that takes long: it runs the module and prints the module's progress on stderr meanwhile."""

from __future__ import annotations

import json
import os
import signal
import sys
import tempfile
import threading
import time
import typing as t

from ansible import constants
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

display = Display()

# Looked at here because this is imported in the main process; a worker has no terminal of its own.
ON_TERMINAL = sys.stderr.isatty()
EVERY = 30.0  # seconds between two lines in a log
READ_EVERY = 0.5  # seconds between two readings of the file
AT_ONCE = 20  # lines printed per reading; a person cannot read more of them anyway

Entry = dict[str, t.Any]  # written by module_utils/progress/report.py


class Printer:
    """Prints entries: all of them on a terminal, notes and now and then a line in a log. ``show`` prints one line."""

    def __init__(self, show: t.Callable[[str], None], terminal: bool, clock: t.Callable[[], float] = time.monotonic) -> None:
        self._show, self._terminal, self._clock = show, terminal, clock
        self._next = clock() + EVERY

    def print(self, entries: list[Entry]) -> None:
        if self._terminal:
            self._print_all(entries)
        else:
            self._print_some(entries)

    def _print_all(self, entries: list[Entry]) -> None:
        surplus = max(0, len(entries) - AT_ONCE)
        for entry in entries[:surplus]:
            if entry.get('note'):
                self._show(entry['text'])
        if surplus:
            self._show(f'… {surplus} more lines …')
        for entry in entries[surplus:]:
            self._show(entry['text'])

    def _print_some(self, entries: list[Entry]) -> None:
        for entry in entries:
            if entry.get('note'):
                self._show(entry['text'])
        lines = [entry for entry in entries if not (entry.get('note') or entry.get('passing'))]
        if lines and self._clock() >= self._next:
            self._next = self._clock() + EVERY
            self._show(lines[-1]['text'])


class ProgressAction(ActionBase):
    """Runs the module of the same name with the option ``progress_file``, if the module runs on this machine."""

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        super().run(tmp, task_vars)
        arguments = dict(self._task.args)
        if self._connection.transport != 'local' or self._task.check_mode or self._task.async_val:
            return self._execute(arguments, task_vars)
        # ansible-playbook removes this directory at its end, even when it is interrupted.
        place: str = constants.DEFAULT_LOCAL_TMP  # type: ignore[attr-defined]  # the constants are made when Ansible starts
        descriptor, path = tempfile.mkstemp(prefix='progress-', dir=place)
        host = (task_vars or {}).get('inventory_hostname', '')
        printer = Printer(lambda text: display.display(f'  [{host}] {text}', stderr=True), _on_terminal())
        done = threading.Event()
        reader = threading.Thread(target=_print_until, args=(done, descriptor, printer), daemon=True)
        reader.start()
        try:
            return self._execute({**arguments, 'progress_file': path}, task_vars)
        finally:
            done.set()
            reader.join()
            os.unlink(path)

    def _execute(self, arguments: dict[str, t.Any], task_vars: dict[str, t.Any] | None) -> dict[str, t.Any]:
        result: dict[str, t.Any] = self._execute_module(module_args=arguments, task_vars=task_vars)
        return result


def _on_terminal() -> bool:
    return ON_TERMINAL and os.environ.get('CI', '').lower() not in ('1', 'true', 'yes')


def _print_until(done: threading.Event, descriptor: int, printer: Printer) -> None:
    """Print whole lines until the module is done and everything has been read."""
    # An interrupt is for the worker's main thread, which ends the module; taken by this one it would wait for the module.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    rest = ''
    with open(descriptor, encoding='utf-8') as file:
        last = False
        while not last:
            last = done.wait(READ_EVERY)
            *lines, rest = (rest + file.read()).split('\n')
            entries = [json.loads(line) for line in lines if line]
            if entries:
                printer.print(entries)

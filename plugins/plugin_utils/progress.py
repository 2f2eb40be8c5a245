# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action of a task that takes long: it runs the module, and shows on stderr what the module tells meanwhile."""

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
EVERY = 30.0  # seconds between two lines where nobody sits in front of it
LOOK = 0.5  # seconds between two looks at the file
AT_ONCE = 20  # lines shown per look; a person cannot read more of it anyway


class Teller:
    """Shows what is told, as much of it as its reader can use. ``show`` prints one line."""

    def __init__(self, show: t.Callable[[str], None], watched: bool, clock: t.Callable[[], float] = time.monotonic) -> None:
        self._show, self._watched, self._clock = show, watched, clock
        self._next = clock() + EVERY

    def tell(self, told: list[dict[str, t.Any]]) -> None:
        if self._watched:
            self._tell_all(told)
        else:
            self._tell_some(told)

    def _tell_all(self, told: list[dict[str, t.Any]]) -> None:
        surplus = max(0, len(told) - AT_ONCE)
        for one in told[:surplus]:
            if one.get('note'):
                self._show(one['text'])
        if surplus:
            self._show(f'… {surplus} lines more …')
        for one in told[surplus:]:
            self._show(one['text'])

    def _tell_some(self, told: list[dict[str, t.Any]]) -> None:
        for one in told:
            if one.get('note'):
                self._show(one['text'])
        lines = [one for one in told if not (one.get('note') or one.get('passing'))]
        if lines and self._clock() >= self._next:
            self._next = self._clock() + EVERY
            self._show(lines[-1]['text'])


class LiveAction(ActionBase):
    """Runs the module of the same name with the option ``progress_file``, if the module runs on this machine."""

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        super().run(tmp, task_vars)
        arguments = dict(self._task.args)
        if self._connection.transport != 'local' or self._task.check_mode or self._task.async_val:
            return self._execute_module(module_args=arguments, task_vars=task_vars)
        # Where ansible-playbook cleans up behind itself, also when it is interrupted.
        descriptor, path = tempfile.mkstemp(prefix='progress-', dir=constants.DEFAULT_LOCAL_TMP)
        host = (task_vars or {}).get('inventory_hostname', '')
        teller = Teller(lambda text: display.display(f'  [{host}] {text}', stderr=True), _watched())
        done = threading.Event()
        follower = threading.Thread(target=_follow, args=(descriptor, teller, done), daemon=True)
        follower.start()
        try:
            return self._execute_module(module_args={**arguments, 'progress_file': path}, task_vars=task_vars)
        finally:
            done.set()
            follower.join()
            os.unlink(path)


def _watched() -> bool:
    return ON_TERMINAL and os.environ.get('CI', '').lower() not in ('1', 'true', 'yes')


def _follow(descriptor: int, teller: Teller, done: threading.Event) -> None:
    """Hand over whole lines, until the module is through and everything has been read."""
    # An interrupt is for the worker's main thread, which ends the module; taken by this one it would wait for the module.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    rest = ''
    with open(descriptor, encoding='utf-8') as file:
        last = False
        while not last:
            last = done.wait(LOOK)
            *lines, rest = (rest + file.read()).split('\n')
            told = [json.loads(line) for line in lines if line]
            if told:
                teller.tell(told)

#!/usr/bin/python
# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: eucalyptus.cloud contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
---
module: console_log
short_description: Read an instance's console, or wait for text on it
version_added: 0.1.0
description:
  - Reads what an instance has written to its serial console. The cloud shows the last 64 KiB of it.
  - With O(wait_for) it follows the console until all of that has been seen, and shows new lines on standard error
    meanwhile, all of them on a terminal, one every 30 seconds otherwise or with E(CI) set.
author:
  - The eucalyptus.cloud contributors (@eucalyptus)
options:
  instance_id:
    description: The instance.
    type: str
    required: true
  wait_for:
    description:
      - Regular expressions to wait for. Each has to match a console line, in whatever order.
      - A last line without an end, like a login prompt, counts when it has stood for one look.
    type: list
    elements: str
    default: []
  failure_patterns:
    description: Regular expressions; a console line that one of them matches ends the waiting as failed.
    type: list
    elements: str
    default: []
  wait_timeout:
    description: How many seconds to wait at most.
    type: int
    default: 600
  silence_timeout:
    description: How many seconds the console of the running instance may be silent. The default is O(wait_timeout).
    type: int
  console_file:
    description:
      - File to keep the whole console in, as far as it has been seen.
      - A new file has the mode 0600. An existing one keeps its mode, is continued if the console still overlaps with
        it, and replaced otherwise.
    type: path
  poll_interval:
    description: Seconds between two looks at instance and console.
    type: int
    default: 2
  progress_file:
    description: Where to tell the progress. The action plugin fills this in.
    type: path
extends_documentation_fragment:
  - eucalyptus.cloud.connection
  - eucalyptus.cloud.attributes.read
  - eucalyptus.cloud.attributes.actiongroup
notes:
  - In check mode it looks once and does not wait.
seealso:
  - module: eucalyptus.cloud.install_wait
"""

EXAMPLES = r"""
- name: Wait until the new image has booted
  eucalyptus.cloud.console_log:
    eucarc: ~/.euca/eucarc
    instance_id: i-4e5f6a7b
    wait_for:
      - 'login: '
    failure_patterns:
      - Kernel panic

- name: Read the console
  eucalyptus.cloud.console_log:
    eucarc: ~/.euca/eucarc
    instance_id: i-4e5f6a7b
  register: serial
"""

RETURN = r"""
console:
  description: The console. Also returned when the task fails.
  returned: always
  type: dict
  contains:
    output:
      description: The end of the console, at most its last 64 KiB, without control characters and empty lines.
      type: str
    matched:
      description: For each expression of O(wait_for) that was seen, the line.
      type: dict
      sample: {"login:": "fedora login:"}
    failure_line:
      description: The console line that a failure pattern matched.
      type: str
    state:
      description: The instance's state.
      type: str
    seconds:
      description: How long the task waited.
      type: int
"""

import time

from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.module import CloudModule, ModuleError
from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.resources import Resource
from ansible_collections.eucalyptus.cloud.plugins.module_utils.console.following import (
    Follower,
    compile_patterns,
    first_match,
)
from ansible_collections.eucalyptus.cloud.plugins.module_utils.console.text import Console
from ansible_collections.eucalyptus.cloud.plugins.module_utils.plan import Plan
from ansible_collections.eucalyptus.cloud.plugins.module_utils.progress.report import Live


class ConsoleLog(CloudModule):
    key = 'console'
    options = {
        'instance_id': {'type': 'str', 'required': True},
        'wait_for': {'type': 'list', 'elements': 'str', 'default': []},
        'failure_patterns': {'type': 'list', 'elements': 'str', 'default': []},
        'wait_timeout': {'type': 'int', 'default': 600},
        'silence_timeout': {'type': 'int'},
        'console_file': {'type': 'path'},
        'poll_interval': {'type': 'int', 'default': 2},
        'progress_file': {'type': 'path'},
    }

    def find(self) -> Resource:
        try:
            self.wanted = compile_patterns(self.params['wait_for'])
            self.failures = compile_patterns(self.params['failure_patterns'])
        except ValueError as error:
            raise ModuleError(str(error)) from error
        self.console = Console(None if self.module.check_mode else self.params['console_file'])
        self.follower = Follower(self.cloud, self.params['instance_id'], self.console, Live(self.params['progress_file']))
        self.matched: dict[str, str] = {}
        self.failure: str | None = None
        self._look()
        return self._result()

    def plan(self, found: Resource) -> Plan:
        plan = Plan(found)
        plan.result_from(self._follow)
        return plan

    def _look(self) -> None:
        lines = self.follower.poll()
        self.failure = self.failure or first_match(self.failures, lines)
        for pattern in self.wanted:
            line = first_match([pattern], lines)
            if line is not None:
                self.matched.setdefault(pattern.pattern, line)

    def _follow(self) -> Resource:
        while True:
            complaint = self._complaint()
            if complaint:
                self.extra_result[self.key] = self._result()
                raise ModuleError(complaint)
            if len(self.matched) == len(self.wanted):
                return self._result()
            time.sleep(self.params['poll_interval'])
            self._look()

    def _complaint(self) -> str | None:
        follower = self.follower
        head = f'The console of {self.params["instance_id"]}'
        missing = ', '.join(pattern.pattern for pattern in self.wanted if pattern.pattern not in self.matched)
        if self.failure:
            return f'{head} shows a failure: {self.failure}'
        if not missing:
            return None
        if follower.ended:
            return f'{head} ended, the instance is {follower.state or "gone"}, without: {missing}.'
        if follower.silent >= (self.params['silence_timeout'] or self.params['wait_timeout']):
            return f'{head} has been silent for {follower.silent:.0f} s, without: {missing}.'
        if follower.seconds >= self.params['wait_timeout']:
            return f'{head} has not shown within {follower.seconds:.0f} s: {missing}.'
        return None

    def _result(self) -> Resource:
        return {
            'output': '\n'.join(self.console.last_lines()),
            'matched': self.matched,
            'failure_line': self.failure,
            'state': self.follower.state,
            'seconds': round(self.follower.seconds),
        }


def main() -> None:
    ConsoleLog.main()


if __name__ == '__main__':
    main()

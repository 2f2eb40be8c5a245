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
  - Reads the serial console of an instance. The cloud shows the last 64 KiB of it.
  - With O(wait_for) it follows the console until all expressions have matched. Meanwhile it prints new lines on standard
    error, all of them on a terminal, one every 30 seconds otherwise or with E(CI) set.
author:
  - The eucalyptus.cloud contributors (@eucalyptus)
options:
  wait_for:
    description:
      - Regular expressions to wait for. Each must match a console line, in any order.
      - A last line without an end, like a login prompt, counts once it has not changed between two requests.
    type: list
    elements: str
    default: []
  failure_patterns:
    description: Regular expressions of failures. The task fails when one of them matches a console line.
    type: list
    elements: str
    default: []
  known_failures:
    description:
      - List of failure texts and of prompts that wait for a person, of a booting system or of an installer. The task fails
        when one of them appears.
    type: str
    choices: [boot, installation]
  wait_timeout:
    description: Maximum time to wait, in seconds.
    type: int
    default: 600
  silence_timeout:
    description:
      - Maximum time without new text on the console of the running instance, in seconds. The default is O(wait_timeout).
      - Repetitions of earlier lines, dots, spinners and clocks are not new.
    type: int
extends_documentation_fragment:
  - eucalyptus.cloud.console
  - eucalyptus.cloud.connection
  - eucalyptus.cloud.attributes.read
  - eucalyptus.cloud.attributes.actiongroup
notes:
  - In check mode the module reads the console once and does not wait.
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
    known_failures: boot

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
      description: The line that matched, for each expression of O(wait_for) that did.
      type: dict
      sample: {"login:": "fedora login:"}
    failure_line:
      description: The console line with the failure or prompt.
      type: str
    state:
      description: The instance's state.
      type: str
    seconds:
      description: Time that the task waited.
      type: int
"""

import time

from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.module import CloudModule, ModuleError
from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.resources import Resource
from ansible_collections.eucalyptus.cloud.plugins.module_utils.console.failures import KNOWN
from ansible_collections.eucalyptus.cloud.plugins.module_utils.console.following import Follower
from ansible_collections.eucalyptus.cloud.plugins.module_utils.console.judgement import boot_complaint
from ansible_collections.eucalyptus.cloud.plugins.module_utils.console.record import Console
from ansible_collections.eucalyptus.cloud.plugins.module_utils.console.watch import (
    Watch,
    compile_patterns,
    first_match,
)
from ansible_collections.eucalyptus.cloud.plugins.module_utils.plan import Plan
from ansible_collections.eucalyptus.cloud.plugins.module_utils.progress.report import Report


class ConsoleLog(CloudModule):
    key = 'console'
    options = {
        'instance_id': {'type': 'str', 'required': True},
        'wait_for': {'type': 'list', 'elements': 'str', 'default': []},
        'failure_patterns': {'type': 'list', 'elements': 'str', 'default': []},
        'known_failures': {'type': 'str', 'choices': ['boot', 'installation']},
        'wait_timeout': {'type': 'int', 'default': 600},
        'silence_timeout': {'type': 'int'},
        'console_file': {'type': 'path'},
        'poll_interval': {'type': 'int', 'default': 2},
        'progress_file': {'type': 'path'},
    }

    def find(self) -> Resource:
        self.wanted = compile_patterns(self.params['wait_for'])
        failures = compile_patterns(self.params['failure_patterns'])
        self.watch = Watch(KNOWN.get(self.params['known_failures'], []), failures)
        self.console = Console(None if self.module.check_mode else self.params['console_file'])
        report = Report(self.params['progress_file'])
        self.follower = Follower(self.cloud, self.params['instance_id'], self.console, report, self.params['wait_timeout'])
        self.matched: dict[str, str] = {}
        self.last_line = ''
        self._look()
        return self._result()

    def plan(self, found: Resource) -> Plan:
        plan = Plan(found)
        plan.result_from(self._follow)
        return plan

    def _look(self) -> None:
        lines = self.follower.poll()
        self.watch.read(lines, self.console.unfinished)
        for pattern in self.wanted:
            found = first_match([pattern], lines, self.last_line)
            if found:
                self.matched.setdefault(pattern.pattern, lines[found[0]])
        self.last_line = lines[-1] if lines else self.last_line

    def _follow(self) -> Resource:
        while not (complaint := self._complaint()) and len(self.matched) < len(self.wanted):
            time.sleep(self.params['poll_interval'])
            self._look()
        if self.console.problem:
            self.module.warn(self.console.problem)
        if complaint:
            self.extra_result[self.key] = self._result()
            raise ModuleError(complaint)
        return self._result()

    def _complaint(self) -> str | None:
        missing = [pattern.pattern for pattern in self.wanted if pattern.pattern not in self.matched]
        timeout = self.params['wait_timeout']
        return boot_complaint(self.follower, self.watch, missing, timeout, self.params['silence_timeout'] or timeout)

    def _result(self) -> Resource:
        hit = self.watch.hit(last=True)
        return {
            'output': '\n'.join(self.console.last_lines()),
            'matched': self.matched,
            'failure_line': hit.line if hit else None,
            'state': self.follower.state,
            'seconds': round(self.follower.seconds),
        }


def main() -> None:
    ConsoleLog.main()


if __name__ == '__main__':
    main()

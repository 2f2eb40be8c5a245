#!/usr/bin/python
# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: eucalyptus.cloud contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
---
module: install_wait
short_description: Wait until an installer has powered its instance off
version_added: 0.1.0
description:
  - Follows the console of an instance in which an installer runs, and ends when the installer has powered off.
  - Fails when the console shows a failure, when it has been silent for too long, or when the time is over.
  - New console lines are shown on standard error while it waits, all of them on a terminal, one every 30 seconds
    otherwise or with E(CI) set.
  - Changes nothing in the cloud, so an interrupted task can simply be run again.
author:
  - The eucalyptus.cloud contributors (@eucalyptus)
options:
  instance_id:
    description: The instance.
    type: str
    required: true
  timeout:
    description: How many seconds to wait at most.
    type: int
    default: 7200
  silence_timeout:
    description: How many seconds the console of the running instance may be silent.
    type: int
    default: 1800
  console_file:
    description:
      - File to keep the whole console in, although the cloud shows no more than its last 64 KiB.
      - The file of an interrupted run is continued if the console still overlaps with it, otherwise it is replaced.
      - A new file has the mode 0600, because installers print what they were told. An existing one keeps its mode.
    type: path
  failure_patterns:
    description:
      - Regular expressions; a console line that one of them matches anywhere in it means that the installation failed.
      - The default knows what the usual installers print when they give up.
    type: list
    elements: str
    default:
      - 'installer: FAILED'
      - 'Kernel panic - not syncing'
      - 'VFS: Unable to mount root fs'
      - 'Entering emergency mode'
      - 'You are in emergency mode'
      - 'The following problem occurred on line \d+ of the kickstart file'
      - 'An unknown error has occurred'
      - 'Pane is dead'
      - 'An installation step failed'
      - 'Installation step failed'
      - 'Failed to retrieve the preconfiguration file'
      - 'An error occurred. Press enter to start a shell'
  extra_failure_patterns:
    description: Further failure patterns, besides O(failure_patterns).
    type: list
    elements: str
    default: []
  expect_boot_params:
    description:
      - Whether to fail as soon as the console begins without the line C(bootparams) with which the node controller's
        hook tells that it applied boot parameters.
      - Otherwise an installer without parameters just waits for somebody to answer its questions.
    type: bool
    default: false
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
  - The cloud reports the termination of an instance just like its power-off, so an instance that somebody terminates
    counts as powered off, unless its root is on a volume.
seealso:
  - module: eucalyptus.cloud.instance
  - module: eucalyptus.cloud.console_log
"""

EXAMPLES = r"""
- name: Wait for the installer
  eucalyptus.cloud.install_wait:
    eucarc: ~/.euca/eucarc
    instance_id: i-4e5f6a7b
    console_file: /var/tmp/fedora-console.log
    expect_boot_params: true
  register: installation
"""

RETURN = r"""
install:
  description: How the installation ended. Also returned when the task fails.
  returned: always
  type: dict
  contains:
    ended:
      description: One of V(powered_off), V(failed), V(timeout), V(silent); null in check mode, if it has not ended.
      type: str
      sample: powered_off
    state:
      description: The instance's last state; null when the cloud does not list it any more.
      type: str
      sample: terminated
    reason:
      description: Why it ended so, in words.
      type: str
    failure_line:
      description: The console line that a failure pattern matched.
      type: str
    boot_params:
      description: What the node controller's hook said about the boot parameters; null when it said nothing.
      type: str
      sample: 'applied: 83 bytes'
    seconds:
      description: How long the task waited.
      type: int
      sample: 412
    console_file:
      description: File with the whole console.
      type: str
    console_tail:
      description: The last 20 lines of the console, without control characters.
      type: list
      elements: str
"""

import time
import typing as t

from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.module import CloudModule, ModuleError
from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.resources import INSTANCE, Resource, look
from ansible_collections.eucalyptus.cloud.plugins.module_utils.console.following import (
    ENDED,
    Follower,
    compile_patterns,
    first_match,
)
from ansible_collections.eucalyptus.cloud.plugins.module_utils.console.text import Console
from ansible_collections.eucalyptus.cloud.plugins.module_utils.plan import Plan
from ansible_collections.eucalyptus.cloud.plugins.module_utils.progress.report import Live

FAILURE_PATTERNS = [
    'installer: FAILED',
    'Kernel panic - not syncing',
    'VFS: Unable to mount root fs',
    'Entering emergency mode',
    'You are in emergency mode',
    r'The following problem occurred on line \d+ of the kickstart file',
    'An unknown error has occurred',
    'Pane is dead',
    'An installation step failed',
    'Installation step failed',
    'Failed to retrieve the preconfiguration file',
    'An error occurred. Press enter to start a shell',
]
TAIL_LINES = 20


class InstallWait(CloudModule):
    key = 'install'
    options = {
        'instance_id': {'type': 'str', 'required': True},
        'timeout': {'type': 'int', 'default': 7200},
        'silence_timeout': {'type': 'int', 'default': 1800},
        'console_file': {'type': 'path'},
        'failure_patterns': {'type': 'list', 'elements': 'str', 'default': FAILURE_PATTERNS},
        'extra_failure_patterns': {'type': 'list', 'elements': 'str', 'default': []},
        'expect_boot_params': {'type': 'bool', 'default': False},
        'poll_interval': {'type': 'int', 'default': 2},
        'progress_file': {'type': 'path'},
    }

    def find(self) -> Resource:
        """The installation as it is before any waiting."""
        try:
            self.patterns = compile_patterns(self.params['failure_patterns'] + self.params['extra_failure_patterns'])
        except ValueError as error:
            raise ModuleError(str(error)) from error
        self.instance = look(self.cloud, INSTANCE, self.params['instance_id'])
        state = self.instance and self.instance['state']
        return {
            'ended': None if state not in ENDED else 'failed' if self._was_terminated(state) else 'powered_off',
            'state': state,
            'reason': None,
            'failure_line': None,
            'boot_params': None,
            'seconds': 0,
            'console_file': self.params['console_file'],
            'console_tail': [],
        }

    def plan(self, found: Resource) -> Plan:
        plan = Plan(found)
        plan.result_from(self._follow)
        return plan

    def _follow(self) -> Resource:
        console = Console(self.params['console_file'])
        follower = Follower(self.cloud, self.params['instance_id'], console, Live(self.params['progress_file']))
        follower.meet(self.instance)
        failure: str | None = None
        ended: str | None = None
        while ended is None:
            lines = follower.poll()
            failure = first_match(self.patterns, lines)
            ended, reason = self._judge(follower, failure)
            if ended is None:
                time.sleep(self.params['poll_interval'])
        result = {
            'ended': ended,
            'state': follower.state,
            'reason': reason,
            'failure_line': failure,
            'boot_params': follower.boot_params,
            'seconds': round(follower.seconds),
            'console_file': self.params['console_file'],
            'console_tail': console.last_lines(TAIL_LINES),
        }
        if ended != 'powered_off':
            self.extra_result[self.key] = result
            raise ModuleError(self._complaint(result))
        return result

    def _judge(self, follower: Follower, failure: str | None) -> tuple[str | None, str | None]:
        """Has it ended, how, and why?"""
        if failure:
            return 'failed', f'the console says: {failure}'
        if follower.ended and not follower.ran and follower.was_pending:
            return 'failed', f'the instance never ran: {follower.state_reason or "the cloud gives no reason"}'
        if follower.ended and self._was_terminated(follower.state):
            return 'failed', 'somebody terminated the instance'
        if follower.ended:
            return 'powered_off', f'the instance is {follower.state or "gone"}'
        if self.params['expect_boot_params'] and follower.spoke and not (follower.boot_params or '').startswith('applied'):
            said = f'the hook on the node controller said: {follower.boot_params}'
            nothing = 'the console begins without a word of the hook; is it deployed on the node controller?'
            return 'failed', f'the installer got no boot parameters: {said if follower.boot_params else nothing}'
        if follower.silent >= self.params['silence_timeout']:
            return 'silent', f'the console has been silent for {follower.silent:.0f} s'
        if follower.seconds >= self.params['timeout']:
            return 'timeout', f'after {follower.seconds:.0f} s the instance is still {follower.state or "not listed"}'
        return None, None

    def _was_terminated(self, state: str | None) -> bool:
        """Only where its root is on a volume does the cloud tell termination from power-off, which leaves it stopped
        (VmStateCallback.handleReportedTeardown, 3.1 to 4.4)."""
        ebs = self.instance is not None and self.instance['root_device_type'] == 'ebs'
        return ebs and (state is None or state in INSTANCE.gone)

    def _complaint(self, result: dict[str, t.Any]) -> str:
        words = {'failed': 'failed', 'silent': 'has probably stopped', 'timeout': 'takes too long'}[result['ended']]
        kept = f' The whole console is in {result["console_file"]}.' if result['console_file'] else ''
        stop = '' if result['reason'][-1] in '.?!' else '.'
        return f'The installation in {self.params["instance_id"]} {words}: {result["reason"]}{stop}{kept}'


def main() -> None:
    InstallWait.main()


if __name__ == '__main__':
    main()

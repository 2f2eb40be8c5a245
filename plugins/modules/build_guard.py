#!/usr/bin/python
# Copyright: eucalyptus.cloud contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: build_guard
short_description: Remove what a build created if its playbook is interrupted
version_added: 0.1.0
description:
  - Starts a process that waits until the playbook is gone. If it was not dismissed by then, the playbook was interrupted or
    killed. The process then removes everything with the build's tag, as M(eucalyptus.cloud.build_leftovers) does. It reports on
    the playbook's terminal and in the file C(cleanup.log) of the build's directory.
  - While it runs, a second guard for the same directory is refused, so that two builds of the same inputs do not disturb each
    other.
  - Works only where the playbook itself runs, that is on C(localhost).
author:
  - The eucalyptus.cloud contributors (@eucalyptus)
options:
  state:
    description: V(present) starts the guard, V(absent) dismisses it.
    type: str
    choices: [present, absent]
    default: present
  directory:
    description: Directory of the build, for the lock and the log.
    type: path
    required: true
  name:
    description: Value of the tag, which is the name of the build. Required to start a guard.
  keep:
    description: Whether the guard removes nothing and only holds the lock.
    type: bool
    default: false
  playbook:
    description: Id of the process to watch. Filled in by the action plugin.
    type: int
extends_documentation_fragment:
  - eucalyptus.cloud.connection
  - eucalyptus.cloud.build
  - eucalyptus.cloud.attributes
  - eucalyptus.cloud.attributes.actiongroup
"""

EXAMPLES = r"""
- name: Guard the build
  eucalyptus.cloud.build_guard:
    name: debian-12-0a1b2c3d4e
    directory: /var/tmp/debian-12

- name: Dismiss the guard
  eucalyptus.cloud.build_guard:
    directory: /var/tmp/debian-12
    state: absent
"""

RETURN = r"""
guard:
  description: State of the guard.
  returned: always
  type: dict
  contains:
    pid:
      description: Its process id; 0 in check mode, and if there is none.
      type: int
  sample: {"pid": 4711}
"""

import time
from pathlib import Path

from ansible_collections.eucalyptus.cloud.plugins.module_utils.build import guard
from ansible_collections.eucalyptus.cloud.plugins.module_utils.build.leftovers import find_leftovers, plan_leftovers
from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.module import CloudModule, ModuleError
from ansible_collections.eucalyptus.cloud.plugins.module_utils.plan import Plan

TIMEOUT = 600
# Of one search: what appears after it may block what it found, as an image that was registered meanwhile blocks its snapshot.
LOOK_TIMEOUT = 60


class BuildGuardModule(CloudModule):
    key = 'guard'
    options = {
        'state': {'type': 'str', 'choices': ['present', 'absent'], 'default': 'present'},
        'directory': {'type': 'path', 'required': True},
        'name': {'type': 'str'},
        'tag': {'type': 'str', 'default': 'eucalyptus.cloud/build'},
        'answer_file_bucket': {'type': 'str'},
        'keep': {'type': 'bool', 'default': False},
        'playbook': {'type': 'int'},
    }
    rules = {'required_if': [('state', 'present', ('name',))]}

    def find(self) -> dict[str, int]:
        return {'pid': 0}

    def plan(self, found: dict[str, int]) -> Plan:
        plan = Plan(found)
        if self.params['state'] == 'present':
            plan.step('start the guard', lambda: found.update(pid=self._start()))
            plan.result_from(lambda: found)
        elif self._lock.exists():
            plan.remove('dismiss the guard', self._dismiss, after=found)
        return plan

    @property
    def _lock(self) -> Path:
        return Path(self.params['directory']) / 'lock'

    @property
    def _log(self) -> Path:
        return self._lock.with_name('cleanup.log')

    def _start(self) -> int:
        if self.params['playbook'] is None:
            raise ModuleError('build_guard has no process to watch: it must run as a task, on localhost.')
        try:
            lock = guard.take_lock(self._lock)
        except guard.Locked as locked:
            raise ModuleError(
                f'{self.params["name"]} is being built already, or process {locked.pid} removes the rest of an interrupted build. '
                'Wait until it has ended, or interrupt the build.'
            ) from locked
        return guard.start(lock, self.params['playbook'], self._log, self._clean)

    def _dismiss(self) -> None:
        guard.dismiss(self._lock)
        if self._log.exists() and not self._log.stat().st_size:
            self._log.unlink()

    def _clean(self, report: guard.Report) -> None:
        """Runs in the guard. Searches until nothing is found: a module may outlive its playbook for a moment."""
        name = self.params['name']
        if self.params['keep']:
            return
        report(f'\nbuild {name}: interrupted; removing what it created (log: {self._log})')
        deadline = time.monotonic() + TIMEOUT
        quiet = 0
        # Without its directory the build no longer matters: a lab was removed, for example.
        while quiet < 2 and time.monotonic() < deadline and self._lock.exists():
            try:
                found = find_leftovers(self.cloud, self.params['tag'], name, self.params['answer_file_bucket'])
                plan_leftovers(self.cloud, found, LOOK_TIMEOUT).apply()
            except Exception as error:  # the cloud may not answer for a while; only the deadline ends this
                quiet = 0
                report(f'build {name}: {error}')
            else:
                quiet = 0 if found else quiet + 1
                for leftover in found:
                    report(f'build {name}: removed {leftover["type"]} {leftover["id"]}')
            time.sleep(3)
        report(f'build {name}: ' + ('nothing is left' if quiet else 'not everything could be removed; the next build tries again'))


def main() -> None:
    BuildGuardModule.main()


if __name__ == '__main__':
    main()

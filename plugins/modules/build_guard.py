#!/usr/bin/python
# Copyright: eucalyptus.cloud contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: build_guard
short_description: Claim a build, and clean up if its playbook is interrupted
version_added: 0.1.0
description:
  - Claims the build, so that no other machine builds the same inputs in the same account at the same time.
  - Starts a process that renews the claim and waits until the playbook is gone. If the guard was not dismissed by then, the
    playbook was interrupted or killed. The process then removes everything that carries the build's tag, as
    M(eucalyptus.cloud.build_leftovers) does, and gives up the claim. It prints its steps on the playbook's terminal and writes
    them to the file C(cleanup.log) in the build's directory.
  - If another machine takes over the build, because this one was suspended or without network for too long, the process stops
    the playbook as Ctrl-C does, and removes nothing.
  - It runs only where the playbook itself runs, that is on C(localhost), and needs Linux.
author:
  - The eucalyptus.cloud contributors (@eucalyptus)
options:
  state:
    description: V(present) claims the build and starts the guard. V(absent) dismisses the guard and gives up the claim.
    type: str
    choices: [present, absent]
    default: present
  directory:
    description: The build's directory, for the lock and the log.
    type: path
    required: true
  name:
    description: Name of the build, which is the value of the tag. Required with O(state=present).
  when_busy:
    description:
      - With V(refuse), the task fails if another machine or another playbook has the build. The message names it.
      - With V(wait), the module waits until the other one has ended, and then claims the build. Every 30 seconds it reports
        the machine that it waits for. The image may then exist, so look for it again if RV(guard.waited) is not 0.
    type: str
    choices: [refuse, wait]
    default: refuse
  wait_timeout:
    description: Seconds to wait with O(when_busy=wait).
    type: int
    default: 7200
  playbook:
    description: Process to watch. Set by the action plugin.
    type: int
  progress_file:
    description: File for progress lines. Set by the action plugin.
    type: path
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
  description: The guard.
  returned: always
  type: dict
  contains:
    pid:
      description: Process ID of the guard; 0 in check mode, and when there is none.
      type: int
    claim:
      description: ID of the claim, for O(eucalyptus.cloud.build_leftovers#module:claim); empty when there is none.
      type: str
    waited:
      description: Seconds for which the module waited for another build of the same inputs.
      type: int
  sample: {"pid": 4711, "claim": "6f1d7c0e5b0a4c5f9d8e7a6b5c4d3e2f", "waited": 0}
"""

import math
import time
import typing as t
from pathlib import Path

from ansible_collections.eucalyptus.cloud.plugins.module_utils.build import guard
from ansible_collections.eucalyptus.cloud.plugins.module_utils.build.claim import BuildInProgress, Claim, this_machine
from ansible_collections.eucalyptus.cloud.plugins.module_utils.build.claim_store import ClaimStore, remove_claim
from ansible_collections.eucalyptus.cloud.plugins.module_utils.build.duty import CleanUp
from ansible_collections.eucalyptus.cloud.plugins.module_utils.build.leftovers import tidy
from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.client import CloudError
from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.interrupts import interrupts_held
from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.module import CloudModule, ModuleError
from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.waiting import BORNE
from ansible_collections.eucalyptus.cloud.plugins.module_utils.errors import CollectionError
from ansible_collections.eucalyptus.cloud.plugins.module_utils.plan import Plan
from ansible_collections.eucalyptus.cloud.plugins.module_utils.progress.report import Report

LOOK = 5.0  # seconds between two looks while another machine builds
EVERY = 30.0  # seconds between two reports

Guard = dict[str, t.Any]


class BuildGuardModule(CloudModule):
    key = 'guard'
    options = {
        'state': {'type': 'str', 'choices': ['present', 'absent'], 'default': 'present'},
        'directory': {'type': 'path', 'required': True},
        'name': {'type': 'str'},
        'tag': {'type': 'str', 'default': 'eucalyptus.cloud/build'},
        'answer_file_bucket': {'type': 'str'},
        'boot_disk_bucket': {'type': 'str'},
        'keep': {'type': 'bool', 'default': False},
        'when_busy': {'type': 'str', 'choices': ['refuse', 'wait'], 'default': 'refuse'},
        'wait_timeout': {'type': 'int', 'default': 7200},
        'playbook': {'type': 'int'},
        'progress_file': {'type': 'path'},
    }
    rules = {'required_if': [('state', 'present', ('name',))]}

    def find(self) -> Guard:
        return {'pid': 0, 'claim': '', 'waited': 0}

    def plan(self, found: Guard) -> Plan:
        plan = Plan(found)
        if self.params['state'] == 'present':
            plan.step('start the guard', lambda: found.update(self._start()))
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

    def _start(self) -> Guard:
        if self.params['playbook'] is None:
            raise ModuleError('build_guard has no process to watch. Run it as a task of a playbook, on localhost.')
        begun = time.monotonic()
        self._progress, self._next_report = Report(self.params['progress_file']), begun
        waited: float | None = None  # seconds until the last look
        while True:
            try:
                with interrupts_held():  # until the guard runs, nothing else would give up the claim
                    started = self._claim_and_start()
                return {**started, 'waited': 0 if waited is None else math.ceil(time.monotonic() - begun)}
            except BuildInProgress as busy:
                waited = time.monotonic() - begun
                self._wait_or_refuse(busy, waited)
            except CloudError as error:  # it may be away for a while during a wait of hours
                if waited is None or time.monotonic() - begun >= self.params['wait_timeout'] or not BORNE.covers(error):
                    raise
            time.sleep(LOOK)

    def _wait_or_refuse(self, busy: BuildInProgress, waited: float) -> None:
        if self.params['when_busy'] == 'refuse':
            raise BuildInProgress(
                f'{busy} Run the task again when that build has ended, or set when_busy=wait (the role: image_build_when_busy).'
            ) from busy
        if waited >= self.params['wait_timeout']:
            raise BuildInProgress(f'{busy} Waited {waited:.0f} s for it to end: raise wait_timeout to wait longer.') from busy
        self._report(f'{busy} Waiting for it to end, for {waited:.0f} s so far.')

    def _report(self, line: str) -> None:
        if time.monotonic() >= self._next_report:
            self._next_report = time.monotonic() + EVERY
            self._progress.note(line)

    def _claim_and_start(self) -> Guard:
        name = self.params['name']
        lock = guard.take_lock(self._lock)
        claim = Claim(ClaimStore(self.cloud, name), this_machine(self.params['playbook']))
        try:
            if lock.note:  # the claim of a guard that was killed
                remove_claim(self.cloud, lock.note)
            claim.take(self._report)
        except BaseException:
            lock.remove()
            raise
        # Connections are not shared with the guard's process.
        claim.store = ClaimStore(self._connect(), name)
        rest = (self.params['tag'], self.params['answer_file_bucket'], self.params['keep'], str(self._log), self._lock.exists)
        duty = CleanUp(self._connect(), claim, name, *rest, boot_disk_bucket=self.params['boot_disk_bucket'])
        try:
            return {'pid': guard.start(lock, self.params['playbook'], self._log, duty, f'{name}/{claim.id}'), 'claim': claim.id}
        except BaseException:
            claim.release()
            raise

    def _dismiss(self) -> None:
        _was_there, note = guard.dismiss(self._lock)
        try:
            if note:
                remove_claim(self.cloud, note)
                self.cloud.for_build(note.rpartition('/')[0])
                tidy(self.cloud)
        except CollectionError as error:
            self.module.warn(f'The claim on the build could not be removed. It expires after 150 s. {error}')
        if self._log.exists() and not self._log.stat().st_size:
            self._log.unlink()


def main() -> None:
    BuildGuardModule.main()


if __name__ == '__main__':
    main()

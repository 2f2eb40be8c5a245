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
  - Fails when the console shows a failure or a prompt that waits for a person, when nothing new appears on it for too
    long, and when the time is over.
  - Installers power off after failures as well. With O(success_pattern), a power-off without that line is a failure.
  - Meanwhile it prints new console lines on standard error, all of them on a terminal, one every 30 seconds
    otherwise or with E(CI) set.
  - Changes nothing in the cloud, so an interrupted task can simply be run again.
author:
  - The eucalyptus.cloud contributors (@eucalyptus)
options:
  success_pattern:
    description:
      - Regular expression of the console line that the answer file's last command prints after everything else succeeded.
        A power-off before this line is a failure. Without the option, any power-off counts as success.
      - Groups named C(disk), C(serial) and C(bytes) name the disk that was installed on; see RV(install.disk).
      - The template C(proof.sh.j2) of the role P(eucalyptus.cloud.image_build#role) prints such a line.
      - With O(interactive), a power-off without this line is not a failure, because few installers print one after an installation
        by hand. If it appears, it must name the disk of O(volume_id).
    type: str
  volume_id:
    description:
      - Volume that should be the target of the installation. If the line of O(success_pattern) names another disk, the
        installation failed.
      - The serial number must contain the volume's ID. Clouds before Eucalyptus 3.4 give disks no serial number; there the
        module compares only the disk's size with that of the volume, and warns.
    type: str
  packages_file:
    description:
      - File for the installed packages, as JSON with C(name), C(version), C(arch) of each. The template C(proof.sh.j2) prints them.
    type: path
  timeout:
    description: Maximum time to wait, in seconds.
    type: int
    default: 7200
  silence_timeout:
    description:
      - Maximum time without new text on the console of the running instance, in seconds.
      - Repetitions of earlier lines, dots, spinners and clocks are not new. Numbers that
        measure progress, such as percentages, are.
    type: int
    default: 1800
  interactive:
    description: Whether a person operates the installer, so that its prompts do not count as failures.
    type: bool
    default: false
  failure_patterns:
    description:
      - Regular expressions that replace the module's own list. The installation has failed if one of them matches anywhere
        in a console line.
      - By default the module looks for the texts that the usual installers print when they fail or wait for a person.
    type: list
    elements: str
  extra_failure_patterns:
    description: Regular expressions of further failures, in addition to the module's own list or O(failure_patterns).
    type: list
    elements: str
    default: []
  expect_boot_params:
    description:
      - Whether to fail as soon as the console begins without the line C(bootparams), with which the node controller's
        hook reports that it applied boot parameters.
      - Without boot parameters, an installer waits for answers to its questions.
    type: bool
    default: false
  announce:
    description:
      - Lines to print for the person who operates the installer, once O(port) accepts a connection, or at once without it.
      - They are printed like the console's lines, so they must not contain a secret.
    type: list
    elements: str
    default: []
  address:
    description: Address of the instance, as this host reaches it. Required with O(port).
    type: str
  port:
    description: Port on which the installer listens for the person, for example V(5901) for VNC; V(0) for none.
    type: int
    default: 0
  port_timeout:
    description: Maximum time until O(port) accepts a connection, in seconds.
    type: int
    default: 1200
  port_cidr:
    description:
      - Network from which connections to O(port) are allowed. If this host's address is not in it, the module does not try to
        connect and prints O(announce) at once.
      - Without it, this host must be able to connect.
    type: str
extends_documentation_fragment:
  - eucalyptus.cloud.console
  - eucalyptus.cloud.connection
  - eucalyptus.cloud.attributes.read
  - eucalyptus.cloud.attributes.actiongroup
notes:
  - In check mode the module reads the console once and does not wait.
  - The cloud reports the termination of an instance like its power-off. An instance that somebody terminates
    counts as powered off, unless its root is on a volume or O(success_pattern) is set.
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

- name: Wait for an installer whose answer file ends with "echo my-proof vdb $(cat /sys/block/vdb/serial) > /dev/ttyS0"
  eucalyptus.cloud.install_wait:
    eucarc: ~/.euca/eucarc
    instance_id: i-4e5f6a7b
    success_pattern: 'my-proof (?P<disk>\S+) (?P<serial>\S+)'
    volume_id: vol-1a2b3c4d

- name: Wait for a person who installs over VNC
  eucalyptus.cloud.install_wait:
    eucarc: ~/.euca/eucarc
    instance_id: i-4e5f6a7b
    interactive: true
    address: 203.0.113.7
    port: 5901
    announce:
      - "Connect with: vncviewer 203.0.113.7::5901"
"""

RETURN = r"""
install:
  description: The installation. Also returned when the task fails.
  returned: always
  type: dict
  contains:
    ended:
      description:
        - One of V(powered_off), V(failed), V(waiting), V(silent), V(timeout); null in check mode if it has not ended.
        - V(waiting) means that the installer waits for a person.
      type: str
      sample: powered_off
    state:
      description: The instance's last state; null when the cloud does not list it any more.
      type: str
      sample: terminated
    reason:
      description: Reason for this end.
      type: str
    failure_line:
      description: The console line with the failure or prompt.
      type: str
    proof:
      description: The text that O(success_pattern) matched; null when it did not appear.
      type: str
      sample: 'installation-proof: key=0123456789 disk=vdb serial=euca-vol-1a2b3c4d-de bytes=4294967296 path=none'
    disk:
      description: The disk that the proof names, with the keys C(device), C(serial) and C(bytes); null without proof.
      type: dict
      sample: {"device": "vdb", "serial": "euca-vol-1a2b3c4d-de", "bytes": 4294967296}
    packages:
      description: Number of installed packages, null when the console does not list them.
      type: int
    boot_params:
      description: The message of the node controller's hook about the boot parameters; null when there was none.
      type: str
      sample: 'applied: 83 bytes'
    seconds:
      description: Time that the task waited.
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

import re
import time

from ansible_collections.eucalyptus.cloud.plugins.module_utils.build import remote
from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.module import CloudModule, ModuleError
from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.resources import INSTANCE, VOLUME, Resource, look
from ansible_collections.eucalyptus.cloud.plugins.module_utils.console import judgement
from ansible_collections.eucalyptus.cloud.plugins.module_utils.console.failures import KNOWN
from ansible_collections.eucalyptus.cloud.plugins.module_utils.console.following import ENDED, Follower, was_terminated
from ansible_collections.eucalyptus.cloud.plugins.module_utils.console.listening import Listener
from ansible_collections.eucalyptus.cloud.plugins.module_utils.console.record import Console
from ansible_collections.eucalyptus.cloud.plugins.module_utils.console.watch import Watch, compile_patterns
from ansible_collections.eucalyptus.cloud.plugins.module_utils.plan import Plan
from ansible_collections.eucalyptus.cloud.plugins.module_utils.progress.report import Report

TAIL_LINES = 20
ENDINGS = {
    'failed': 'failed',
    'waiting': 'waits for a person',
    'silent': 'has probably stopped',
    'timeout': 'takes too long',
}


class InstallWait(CloudModule):
    key = 'install'
    options = {
        'instance_id': {'type': 'str', 'required': True},
        'success_pattern': {'type': 'str'},
        'volume_id': {'type': 'str'},
        'timeout': {'type': 'int', 'default': 7200},
        'silence_timeout': {'type': 'int', 'default': 1800},
        'interactive': {'type': 'bool', 'default': False},
        'console_file': {'type': 'path'},
        'packages_file': {'type': 'path'},
        'failure_patterns': {'type': 'list', 'elements': 'str'},
        'extra_failure_patterns': {'type': 'list', 'elements': 'str', 'default': []},
        'expect_boot_params': {'type': 'bool', 'default': False},
        'announce': {'type': 'list', 'elements': 'str', 'default': []},
        'address': {'type': 'str'},
        'port': {'type': 'int', 'default': 0},
        'port_timeout': {'type': 'int', 'default': 1200},
        'port_cidr': {'type': 'str'},
        'poll_interval': {'type': 'int', 'default': 2},
        'progress_file': {'type': 'path'},
    }
    rules = {'required_by': {'volume_id': ('success_pattern',)}}

    def find(self) -> Resource:
        """The installation as it is before any waiting."""
        self.watch, self.success = self._expressions()
        if self.params['port'] and not self.params['address']:
            raise ModuleError('port needs address.')
        volume_id = self.params['volume_id']
        self.volume = look(self.cloud, VOLUME, volume_id) if volume_id else None
        if volume_id and not self.volume:
            raise ModuleError(f'There is no volume {volume_id}.')
        self.instance = look(self.cloud, INSTANCE, self.params['instance_id'])
        state = self.instance['state'] if self.instance else None
        terminated = was_terminated(self.instance, state)
        return {
            'ended': None if state not in ENDED else 'failed' if terminated else 'powered_off',
            'state': state,
            'reason': None,
            'failure_line': None,
            'proof': None,
            'disk': None,
            'packages': None,
            'boot_params': None,
            'seconds': 0,
            'console_file': self.params['console_file'],
            'console_tail': [],
        }

    def _expressions(self) -> tuple[Watch, re.Pattern[str] | None]:
        own = self.params['failure_patterns']
        patterns = compile_patterns((own or []) + self.params['extra_failure_patterns'])
        success = compile_patterns([self.params['success_pattern']] if self.params['success_pattern'] else [])
        if self.params['volume_id'] and not {'serial', 'bytes'} & set(success[0].groupindex):
            raise ModuleError('volume_id needs a success_pattern with a group named serial or bytes, for example (?P<serial>\\S+).')
        known = KNOWN['installation'] if own is None else []
        return Watch(known, patterns, prompts=not self.params['interactive']), success[0] if success else None

    def plan(self, found: Resource) -> Plan:
        plan = Plan(found)
        plan.result_from(self._follow)
        return plan

    def _follow(self) -> Resource:
        console, report = Console(self.params['console_file']), Report(self.params['progress_file'])
        follower = Follower(self.cloud, self.params['instance_id'], console, report, self.params['timeout'])
        follower.meet(self.instance)
        installation = judgement.Installation(
            follower,
            self.watch,
            self.params['timeout'],
            self.params['silence_timeout'],
            self.params['expect_boot_params'],
            self.success,
            self.volume,
            must_prove=not self.params['interactive'],
        )
        listener = self._listener(report)
        installation.read(follower.poll())
        while (verdict := installation.judge() or listener.look()) is None:
            time.sleep(self.params['poll_interval'])
            installation.read(follower.poll())
        result = {
            'ended': verdict.ended,
            'state': follower.state,
            'reason': verdict.reason,
            'failure_line': verdict.line,
            'proof': installation.proof,
            'disk': installation.disk,
            'packages': follower.packages.keep(self.params['packages_file']),
            'boot_params': follower.boot_params,
            'seconds': round(follower.seconds),
            'console_file': self.params['console_file'],
            'console_tail': console.last_lines(TAIL_LINES),
        }
        self._warn(console, follower, installation)
        if verdict.ended != judgement.POWERED_OFF:
            self.extra_result[self.key] = result
            raise ModuleError(self._complaint(result))
        return result

    def _listener(self, report: Report) -> Listener:
        params = self.params
        port, allowed = params['port'], params['port_cidr']
        if port and allowed and not remote.comes_from(allowed, params['address']):
            report.note(
                f'Only {allowed} may connect to port {port}, so this host cannot detect when the installer is ready. '
                'Repeat the command until the installer responds.'
            )
            port = 0
        return Listener(params['address'], port, params['port_timeout'], params['announce'], report)

    def _warn(self, console: Console, follower: Follower, installation: judgement.Installation) -> None:
        for problem in filter(None, (console.problem, follower.packages.problem)):
            self.module.warn(problem)
        if self.volume and installation.disk and not installation.disk['serial']:
            self.module.warn(
                'The disk that was installed on has no serial number, so only its size was compared with that of '
                f'{self.params["volume_id"]}.'
            )

    def _complaint(self, result: Resource) -> str:
        kept = f' The whole console is in {result["console_file"]}.' if result['console_file'] else ''
        stop = '' if result['reason'][-1] in '.?!' else '.'
        return f'The installation in {self.params["instance_id"]} {ENDINGS[result["ended"]]}: {result["reason"]}{stop}{kept}'


def main() -> None:
    InstallWait.main()


if __name__ == '__main__':
    main()

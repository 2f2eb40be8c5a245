# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Deciding from state and console whether an installation, or a new image's first boot, has ended and how."""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass

from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.resources import Resource
from ansible_collections.eucalyptus.cloud.plugins.module_utils.console.failures import FAILED, WAITING
from ansible_collections.eucalyptus.cloud.plugins.module_utils.console.following import Follower
from ansible_collections.eucalyptus.cloud.plugins.module_utils.console.proof import disk_of, wrong_disk
from ansible_collections.eucalyptus.cloud.plugins.module_utils.console.watch import Watch, first_match

# Seconds for which the console of an instance with boot parameters may be empty. The hook's own line is on it from the start.
EMPTY_CONSOLE = 180
POWERED_OFF, SILENT, TIMEOUT = 'powered_off', 'silent', 'timeout'

# Last lines of a boot loader: SeaBIOS' src/boot.c, GRUB's boot/i386/pc/{boot,diskboot}.S and kern/main.c, extlinux.
BOOT_LOADER = re.compile(r'Booting from Hard Disk|Welcome to GRUB!|^GRUB(?: loading.*)?$|^(?:EXT|SYS)LINUX ')
GRAPHICAL_TERMINAL = (
    " The console is empty after the boot loader. GRUB's graphical terminal, the default of many systems, hangs on an instance"
    ' without a video card: let the answer file set GRUB_TERMINAL=serial in /etc/default/grub. Or the system has no'
    ' console=ttyS0 on its kernel command line.'
)
NO_PROOF = (
    'the installer powered off without the line that proves success ({pattern}). Installers also power off after failures;'
    ' the end of the console may show the reason'
)


@dataclass(frozen=True)
class Verdict:
    """The way in which an installation ended, the reason, and the decisive console line."""

    ended: str
    reason: str
    line: str | None = None


class Installation:
    """The end of one installation: proof, failure, silence or time.

    ``timeout`` and ``silence`` are seconds. ``volume`` is the target of the installation, if known. Without ``must_prove``,
    a missing proof is not a failure, but a proof that names another disk is one.
    """

    def __init__(
        self,
        follower: Follower,
        watch: Watch,
        timeout: float,
        silence: float,
        expect_boot_params: bool = False,
        success: re.Pattern[str] | None = None,
        volume: Resource | None = None,
        must_prove: bool = True,
    ) -> None:
        self._follower, self._watch = follower, watch
        self._timeout, self._silence, self._expect_boot_params = timeout, silence, expect_boot_params
        self._success, self._volume, self._must_prove = success, volume, must_prove
        self._last_line = ''
        self.proof: str | None = None
        self.disk: dict[str, t.Any] | None = None

    def read(self, lines: list[str]) -> None:
        """Process the console's new lines."""
        self._watch.read(lines, self._follower.console.unfinished)
        self._look_for_proof(lines, self._last_line)
        self._last_line = lines[-1] if lines else self._last_line

    def _look_for_proof(self, lines: list[str], before: str = '') -> None:
        """Take the first proof that names the volume, or any proof if none does. Other output may have cut the disk's name in a
        line."""
        patterns = [self._success] if self._success else []
        for line in lines:
            found = first_match(patterns, [line], before)
            before = line
            if found and (not self.proof or self._wrong_disk()):
                self.proof, self.disk = found[1][0].strip(), disk_of(found[1])

    def _wrong_disk(self) -> str | None:
        volume, disk = self._volume, self.disk
        return wrong_disk(disk, volume['volume_id'], volume['size']) if volume and disk else None

    def judge(self) -> Verdict | None:
        """Return the verdict, None while the installation continues."""
        follower = self._follower
        hit = self._watch.hit(last=follower.ended)
        if hit and hit.outcome == WAITING:
            return Verdict(WAITING, f'the console shows: {hit.text}', hit.line)
        if hit:
            return Verdict(FAILED, f'the console shows: {hit.text}', hit.line)
        if follower.ended:
            return self._end()
        if self._expect_boot_params and (verdict := self._without_boot_params()):
            return verdict
        if follower.silent >= self._silence:
            return Verdict(SILENT, f'nothing new has appeared on the console for {follower.silent:.0f} s{follower.away}')
        if follower.seconds >= self._timeout:
            state = f'the instance is still {follower.state or "not listed"}'
            return Verdict(TIMEOUT, f'after {follower.seconds:.0f} s {state}{follower.away}')
        return None

    def _without_boot_params(self) -> Verdict | None:
        """The verdict on an instance that got no boot parameters; None if it got them, or may have."""
        follower = self._follower
        if follower.has_output and not (follower.boot_params or '').startswith('applied'):
            return Verdict(FAILED, f'the installer got no boot parameters: {self._missing_boot_params()}')
        if not follower.has_output and follower.silent >= EMPTY_CONSOLE and not follower.away:
            # An instance whose empty disk was booted instead.
            return Verdict(
                FAILED,
                f'the console has been empty for {follower.silent:.0f} s, so no installer was booted; is the hook deployed on the '
                'node controller?',
            )
        return None

    def _missing_boot_params(self) -> str:
        if self._follower.boot_params:
            return f'the hook on the node controller printed: {self._follower.boot_params}'
        return 'the console begins without a line of the hook; is it deployed on the node controller?'

    def _end(self) -> Verdict:
        follower = self._follower
        if not follower.ran and follower.was_pending:
            return Verdict(FAILED, f'the instance never ran: {follower.state_reason or "the cloud gives no reason"}')
        if follower.terminated_by_request:
            return Verdict(FAILED, 'somebody terminated the instance')
        if self._success and not self.proof and not follower.has_output:
            # The cloud shows no console of an ended instance, but an earlier, interrupted run may have kept it.
            self._look_for_proof(follower.packages.take(follower.console.kept_lines()))
        if self._success and self._must_prove and not self.proof:
            return Verdict(FAILED, NO_PROOF.format(pattern=self._success.pattern))
        if wrong := self._wrong_disk():
            return Verdict(FAILED, f'the installer used a disk other than the volume: {wrong}', self.proof)
        return Verdict(POWERED_OFF, f'the instance is {follower.state or "gone"}')


def boot_complaint(follower: Follower, watch: Watch, missing: list[str], timeout: float, silence: float) -> str | None:
    """Return why waiting for the expressions in ``missing`` is over, None while it is not. Times in seconds."""
    head = f'The console of {follower.instance_id}'
    hit = watch.hit(last=follower.ended or not missing)
    if hit:
        waits = ' that somebody has to answer' if hit.outcome == WAITING else ''
        return f'{head} shows a {"prompt" if waits else "failure"}{waits}: {hit.text}'
    expected = ', '.join(missing)
    if not missing:
        return None
    if follower.ended:
        return f'{head} ended because the instance is {follower.state or "gone"}. Still missing: {expected}.{_hint(follower)}'
    if follower.silent >= silence:
        return (
            f'{head} has shown nothing new for {follower.silent:.0f} s{follower.away}. Still missing: {expected}.{_hint(follower)}'
        )
    if follower.seconds >= timeout:
        return f'{head} did not show within {follower.seconds:.0f} s: {expected}{follower.away}.{_hint(follower)}'
    return None


def _hint(follower: Follower) -> str:
    """Return the usual reason, if the last line is the boot loader's."""
    last = follower.console.last_lines(1)
    return GRAPHICAL_TERMINAL if last and BOOT_LOADER.search(last[0]) else ''

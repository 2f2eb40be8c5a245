# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The guard's work in the cloud: keep the claim alive, and clean up after an interrupted playbook."""

from __future__ import annotations

import time
import typing as t
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.eucalyptus.cloud.plugins.module_utils.build.claim import CLEANING, BuildInProgress, Claim
from ansible_collections.eucalyptus.cloud.plugins.module_utils.build.leftovers import find_leftovers, plan_leftovers

# A guard's request may fail after Ansible has removed the archive that contains this.
from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud import explanations  # noqa: F401  # pylint: disable=unused-import
from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.client import Cloud
from ansible_collections.eucalyptus.cloud.plugins.module_utils.errors import CollectionError

TIMEOUT = 600
# For one look. A resource that appeared after the look may hold one that it found: an image, for example, its snapshot.
LOOK_TIMEOUT = 60
PAUSE = 3
# Files with secrets in the log's directory; roles/image_build/vars/main.yml has the names. The last is of an interrupted boot_disk.
SECRET_FILES = ('remote-password', 'boot.img', '.boot.img.*')

Print = t.Callable[[str], None]


@dataclass
class CleanUp:
    """Implements guard.Duty. ``wanted`` returns False when the build's directory is gone; the rest of the work is then skipped."""

    cloud: Cloud
    claim: Claim
    name: str
    tag: str
    answer_file_bucket: str | None
    keep: bool
    log: str
    wanted: t.Callable[[], bool]
    boot_disk_bucket: str | None = None
    lost: bool = False

    def refresh(self) -> None:
        try:
            self.claim.refresh()
        except BuildInProgress:
            self.lost = True
            raise

    def clean(self, show: Print) -> None:
        """Repeat until two consecutive looks find nothing: a module may outlive its playbook for a moment."""
        self.claim.owner.state = CLEANING
        removed = 'its answer file' if self.keep else 'everything that it created'
        show(f'\nbuild {self.name}: interrupted; removing {removed} (log: {self.log})')
        for path in (found for pattern in SECRET_FILES for found in Path(self.log).parent.glob(pattern)):
            path.unlink(missing_ok=True)
        deadline = time.monotonic() + TIMEOUT
        quiet = 0
        while quiet < 2 and time.monotonic() < deadline and self.wanted() and not self.lost:
            try:
                found = find_leftovers(self.cloud, self.tag, self.name, self.answer_file_bucket, self.keep, self.boot_disk_bucket)
                plan_leftovers(self.cloud, found, LOOK_TIMEOUT).apply()
            except Exception as error:  # the cloud may be unreachable for a while; only the deadline ends this
                quiet = 0
                show(f'build {self.name}: {error}')
            else:
                quiet = 0 if found else quiet + 1
                for leftover in found:
                    show(f'build {self.name}: removed {leftover["type"]} {leftover["id"]}')
            time.sleep(PAUSE)
        if not quiet:
            show(f'build {self.name}: not everything could be removed; the next build tries again')
        else:
            show(f'build {self.name}: ' + ('the rest was kept' if self.keep else 'nothing is left'))

    def release(self, show: Print) -> None:
        try:
            self.claim.release()
        except CollectionError as error:
            show(f'build {self.name}: the claim on the build could not be removed; the next build removes it. {error}')

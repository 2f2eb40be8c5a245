# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""From instance.xml to the libvirt domain, by the node's stylesheet."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from .model import Instance, NodeError, Settings

SHIPPED = Path(__file__).with_name('libvirt.xsl')


def libvirt_xml(instance: Instance, settings: Settings) -> str:
    """The domain XML. The stylesheet is read anew every time, so edits are live and a broken one stops every launch.

    It runs as the node's user, like everything in a real node: whoever may edit it must not gain root's rights here.
    """
    owner = settings.owner
    command = ['xsltproc', '--nonet', '--nowrite', '--nomkdir', str(settings.stylesheet), str(instance.xml_file)]
    result = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        cwd='/',
        user=owner.pw_uid,
        group=owner.pw_gid,
        extra_groups=os.getgrouplist(owner.pw_name, owner.pw_gid),
    )
    if result.returncode or not result.stdout.strip():
        problem = result.stderr.strip()[-300:] or f'xsltproc ended with status {result.returncode}'
        raise NodeError(f'failed to open and parse XSL-T stylesheet file {settings.stylesheet}: {problem}')
    return result.stdout

# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""libvirt.xsl of the played version, and applying it: from instance.xml to the libvirt domain, from vol-X.xml to a disk."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from lxml import etree

from ..versions import NodeShape
from .model import NodeError, Settings

SOURCE = Path(__file__).with_name('libvirt.xsl')
PART = '{urn:eucalab}part'
VNC = "the version's line for VNC"


def shipped(shape: NodeShape) -> bytes:
    """The stylesheet that the version's package installs: without the elements whose lab:part the version does not have."""
    root = etree.parse(str(SOURCE)).getroot()
    parts = shape.stylesheet.split()
    for element in list(root.iter()):
        if isinstance(element, etree._Comment) and element.text == VNC:
            element.text = shape.vnc_line
        elif element.attrib.pop(PART, parts[0]) not in parts:
            _remove(element)
    etree.cleanup_namespaces(root)
    text = etree.tostring(root.getroottree(), xml_declaration=True, encoding='UTF-8')
    return text.replace(b'--><xsl', b'-->\n<xsl', 1) + b'\n'  # lxml drops white space outside the root element


def _remove(element: etree._Element) -> None:
    """Remove an element and the comment above it."""
    parent, before = element.getparent(), element.getprevious()
    assert parent is not None
    if isinstance(before, etree._Comment):
        parent.remove(before)
        before = element.getprevious()
    if before is None:
        parent.text = element.tail
    else:
        before.tail = element.tail  # the white space in front of what follows
    parent.remove(element)


def transform(document: Path, settings: Settings) -> str:
    """Apply the node's stylesheet. It is read anew every time, so edits are live and a broken one stops every launch.

    It runs as the node's user, like everything in a real node: whoever may edit it must not gain root's rights here.
    """
    owner = settings.owner
    command = ['xsltproc', '--nonet', '--nowrite', '--nomkdir', str(settings.stylesheet), str(document)]
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

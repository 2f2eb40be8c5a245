# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Proof that an installation succeeded: the line that the answer file's last command prints on the console.

roles/image_build/templates/proof.sh.j2 prints it; boot_report.sh.j2 beside it prints the installed system's report.
"""

from __future__ import annotations

import base64
import binascii
import re
import typing as t
import urllib.parse

GIB = 1 << 30
PROOF_MARK = 'installation-proof: key='
REPORT_MARK = 'boot-report: address='
# A volume's id as a guest can see it: virtio keeps 20 characters of the serial number, which is euca-vol-XXXXXXXX-dev-sdf from
# 4.1 on (tools/connect_iscsitarget_main.pl) and vol-XXXXXXXX-dev-sdf in 3.4 and 4.0 (node/xml.c, gen_volume_xml).
SERIAL_ID = 15
# From 4.1 on, the number of a disk that the instance was launched with, as its root volume. It does not name the volume
# (storage/vbr.c, vbr_parse: euca-bdm-ebs1-dev-vda).
LAUNCHED_WITH = 'euca-bdm-'
# Base64 of a fragment: one long line, or the lines of base64(1) and PEM, perhaps indented.
BASE64 = re.compile(r'[A-Za-z0-9+/]{60,}(?:\s+[A-Za-z0-9+/]{4,})*')
COMMENTS = re.compile(r'^[ \t]*#.*$|<!--[\s\S]*?-->', re.MULTILINE)


def success_pattern(key: str) -> str:
    """Return the expression for the proof of the build with that key; its groups name the disk.

    It begins the line, so that a shell that traces its commands proves nothing, and it needs the field after the
    number, which a message of the kernel may have cut.
    """
    return rf'^\W*{PROOF_MARK}{re.escape(key)} disk=(?P<disk>\S+) serial=(?P<serial>\S+) bytes=(?P<bytes>\d+) path=\S+'


def proves(answer_file: str) -> bool:
    """Whether a rendered answer file includes proof.sh.j2 outside of comments, as it is, in Base64 or in a data URL."""
    return _contains(answer_file, PROOF_MARK)


def reports(answer_file: str) -> bool:
    """Whether a rendered answer file includes boot_report.sh.j2, in one of the same forms."""
    return _contains(answer_file, REPORT_MARK)


def _contains(text: str, mark: str) -> bool:
    text = COMMENTS.sub('', text)
    if mark in text or mark in urllib.parse.unquote(text):
        return True
    return any(mark.encode() in _decoded(found) for found in BASE64.findall(text))


def _decoded(text: str) -> bytes:
    digits = ''.join(text.split())
    try:
        return base64.b64decode(digits[: len(digits) // 4 * 4])  # what remains is too short for the mark
    except (binascii.Error, ValueError):
        return b''


def disk_of(found: re.Match[str]) -> dict[str, t.Any]:
    """Return the disk that a proof names: ``device``, ``serial``, ``bytes``; None where the expression has no such
    group or the guest saw no serial number."""
    named = found.groupdict()
    serial, size = named.get('serial'), named.get('bytes')
    return {
        'device': named.get('disk'),
        'serial': None if serial in (None, 'none') else serial,
        'bytes': int(size) if size and size.isdigit() else None,
    }


def wrong_disk(disk: dict[str, t.Any], volume_id: str, gib: int | None) -> str | None:
    """Return why the disk is not the volume of that id and size, None if it is or may be.

    Where the cloud gives the disk no serial number (Eucalyptus up to 3.3), or one without the volume's id, the size alone decides.
    """
    named = f'{disk["device"] or "a disk"}, serial number {disk["serial"] or "none"}, {disk["bytes"]} bytes'
    if disk['serial'] and LAUNCHED_WITH not in disk['serial']:
        return None if volume_id[:SERIAL_ID] in disk['serial'] else f'{named}; the volume is {volume_id}'
    if disk['bytes'] is not None and gib and disk['bytes'] != gib * GIB:
        return f'{named}; the volume {volume_id} has {gib * GIB} bytes'
    return None

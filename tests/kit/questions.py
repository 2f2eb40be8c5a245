# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A person who answers the questions of the lab's installer by SSH, with the OpenSSH client."""

from __future__ import annotations

import re
from pathlib import Path

import pexpect

ANSWER_SECONDS = 300  # of a guest on a busy machine
FIRST, LAST = r'Disk to install on \(number or name\): ', 'or no to start again: '


def log_in(command: str, password: str, transcript: Path) -> pexpect.spawn[str]:
    """Run the command in a shell, as a person who pastes it, and give it the password; ``transcript`` gets what it prints."""
    session = pexpect.spawn('/bin/sh', ['-c', command], encoding='utf-8', timeout=ANSWER_SECONDS)
    session.logfile_read = transcript.open('w', encoding='utf-8')
    if session.expect([r'\(yes/no/\[fingerprint\]\)\? ', 'password: ']) == 0:
        session.sendline('yes')
        session.expect('password: ')
    session.sendline(password)
    return session


def answer(session: pexpect.spawn[str], serial: str, password: str, name: str) -> None:
    """Answer all questions but the last one, the confirmation. ``serial`` begins the serial number of the disk."""
    session.expect(FIRST)
    session.sendline(disk_with(serial, str(session.before)))
    for question, text in (('Root password: ', password), ('Root password again: ', password), (r'Host name \(.*\): ', name)):
        session.expect(question)
        session.sendline(text)
    session.expect(LAST)


def disk_with(serial: str, shown: str) -> str:
    """The number of the disk that the installer shows with such a serial number."""
    found = re.search(rf'(\d)\) \w+: \d+ MiB, serial number {serial}', shown)
    assert found, shown
    return found[1]

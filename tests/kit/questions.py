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


def answer(session: pexpect.spawn[str], disk: str, password: str, name: str) -> None:
    """Answer all questions but the last one, the confirmation."""
    for question, text in (
        (FIRST, disk),
        ('Root password: ', password),
        ('Root password again: ', password),
        (r'Host name \(.*\): ', name),
    ):
        session.expect(question)
        session.sendline(text)
    session.expect(LAST)


def volume_disk(shown: str, volume_id: str) -> str:
    """The disk that is shown with a serial number of this volume."""
    found = re.search(rf'(\w+): \d+ MiB, serial number euca-{volume_id}', shown)
    assert found, shown
    return found[1]

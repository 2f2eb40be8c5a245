# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A serial console's bytes as the lines that a person reads on a terminal, without its control sequences."""

from __future__ import annotations

import re
from collections import OrderedDict

LONGEST_LINE = 8192

# Ends of lines: newlines, and cursor movements to another row, with which full-screen installers place their text.
LINE_END = re.compile(
    rb'\n|\x1b\[(?P<row>\d*)(?:;(?P<column>\d*))?[Hf]'
    rb'|\x1b\[\d*[ABEFd]|\x1b\[[123]J|\x1b[DEMc]'
)
# The escape sequences of ECMA-48, section 5.4 and 8.3, and xterm's operating system commands.
ESCAPE = re.compile(r'\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[PX^_][^\x1b]*\x1b\\|[ -/]*[0-~])')
# Borders of dialogs: a VT100 draws them with letters between shift-out and shift-in. S-Lang sets colours among them, and
# moves to the next line without a shift-in (TERM=linux).
BORDER = re.compile(r'(?:\x0e|\x1b\(0)(?:[jklmnqtuvwxa` ]|\x1b\[[\d;]*m)*(?:\x0f|\x1b\(B)?')
SHIFT = re.compile(rb'\x0e|\x0f|\x1b\([0B]')
SHIFTED = (b'\x0e', b'\x1b(0')
FORWARD = re.compile(r'\x1b\[\d*C|\x1b\[(?:[2-9]|[1-9]\d+)[G`]')
BACKWARD = re.compile(r'\x1b\[(\d*)D')
LINE_START = re.compile(r'\x1b\[[01]?[G`]|\x1b\[2K')
CONTROL = re.compile(r'[\x00-\x08\x0b-\x1f\x7f-\x9f]')
# Blanks, box drawing and block characters; terminals without these draw the sides of a dialog with "|".
LAYOUT = re.compile('[\\s|\u2500-\u259f]+')

# The kernel prints its command line, and with it the answer file's presigned URL: whoever has it can read the file.
# Its signature is 28 Base64 characters, of which the last is "=", in percent-encoding; a terminal may break it in two.
BREAK = rb'(?:\r?\n)?'
SIGNATURE = re.compile(
    rb'(Signature=)(?:'
    rb'(?:' + BREAK + rb'[\w+/%]){27,81}?' + BREAK + rb'(?:=|%' + BREAK + rb'3' + BREAK + rb'D)'
    rb'|(?:' + BREAK + rb'[\w+/%]){1,81}' + BREAK + rb'\Z'
    rb'|[^&\s\'"]+)'
    # The text before it may be outside the window, or broken in two itself.
    rb'|(?:[\w+/%=]' + BREAK + rb'){1,92}(?=&Expires=)'
)

# The parameters with which an installer gets the password of its remote interface (build/remote.py).
PASSWORD = re.compile(rb'((?:\bvncpassword|\.password|/password(?:-again)?)=)[^\s\'"]+', re.IGNORECASE)

# Numbers that measure progress. Others are clocks and counters, which also run while nothing happens.
QUANTITY = re.compile(r'\d[\d.,]*\s?(?:%|[KMGT]?i?B\b|[kmg]b\b|bytes\b|/\s?\d+|of \d+)')
WORD = re.compile(r'[^\W\d_]+')
REPEATED = re.compile(r'(.)\1+')
REMEMBERED = 5000


def without_secrets(data: bytes) -> bytes:
    """Return the console with the signatures of presigned URLs hidden, even one whose beginning is not in the window, and
    the passwords among boot parameters."""
    return PASSWORD.sub(rb'\1(hidden)', SIGNATURE.sub(lambda found: (found[1] or b'') + b'(hidden)', data))


def readable(line: bytes) -> str:
    """Return one line as a terminal would leave it: no escape sequences and control characters, and of a line that was
    written several times only the last version."""
    text = line.decode('utf-8', 'replace')
    if '\x1b' in text or '\x0e' in text:
        text = FORWARD.sub(' ', LINE_START.sub('\r', BORDER.sub(' ', text)))
        text = ESCAPE.sub('', BACKWARD.sub(lambda found: '\b' * min(int(found[1] or 1), LONGEST_LINE), text))
    if '\r' in text:
        written = [part for part in text.split('\r') if part.strip()]
        text = written[-1] if written else ''
    if '\b' in text:
        text = _with_backspaces(text)
    return CONTROL.sub('', text).replace('\t', ' ').rstrip()


def _with_backspaces(text: str) -> str:
    """Return the characters that are left when each backspace moves the cursor and the next character overwrites."""
    cells: list[str] = []
    cursor = 0
    for character in text:
        if character == '\b':
            cursor = max(0, cursor - 1)
        else:
            cells[cursor : cursor + 1] = [character]
            cursor += 1
    return ''.join(cells)


def condensed(text: str) -> str:
    """Return the text without blanks and borders. Phrases are compared in this form, so it does not matter where a
    terminal or a dialog broke the line."""
    return LAYOUT.sub('', text)


def _shift_of(piece: bytes) -> bytes:
    """Return the sequence that makes letters borders, if it still holds at the end of the piece."""
    shifts = SHIFT.findall(piece)
    return shifts[-1] if shifts and shifts[-1] in SHIFTED else b''


class Lines:
    """Divides a stream of bytes into readable lines."""

    def __init__(self) -> None:
        self._rest = b''  # of a line whose end has not been seen
        self._place: tuple[int, int] | None = None  # row and column that the cursor was last moved to

    def add(self, data: bytes) -> list[str]:
        """Return the lines that ended since the last call, without empty ones."""
        pieces, rest, end = [], b'', 0
        data = self._rest + data
        for found in LINE_END.finditer(data):
            rest += data[end : found.start()]
            end = found.end()
            if self._stays_in_row(found):
                rest += b' '
            else:
                pieces.append(rest)
                rest = b'' if found[0] == b'\n' else _shift_of(rest)
        self._rest = rest + data[end:]
        if len(self._rest) > LONGEST_LINE:
            pieces.append(self._rest)
            self._rest = b''
        return [line for line in map(readable, pieces) if line]

    def _stays_in_row(self, found: re.Match[bytes]) -> bool:
        """Whether the cursor only moved to the right."""
        before, self._place = self._place, None
        if found['row'] is None:
            return False
        self._place = (int(found['row'] or 1), int(found['column'] or 1))
        return before is not None and before[0] == self._place[0] and before[1] < self._place[1]

    @property
    def unfinished(self) -> str:
        """The last line, whose end has not been seen: a prompt, for example."""
        return readable(self._rest)


class Novelty:
    """Distinguishes new text from repetitions: dots, spinners, clocks, the same message again."""

    def __init__(self) -> None:
        self._seen: OrderedDict[str, None] = OrderedDict()

    def is_new(self, line: str) -> bool:
        """Whether the line has words or measures of progress that no recent line had."""
        words = REPEATED.sub(r'\1', ' '.join(WORD.findall(line)))
        essence = ' '.join([words, *QUANTITY.findall(line)]).strip()
        if not essence or essence in self._seen:
            return False
        self._seen[essence] = None
        if len(self._seen) > REMEMBERED:
            self._seen.popitem(last=False)
        return True

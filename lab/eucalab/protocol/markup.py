# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Text in XML."""

from __future__ import annotations

import re
from xml.sax import saxutils

# Characters outside the production Char of XML 1.0, which cannot be written in any way.
_IMPOSSIBLE = re.compile('[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]')
_PLAIN = re.compile('[A-Za-z0-9 ./:_-]*')


def possible(text: str) -> bool:
    return not _IMPOSSIBLE.search(text)


def escape(text: str) -> str:
    """The text as well-formed XML; characters that XML cannot contain become replacement characters."""
    if _PLAIN.fullmatch(text):  # nearly all texts of a long reply
        return text
    # A parser would make a line feed of a plain carriage return.
    return saxutils.escape(_IMPOSSIBLE.sub('\ufffd', text), {'\r': '&#13;'})

# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The secret parts of a text that is otherwise harmless: a URL, a kernel command line, user data, an answer file.

Ansible masks a `no_log` value as a whole, wherever it occurs in a result. For a value such as `rescue` that would damage
the name `rescue-box`, so only what is secret in it should be masked.
"""

from __future__ import annotations

import re
from urllib.parse import unquote

HIDDEN = 'the URL'  # replaces a URL whose secret parts cannot be recognised
# A scheme, perhaps the user, the host with its port (none in file:///path) and the path, perhaps a query: the user and the query
# may be secret.
URL = re.compile(r'(\w+://)([^/?#]*@)?((?:(?:[\w.-]+|\[[\w:.]+\])(?::\d+)?|(?=/))(?:/[^?#]*)?)([?#].*)?', re.DOTALL)
IN_TEXT = re.compile(r'\w+://[^\s"\'<>]+')
SIGNATURE = re.compile(r'(?:signature|security-token|sig)=([^&\s"\'#;]+)', re.IGNORECASE)
PASSWORD = re.compile(
    r'[\w./-]*(?:passw|passphrase|rootpw|sshpw|secret|token|psk)[\w./-]*["\']?[ \t]*[=:][ \t]*("[^"]*"|\'[^\']*\'|[^\s"\',}]+)'
    r'|\brootpw[ \t]+(?:--\S+[ \t]+)*(\S+)',
    re.IGNORECASE,
)
CRYPT = re.compile(r'\$(?:1|2[abxy]|5|6|7|y|gy)\$[^\s"\':,<>]+')  # crypt(5)
# A value of fewer characters, or of lower-case letters alone, may also be part of a name.
ALONE = 8
WORD = re.compile(r'[a-z._ -]*')


def shown(url: str) -> str:
    """A path, or a URL without its user and its query, as messages name it."""
    if '://' not in url:
        return url
    match = URL.fullmatch(url)
    return match[1] + match[3] if match else HIDDEN


def url_secrets(url: str) -> set[str]:
    """The parts that `shown` leaves out, in pieces that occur nowhere else."""
    if '://' not in url:
        return set()
    match = URL.fullmatch(url)
    if not match:
        return {url}
    return {part for part in (match[2] and match[1] + match[2], match[4]) if part not in (None, '', '?', '#')}


def secret_parts(text: str) -> set[str]:
    """Return the strings to mask: users and queries of URLs, signatures, settings of passwords (with their names), hashes.

    A text of several lines, which is no part of a name, is masked as a whole as well.
    """
    found = {text} if '\n' in text.strip() else set()
    for url in IN_TEXT.findall(text):
        found |= url_secrets(url)
    values = SIGNATURE.findall(text) + CRYPT.findall(text)
    for match in PASSWORD.finditer(text):
        found.add(match[0])
        values.append((match[1] or match[2]).strip('"\''))
    for value in values:
        if len(value) >= ALONE and not WORD.fullmatch(value):
            found |= {value, unquote(value)}
    return found

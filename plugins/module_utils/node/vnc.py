# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules for VNC displays: addresses, passwords, and hiding passwords in what is shown.

The hook has the same rule for loopback addresses in shell; tests/hook/test_policy_table.py compares the two.
Runs on the node, so it stays valid for Python 2.7.
"""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import re

OCTET = r'(?:[0-9]|[1-9][0-9]|1[0-9][0-9]|2[0-4][0-9]|25[0-5])'
LOOPBACK = re.compile(r'(?:127(?:\.{0}){{3}}|::1|localhost)\Z'.format(OCTET))
ADDRESS = re.compile(r'[0-9A-Za-z.:-]+\Z')
PASSWORD = re.compile(r'[!-~]{1,8}\Z')
PASSWORD_LIMIT = '1 to 8 printable ASCII characters without blanks'  # VNC authentication uses eight
MASK = '********'
SECRETS = (
    (re.compile(r"""(\bpasswd\s*=\s*)("[^"]*"|'[^']*')"""), r'\1"{0}"'.format(MASK)),  # libvirt's attribute
    (re.compile(r"""(<xsl:attribute\s+name\s*=\s*["']passwd["']\s*>)[^<]*"""), r'\1{0}'.format(MASK)),
    (re.compile(r'(?m)^([ \t]*vnc_password[ \t]*=[ \t]*)\S.*$'), r'\1{0}'.format(MASK)),  # the hook's policy
)


def is_loopback(address):
    # type: (str) -> bool
    """Return whether only the node itself can reach an address. A name such as 127.attacker.example is not one."""
    return bool(LOOPBACK.match(address))


def is_address(address):
    # type: (str) -> bool
    """Return whether a text can be an IP address or a host name."""
    return bool(ADDRESS.match(address))


def is_password(password):
    # type: (str) -> bool
    return bool(PASSWORD.match(password))


def without_passwords(text):
    # type: (str) -> str
    """Return a domain, stylesheet or policy with every VNC password masked."""
    for pattern, replacement in SECRETS:
        text = pattern.sub(replacement, text)
    return text

# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The hook's policy file, written from variables.

What the values may be is the hook's business, which is asked on the node before the file is put in place. Here it is made sure
that a value stays one value, and said clearly what is wrong with a pattern, for which the hook has but a line number.
Runs on the node, so it stays valid for Python 2.7.
"""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import hashlib
import re

HEADER = '# Written by Ansible, module eucalyptus.cloud.nc_hook: changes made here are lost.\n'
# The order in the file. Lists are blank-separated words.
KEYS = (
    'accounts',
    'kernels',
    'installers',
    'installers_dir',
    'forbidden',
    'on_refusal',
    'on_reboot',
    'vnc',
    'vnc_listen',
    'vnc_password',
    'log_value',
)
PATTERNS = ('accounts', 'kernels', 'installers', 'forbidden')
# Brackets in which the hook can take - and _ for the same: single characters, and ranges of one kind of them.
BRACKETS = re.compile(r'\[(?!!\])!?(?:[a-z]-[a-z]|[A-Z]-[A-Z]|[0-9]-[0-9]|[^]\[_=-])+\]')
SECRET = re.compile(r'(?m)^(vnc_password = ).*$')


class Unfit(Exception):
    """A value that cannot be written into a policy file; the message names its key."""


def render(policy):
    """The text of the file. Keys whose value is None are left out, so that the hook's default holds."""
    lines = []
    for key in KEYS:
        value = policy.get(key)
        if value is None:
            continue
        if isinstance(value, (list, tuple)):
            value = ' '.join(_word(key, word) for word in value)
        elif isinstance(value, bool):
            value = 'yes' if value else 'no'
        elif not re.match(r'(?:[!-"$-~][!-~]*)?\Z', value):
            raise Unfit('{0} must be printable ASCII without blanks, and not begin with #: that would be a comment'.format(key))
        lines.append('{0} = {1}'.format(key, value).rstrip(' '))
    return HEADER + ''.join(line + '\n' for line in lines)


def without_secret(text):
    return SECRET.sub(r'\1********', text)


def digest(text):
    """Tells one policy from another, in a report. The password is not part of it: it could be guessed from it."""
    return hashlib.sha256(without_secret(text).encode('utf-8')).hexdigest()[:12]


def _word(key, word):
    if not re.match(r'[!-~]+\Z', word) or word.startswith('#'):
        raise Unfit(
            '{0} has the item {1!r}: it must be printable ASCII without blanks, and not begin with #'.format(key, str(word))
        )
    if key in PATTERNS and word.count('*') > 2:
        raise Unfit(
            '{0} has the pattern {1}: the hook takes at most two * in a pattern, matching more can take a shell minutes'.format(
                key, word
            )
        )
    if key == 'forbidden' and '[' in BRACKETS.sub('', word):
        raise Unfit(
            '{0} has the pattern {1}: brackets there hold single characters and ranges such as a-z, but no _, - or ='
            ' of their own. Outside of brackets _ and - stand for each other'.format(key, word)
        )
    if key == 'accounts' and re.match(r'[0-9]+\Z', word) and len(word) != 12:
        raise Unfit(
            '{0} has the item {1}: account numbers have 12 digits. Put them in quotes, YAML takes the leading zeros away'.format(
                key, word
            )
        )
    return word

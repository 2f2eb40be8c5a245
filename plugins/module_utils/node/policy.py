# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The hook's policy file: its keys, their limits and defaults, and the text of the file.

KEYS is the only list of them. The options of the module nc_hook and their documentation, the role's variables and the table in
docs/hook.md come from it (tools/policy-table writes the latter two). The hook is a static file with checks of its own;
tests/hook/test_policy_table.py compares it with KEYS.

Runs on the node, so it stays valid for Python 2.7.
"""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import hashlib
import re

from ansible_collections.eucalyptus.cloud.plugins.module_utils.node import errors, vnc

TYPE_CHECKING = False  # Python 2.7 has no typing, so types are in comments
if TYPE_CHECKING:
    import typing as t  # noqa: F401

HEADER = '# Written by Ansible, module eucalyptus.cloud.nc_hook: changes made here are lost.\n'
PATTERN = re.compile(r'[][A-Za-z0-9._=*?!,:/@%+-]+\Z')
PATH = re.compile(r'/[A-Za-z0-9._/+-]*\Z')
# Brackets in which the hook can treat - and _ as equal: single characters, and ranges of one kind of them.
BRACKETS = re.compile(r'\[(?!!\])!?(?:[a-z]-[a-z]|[A-Z]-[A-Z]|[0-9]-[0-9]|[^]\[_=-])+\]')


class InvalidPolicy(errors.NodeError):
    """A value that the hook would refuse. The message names its option or variable and the limit."""


class Key:
    """A key of the policy file.

    ``kind`` is one of KINDS. ``default`` is the value that holds in the hook when the key is missing. ``description`` is a list of
    sentences in Ansible's markup, in which O(key) refers to another key. ``in_policy`` is False for a key that the module
    derives from options of its own.
    """

    def __init__(self, name, kind, default, description, choices=(), in_policy=True):
        # type: (str, str, t.Any, list[str], t.Sequence[str], bool) -> None
        self.name = name
        self.kind = kind
        self.default = default
        self.description = description
        self.choices = choices
        self.in_policy = in_policy

    def specification(self):
        # type: () -> dict[str, t.Any]
        """Return the key's entry in an argument spec, without a default."""
        found = dict(TYPES[self.kind])
        if self.choices:
            found['choices'] = list(self.choices)
        return found

    def text(self, value):
        # type: (t.Any) -> str
        """Return a value as the policy file has it."""
        if self.kind == 'patterns':
            text = ' '.join(value)
        elif self.kind == 'switch':
            text = 'yes' if value else 'no'
        else:
            text = value
        return text

    def check(self, value, name):
        # type: (t.Any, str) -> None
        """Raise InvalidPolicy, with ``name`` in its message, for a value that the hook would refuse."""
        if self.kind == 'patterns':
            for word in value:
                self._check_pattern(word, name)
        elif self.kind == 'choice' and value not in self.choices:
            raise InvalidPolicy('{0} must be one of {1}.'.format(name, ', '.join(self.choices)))
        elif self.kind == 'path' and (not PATH.match(value) or '/../' in value + '/'):
            raise InvalidPolicy('{0} must be an absolute path without .., made of A-Z a-z 0-9 . _ / + -.'.format(name))
        elif self.kind == 'address' and not vnc.is_address(value):
            raise InvalidPolicy('{0} must be an IP address or a host name.'.format(name))
        elif self.kind == 'password' and value and (not vnc.is_password(value) or value.startswith('#')):
            raise InvalidPolicy(
                '{0} must have {1}, and must not begin with #, which begins a comment.'.format(name, vnc.PASSWORD_LIMIT)
            )

    def _check_pattern(self, word, name):
        # type: (str, str) -> None
        if not PATTERN.match(word):
            raise InvalidPolicy(
                '{0} has the item {1!r}. Items consist of A-Z a-z 0-9 and ] [ . _ = * ? ! , : / @ % + -, without blanks.'.format(
                    name, str(word)
                )
            )
        if word.count('*') > 2:
            raise InvalidPolicy(
                '{0} has the pattern {1}. A pattern can have at most two *, because matching more can take a shell minutes.'.format(
                    name, word
                )
            )
        if self.name == 'forbidden' and '[' in BRACKETS.sub('', word):
            raise InvalidPolicy(
                '{0} has the pattern {1}. Its brackets can hold single characters and ranges such as a-z, but not _, = or a '
                'single -. Outside of brackets, _ and - are equal.'.format(name, word)
            )
        if self.name == 'accounts' and re.match(r'[0-9]+\Z', word) and len(word) != 12:
            raise InvalidPolicy(
                '{0} has the item {1}. Account numbers have 12 digits. Put them in quotes, because YAML drops leading '
                'zeros.'.format(name, word)
            )


TYPES = {
    'patterns': {'type': 'list', 'elements': 'str'},
    'choice': {'type': 'str'},
    'switch': {'type': 'bool'},
    'path': {'type': 'str'},
    'address': {'type': 'str'},
    'password': {'type': 'str', 'no_log': True},
}  # type: dict[str, dict[str, t.Any]]
# In the order of the file.
KEYS = (
    Key(
        'accounts',
        'patterns',
        ['*'],
        [
            'Accounts whose instances may have boot parameters, as account numbers of 12 digits or patterns of them. In YAML, put '
            'the numbers in quotes.',
            'Before Eucalyptus 3.4 a node has only the ID of the user, and the hook compares that.',
        ],
    ),
    Key(
        'kernels',
        'patterns',
        ['*'],
        [
            'IDs of the kernels that may be given boot parameters, or patterns of them.',
            'Before Eucalyptus 3.4 a node does not have the ID, so only V(*) allows a launch.',
            'Not checked for an instance with an accepted C(installer=).',
        ],
    ),
    Key('installers', 'patterns', [], ['Names that C(installer=) may request.'], in_policy=False),
    Key(
        'installers_dir',
        'path',
        '/var/lib/eucalyptus/installers',
        ['Directory of the installers C(NAME/kernel) and C(NAME/ramdisk), below E(EUCALYPTUS).'],
        in_policy=False,
    ),
    Key(
        'forbidden',
        'patterns',
        [],
        [
            'Patterns of forbidden kernel parameters, such as V(init=*). A launch that requests one is refused.',
            'Brackets in a pattern can hold single characters and ranges, but not C(_), C(=) or a single C(-).',
        ],
    ),
    Key(
        'on_refusal',
        'choice',
        'cancel',
        ['V(cancel) cancels a refused launch. V(ignore) lets it continue without its boot parameters.'],
        choices=['cancel', 'ignore'],
    ),
    Key(
        'on_reboot',
        'choice',
        'destroy',
        [
            'V(destroy) ends an instance with boot parameters when its guest reboots, so that an installer does not start again.',
            "V(restart) keeps the node's setting, which boots it again with the same parameters.",
        ],
        choices=['destroy', 'restart'],
    ),
    Key('vnc', 'switch', False, ['Whether user data may request a VNC display with C(console=vnc).']),
    Key(
        'vnc_listen',
        'address',
        '127.0.0.1',
        ['Address on which such a display listens. Any address other than a loopback address requires O(vnc_password).'],
    ),
    Key(
        'vnc_password',
        'password',
        '',
        [
            'Password of such a display, at most 8 characters. Keep it in a vault.',
            'With a password, only root and the group of the account that runs the node controller can read the policy file. '
            "The hook also writes the password to the instance's libvirt file.",
            'From Eucalyptus 3.3 on, the display loses its password after RebootInstances or CreateImage, because the node then '
            "starts the instance from libvirt's description of it, which omits passwords.",
        ],
    ),
    Key(
        'log_value',
        'switch',
        False,
        ["Whether boot parameters are written to the node's log. They often contain the secret URL of an answer file."],
    ),
)
# How messages name the keys: as options of the module nc_hook, and as variables of the role nc_hooks.
OPTIONS = {key.name: 'policy.' + key.name if key.in_policy else key.name for key in KEYS}
VARIABLES = {key.name: 'nc_hooks_' + key.name for key in KEYS}


def default_of(name):
    # type: (str) -> t.Any
    return [key.default for key in KEYS if key.name == name][0]


def argument_spec():
    # type: () -> dict[str, dict[str, t.Any]]
    """Return the argument spec of the module's option ``policy``."""
    return {key.name: key.specification() for key in KEYS if key.in_policy}


def check(policy, names):
    # type: (dict[str, t.Any], dict[str, str]) -> None
    """Raise InvalidPolicy unless the hook would accept the policy {key: value or None}.

    ``names`` is OPTIONS or VARIABLES, which the message uses.
    """
    for key in KEYS:
        if policy.get(key.name) is not None:
            key.check(policy[key.name], names[key.name])
    listen = policy.get('vnc_listen')
    if policy.get('vnc') and listen is not None and not vnc.is_loopback(listen) and not policy.get('vnc_password'):
        raise InvalidPolicy(
            '{0} is not a loopback address (127.0.0.0/8, ::1 or localhost), so {1} is required.'.format(
                names['vnc_listen'], names['vnc_password']
            )
        )


def render(policy, names=None):
    # type: (dict[str, t.Any], dict[str, str] | None) -> str
    """Return the text of the file. Keys whose value is None are left out, so that the hook's default holds."""
    check(policy, names or OPTIONS)
    values = [(key.name, key.text(policy[key.name])) for key in KEYS if policy.get(key.name) is not None]
    return HEADER + ''.join('{0} = {1}'.format(name, text).rstrip(' ') + '\n' for name, text in values)


def has_password(text):
    # type: (str) -> bool
    return vnc.without_passwords(text) != text


def digest(text):
    # type: (str) -> str
    """Return 12 digits that identify a policy in a report. The password is left out, since it could be guessed from them."""
    return hashlib.sha256(vnc.without_passwords(text).encode('utf-8')).hexdigest()[:12]

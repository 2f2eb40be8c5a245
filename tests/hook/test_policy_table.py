# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The hook, a static file, agrees with the table of its policy's keys and with the collection's rule for loopback addresses."""

from __future__ import annotations

import re

import pytest
from ansible_collections.eucalyptus.cloud.plugins.module_utils.node import policy, vnc

from tests.hook.hook_shapes import Shape, encode
from tests.hook.hook_world import FILES, World

HOOK = (FILES / 'bootparams').read_text()
ADDRESSES = {
    '127.0.0.1': True,
    '127.1.2.3': True,
    '127.255.255.255': True,
    '::1': True,
    'localhost': True,
    '127.attacker.example': False,
    '127.0.0.1.evil': False,
    '127.0.0.1.evil.example': False,
    '127.300.1.1': False,
    '127.0.0.256': False,
    '127.0.0.01': False,
    '127.1': False,
    '127.0.0': False,
    '127.0.0.1.1': False,
    '127...1': False,
    '127.0.0.': False,
    '127.0.0.1.': False,
    '1127.0.0.1': False,
    '128.0.0.1': False,
    '0.0.0.0': False,
    '::': False,
    '::ffff:127.0.0.1': False,
    'localhost.evil.example': False,
    'LOCALHOST': False,
    '192.0.2.1': False,
}
# Values as the role's variables have them, and whether the hook accepts them.
VALUES = {
    'patterns': {
        ('*',): True, (): True, ('000123456789', '0001*'): True, ('eki-33cc44dd',): True, ('a[0-9]b', 'c?d@e/f%g+h'): True,
        ('a*b*',): True, ('a*b*c*',): False, ('\\*',): False, ('a"b',): False, ('$(id)',): False, ('a|b',): False, ('é',): False,
        ('a;b',): False, ('#a',): False,
    },
    'choice': {'cancel': True, 'ignore': True, 'destroy': True, 'restart': True, 'perhaps': False, '': False},
    'switch': {True: True, False: True},
    'path': {'/': True, '/a/b-c_d+e.f': True, 'a': False, '': False, '/a&b': False},
    'address': {'127.0.0.1': True, '::1': True, 'nc.example.com': True, '': False, 'a_b': False, 'a"b': False, 'a b': False},
    'password': {'': True, 'x': True, '12345678': True, 'a"b<&>\'': True, '123456789': False, 'a b': False, '#a': False},
}  # fmt: skip
FORBIDDEN = {
    'init=*': True, 'rd[.]break': True, 'a[!b-d]': True, 'a]b': True, '[x_]y': False, '[a=b]': False, '[-a]': False, '[A-z]': False,
    '[a': False, 'a[]b': False, '[[:alpha:]]': False,
}  # fmt: skip


def accepts(world: World, text: str, shell: str) -> bool:
    """Return whether the hook accepts a policy file."""
    (world.conf / 'policy.conf').write_text(text)
    world.put(Shape(), encode(b'bootparams=quiet\n'))
    world.run(shell)
    return b'policy.conf is broken' not in world.log.read_bytes()


def agree(world: World, shell: str, key: policy.Key, value: object, expected: bool) -> None:
    try:
        text = policy.render({key.name: value})
    except policy.InvalidPolicy:
        assert not expected, f'{key.name} = {value!r} is refused by the table'
        text = f'{key.name} = {key.text(value)}\n'
        if ' #' not in text:  # which begins a comment for the hook
            assert not accepts(world, text, shell), text
    else:
        assert expected, f'{key.name} = {value!r} is accepted by the table'
        assert accepts(world, text, shell), text


def test_the_hook_has_exactly_the_keys_of_the_table() -> None:
    body = re.search(r'(?s)\npolicy_line\(\) \{.*?\n\}\n', HOOK)[0]
    checks, settings = body.split('esac\n  case $1 in\n')
    names = [key.name for key in policy.KEYS]
    assert sorted(re.findall(r'\b(\w+)\) \1=', settings)) == sorted(names)
    checked = [name for names in re.findall(r'(?m)^    ([a-z_|]+)\)', checks) for name in names.split('|')]
    assert sorted(checked) == sorted(names)


def test_the_hook_has_the_defaults_of_the_table() -> None:
    block = re.search(r'(?s)### Read the policy\n(.*?)\nnumber=0', HOOK)[1]
    found = {name: value.strip("'") for name, value in re.findall(r"(\w+)=('[^']*'|\S+)", block)}
    found['on_refusal'] = re.search(r"tmp='' on_refusal=(\w+)", HOOK)[1]
    assert found == {key.name: key.text(key.default) for key in policy.KEYS}


@pytest.mark.parametrize('key', policy.KEYS, ids=lambda key: key.name)
def test_the_hook_accepts_what_the_table_accepts(world, any_shell, key) -> None:
    for value, expected in VALUES[key.kind].items():
        if key.kind == 'choice':
            expected = value in key.choices
        agree(world, any_shell, key, list(value) if key.kind == 'patterns' else value, expected)


@pytest.mark.parametrize('word', FORBIDDEN)
def test_the_hook_and_the_table_agree_on_brackets(world, any_shell, word) -> None:
    key = next(key for key in policy.KEYS if key.name == 'forbidden')
    agree(world, any_shell, key, [word], FORBIDDEN[word])


@pytest.mark.parametrize('address', ADDRESSES)
def test_hook_and_collection_have_the_same_rule_for_loopback_addresses(world, shell, address) -> None:
    assert vnc.is_loopback(address) is ADDRESSES[address]
    assert accepts(world, f'vnc = yes\nvnc_listen = {address}\n', shell) is ADDRESSES[address]


def test_only_a_display_that_is_allowed_needs_a_password(world, shell) -> None:
    assert accepts(world, 'vnc_listen = 0.0.0.0\n', shell)
    assert accepts(world, 'vnc = yes\nvnc_listen = 0.0.0.0\nvnc_password = x\n', shell)

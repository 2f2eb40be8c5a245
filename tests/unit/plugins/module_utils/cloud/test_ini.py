# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.ini import (
    Configuration,
    IniError,
    boolean,
    read_configuration,
    split_region,
)
from ansible_collections.eucalyptus.cloud.tests.kit.euca2ools_ini import Reference
from hypothesis import given, settings
from hypothesis import strategies as st


def read(*texts):
    return Configuration((f'{number}.ini', text) for number, text in enumerate(texts, 1))


@pytest.mark.parametrize(
    ('written', 'value'),
    [
        ('http://a/   ; front end', 'http://a/'),
        ('http://a/\t;front end', 'http://a/'),
        ('http://a/;b', 'http://a/;b'),
        ('a;b ; only the first semicolon counts', 'a;b ; only the first semicolon counts'),
        ('a # b', 'a # b'),
        ('""', ''),
        ('  a b  ', 'a b'),
        ('a\n  b', 'a\nb'),
        ('a%%b', 'a%b'),
        ('a%b', 'a%b'),
        ('%(user)s-x', 'ann-x'),
        ('http://h:1/x=y', 'http://h:1/x=y'),
    ],
)
@pytest.mark.parametrize('sign', [' = ', '=', ':', ' : '])
def test_values_are_read_as_python_2s_config_parser_does(sign, written, value):
    assert read(f'[region r]\nuser = ann\nEC2-URL{sign}{written}\n').region_option('r', 'ec2-url') == value


@pytest.mark.parametrize('heading', ['[region r]', '[region   r]', '[region r ]', '[region r] ; mine', '\ufeff[region r]'])
def test_a_heading_may_have_several_blanks_a_comment_and_a_byte_order_mark(heading):
    assert read(f'{heading}\r\nuser = ann\r\n').region_option('r', 'user') == 'ann'


def test_a_name_with_its_wildcards_comes_before_longer_names_and_all_names():
    ini = read(
        '[user *]\na = all\nb = all\n[user t:*]\na = group\nb = group\n[user *:x]\na = every\nc = every\n[user t:x]\na = own\n'
        '[user dom:t:y]\nb = longer\n[user z]\n'
    )
    assert [ini.user_option('t:x', option) for option in 'abc'] == ['own', 'group', 'every']
    assert [ini.user_option('t:y', option) for option in 'ab'] == ['group', 'group']
    assert [ini.user_option('y', option) for option in 'ab'] == ['all', 'longer']
    assert [ini.user_option('z', option) for option in 'ac'] == ['all', None]


def test_a_short_name_finds_the_one_longer_name_and_several_are_an_error():
    ini = read('[region dom:r]\nuser = a\n[region other:dom:r]\nuser = b\n[region a:s]\n[region b:s]\n')
    assert ini.region_option('r', 'user') == 'a'
    with pytest.raises(IniError, match='region s is ambiguous: use one of a:s, b:s'):
        ini.region_option('s', 'user')


def test_use_takes_the_option_of_another_section_or_another_option_of_it():
    ini = read(
        '[user a]\nkey-id = use b\nsecret-key = use b other\n[user b]\nkey-id = B\nother = use dom other\n[user x:dom]\nother = O\n'
    )
    assert (ini.user_option('a', 'key-id'), ini.user_option('a', 'secret-key')) == ('B', 'O')
    assert read('[user a]\nkey-id = use nobody\n[user *]\nx = 1').user_option('a', 'key-id') is None


def test_a_circular_use_is_an_error():
    with pytest.raises(IniError, match='refers to itself'):
        read('[user a]\nkey-id = use b\n[user b]\nkey-id = use a\n').user_option('a', 'key-id')


def test_a_later_file_replaces_single_options_and_default_applies_to_all():
    ini = read('[region r]\nuser = a\ns3-url = S\n[DEFAULT]\nx = 1\n', '[region r]\nuser = b\n[global]\ndefault-region = r\n')
    assert [ini.region_option('r', option) for option in ('user', 's3-url', 'x')] == ['b', 'S', '1']
    assert ini.globals == {'default-region': 'r', 'x': '1'}


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('secret-key = hidden\n', 'Line 1 of 1.ini stands before the first'),
        ('[user a]\nhidden\n', 'Line 2 of 1.ini is neither'),
        ('[user a::b]\n', r'\[user a::b\] needs a name'),
        ('[user a@b]\n', 'needs a name'),
        ('[region ]\n', 'needs a name'),
        ('[user a]\nkey-id = use \\\nx = 1', None),
        ('[user a]\nkey-id = %(nothing)s\n', 'refers to no option'),
        ('[user a]\nkey-id = %(key-id)s\n', 'or to itself'),
    ],
)
def test_what_euca2ools_refuses_is_refused_without_showing_a_value(text, message):
    def look():
        read(text).user_option('a', 'key-id')

    if message is None:
        look()
        return
    with pytest.raises(IniError, match=message) as caught:
        look()
    assert 'hidden' not in str(caught.value)


@pytest.mark.parametrize(
    ('text', 'parts'),
    [
        ('r', ('', 'r')),
        ('u@', ('u', '')),
        ('u@r', ('u', 'r')),
        ('@r', ('', 'r')),
        ('', ('', '')),
        (None, ('', '')),
        ('a:u@d:r', ('a:u', 'd:r')),
    ],
)
def test_a_region_option_names_user_region_or_both(text, parts):
    assert split_region(text) == parts


def test_booleans_are_euca2ools_words_and_others_are_an_error():
    assert [boolean(word, 'x') for word in ('TRUE', '1', 'yes', 'On')] == [True] * 4
    assert [boolean(word, 'x') for word in ('False', '0', 'no', 'OFF')] == [False] * 4
    with pytest.raises(IniError, match='verify-ssl of r must be true or false'):
        boolean('maybe', 'verify-ssl of r')


def test_the_files_are_those_of_euca2ools_in_its_order(tmp_path):
    for name, user in (('b', 'second'), ('a', 'first')):
        (tmp_path / f'{name}.ini').write_text(f'[region r]\nuser = {user}\n{name} = {name}\n')
    ini = read_configuration({'EUCA_CONFIG_PATH': '$MINE/*.ini:/no/such.ini', 'MINE': str(tmp_path)})
    assert [ini.region_option('r', option) for option in ('user', 'a', 'b')] == ['second', 'a', 'b']
    assert read_configuration({'EUCA_CONFIG_PATH': '', 'HOME': str(tmp_path)}).region_option('r', 'user') is None


PARTS = st.sampled_from(['a', 'b', 'c', '*'])
SECTION_NAMES = st.lists(PARTS, min_size=1, max_size=3).map(':'.join)
OPTIONS = st.sampled_from(['x', 'y'])
VALUES = st.one_of(
    st.builds(lambda name: f'use {name}', SECTION_NAMES),
    st.builds(lambda name, option: f'use  {name} {option}', SECTION_NAMES, OPTIONS),
    st.text(st.sampled_from('ab ;#:=\t"[]'), max_size=6),
    st.integers(0, 99).map(str),
)
INI_LINES = st.one_of(
    st.builds(
        lambda kind, blanks, name, end: f'[{kind}{blanks}{name}]{end}',
        st.sampled_from(['region', 'user']),
        st.sampled_from([' ', '   ']),
        SECTION_NAMES,
        st.sampled_from(['', ' ', ' ; x', ' ]']),
    ),
    st.builds(
        lambda option, sign, value, comment: option + sign + value + comment,
        st.sampled_from(['x', 'y', 'X', 'Y ']),
        st.sampled_from(['=', ' = ', ':', ': ']),
        VALUES,
        st.sampled_from(['', ' ; comment', '\t;c', ';c']),
    ),
    st.sampled_from(['', '; c', '# c', 'rem c', '  continued', ' ; continued', '[DEFAULT]', '[global]', '[other]', 'REM']),
)


@settings(max_examples=400, deadline=None)
@given(st.lists(INI_LINES, max_size=14), st.sampled_from(['\n', '\r\n']), st.sampled_from(['', '\ufeff']))
def test_every_option_is_the_one_that_the_manual_gives(lines, ending, mark):
    text = mark + ending.join(['[region a]', *lines])

    def value(make, look, kind, name, option):
        try:
            return look(make(text), kind, name, option)
        except (IniError, ValueError):
            return 'refused'

    def ours(ini, kind, name, option):
        return getattr(ini, f'{kind}_option')(name, option)

    for kind in ('region', 'user'):
        for name in ('a', 'b', 'a:b', 'b:a', 'c:a:b'):
            for option in ('x', 'y'):
                expected = value(Reference, Reference.option, kind, name, option)
                assert value(read, ours, kind, name, option) == expected, (kind, name, option)

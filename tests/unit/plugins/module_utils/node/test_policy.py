# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.eucalyptus.cloud.plugins.module_utils.node import policy, vnc


def lines(wanted: dict[str, object]) -> list[str]:
    return policy.render(wanted).splitlines()[1:]


def test_what_is_not_given_is_left_to_the_hook() -> None:
    assert lines({'accounts': None, 'vnc': None}) == []


def test_values_are_written_as_the_hook_reads_them() -> None:
    wanted = {'forbidden': ['init=*', 'rd.break'], 'vnc': True, 'log_value': False, 'on_reboot': 'restart', 'accounts': []}
    assert lines(wanted) == ['accounts =', 'forbidden = init=* rd.break', 'on_reboot = restart', 'vnc = yes', 'log_value = no']


@pytest.mark.parametrize('word', ['', 'a b', 'a\nvnc = yes', 'ä', '#all', '\t'])
def test_an_item_stays_one_item(word: str) -> None:
    with pytest.raises(policy.InvalidPolicy, match='forbidden'):
        policy.render({'forbidden': [word]})


@pytest.mark.parametrize('value', ['a b', 'x\nvnc = yes', 'ä', '#comment', 'line\n', '123456789'])
def test_a_value_stays_one_value(value: str) -> None:
    with pytest.raises(policy.InvalidPolicy, match='vnc_password') as refused:
        policy.render({'vnc_password': value})
    assert value not in str(refused.value)


@pytest.mark.parametrize('key', ['accounts', 'kernels', 'installers', 'forbidden'])
def test_a_pattern_with_three_asterisks_is_refused(key: str) -> None:
    with pytest.raises(policy.InvalidPolicy, match=key + r'.*\*a\*b\*.*at most two'):
        policy.render({key: ['a*b*', '*a*b*']})
    assert lines({key: ['a*b*', '*a*']}) == [key + ' = a*b* *a*']


BRACKETS = ['a[x_-]', '[_]', 'a[-x]', 'a[x-]', '[+-9]', '[A-z]', '[a', 'a[]b', '[!]', '[a=b]=c', '[[:alpha:]]']


@pytest.mark.parametrize('word', BRACKETS)
def test_a_bracket_in_which_dash_and_underscore_differ_is_refused(word: str) -> None:
    with pytest.raises(policy.InvalidPolicy, match='forbidden.*brackets'):
        policy.render({'forbidden': [word]})
    assert lines({'kernels': [word]}) == ['kernels = ' + word]


@pytest.mark.parametrize('word', ['a[*]b', 'rd[.]break', 'tty[0-9]=*', '[!a-z]*', 'x[a-cX-Z9.]y', 'a]b', 'a-b_c=[0-9]'])
def test_other_brackets_are_written(word: str) -> None:
    assert lines({'forbidden': [word]}) == ['forbidden = ' + word]


@pytest.mark.parametrize(
    ('wanted', 'limit'),
    [
        ({'accounts': ['a"b']}, 'accounts has the item .* Items consist of'),
        ({'kernels': ['*a*b*']}, 'kernels .* at most two'),
        ({'on_refusal': 'perhaps'}, 'on_refusal must be one of cancel, ignore'),
        ({'installers_dir': 'x'}, 'installers_dir must be an absolute path'),
        ({'installers_dir': '/x/../y'}, 'installers_dir must be an absolute path without'),
        ({'vnc_listen': 'a b'}, 'vnc_listen must be an IP address'),
        ({'vnc_password': '123456789'}, 'vnc_password must have 1 to 8'),
        ({'vnc': True, 'vnc_listen': '127.attacker.example'}, 'vnc_listen is not a loopback .*vnc_password is required'),
    ],
)
def test_a_message_names_the_variable_and_its_limit(wanted: dict[str, object], limit: str) -> None:
    for names, prefix in ((policy.VARIABLES, 'nc_hooks_'), (policy.OPTIONS, 'policy.' if 'installers_dir' not in wanted else '')):
        with pytest.raises(policy.InvalidPolicy, match='^' + prefix + limit):
            policy.check(wanted, names)


def test_the_passwords_in_all_kinds_of_files_are_masked() -> None:
    texts = [
        'vnc_password = geheim\n',
        '  vnc_password=geheim # comment\n',
        '<graphics passwd="geheim"/>',
        "<graphics passwd = 'geheim'/>",
        '<xsl:attribute name="passwd">geheim</xsl:attribute>',
    ]
    for text in texts:
        assert 'geheim' not in vnc.without_passwords(text)
        assert vnc.MASK in vnc.without_passwords(text)
    assert vnc.without_passwords('vnc_password =\nvnc = yes\n') == 'vnc_password =\nvnc = yes\n'


def test_an_account_number_without_its_zeros_is_noticed() -> None:
    with pytest.raises(policy.InvalidPolicy, match='12 digits'):
        policy.render({'accounts': ['42']})
    assert lines({'accounts': ['000000000042', '0000*']}) == ['accounts = 000000000042 0000*']


def test_the_password_is_neither_in_what_is_shown_nor_in_the_digest() -> None:
    one, other = (policy.render({'vnc': True, 'vnc_password': password}) for password in ('secret', 'geheim'))
    assert one != other
    assert 'secret' not in vnc.without_passwords(one)
    assert policy.digest(one) == policy.digest(other)
    assert policy.digest(one) != policy.digest(policy.render({'vnc': True}))

# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.eucalyptus.cloud.plugins.module_utils.node import policy


def lines(wanted: dict[str, object]) -> list[str]:
    return policy.render(wanted).splitlines()[1:]


def test_what_is_not_given_is_left_to_the_hook() -> None:
    assert lines({'accounts': None, 'vnc': None}) == []


def test_values_are_written_as_the_hook_reads_them() -> None:
    wanted = {'forbidden': ['init=*', 'rd.break'], 'vnc': True, 'log_value': False, 'on_reboot': 'restart', 'accounts': []}
    assert lines(wanted) == ['accounts =', 'forbidden = init=* rd.break', 'on_reboot = restart', 'vnc = yes', 'log_value = no']


@pytest.mark.parametrize('word', ['', 'a b', 'a\nvnc = yes', 'ä', '#all', '\t'])
def test_an_item_stays_one_item(word: str) -> None:
    with pytest.raises(policy.Unfit, match='forbidden'):
        policy.render({'forbidden': [word]})


@pytest.mark.parametrize('value', ['a b', 'x\nvnc = yes', 'ä', '#comment', 'line\n'])
def test_a_value_stays_one_value(value: str) -> None:
    with pytest.raises(policy.Unfit, match='vnc_password') as refused:
        policy.render({'vnc_password': value})
    assert value not in str(refused.value)


@pytest.mark.parametrize('key', ['accounts', 'kernels', 'installers', 'forbidden'])
def test_a_pattern_with_three_asterisks_is_refused(key: str) -> None:
    with pytest.raises(policy.Unfit, match=key + r'.*\*a\*b\*.*at most two'):
        policy.render({key: ['a*b*', '*a*b*']})
    assert lines({key: ['a*b*', '*a*']}) == [key + ' = a*b* *a*']


BRACKETS = ['a[x_-]', '[_]', 'a[-x]', 'a[x-]', '[+-9]', '[A-z]', '[a', 'a[]b', '[!]', '[a=b]=c', '[[:alpha:]]']


@pytest.mark.parametrize('word', BRACKETS)
def test_a_bracket_in_which_dash_and_underscore_differ_is_refused(word: str) -> None:
    with pytest.raises(policy.Unfit, match='forbidden.*brackets'):
        policy.render({'forbidden': [word]})
    assert lines({'kernels': [word]}) == ['kernels = ' + word]


@pytest.mark.parametrize('word', ['a[*]b', 'rd[.]break', 'tty[0-9]=*', '[!a-z]*', 'x[a-cX-Z9.]y', 'a]b', 'a-b_c=[0-9]'])
def test_other_brackets_are_written(word: str) -> None:
    assert lines({'forbidden': [word]}) == ['forbidden = ' + word]


def test_an_account_number_without_its_zeros_is_noticed() -> None:
    with pytest.raises(policy.Unfit, match='12 digits'):
        policy.render({'accounts': ['42']})
    assert lines({'accounts': ['000000000042', '0000*']}) == ['accounts = 000000000042 0000*']


def test_the_password_is_neither_in_what_is_shown_nor_in_the_digest() -> None:
    one, other = (policy.render({'vnc': True, 'vnc_password': password}) for password in ('secret', 'geheim'))
    assert one != other
    assert 'secret' not in policy.without_secret(one)
    assert policy.digest(one) == policy.digest(other)
    assert policy.digest(one) != policy.digest(policy.render({'vnc': True}))

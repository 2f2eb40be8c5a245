# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import itertools

import pytest
from ansible_collections.eucalyptus.cloud.plugins.module_utils.console.text import (
    Lines,
    Novelty,
    condensed,
    readable,
    without_secrets,
)
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ('raw', 'shown'),
    [
        (b'plain', 'plain'),
        (b'\x1b[1;31mred\x1b[0m', 'red'),
        (b'\x1b]0;title\x07text', 'text'),
        (b'\x1b(B\x1b)0text', 'text'),
        (b' 10%\r 20%\r 30%\r', ' 30%'),
        (b'text\r', 'text'),
        (b'a\x00b\x07c', 'abc'),
        (b'one\x1b[Ctwo', 'one two'),
        (b'one\x1b[40Gtwo', 'one two'),
        (b'one\x1b[Gtwo', 'two'),
        (b'loading\x1b[2Kdone', 'done'),
        (b'wait |\x08/\x08-\x08\\\x08', 'wait \\'),
        (b'10%\x08\x08\x0820%', '20%'),
        (b'10%\x1b[3D20%', '20%'),
        (b'\x0elqqqk\x0f[!] Title', ' [!] Title'),
        (b'a\tb', 'a b'),
        ('grün'.encode(), 'grün'),
        (b'\xff\xfe', '\ufffd\ufffd'),
        (b'\xc2\x9b2Jtext', '2Jtext'),
    ],
)
def test_lines_are_shown_as_a_terminal_would_leave_them_without_its_control_characters(raw, shown):
    assert readable(raw) == shown


@pytest.mark.parametrize(
    ('raw', 'lines'),
    [
        (b'\x1b[2J\x1b[1;1HInstalling\x1b[3;10H45%\x1b[H', ['Installing', '45%']),
        (b'\x1b[9;20HBad\x1b[9;24Harchive\x1b[9;32Hmirror\x1b[11;20H', ['Bad archive mirror']),
        (b'\x1b[5;10H45%\x1b[5;10H46%\x1b[6;1H', ['45%', '46%']),
        (b'one\x1b[Btwo\x1b[3dthree\x1bMfour\n', ['one', 'two', 'three', 'four']),
        (b'one\x1b[2Jtwo\n', ['one', 'two']),
        # S-Lang on TERM=linux: colours inside a border, and a border that goes on in the next line.
        (b'\x0e\x1b[30m\x1b[47mtqk\x1b[7;29Hx\x1b[m\x0f Failed\x1b[8;29H', ['  Failed']),
        (b'\x0etqk\na fault\n', ['a fault']),
        (b'one\x1b[Ktwo\n', ['onetwo']),
    ],
)
def test_text_placed_by_cursor_movements_becomes_lines_and_blanks(raw, lines):
    assert Lines().add(raw) == lines


PIECES = st.lists(
    st.sampled_from(['word', ' ', '\n', '\r\n', '\x1b[3;4H', '\x1b[3;9H', '\x1b[7C', '\x1b[1m', '\x1b[2J', 'ü', '45%', '\x1b[0m'])
)


@given(PIECES, st.lists(st.integers(min_value=0, max_value=80)))
def test_lines_do_not_depend_on_where_the_console_was_cut(pieces, cuts):
    """Cuts lie between sequences, in characters or in the middle of words."""
    raw = ''.join(pieces).encode()
    whole, parts = Lines(), Lines()
    expected = [*whole.add(raw), whole.unfinished]
    places = sorted({0, len(raw), *(cut for cut in cuts if cut < len(raw))})
    got = [line for start, end in itertools.pairwise(places) for line in parts.add(raw[start:end])]
    assert [*got, parts.unfinished] == expected


@given(st.binary(max_size=300))
def test_whatever_comes_no_control_character_is_left(raw):
    lines = Lines()
    for line in [*lines.add(raw), lines.unfinished]:
        assert not [character for character in line if ord(character) < 32 or 127 <= ord(character) < 160]


@given(
    st.text(alphabet='abc. ', min_size=1, max_size=60),
    st.lists(st.sampled_from(['\n', '\r\n', '\x1b[4;20H│ ', '\x1b[C'])),
    st.data(),
)
def test_a_phrase_is_the_same_wherever_a_terminal_broke_it(phrase, breaks, data):
    written = phrase
    for broken in breaks:
        place = data.draw(st.integers(min_value=0, max_value=len(phrase)))
        written = written[:place] + broken + written[place:] if '\x1b' not in written[max(0, place - 9) : place] else written
    lines = Lines()
    shown = [*lines.add(written.encode()), lines.unfinished]
    assert condensed(''.join(shown)) == condensed(phrase)


@pytest.mark.parametrize(
    'repeated',
    [
        ['.' * length for length in range(1, 50)],
        [f'Starting automated install{"." * length}' for length in range(50)],
        [f'[{second}.{second}] dracut-initqueue: timeout, still waiting' for second in range(50)],
        [f'12:30:{second} waiting for {second} s, attempt {second}' for second in range(50)],
        ['wait |', 'wait /', 'wait -', 'wait \\'],
        ['x' * length for length in range(2, 50)],
    ],
)
def test_dots_spinners_clocks_and_repetitions_are_not_new(repeated):
    novelty = Novelty()
    assert [novelty.is_new(line) for line in repeated].count(True) <= 1


@pytest.mark.parametrize(
    'lines',
    [
        [f'Installing package-{letter} ({number}/26)' for number, letter in enumerate('abcdefghijklmnopqrstuvwxyz')],
        [f'{number} %' for number in range(100)],
        [f'unpacked {number} MiB so far' for number in range(0, 500, 7)],
        [f'received {number * 1000} bytes' for number in range(1, 50)],
        [f'file {number} of 50' for number in range(50)],
    ],
)
def test_other_words_and_measures_of_progress_are_new(lines):
    novelty = Novelty()
    assert all(novelty.is_new(line) for line in lines)


def test_a_presigned_url_on_the_kernel_command_line_loses_its_signature():
    printed = b'Command line: inst.ks=http://c:8773/s/b/k?AWSAccessKeyId=AKI&Signature=xMT30%2B4s%3D&Expires=179 ip=dhcp\n'
    hidden = without_secrets(printed)
    assert b'xMT30' not in hidden
    assert hidden.endswith(b'&Signature=(hidden)&Expires=179 ip=dhcp\n')


SIGNATURE = 'vjbyPxybdZaNmGa%2ByT272YEAiv4%3D'


@pytest.mark.parametrize('line_end', ['\n', '\r\n'])
@pytest.mark.parametrize('place', range(1, len(SIGNATURE)))
def test_a_signature_that_the_terminal_breaks_in_two_is_hidden_whole(place, line_end):
    printed = f'ks=http://c/k?AWSAccessKeyId=AKI&Signature={SIGNATURE[:place]}{line_end}{SIGNATURE[place:]}&Expires=179 ip=dhcp\n'
    assert without_secrets(printed.encode()) == b'ks=http://c/k?AWSAccessKeyId=AKI&Signature=(hidden)&Expires=179 ip=dhcp\n'
    # Nor when the window ends, or begins, within it.
    for end in range(printed.index(SIGNATURE[:place]) + 1, printed.index('&Expires')):
        assert without_secrets(printed.encode()[:end]).strip() == b'ks=http://c/k?AWSAccessKeyId=AKI&Signature=(hidden)'
        assert without_secrets(printed.encode()[end:]).lstrip() == b'(hidden)&Expires=179 ip=dhcp\n'


@pytest.mark.parametrize('before', ['', 'output of the hook\n', 'AWSAccessKeyId=AKI&'])
def test_a_signature_whose_name_is_cut_or_broken_is_hidden_too(before):
    name = 'Signature='
    for place in range(1, len(name)):
        for left in ('', f'{name[:place]}\r\n'):
            hidden = without_secrets(f'{before}{left}{name[place:]}{SIGNATURE}&Expires=179'.encode())
            assert hidden.endswith(b'(hidden)&Expires=179') and SIGNATURE[-20:].encode() not in hidden


def test_what_follows_a_signature_on_the_next_line_is_not_hidden():
    assert without_secrets(b'Signature=abc\nip=dhcp\nroot=/dev/sda\n') == b'Signature=(hidden)\nip=dhcp\nroot=/dev/sda\n'


def test_a_window_that_begins_inside_a_signature_shows_nothing_of_it():
    assert without_secrets(b'30%2B4s%3D&Expires=179 ip=dhcp\n') == b'(hidden)&Expires=179 ip=dhcp\n'

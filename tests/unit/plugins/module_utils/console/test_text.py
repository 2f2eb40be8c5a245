# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import random
import stat

import pytest
from ansible_collections.eucalyptus.cloud.plugins.module_utils.console.text import (
    HEAD,
    WINDOW,
    Console,
    news,
    readable,
    without_signatures,
)

HOOK = b'bootparams: applied: 20 bytes\n'


def window(log, head=HOOK):
    """What the cloud shows when the serial console has written ``log``."""
    return head + log[-WINDOW:]


def log_of(lines, seed=1):
    chance = random.Random(seed)
    return b''.join(b'%06d %s\n' % (number, b'x' * chance.randrange(60)) for number in range(lines))


@pytest.mark.parametrize('step', [1, 700, 20_000, WINDOW - 200])
@pytest.mark.parametrize('head', [b'', HOOK, b'h' * HEAD])
def test_windows_are_put_together_without_loss_or_doubling(tmp_path, step, head):
    log, path = log_of(6000), tmp_path / 'console.log'
    log = log[: step * 400]
    console = Console(str(path))
    for end in [*range(100, len(log), step), len(log)]:
        console.add(window(log[:end], head))
    assert path.read_bytes() == head + log


def test_lines_that_repeat_are_not_taken_for_one_another_as_long_as_they_differ_somewhere(tmp_path):
    log, path = b''.join(b'progress ... %d%%\r' % (number % 101) for number in range(20_000)), tmp_path / 'console.log'
    console = Console(str(path))
    for end in range(1, len(log), 1000):
        console.add(window(log[:end]))
    assert path.read_bytes() == HOOK + log[:end]


def test_a_console_that_went_by_too_fast_leaves_a_note_and_goes_on(tmp_path):
    log, path = log_of(6000), tmp_path / 'console.log'
    console = Console(str(path))
    console.add(window(log[:1000]))
    console.add(window(log))
    kept = path.read_bytes()
    assert kept.startswith(HOOK + log[:1000])
    assert b'was not seen' in kept
    assert kept.endswith(log[-WINDOW:])


def test_an_interrupted_run_is_continued_where_it_was(tmp_path):
    log, path = log_of(6000), tmp_path / 'console.log'
    for end in (1000, 50_000, 100_000, 140_000):
        Console(str(path)).add(window(log[:end]))
    assert path.read_bytes() == HOOK + log[:140_000]


def test_the_file_of_another_console_is_replaced(tmp_path):
    path = tmp_path / 'console.log'
    path.write_bytes(log_of(100, seed=7))
    Console(str(path)).add(window(b'a new one\n'))
    assert path.read_bytes() == HOOK + b'a new one\n'


def test_a_new_file_is_the_owners_alone_and_an_old_one_keeps_its_mode(tmp_path):
    path = tmp_path / 'console.log'
    mask = os.umask(0)
    try:
        Console(str(path)).add(b'x\n')
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        path.chmod(0o640)
        Console(str(path)).add(b'another one\n')
        assert stat.S_IMODE(path.stat().st_mode) == 0o640
    finally:
        os.umask(mask)


def test_only_whole_lines_are_told_and_the_rest_is_known_as_unfinished():
    console = Console()
    assert console.add(b'one\ntwo\nthr') == ['one', 'two']
    assert console.unfinished == 'thr'
    assert console.add(b'one\ntwo\nthree\nlogin: ') == ['three']
    assert console.unfinished == 'login:'


def test_nothing_is_told_twice_or_for_nothing():
    console = Console()
    assert console.add(b'') == []
    assert console.add(b'one\n') == ['one']
    assert console.add(b'one\n') == []
    assert console.add(b'') == []
    assert console.add(b'one\ntwo\n') == ['two']


@pytest.mark.parametrize(
    ('raw', 'shown'),
    [
        (b'plain', 'plain'),
        (b'\x1b[1;31mred\x1b[0m', 'red'),
        (b'\x1b]0;title\x07text', 'text'),
        (b'\x1b(B\x1b)0text', 'text'),
        (b' 10%\r 20%\r 30%\r', ' 30%'),
        (b'text\r', 'text'),
        (b'a\x00b\x07c\x08', 'abc'),
        (b'a\tb', 'a b'),
        ('grün'.encode(), 'grün'),
        (b'\xff\xfe', '\ufffd\ufffd'),
        (b'\xc2\x9b2Jtext', '2Jtext'),
    ],
)
def test_lines_are_shown_as_a_terminal_would_leave_them_without_its_control_characters(raw, shown):
    assert readable(raw) == shown


def test_words_placed_by_cursor_movements_become_lines():
    assert Console().add(b'\x1b[2J\x1b[1;1HInstalling\x1b[3;10H45%\x1b[H') == ['Installing', '45%']


def test_an_endless_line_does_not_pile_up():
    console = Console()
    log = b''
    for _number in range(100):
        log += b'.' * 1000
        console.add(log)
    assert len(console.unfinished) <= 10_000


def test_windows_that_do_not_meet_are_known():
    assert news(b'a' * 100, b'b' * 100) is None
    assert news(b'', b'abc') == b'abc'
    assert news(b'abc', b'abcd') == b'd'


def test_a_presigned_url_on_the_kernel_command_line_loses_its_signature():
    printed = b'Command line: inst.ks=http://c:8773/s/b/k?AWSAccessKeyId=AKI&Signature=xMT30%2B4s%3D&Expires=179 ip=dhcp\n'
    hidden = without_signatures(printed)
    assert b'xMT30' not in hidden
    assert hidden.endswith(b'&Signature=(hidden)&Expires=179 ip=dhcp\n')


SIGNATURE = 'vjbyPxybdZaNmGa%2ByT272YEAiv4%3D'


@pytest.mark.parametrize('line_end', ['\n', '\r\n'])
@pytest.mark.parametrize('place', range(1, len(SIGNATURE)))
def test_a_signature_that_the_terminal_breaks_in_two_is_hidden_whole(place, line_end):
    printed = f'ks=http://c/k?AWSAccessKeyId=AKI&Signature={SIGNATURE[:place]}{line_end}{SIGNATURE[place:]}&Expires=179 ip=dhcp\n'
    assert without_signatures(printed.encode()) == b'ks=http://c/k?AWSAccessKeyId=AKI&Signature=(hidden)&Expires=179 ip=dhcp\n'
    # Nor when the window ends, or begins, within it.
    for end in range(printed.index(SIGNATURE[:place]) + 1, printed.index('&Expires')):
        assert without_signatures(printed.encode()[:end]).strip() == b'ks=http://c/k?AWSAccessKeyId=AKI&Signature=(hidden)'
        assert without_signatures(printed.encode()[end:]).lstrip() == b'(hidden)&Expires=179 ip=dhcp\n'


@pytest.mark.parametrize('before', ['', 'what the hook has said\n', 'AWSAccessKeyId=AKI&'])
def test_a_signature_whose_name_is_cut_or_broken_is_hidden_too(before):
    name = 'Signature='
    for place in range(1, len(name)):
        for left in ('', f'{name[:place]}\r\n'):
            hidden = without_signatures(f'{before}{left}{name[place:]}{SIGNATURE}&Expires=179'.encode())
            assert hidden.endswith(b'(hidden)&Expires=179') and SIGNATURE[-20:].encode() not in hidden


def test_what_follows_a_signature_on_the_next_line_is_not_hidden():
    assert without_signatures(b'Signature=abc\nip=dhcp\nroot=/dev/sda\n') == b'Signature=(hidden)\nip=dhcp\nroot=/dev/sda\n'


def test_a_window_that_begins_inside_a_signature_shows_nothing_of_it():
    assert without_signatures(b'30%2B4s%3D&Expires=179 ip=dhcp\n') == b'(hidden)&Expires=179 ip=dhcp\n'


def test_a_full_disk_is_told_with_the_files_name(tmp_path, full_disk):
    with pytest.raises(OSError, match='No space left on device') as full:
        Console(str(tmp_path / 'console.log')).add(b'one line\n')
    assert full.value.filename == str(tmp_path / 'console.log')

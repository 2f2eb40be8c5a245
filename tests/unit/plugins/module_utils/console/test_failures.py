# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The texts of failures and prompts are found on any console, and those of good installations are not."""

from __future__ import annotations

import re
import textwrap
import time
from pathlib import Path

import pytest
from ansible_collections.eucalyptus.cloud.plugins.module_utils.console.failures import FAILED, KNOWN, WAITING, Known
from ansible_collections.eucalyptus.cloud.plugins.module_utils.console.text import Lines, condensed
from ansible_collections.eucalyptus.cloud.plugins.module_utils.console.watch import (
    PatternError,
    Watch,
    compile_patterns,
    first_match,
)

HERE = Path(__file__).parent
ALL = {one.phrase: one for known in KNOWN.values() for one in known}
HARMLESS = [line for line in (HERE / 'harmless.txt').read_text().splitlines() if line and not line.startswith('#')]


FAILING = [line.split('\t') for line in (HERE / 'failing.txt').read_text().splitlines() if not line.startswith('#')]


def seen(raw: bytes, known=KNOWN['installation'], patterns=(), step: int = 0, prompts: bool = True):
    """The failure that is found when the console comes in pieces of ``step`` bytes."""
    watch, lines = Watch(known, compile_patterns(patterns), prompts), Lines()
    for start in range(0, len(raw), step or len(raw)):
        watch.read(lines.add(raw[start : start + (step or len(raw))]), lines.unfinished)
    return watch.hit(last=True)


@pytest.mark.parametrize('known', ALL.values(), ids=lambda known: known.phrase)
def test_each_text_is_found_as_its_program_prints_it(known: Known) -> None:
    lists = [known_list for known_list in KNOWN.values() if known in known_list]
    for where in (f'[   34.5] prog[26]: {known.phrase} x\n', f'\x1b[12;20H│ {known.phrase}'):
        hit = seen(f'one\ntwo\n{where}'.encode(), lists[0])
        assert hit and hit.outcome == known.outcome
        assert condensed(known.phrase) in condensed(hit.text)


@pytest.mark.parametrize('known', ALL.values(), ids=lambda known: known.phrase)
def test_each_text_is_found_when_a_dialog_breaks_it_and_it_comes_in_pieces(known: Known) -> None:
    rows = textwrap.wrap(known.phrase, 24, break_on_hyphens=False)
    drawn = ''.join(f'\x1b[{row};20H\x1b(0x\x1b(B {text} ' for row, text in enumerate(rows, 5))
    lists = [known_list for known_list in KNOWN.values() if known in known_list]
    hit = seen(drawn.encode(), lists[0], step=7)
    assert hit and hit.outcome == known.outcome


@pytest.mark.parametrize(('outcome', 'text'), FAILING)
@pytest.mark.parametrize('step', [0, 7])
def test_consoles_from_the_field_are_recognised(outcome: str, text: str, step: int) -> None:
    hit = seen(text.encode().decode('unicode_escape').encode('latin-1'), step=step)
    assert hit and (hit.outcome == outcome or step), 'in pieces, a question may be seen before its reason'


@pytest.mark.parametrize(
    'asks',
    ["Please make a selection from the above ['c' to continue,", '(initramfs)', '-- Press any key to proceed --'],
)
def test_a_first_boot_that_asks_is_no_success(asks: str) -> None:
    hit = seen(f'Initial setup\n{asks}'.encode(), KNOWN['boot'])
    assert hit and hit.outcome == WAITING


@pytest.mark.parametrize('known', ALL.values(), ids=lambda known: known.phrase)
def test_texts_are_short_and_specific(known: Known) -> None:
    assert 8 <= len(known.phrase) <= 60
    assert known.outcome in (FAILED, WAITING)
    assert condensed(known.phrase).lower() not in ('error', 'failed', 'warning')


@pytest.mark.parametrize('purpose', KNOWN)
def test_no_text_of_a_good_installation_is_a_failure(purpose: str) -> None:
    for line in HARMLESS:
        assert seen(f'{line}\n'.encode(), KNOWN[purpose]) is None, line
    assert len(HARMLESS) > 40


def test_a_good_installation_as_a_whole_is_no_failure() -> None:
    assert seen(('\r\n'.join(HARMLESS) + '\r\n').encode(), step=100) is None


@pytest.mark.parametrize(
    ('console', 'outcome', 'text'),
    [
        ('anaconda-cmdline-failed', FAILED, 'Non interactive installation failed: Some packages, groups or modules are missing.'),
        ('anaconda-waits-at-hub', WAITING, '(Kickstart insufficient)'),
        (
            'debian-bad-mirror',
            FAILED,
            'Bad archive mirror An error has been detected while trying to use the specified Debian archive mirror.',
        ),
        ('debian-newt-borders', FAILED, 'Failed to retrieve the preconfiguration file'),
    ],
)
@pytest.mark.parametrize('step', [0, 1, 50])
def test_a_failed_installation_is_explained_in_the_installers_words(console, outcome, text, step) -> None:
    hit = seen((HERE / f'{console}.console').read_bytes(), step=step)
    assert hit and hit.outcome == outcome
    assert text in hit.text


def test_a_traceback_of_another_program_does_not_hide_the_installers() -> None:
    other = b'[  31.2] cloud-init[720]: Traceback (most recent call last):\n'
    assert seen(other) is None
    assert seen(other + b'  File "x.py"\nTraceback (most recent call last):\n')
    assert seen(other + b'cloud-init[720]: Kernel panic - not syncing\n')


def test_where_a_person_sits_a_prompt_is_no_failure_but_a_failure_is() -> None:
    hub = (HERE / 'anaconda-waits-at-hub.console').read_bytes()
    assert seen(hub, prompts=False) is None
    assert seen(hub + b'\nKernel panic - not syncing: dead\n', prompts=False)


def test_a_failure_is_returned_with_the_lines_that_come_right_after_it() -> None:
    watch = Watch(KNOWN['installation'])
    watch.read(['An unknown error has occurred'])
    assert watch.hit() is None
    watch.read(['it was this'], 'and th')
    assert watch.hit() is None
    watch.read([], 'and th')
    hit = watch.hit()
    assert hit and hit.line == 'An unknown error has occurred'
    assert hit.text == 'An unknown error has occurred it was this and th'


def test_a_console_that_does_not_come_to_rest_does_not_delay_a_failure() -> None:
    watch = Watch(KNOWN['installation'])
    watch.read(['Kernel panic - not syncing'])
    for number in range(4):
        assert watch.hit() is None
        watch.read([f'noise {number}'])
    assert watch.hit()


def test_a_long_explanation_is_cut() -> None:
    hit = seen(b'Kernel panic - not syncing\n' + b'x' * 5000)
    assert hit and len(hit.text) < 520


def test_own_patterns_match_lines_and_what_a_terminal_broke_in_two() -> None:
    assert seen(b'one\nmy own mishap 7\n', [], [r'mishap \d'])
    assert seen(b'one\nmy own mis\r\nhap 7\n', [], [r'mishap \d']), 'a hard wrap'
    assert seen(b'one\nmy own\r\nmishap 7\n', [], [r'own mishap \d'], step=9), 'a wrap between words'
    assert not seen(b'one\nmishap\n7\nother\n', [], ['^other$ one'])


def test_an_expression_with_anchors_sees_each_line_by_itself() -> None:
    found = first_match(compile_patterns(['^two$']), ['one', 'two'])
    assert found and found[0] == 1


def test_what_is_no_regular_expression_is_refused_by_name() -> None:
    with pytest.raises(PatternError, match=re.escape("'(' is not a regular expression")):
        compile_patterns(['('])


def test_a_window_full_of_text_is_searched_in_a_fraction_of_a_poll() -> None:
    """A poll is 2 s; the bound is wide, because this machine may be busy."""
    raw = b'[  123.456789] Installing some-package-with-a-long-name.x86_64 (1234/5678)\r\n' * 850
    begin = time.process_time()
    assert seen(raw) is None
    assert time.process_time() - begin < 1

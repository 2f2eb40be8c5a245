# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finding texts on a console that comes in pieces."""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass

from ansible_collections.eucalyptus.cloud.plugins.module_utils.console.failures import FAILED, WAITING, Known
from ansible_collections.eucalyptus.cloud.plugins.module_utils.console.text import LAYOUT, condensed
from ansible_collections.eucalyptus.cloud.plugins.module_utils.errors import CollectionError

# Lines kept for a text that is not complete yet. A dialog of 40 columns breaks a phrase into no more than three.
KEPT = 8
EXPLAINING = 5  # lines from the text on, because many installers print the reason after it
LONGEST_EXPLANATION = 500
MOST_READINGS = 4  # until an explanation counts as complete while further lines come
# The kernel's and the journal's beginnings of lines.
PREFIX = re.compile(r'^(?:\[ ?\d+\.\d+\] ?)?(?:[\w.-]+\[\d+\]: )?')


class PatternError(CollectionError):
    """An expression that cannot be used."""


def compile_patterns(patterns: t.Iterable[str]) -> list[re.Pattern[str]]:
    """Raises PatternError naming the pattern that is not a regular expression."""
    compiled = []
    for pattern in patterns:
        try:
            compiled.append(re.compile(pattern))
        except re.error as error:
            raise PatternError(f'{pattern!r} is not a regular expression: {error}.') from error
    return compiled


def first_match(
    patterns: t.Iterable[re.Pattern[str]], lines: t.Sequence[str], before: str = ''
) -> tuple[int, re.Match[str]] | None:
    """Return the first match in a line, and the line's index, even for a match that a terminal broke over two lines.

    ``before`` is the line before the first one.
    """
    patterns = list(patterns)
    for index, line in enumerate(lines):
        previous = lines[index - 1] if index else before
        for pattern in patterns:
            found = pattern.search(line) or _across(pattern, previous, line)
            if found:
                return index, found
    return None


def _across(pattern: re.Pattern[str], previous: str, line: str) -> re.Match[str] | None:
    """Return a match that begins in the previous line and ends in this one."""
    for gap in ('', ' ') if previous else ():
        found = pattern.search(previous + gap + line)
        if found and found.start() < len(previous) and found.end() > len(previous) + len(gap):
            return found
    return None


@dataclass(frozen=True)
class Hit:
    """A failure on the console: FAILED or WAITING, its line, and that line with those after it."""

    outcome: str
    line: str
    text: str


class Watch:
    """Looks for known phrases and for a user's own patterns, which all mean FAILED."""

    def __init__(self, known: t.Iterable[Known], patterns: t.Iterable[re.Pattern[str]] = (), prompts: bool = True) -> None:
        """With ``prompts`` false a person is there, so nothing is WAITING."""
        self._known = [(condensed(one.phrase), one) for one in known if prompts or one.outcome != WAITING]
        self._patterns = list(patterns)
        self._recent: list[str] = []
        self._new = 0  # index of the first line in _recent that no pattern has been tried on
        self._outcome: str | None = None  # of what was found; _recent begins with its line then
        self._readings = 0  # since then
        self._settled = False
        self._unfinished = ''

    def read(self, lines: list[str], unfinished: str = '') -> None:
        """Process the console's new lines, and its last line that has no end yet."""
        self._recent += lines
        if self._outcome:
            self._readings += 1
            quiet = not lines and unfinished == self._unfinished
            self._settled = self._settled or quiet or self._readings == MOST_READINGS
        else:
            self._search(unfinished)
        if not self._outcome:
            self._recent = self._recent[-KEPT:]
            self._new = len(self._recent)
        self._unfinished = unfinished

    def hit(self, last: bool = False) -> Hit | None:
        """Return the failure that was found, once the lines that explain it have come or this reading was the ``last``."""
        if not self._outcome or not (self._settled or last):
            return None
        standing = [self._unfinished] if self._unfinished not in self._recent[-1:] else []
        cleaned = [PREFIX.sub('', LAYOUT.sub(' ', line).strip()) for line in [*self._recent, *standing][:EXPLAINING]]
        text = ' '.join(cleaned)
        if len(text) > LONGEST_EXPLANATION:
            text = text[:LONGEST_EXPLANATION] + ' …'
        return Hit(self._outcome, cleaned[0], text)

    def _search(self, unfinished: str) -> None:
        lines = [*self._recent, unfinished] if unfinished else self._recent
        found = [place for place in (self._find_phrase(lines), self._find_pattern(lines)) if place]
        if found:
            index, self._outcome = min(found)
            self._recent = self._recent[index:]

    def _find_phrase(self, lines: list[str]) -> tuple[int, str] | None:
        """Return the line in which the first known phrase begins, and its meaning."""
        pieces = [condensed(line) for line in lines]
        text = ''.join(pieces)
        places = []
        for phrase, one in ((phrase, one) for phrase, one in self._known if phrase in text):
            harmless = [one.harmless_from is not None and one.harmless_from in line for line in lines]
            searched = ''.join(' ' * len(piece) if skip else piece for piece, skip in zip(pieces, harmless, strict=True))
            places.append((searched.find(phrase), one.outcome))
        places = [found for found in places if found[0] >= 0]
        if not places:
            return None
        place, outcome = min(places)
        for index, piece in enumerate(pieces):
            place -= len(piece)
            if place < 0:
                return index, outcome
        raise AssertionError('the phrase lies outside of the text')

    def _find_pattern(self, lines: list[str]) -> tuple[int, str] | None:
        # An unfinished line may be half a line, in which an expression would match too much; once it stands, it comes
        # among the lines.
        before = self._recent[self._new - 1] if self._new else ''
        found = first_match(self._patterns, self._recent[self._new :], before)
        return (self._new + found[0], FAILED) if found else None

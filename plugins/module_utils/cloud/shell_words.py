# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The text of a shell script, cut into commands and words by bash's rules. Nothing is expanded and nothing is run."""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass, field

OPERATOR = re.compile(r'\|\||&&|;;|\|&|[;&|()\n]')
REDIRECTION = re.compile(r'(\d*)(<<-|<<<|<<|<&|<>|>>|>&|>\||<|>|&>>|&>)')
IN_TEST = re.compile(r'&&|\|\||[()<>]')  # operators of [[ … ]]
METACHARACTERS = ' \t\n;&|<>()'
NAME = re.compile(r'[A-Za-z_]\w*')
# Expansions that set variables themselves: ${A:=x}, $((A=1)), $((A++)).
DEFAULT = re.compile(r'\$\{([A-Za-z_]\w*)(?:\[0\])?:?=')
ARITHMETIC = re.compile(r'\(\(.*?\)\)|\$\[.*?\]', re.DOTALL)
CALCULATED = re.compile(r'\+\+|--|(?<![=!<>])=(?!=)|(?:<<|>>)=')
HERE = ('<<', '<<-')


class Unfinished(Exception):
    """A quote or a bracket that is never closed."""


@dataclass
class Command:
    """One simple command: its words as written, and the operators around it ('' at the end of the text)."""

    words: list[str] = field(default_factory=list)
    before: str = ''
    after: str = ''
    redirected: bool = False  # its output goes elsewhere


def read_commands(text: str) -> t.Iterator[Command]:
    """Yield the commands, those inside of compound ones among them, one after the other. Raises Unfinished."""
    at, command = 0, Command()
    ends: list[tuple[str, bool]] = []  # ends of the here-documents that begin after this line, and whether TABs may precede them
    while at < len(text):
        if text.startswith('\\\n', at):
            at += 2
        elif text[at] in ' \t':
            at += 1
        elif text[at] == '#':
            at = text.find('\n', at) % (len(text) + 1)
        elif text.startswith('((', at):
            end = closing(text, at)
            command.words.append(text[at:end])
            at = end
        elif '[[' in command.words and command.words[-1] != ']]' and (sign := IN_TEST.match(text, at)):
            command.words.append(sign[0])
            at = sign.end()
        elif redirection := REDIRECTION.match(text, at):
            at, target = _redirection(text, redirection)
            if redirection[2] in HERE:
                ends.append((re.sub(r'[\'"\\]', '', target), redirection[2] == '<<-'))
            command.redirected = command.redirected or '>' in redirection[2] and redirection[1] in ('', '1')
        elif operator := OPERATOR.match(text, at):
            at = operator.end()
            if operator[0] == '\n':
                at = _after_documents(text, at, ends)
                if not command.words and command.before in ('&&', '||', '|', '|&'):
                    continue
            command.after = {'\n': ';', '|&': '|'}.get(operator[0], operator[0])
            yield command
            command = Command(before=command.after)
        else:
            end = _word(text, at)
            command.words.append(text[at:end])
            at = end
    yield command


def _word(text: str, at: int) -> int:
    begin = at
    while at < len(text) and text[at] not in METACHARACTERS:
        at = closing(text, at) if text[at] in '\'"`$\\' else at + 1
    if text[at : at + 1] == '(' and re.fullmatch(r'[A-Za-z_]\w*\+?=', text[begin:at]):
        return closing(text, at)  # an array
    return at


def _redirection(text: str, redirection: re.Match[str]) -> tuple[int, str]:
    at = redirection.end()
    while text[at : at + 1] in (' ', '\t'):
        at += 1
    end = _word(text, at)
    return end, text[at:end]


def _after_documents(text: str, at: int, ends: list[tuple[str, bool]]) -> int:
    """The position after the here-documents that ``ends`` names; empties the list."""
    while ends:
        end, indented = ends.pop(0)
        while at < len(text):
            line, _newline, _rest = text[at:].partition('\n')
            at += len(line) + 1
            if (line.lstrip('\t') if indented else line) == end:
                break
    return at


def closing(text: str, at: int) -> int:
    """Return the position after the construct at ``at``: a quoted string, `$(…)`, `${…}`, a list in parentheses, or a single
    character. Raises Unfinished."""
    begin = text[at : at + 2]
    if begin[0] == '\\':
        return min(at + 2, len(text))
    if begin[0] in "'`":
        return _string(text, at)
    if begin[0] == '"':
        return _until(text, at + 1, '"', '`$\\')
    if begin[0] == '(':
        return _until(text, at + 1, ')', '\'"`$\\(')
    if begin == '$(':
        return _until(text, at + 2, ')', '\'"`$\\(')
    if begin == '${':
        return _until(text, at + 2, '}', '\'"`$\\')
    if begin == "$'":
        return _until(text, at + 2, "'", '\\')
    return at + 1


def _string(text: str, at: int) -> int:
    quote = text[at]
    end = at + 1
    while end < len(text):
        if text[end] == quote:
            return end + 1
        end += 2 if text[end] == '\\' and quote == '`' else 1
    raise Unfinished


def _until(text: str, at: int, end: str, nested: str) -> int:
    while at < len(text):
        if text[at] == end:
            return at + 1
        at = closing(text, at) if text[at] in nested else at + 1
    raise Unfinished


def set_inside(word: str) -> list[str]:
    """The variables that the expansion of a word sets."""
    calculations = [one for one in ARITHMETIC.findall(word) if CALCULATED.search(one)]
    return DEFAULT.findall(word) + [name for one in calculations for name in NAME.findall(one)]


def bare(raw: str) -> str:
    """The parts of a word that are neither quoted nor the result of an expansion."""
    out, at = '', 0
    while at < len(raw):
        end = closing(raw, at)
        if end == at + 1:
            out += raw[at]
        at = end
    return out

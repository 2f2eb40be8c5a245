# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import socket
import typing as t
from collections.abc import Sequence

import pytest
from ansible_collections.eucalyptus.cloud.plugins.module_utils.console import listening
from ansible_collections.eucalyptus.cloud.plugins.module_utils.console.judgement import TIMEOUT
from ansible_collections.eucalyptus.cloud.plugins.module_utils.progress.report import Report
from ansible_collections.eucalyptus.cloud.tests.unit.plugins.fake_cloud import Clock

LINES = ['Paste this command:', 'ssh installer@127.0.0.1']


class Notes(Report):
    def __init__(self) -> None:
        super().__init__(None)
        self.lines: list[str] = []

    def note(self, text: str) -> None:
        self.lines.append(text)


@pytest.fixture(name='port')
def fixture_port() -> t.Iterator[socket.socket]:
    """A port of this machine that is taken, on which nothing listens yet."""
    with socket.socket() as port:
        port.bind(('127.0.0.1', 0))
        yield port


@pytest.fixture(name='clock')
def fixture_clock(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Clock:
    monkeypatch.setattr(listening, 'time', clock)
    return clock


def listener(port: int, notes: Notes, lines: Sequence[str] = tuple(LINES)) -> listening.Listener:
    return listening.Listener('127.0.0.1', port, 600, list(lines), notes)


def test_the_lines_are_printed_once_as_soon_as_the_port_answers(port: socket.socket, clock: Clock) -> None:
    notes = Notes()
    waiting = listener(port.getsockname()[1], notes)
    assert waiting.look() is None
    assert notes.lines == []
    port.listen()
    for _look in range(3):
        assert waiting.look() is None
    assert notes.lines == LINES


def test_a_port_that_stays_closed_is_reported_each_minute_and_ends_the_build(port: socket.socket, clock: Clock) -> None:
    notes, number = Notes(), port.getsockname()[1]
    waiting = listener(number, notes)
    for _minute in range(9):
        clock.now += 60
        assert waiting.look() is None
    assert notes.lines[0] == f'port {number} of 127.0.0.1 does not answer yet, after 60 s'
    assert len(notes.lines) == 9
    clock.now += 60
    verdict = waiting.look()
    assert verdict is not None
    assert verdict.ended == TIMEOUT
    assert f'port {number} of 127.0.0.1 has accepted no connection within 600 s' in verdict.reason


def test_a_port_that_closes_after_the_lines_were_printed_ends_nothing(port: socket.socket, clock: Clock) -> None:
    waiting = listener(port.getsockname()[1], notes := Notes())
    port.listen()
    waiting.look()
    port.close()
    clock.now += 6000
    assert waiting.look() is None
    assert notes.lines == LINES


def test_without_a_port_the_lines_are_printed_at_once(clock: Clock) -> None:
    listener(0, notes := Notes()).look()
    assert notes.lines == LINES


def test_without_lines_nothing_is_tried(clock: Clock) -> None:
    waiting = listener(1, Notes(), [])
    clock.now += 6000
    assert waiting.look() is None

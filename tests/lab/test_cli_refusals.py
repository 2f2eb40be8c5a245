# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command ``eucalab`` with damaged labs, invalid settings and a proxy: one line with the solution, and nothing is lost."""

from __future__ import annotations

import argparse
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from eucalab import cli
from eucalab.config import Config
from tests.kit.command import Place
from tests.kit.ports import free_port

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason='a lab needs root')
NOWHERE = 'http://127.0.0.1:9'


@pytest.fixture(scope='module')
def lab(place: Place) -> Config:
    return place.up('healthy')


@pytest.fixture
def damaged(place: Place) -> Iterator[Path]:
    """The home of a lab that the test damages."""
    home = place.state / 'damaged'
    home.mkdir(parents=True)
    yield home
    assert place.run('down', '--name', 'damaged').returncode == 0
    assert not home.exists()


@pytest.mark.parametrize('configuration', ['[]', '{"port": ', '{"odd": 1}', '{"port": "8773"}', '{"nodes": 5}', ''])
def test_a_damaged_configuration_is_reported_with_the_way_out(place: Place, damaged: Path, configuration: str) -> None:
    (damaged / 'config.json').write_text(configuration)
    for command in ('status', 'up', 'reset'):
        said = place.error(command, '--name', 'damaged')
        assert re.fullmatch(rf'{damaged}/config.json is damaged \(.+\); remove the lab with: eucalab down --name damaged', said)


def test_a_damaged_lab_does_not_affect_the_others(place: Place, lab: Config, damaged: Path) -> None:
    (damaged / 'config.json').write_text('[]')
    said = place.error('up', '--name', 'third', '--port', str(lab.port), '--nodes', '0')
    assert 'is in use' in said
    assert place.run('status', '--name', lab.name).returncode == 0


def test_a_configuration_that_was_copied_is_not_taken_for_the_other_labs(place: Place, lab: Config, damaged: Path) -> None:
    (damaged / 'config.json').write_text((place.state / lab.name / 'config.json').read_text())
    assert place.run('status', '--name', 'damaged').stdout.startswith('Lab damaged: ')
    assert place.run('down', '--name', 'damaged').stdout == 'Lab damaged was removed.\n'
    assert place.run('status', '--name', lab.name).returncode == 0
    damaged.mkdir()


def test_a_damaged_database_is_reported_and_reset_makes_a_new_one(place: Place, damaged: Path) -> None:
    (damaged / 'config.json').write_text(json.dumps({'port': free_port(), 'nodes': []}))
    (damaged / 'state.db').write_text('not a database ' * 100)
    for command in ('status', 'up'):
        said = place.error(command, '--name', 'damaged')
        assert said.startswith(f'{damaged}/state.db cannot be used (') and said.endswith('eucalab reset --name damaged')
    assert place.run('reset', '--name', 'damaged').returncode == 0
    assert place.run('status', '--name', 'damaged').returncode == 0


@pytest.mark.parametrize(
    'words, said',
    [
        (['--pace', 'nan'], 'nan is not a valid pace'),
        (['--pace', 'inf'], 'inf is not a valid pace'),
        (['--pace', '-1'], '-1.0 is not a valid pace'),
        (['--port', '0'], '0 is not a port'),
    ],
)
@pytest.mark.parametrize('command', ['up', 'reset'])
def test_an_impossible_setting_is_refused_before_anything_changes(
    place: Place, lab: Config, command: str, words: list[str], said: str
) -> None:
    before = place.pid(lab.name, 'api'), place.pid(lab.name, 'node1'), place.config(lab.name)
    assert said in place.error(command, '--name', lab.name, *words)
    assert (place.pid(lab.name, 'api'), place.pid(lab.name, 'node1'), place.config(lab.name)) == before
    assert place.run('status', '--name', lab.name).returncode == 0


def test_a_port_that_is_taken_stops_nothing(place: Place, lab: Config) -> None:
    assert place.run('up', '--name', 'neighbour', '--port', str(free_port()), '--nodes', '0').returncode == 0
    assert f'port {lab.port} is in use' in place.error('up', '--name', 'neighbour', '--port', str(lab.port))
    assert place.run('status', '--name', 'neighbour').returncode == 0


def test_only_versions_that_the_lab_can_imitate_are_offered(place: Place, lab: Config) -> None:
    done = place.run('up', '--name', lab.name, '--play', '4.0')
    assert done.returncode == 2 and re.search(
        "--play: invalid choice: '4.0' \\(choose from '?3.1'?, '?3.4'?, '?4.4'?, '?5'?\\)", done.stderr
    )
    assert place.run('status', '--name', lab.name).returncode == 0


def test_a_lab_keeps_its_version_until_it_is_emptied(place: Place, lab: Config) -> None:
    said = place.error('up', '--name', lab.name, '--play', '5')
    assert 'imitates Eucalyptus 4.4' in said and f'eucalab reset --name {lab.name} --play 5' in said
    assert place.run('status', '--name', lab.name).returncode == 0


def test_an_unknown_version_in_the_configuration_is_reported(place: Place, damaged: Path) -> None:
    (damaged / 'config.json').write_text('{"play": "4.0"}')
    said = place.error('up', '--name', 'damaged')
    assert said == 'the lab cannot imitate Eucalyptus 4.0; choose one of its versions with --play: 3.1, 3.4, 4.4, 5'


def test_an_interrupt_prints_the_labs_name(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def interrupted(_options: argparse.Namespace) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, 'up', interrupted)
    assert cli.main(['up', '--name', 'a4']) == 1
    assert capsys.readouterr().err == (
        '\neucalab: interrupted. Continue with: eucalab up --name a4, or remove the lab with: eucalab down --name a4\n'
    )


def test_a_proxy_is_not_asked_for_what_is_on_this_machine(place: Place) -> None:
    proxy = {'http_proxy': NOWHERE, 'HTTP_PROXY': NOWHERE, 'all_proxy': NOWHERE, 'no_proxy': '', 'NO_PROXY': ''}
    done = place.run('up', '--name', 'proxied', '--port', str(free_port()), '--nodes', '0', **proxy)
    assert done.returncode == 0, done.stderr
    assert place.run('status', '--name', 'proxied', **proxy).returncode == 0

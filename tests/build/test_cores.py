# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A complete build with the oldest and one with the newest ansible-core that the collection supports."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.kit.paths import ROOT

from .test_build import image_of, text

OWN = """\
# An own answer file, which contains the collection's.
{% include 'kickstart.cfg.j2' %}
"""
UNCHECKED = 'image_build_answer_file: the kickstart was not checked, because ksvalidator (PyPI: pykickstart) is not installed.'
MISTAKE = 'poweroff\n\nrootpw --plaintext geheim\nurl --url={{ nowhere }}\n'


@pytest.fixture(name='path', params=['2.16', pytest.param('newest', marks=pytest.mark.long)])
def fixture_path(request: pytest.FixtureRequest) -> str:
    """A PATH that finds the ansible-playbook of that ansible-core, in an environment made from the README's lines alone."""
    made = subprocess.run([ROOT / 'tools/core', request.param], capture_output=True, text=True, check=True, timeout=600)
    return f'{made.stdout.strip()}/bin:/usr/bin:/bin:/usr/sbin:/sbin'


def test_an_image_is_built_and_a_mistake_in_the_answer_file_is_named(lab, path: str, tmp_path: Path) -> None:
    answer_file = tmp_path / 'own.ks.j2'
    answer_file.write_text(OWN)
    core = path.partition('/bin:')[0].rpartition('/')[2].replace('.', '-')
    variables = {**lab.variables('busybox'), 'image_build_name': f'core-{core}', 'image_build_answer_file': str(answer_file)}
    built = lab.build(variables, PATH=path)
    assert built.returncode == 0, text(built)
    image = image_of(built)
    # The README's lines do not install what checks a kickstart, and that is the only warning.
    assert f'[WARNING]: {UNCHECKED}' in ' '.join(text(built).split())
    assert text(built).count('[WARNING]') == 1
    again = lab.build(variables, PATH=path)
    assert image_of(again) == image
    assert 'nothing had to be done' in again.stdout

    answer_file.write_text(MISTAKE)
    before = lab.requests()
    failed = lab.build(variables, PATH=path)
    assert failed.returncode != 0
    assert f'The variable nowhere is undefined; the template uses it in line 4 of {answer_file}.' in ' '.join(text(failed).split())
    assert 'geheim' not in text(failed)
    assert lab.requests() == before

# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""docs/lab.md names the source files that the versions' data name."""

from __future__ import annotations

import pytest

from eucalab.versions import PLAYED
from tests.kit.paths import ROOT

GROUPS = {
    'requests': 'requests',
    'errors': 'errors',
    'replies': 'replies',
    'images': 'images',
    'instances': 'instances',
    'types': 'instance types',
    'volumes': 'volumes and snapshots',
    'storage': 'object storage',
}


def test_the_documentation_names_the_branches() -> None:
    text = (ROOT / 'docs/lab.md').read_text()
    assert [version.branch for version in PLAYED.values() if f'`{version.branch}`' not in text] == []


@pytest.mark.parametrize('group', PLAYED['4.4'].sources)
def test_the_documentation_names_the_files_that_a_group_was_read_from(group: str) -> None:
    cells = (', '.join(f'`{name}`' for name in version.sources[group]) for version in PLAYED.values())
    row = f'| {GROUPS[group]} | {" | ".join(cells)} |'
    assert row in (ROOT / 'docs/lab.md').read_text().splitlines()

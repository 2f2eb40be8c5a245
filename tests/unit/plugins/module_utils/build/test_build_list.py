# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from datetime import datetime, timezone

import pytest
from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.build_list import Note

NOTE = Note('debian-0123456789', 1_000_000.0, {'size': 5, 'zone': 'one'}, ['vol-1'])


def born(seconds: float) -> str:
    return datetime.fromtimestamp(NOTE.at + seconds, timezone.utc).isoformat()


@pytest.mark.parametrize(
    ('volume', 'seconds', 'ours'),
    [
        ({'size': 5, 'zone': 'one'}, 1, True),
        ({'size': 5, 'zone': None}, 1, True),
        ({'size': 6, 'zone': 'one'}, 1, False),
        ({'size': 5, 'zone': 'one'}, -3600, False),
        ({'size': 5, 'zone': 'one'}, 3600, False),
    ],
)
def test_only_a_volume_as_requested_and_of_that_time_is_that_of_the_interrupted_creation(volume, seconds, ours):
    assert NOTE.may_be(volume, 'vol-2', born(seconds)) is ours


def test_a_volume_that_existed_before_is_not_ours():
    assert not NOTE.may_be({'size': 5, 'zone': 'one'}, 'vol-1', born(1))

# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What unit tests of modules that upload share."""

from __future__ import annotations

import pytest
from ansible_collections.eucalyptus.cloud.plugins.module_utils.image import registration, upload
from ansible_collections.eucalyptus.cloud.tests.unit.plugins.bundle_kit import Storage
from ansible_collections.eucalyptus.cloud.tests.unit.plugins.fake_cloud import Clock, FakeCloud


@pytest.fixture(name='storage')
def fixture_storage(cloud: FakeCloud, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Storage:
    monkeypatch.setattr(registration, 'time', clock)
    monkeypatch.setattr(upload.Bucket.__init__, '__defaults__', (1, 0.0, lambda _ended, _seconds: False))
    return Storage(cloud)

# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import hashlib
import io
import threading
from pathlib import Path

import pytest
from ansible_collections.eucalyptus.cloud.plugins.plugin_utils import installer_cache

CONTENT = b'kernel' * 1000
DIGEST = hashlib.sha256(CONTENT).hexdigest()


def test_many_at_once_fetch_a_url_only_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def open_url(url: str, **_options: object) -> io.BytesIO:
        asked.append(url)
        return io.BytesIO(CONTENT)

    monkeypatch.setattr(installer_cache, 'open_url', open_url)
    fetching = ('http://mirror.test/linux', DIGEST, tmp_path)
    threads = [threading.Thread(target=installer_cache.fetch, args=fetching) for _thread in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert asked == ['http://mirror.test/linux']
    assert (tmp_path / DIGEST).read_bytes() == CONTENT


def test_a_file_on_the_controller_is_taken_by_path_or_url(tmp_path: Path) -> None:
    source = tmp_path / 'linux'
    source.write_bytes(CONTENT)
    for number, name in enumerate((str(source), f'file://{source}')):
        assert installer_cache.fetch(name, DIGEST, tmp_path / str(number)).read_bytes() == CONTENT


def test_another_file_than_the_one_asked_for_is_not_kept(tmp_path: Path) -> None:
    source = tmp_path / 'linux'
    source.write_bytes(b'something else')
    with pytest.raises(installer_cache.FetchFailed, match=hashlib.sha256(b'something else').hexdigest()):
        installer_cache.fetch(str(source), DIGEST, tmp_path / 'cache')
    assert [path.name for path in (tmp_path / 'cache').iterdir() if not path.name.endswith('.lock')] == []


def test_a_file_that_cannot_be_fetched_is_named(tmp_path: Path) -> None:
    with pytest.raises(installer_cache.FetchFailed, match='no/such/file'):
        installer_cache.fetch('/no/such/file', DIGEST, tmp_path)

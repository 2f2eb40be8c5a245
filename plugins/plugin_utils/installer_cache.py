# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's cache of installers' kernels and ramdisks, by their SHA-256 sums. It fetches a file once for all nodes."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import tempfile
import typing as t
from pathlib import Path

from ansible.module_utils.urls import open_url

TIMEOUT = 60  # seconds without a byte


class FetchFailed(Exception):
    """A file cannot be fetched, or has another SHA-256 sum. The message is a sentence that names the source."""


def fetch(source: str, sha256: str, cache: Path) -> Path:
    """Return the path of a file with this sum, fetched from a path or URL if it is not in the cache. Raises FetchFailed."""
    path = cache / sha256
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with _locked(cache / f'.{sha256}.lock'):
            if not path.exists():
                _fetch(source, sha256, path)
    except OSError as error:  # URLError and HTTPError are subclasses
        raise FetchFailed(f'Fetching {source} failed: {error}.') from error
    return path


def _fetch(source: str, sha256: str, path: Path) -> None:
    digest = hashlib.sha256()
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix='.fetching-') as file, _opened(source) as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
            file.write(block)
        if digest.hexdigest() != sha256:
            raise FetchFailed(f'The SHA-256 sum of {source} is {digest.hexdigest()} instead of {sha256}.')
        file.flush()
        os.link(file.name, path)


def _opened(source: str) -> t.ContextManager[t.BinaryIO]:
    if source.startswith(('http://', 'https://', 'ftp://')):
        return contextlib.closing(open_url(source, timeout=TIMEOUT, http_agent='ansible-eucalyptus.cloud'))
    return Path(source.removeprefix('file://')).expanduser().open('rb')


@contextlib.contextmanager
def _locked(path: Path) -> t.Iterator[None]:
    with path.open('a') as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield

# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The bucket ``mirror``: the systems that the lab's installer can install, readable by everybody, like a mirror.

The files come from the cache by hard link. Nothing writes to an object's file, so the cache does not change.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import shutil
import time
from pathlib import Path

from ..config import Config, cache_root
from ..installer import products
from .store import Store

BUCKET = 'mirror'


def seed(store: Store, config: Config, owner: str) -> None:
    """Add the cache's systems that the bucket does not contain yet. ``owner`` is an account's number."""
    if store.row('SELECT 1 FROM buckets WHERE name = ?', BUCKET) is None:
        store.insert('buckets', name=BUCKET, owner=owner, acl='public-read', created=time.time())
    for system in products.SYSTEMS:
        source = products.system(cache_root(), system).resolve()
        # A build's directory is named for its inputs, so this identifies the build of the object.
        metadata = json.dumps({'x-amz-meta-build': source.parent.name.lstrip('.')})
        key = f'{system}/rootfs.tar'
        old = store.row('SELECT * FROM objects WHERE bucket = ? AND key = ?', BUCKET, key)
        if old is not None and old['metadata'] == metadata and old['size'] == source.stat().st_size:
            continue
        _put(store, config, owner, key, source, metadata)
        if old is not None:
            (config.objects / old['file']).unlink(missing_ok=True)


def _put(store: Store, config: Config, owner: str, key: str, source: Path, metadata: str) -> None:
    name = secrets.token_hex(16)
    try:
        os.link(source, config.objects / name)
    except OSError:  # another file system
        shutil.copyfile(source, config.objects / name)
    with source.open('rb') as body:
        etag = hashlib.md5(body.read(), usedforsecurity=False).hexdigest()
    store.execute(
        'INSERT OR REPLACE INTO objects'
        ' (bucket, key, owner, acl, size, etag, content_type, metadata, file, modified)'
        ' VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)',
        BUCKET,
        key,
        owner,
        'public-read',
        source.stat().st_size,
        etag,
        'application/x-tar',
        metadata,
        name,
        time.time(),
    )

# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bodies of objects and parts: files with random names that appear complete and before their row."""

from __future__ import annotations

import base64
import binascii
import contextlib
import hashlib
import os
import re
import secrets
import shutil
import xml.etree.ElementTree as ElementTree
from collections.abc import AsyncIterator
from pathlib import Path
from typing import BinaryIO

from aiohttp import web

from ..cloud.context import Cloud
from ..protocol.auth import Caller
from ..protocol.errors import S3Error
from . import chunks, signature

CHUNK = 256 << 10
MOST_XML_BYTES = 2 << 20  # the list of 10000 parts has half of it
_PARTIAL = '.partial'


def recover(cloud: Cloud) -> None:
    """At start: remove bodies without a row, which a killed process left behind."""
    known = {row['file'] for table in ('objects', 'parts') for row in cloud.store.rows(f'SELECT file FROM {table}')}
    for path in cloud.config.objects.iterdir():
        if path.name not in known:
            path.unlink()


def remove(cloud: Cloud, names: list[str]) -> None:
    """Remove files that no row refers to."""
    for name in names:
        (cloud.config.objects / name).unlink(missing_ok=True)


def link(cloud: Cloud, name: str) -> str:
    """A second name for the file, which costs no copy because a body never changes."""
    new = secrets.token_hex(16)
    os.link(cloud.config.objects / name, cloud.config.objects / new)
    return new


@contextlib.asynccontextmanager
async def received(cloud: Cloud, request: web.Request, caller: Caller | None) -> AsyncIterator[Body]:
    """The request's body as a complete file. The block writes its row; when it fails, the file is removed."""
    if request.content_length is None:
        raise S3Error(411, 'MissingContentLength', 'You must provide the Content-Length HTTP header.')
    body = Body(cloud.config.objects)
    try:
        await body.receive(request, caller)
        body.verify(request)
        body.publish()
        yield body
    except BaseException:
        body.discard()
        raise


async def read_xml(request: web.Request) -> ElementTree.Element | None:
    """The request's small XML document, None when the body is empty."""
    data = b''
    async for chunk in request.content.iter_chunked(CHUNK):
        data += chunk
        if len(data) > MOST_XML_BYTES:
            raise S3Error(400, 'MaxMessageLengthExceeded', 'Your request was too big.')
    if not data.strip():
        return None
    try:
        return ElementTree.fromstring(data)
    except ElementTree.ParseError:
        raise malformed_xml() from None


def malformed_xml() -> S3Error:
    return S3Error(
        400, 'MalformedXML', 'The XML you provided was not well-formed or did not validate against our published schema.'
    )


class Body:
    """A body on its way to its file."""

    def __init__(self, folder: Path) -> None:
        self.name = secrets.token_hex(16)
        self.md5, self._sha256, self.size = hashlib.md5(usedforsecurity=False), hashlib.sha256(), 0
        self._path = folder / self.name
        self._partial = folder / (self.name + _PARTIAL)

    async def receive(self, request: web.Request, caller: Caller | None) -> None:
        declared, expected = request.headers.get('x-amz-content-sha256'), request.content_length
        hashed = declared not in (None, signature.UNSIGNED, signature.STREAMING)
        source: AsyncIterator[bytes] = request.content.iter_chunked(CHUNK)
        if declared == signature.STREAMING and caller is not None:
            source, expected = chunks.decode(request, caller), chunks.decoded_length(request)
        with self._create() as out:
            async for chunk in source:
                out.write(chunk)
                self.md5.update(chunk)
                if hashed:
                    self._sha256.update(chunk)
                self.size += len(chunk)
        if self.size != expected:
            raise S3Error(
                400, 'IncompleteBody', 'You did not provide the number of bytes specified by the Content-Length HTTP header.'
            )

    def join(self, paths: list[Path]) -> None:
        """Write the bodies of these files, one after the other."""
        with self._create() as out:
            for path in paths:
                with open(path, 'rb') as part:
                    self.size += os.fstat(part.fileno()).st_size
                    shutil.copyfileobj(part, out, CHUNK)

    def _create(self) -> BinaryIO:
        return open(os.open(self._partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), 'wb')

    def verify(self, request: web.Request) -> None:
        """Compare with the digests that the client sent along."""
        declared = request.headers.get('Content-MD5')
        if declared is not None:
            try:
                digest = base64.b64decode(declared, validate=True)
            except binascii.Error:
                digest = b''
            if len(digest) != 16:
                raise S3Error(400, 'InvalidDigest', 'The Content-MD5 you specified was invalid.')
            if digest != self.md5.digest():
                raise S3Error(400, 'BadDigest', 'The Content-MD5 you specified did not match what we received.')
        declared = request.headers.get('x-amz-content-sha256', '')
        if re.fullmatch('[0-9a-f]{64}', declared) and declared != self._sha256.hexdigest():
            raise S3Error(
                400, 'XAmzContentSHA256Mismatch', 'The x-amz-content-sha256 you specified did not match what we received.'
            )

    def publish(self) -> None:
        self._partial.replace(self._path)

    def discard(self) -> None:
        self._partial.unlink(missing_ok=True)
        self._path.unlink(missing_ok=True)

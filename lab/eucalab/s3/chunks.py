# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bodies that are signed chunk by chunk (STREAMING-AWS4-HMAC-SHA256-PAYLOAD), as 4.4 takes them from Amazon's SDKs.

Each chunk is ``SIZE;chunk-signature=SIGNATURE``, the bytes, and line ends; its signature covers that of the chunk before,
the first one's that of the request's headers. A chunk of size 0 is the last.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import re
from collections.abc import AsyncIterator

from aiohttp import web

from ..protocol.auth import V4_ALGORITHM, Caller, V4Scope, parse_http_or_iso_time, v4_key, v4_parts, v4_stamp
from ..protocol.errors import S3Error

MOST_BYTES = 16 << 20  # of one chunk, which is kept in memory until its signature has been checked
_NOTHING = hashlib.sha256(b'').hexdigest()
_HEAD = re.compile(rb'([0-9a-fA-F]{1,8});chunk-signature=([0-9a-f]{64})\r\n')


def decoded_length(request: web.Request) -> int:
    text = request.headers.get('x-amz-decoded-content-length', '')
    if not text.isdigit():
        raise S3Error(411, 'MissingContentLength', 'Missing x-amz-decoded-content-length header')
    return int(text)


async def decode(request: web.Request, caller: Caller) -> AsyncIterator[bytes]:
    """The bytes of the chunks, each with a valid signature. S3Error when the framing or a signature is wrong."""
    authorization = request.headers.get('Authorization', '')
    if not authorization.startswith(V4_ALGORITHM):
        raise S3Error(400, 'InvalidRequest', 'A body signed chunk by chunk needs a version 4 signature in the headers.')
    parts = v4_parts(authorization)
    scope = V4Scope.parse(parts['Credential'])
    stamp = v4_stamp(parse_http_or_iso_time(request.headers.get('x-amz-date') or request.headers['Date']))
    key, previous = v4_key(caller.secret_key, scope), parts['Signature']
    while True:
        data, signature = await _read(request)
        text = '\n'.join(('AWS4-HMAC-SHA256-PAYLOAD', stamp, str(scope), previous, _NOTHING, hashlib.sha256(data).hexdigest()))
        if not hmac.compare_digest(hmac.new(key, text.encode(), hashlib.sha256).hexdigest(), signature):
            raise S3Error(403, 'SignatureDoesNotMatch', 'The signature of a chunk of the body does not match.')
        if not data:
            return
        previous = signature
        yield data


async def _read(request: web.Request) -> tuple[bytes, str]:
    try:
        head = _HEAD.fullmatch(await request.content.readuntil(b'\r\n'))
        if head is None or int(head.group(1), 16) > MOST_BYTES:
            raise ValueError
        data = await request.content.readexactly(int(head.group(1), 16))
        if await request.content.readexactly(2) != b'\r\n':
            raise ValueError
    except (ValueError, asyncio.IncompleteReadError):
        raise S3Error(400, 'IncompleteBody', 'The body is not made of signed chunks.') from None
    return data, head.group(2).decode()

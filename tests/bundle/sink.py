# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""An object storage that forgets everything at once, behind a slow line: for measuring uploads."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import multiprocessing
import socket
import time
from collections.abc import Iterator

EMPTY = b'<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>'


@contextlib.contextmanager
def running(latency: float, rate: float) -> Iterator[str]:
    """Serve on loopback in a process of its own: `latency` seconds to each answer, `rate` bytes/s of each connection."""
    listener = socket.create_server(('127.0.0.1', 0))
    process = multiprocessing.get_context('fork').Process(target=_serve, args=(listener, latency, rate), daemon=True)
    process.start()
    port = listener.getsockname()[1]
    listener.close()
    try:
        yield f'http://127.0.0.1:{port}/services/objectstorage'
    finally:
        process.terminate()
        process.join()


def _serve(listener: socket.socket, latency: float, rate: float) -> None:
    async def serve() -> None:
        async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
                while True:
                    await _answer(reader, writer, latency, rate)

        server = await asyncio.start_server(talk, sock=listener, limit=1 << 18)
        await server.serve_forever()

    asyncio.run(serve())


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, latency: float, rate: float) -> None:
    head = (await reader.readuntil(b'\r\n\r\n')).decode('latin-1').split('\r\n')
    headers = {name.lower(): value.strip() for name, _colon, value in (line.partition(':') for line in head[1:])}
    length = int(headers.get('content-length', '0'))
    if headers.get('expect', '').lower() == '100-continue':
        writer.write(b'HTTP/1.1 100 Continue\r\n\r\n')
        await writer.drain()
    digest, left, start = hashlib.md5(usedforsecurity=False), length, time.monotonic()
    while left:
        chunk = await reader.read(min(left, 1 << 17))
        if not chunk:
            raise asyncio.IncompleteReadError(b'', left)
        digest.update(chunk)
        left -= len(chunk)
        await asyncio.sleep(max(0.0, start + (length - left) / rate - time.monotonic()))
    await asyncio.sleep(latency)
    body = EMPTY if head[0].startswith('GET') else b''
    writer.write(f'HTTP/1.1 200 OK\r\nETag: "{digest.hexdigest()}"\r\nContent-Length: {len(body)}\r\n\r\n'.encode() + body)
    await writer.drain()

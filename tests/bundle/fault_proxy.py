# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A bad line to a cloud: an HTTP proxy that cuts, stalls, damages and refuses, as a seed decides."""

from __future__ import annotations

import asyncio
import contextlib
import math
import random
import socket
import ssl
import threading
from collections import Counter
from collections.abc import Iterator

KINDS = ('cut_request', 'cut_answer', 'refuse_500', 'refuse_503', 'stall', 'corrupt_request', 'corrupt_answer')
STALL_SECONDS = 3.0  # longer than the time limits that the tests give the client
REFUSAL = {'refuse_500': b'500 Internal Server Error', 'refuse_503': b'503 Service Unavailable'}


class FaultProxy:
    """`rate` of all requests for storage and of registrations suffer one of `kinds`, and a tenth of that of other requests:
    a task that cannot even ask what is there ends at once. After `most_parts` parts have been stored, no other one is, and
    who sends one waits. `puts` has the paths of PUTs, `talks` the number of requests that are being served."""

    def __init__(self, upstream: int, seed: int, rate: float, kinds: tuple[str, ...] = KINDS, most_parts: float = math.inf) -> None:
        self._upstream, self._rate, self._kinds, self.most_parts = upstream, rate, kinds, most_parts
        self._random = random.Random(seed)
        self.faults: Counter[str] = Counter()
        self.puts: list[str] = []
        self.talks = 0
        self.port = 0
        self.tls: ssl.SSLContext | None = None

    @contextlib.contextmanager
    def running(self) -> Iterator[FaultProxy]:
        listener = socket.create_server(('127.0.0.1', 0))
        self.port = listener.getsockname()[1]
        loop = asyncio.new_event_loop()

        async def serve() -> None:
            await asyncio.start_server(self._talk, sock=listener, limit=1 << 18, ssl=self.tls)

        loop.run_until_complete(serve())
        thread = threading.Thread(target=loop.run_forever, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            loop.call_soon_threadsafe(loop.stop)
            thread.join()
            listener.close()
            for task in asyncio.all_tasks(loop):
                task.cancel()
            loop.run_until_complete(asyncio.sleep(0))
            loop.close()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.talks += 1
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            # Each connection serves one request, as a bad line would have it.
            await self._serve(reader, writer)
        self.talks -= 1
        writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        lines, fields = self.parsed(await reader.readuntil(b'\r\n\r\n'))
        length = int(fields.get('content-length') or 0)
        storage = '/objectstorage' in lines[0]
        asked = b'' if storage else await reader.readexactly(length)
        rate = self._rate if storage or b'Action=RegisterImage' in asked else self._rate / 10
        fault = self._random.choice(self._kinds) if self._random.random() < rate else None
        place = self._random.random()
        if fault:
            self.faults[fault] += 1
        if fault in REFUSAL and place < 0.5:  # before the body was read
            writer.write(b'HTTP/1.1 %s\r\nContent-Length: 0\r\nConnection: close\r\n\r\n' % REFUSAL[fault])
            await writer.drain()
            return
        if fields.get('expect', '').lower() == '100-continue':
            writer.write(b'HTTP/1.1 100 Continue\r\n\r\n')
        if fault == 'cut_request':
            await reader.readexactly(int(length * place) if storage else 0)
            return
        if fault == 'stall' and place < 0.5:  # in the middle of the body; what comes later is never read
            await reader.readexactly(length // 2 if storage else 0)
            await asyncio.sleep(STALL_SECONDS)
            return
        body = bytearray(await reader.readexactly(length) if storage else asked)
        if fault == 'corrupt_request' and body:
            body[int(len(body) * place)] ^= 0x10
        if '.part.' in lines[0] and sum('.part.' in put for put in self.puts) >= self.most_parts:
            await reader.read()  # until who sent it has gone
            return
        if fault in REFUSAL:
            answer = b'HTTP/1.1 %s\r\nContent-Length: 0\r\nConnection: close\r\n\r\n' % REFUSAL[fault]
        else:
            answer = await self._forward(lines, bytes(body))
        if fault == 'stall':
            await asyncio.sleep(STALL_SECONDS)
        if fault == 'cut_answer':
            answer = answer[: int(len(answer) * place)]
        elif fault == 'corrupt_answer':
            answer = answer.replace(b'<', b'>', 3).replace(b'ETag: "', b'ETag: "0', 1)
        if fault != 'stall':
            writer.write(answer)
            await writer.drain()

    @staticmethod
    def parsed(head: bytes) -> tuple[list[str], dict[str, str]]:
        """The lines of a request's head, and its fields by their names in lower case."""
        lines = head.decode('latin-1').split('\r\n')
        return lines, {name.lower(): value.strip() for name, _colon, value in (line.partition(':') for line in lines[1:])}

    async def _forward(self, lines: list[str], body: bytes) -> bytes:
        if lines[0].startswith('PUT'):
            self.puts.append(lines[0].split()[1])
        kept = [line for line in lines[:-2] if not line.lower().startswith(('expect:', 'connection:'))]
        upstream, sender = await asyncio.open_connection('127.0.0.1', self._upstream)
        sender.write('\r\n'.join([*kept, 'Connection: close', '', '']).encode('latin-1') + body)
        answer = await upstream.read()
        sender.close()
        return answer

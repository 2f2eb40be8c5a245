# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A line to a cloud whose faults the test chooses, request by request."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from urllib.parse import parse_qs

from tests.bundle.fault_proxy import FaultProxy

# Not answered: the connection is closed at once, after the request was carried out, or not at all; 503 comes from a proxy.
CLOSED, LOST, SILENT, BUSY = 'closed', 'lost', 'silent', '503'
_REFUSAL = b'HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n'


class FaultyLine(FaultProxy):
    """``fault`` returns a request's fault, None without one. It gets the request's action: CreateVolume, or of object
    storage its method and path. ``actions`` are those of all requests so far."""

    def __init__(
        self, upstream: int, fault: Callable[[str], str | None] = lambda action: None, tls: ssl.SSLContext | None = None
    ) -> None:
        super().__init__(upstream, 0, 0.0)
        self._fault, self.tls = fault, tls
        self.actions: list[str] = []

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        lines, fields = self.parsed(await reader.readuntil(b'\r\n\r\n'))
        if fields.get('expect', '').lower() == '100-continue':
            writer.write(b'HTTP/1.1 100 Continue\r\n\r\n')
        body = await reader.readexactly(int(fields.get('content-length') or 0))
        method, path, _version = lines[0].split()
        storage = '/objectstorage' in path or '/Walrus' in path
        action = f'{method} {path.partition("?")[0]}' if storage else parse_qs(body.decode('latin-1')).get('Action', [path])[0]
        self.actions.append(action)
        fault = self._fault(action)
        if fault == SILENT:
            await reader.read()  # until the client gives up
        elif fault == BUSY:
            writer.write(_REFUSAL)
        elif fault != CLOSED:
            answer = await self._forward(lines, body)
            writer.write(b'' if fault == LOST else answer)
        await writer.drain()

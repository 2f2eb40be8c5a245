# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A web server on loopback that returns exactly the bytes of the test, valid or not."""

from __future__ import annotations

import contextlib
import hashlib
import re
import socket
import ssl
import threading
from collections.abc import Iterator


def ok(body: bytes, *headers: str, length: int | None = None) -> bytes:
    lines = ['HTTP/1.1 200 OK', f'Content-Length: {len(body) if length is None else length}', *headers, '', '']
    return '\r\n'.join(lines).encode() + body


def sha256(data: bytes) -> str:
    return f'sha256:{hashlib.sha256(data).hexdigest()}'


def _request(stream: socket.socket) -> bytes:
    # With its body: what is not read when a connection is closed resets it, and the answer may be lost.
    request = b''
    while (end := request.find(b'\r\n\r\n')) < 0 or len(request) < end + 4 + _length(request[:end]):
        if not (data := stream.recv(65536)):
            break
        request += data
        if request.startswith(b'\x16'):  # a TLS handshake, which such a server answers in plain text
            break
    return request


def _length(head: bytes) -> int:
    found = re.search(rb'(?im)^content-length: *(\d+)', head)
    return int(found[1]) if found else 0


@contextlib.contextmanager
def serving(answer: bytes, tls: ssl.SSLContext | None = None) -> Iterator[tuple[str, list[bytes]]]:
    """Every request gets `answer`. Yields host and port, and the requests that came."""
    asked: list[bytes] = []
    listening = socket.create_server(('127.0.0.1', 0))

    def serve() -> None:
        while True:
            try:
                connection, _peer = listening.accept()
            except OSError:  # closed: the test is over
                return
            with contextlib.suppress(OSError), connection:
                connection.settimeout(60)
                with tls.wrap_socket(connection, server_side=True) if tls else connection as stream:
                    asked.append(_request(stream))
                    stream.sendall(answer)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f'127.0.0.1:{listening.getsockname()[1]}', asked
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        thread.join()

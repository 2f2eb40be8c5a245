# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A line to the cloud on which something befalls one kind of request."""

from __future__ import annotations

import contextlib
import http.client
import http.server
import threading
from collections.abc import Callable, Iterator


@contextlib.contextmanager
def bad_line(
    upstream: int, action: str, refused: bool = False, answered: bool = False, before: Callable[[], None] = lambda: None
) -> Iterator[int]:
    """The port of a proxy for the cloud at port ``upstream``. Requests for ``action`` are refused, or done and never
    answered unless they are to be; ``before`` is called before that."""

    class Line(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers['Content-Length']))
            chosen = f'Action={action}&'.encode() in body + b'&'
            if chosen:
                before()
            if chosen and refused:
                self.send_response(403)
                self.send_header('Content-Length', '0')
                self.end_headers()
                return
            cloud = http.client.HTTPConnection('127.0.0.1', upstream)
            cloud.request('POST', self.path, body, dict(self.headers))
            answer = cloud.getresponse()
            said = answer.read()
            cloud.close()
            if chosen and not answered:
                return
            self.send_response(answer.status)
            self.send_header('Content-Length', str(len(said)))
            self.end_headers()
            self.wfile.write(said)

        def log_message(self, *_arguments: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Line)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()

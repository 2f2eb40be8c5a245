# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A transport under botocore that answers with prepared replies and notes every request: no network, no server."""

from __future__ import annotations

import typing as t
from urllib.parse import parse_qsl, urlsplit

from botocore.awsrequest import AWSResponse

Reply = str | tuple[int, str] | Exception | t.Callable[[dict[str, str]], t.Any]


class Body:
    def __init__(self, data: bytes) -> None:
        self._data = data

    def stream(self, **_kwargs: t.Any) -> t.Iterator[bytes]:
        yield self._data

    def read(self, _amount: int | None = None) -> bytes:
        data, self._data = self._data, b''
        return data


class FakeCloud:
    """``replies`` maps an EC2 action, or an S3 'PUT /bucket/key', to its replies; the last one is given again and
    again.

    A reply is the XML inside the response element, (status, body), an exception, or a function of the parameters.
    """

    def __init__(self) -> None:
        # Sent before a change that is the first request.
        self.replies: dict[str, list[Reply]] = {'DescribeRegions': ['']}
        self.requests: list[tuple[str, dict[str, str]]] = []
        self.sent: list[t.Any] = []
        self.bodies: list[t.Any] = []  # of the requests in ``sent``
        self.etag = '"0"'  # of every object
        self.headers: dict[str, str] = {}  # of every reply, further ones

    def on(self, action: str, *replies: Reply) -> None:
        self.replies[action] = list(replies)

    def asked(self, action: str) -> list[dict[str, str]]:
        return [parameters for name, parameters in self.requests if name == action]

    @property
    def writes(self) -> list[str]:
        """The actions asked for that change something, in order."""
        reads = ('Describe', 'Get', 'GET', 'HEAD', 'List')
        return [action for action, _parameters in self.requests if not action.startswith(reads)]

    def send(self, request: t.Any) -> AWSResponse:
        action, parameters = self._read(request)
        self.requests.append((action, parameters))
        self.sent.append(request)
        replies = self.replies.get(action)
        assert replies, f'no reply prepared for {action} {parameters}'
        reply = replies.pop(0) if len(replies) > 1 else replies[0]
        while callable(reply) and not isinstance(reply, Exception):
            reply = reply(parameters)
        if isinstance(reply, Exception):
            raise reply
        status, body = reply if isinstance(reply, tuple) else (200, f'<{action}Response>{reply}</{action}Response>')
        if action.partition(' ')[0] in ('PUT', 'HEAD', 'GET', 'DELETE') and not isinstance(reply, tuple):
            body = reply
        headers = {'Content-Length': str(len(body)), 'ETag': self.etag, **self.headers}
        return AWSResponse(request.url, status, headers, Body(body.encode()))

    def _read(self, request: t.Any) -> tuple[str, dict[str, str]]:
        body = request.body or b''
        body = body.read() if hasattr(body, 'read') else body
        self.bodies.append(body)
        body = body.decode('latin-1') if isinstance(body, bytes) else str(body)
        if 'Action=' in body:
            parameters = dict(parse_qsl(body, keep_blank_values=True))
            return parameters.pop('Action'), parameters
        url = urlsplit(request.url)
        return f'{request.method} {url.path.rstrip("/")}', dict(parse_qsl(url.query, keep_blank_values=True))


def error(code: str, text: str, status: int = 400) -> tuple[int, str]:
    """An error as Eucalyptus 4 and later word it."""
    inner = f'<Errors><Error><Code>{code}</Code><Message>{text}</Message></Error></Errors>'
    return status, f'<Response>{inner}<RequestID>r-1</RequestID></Response>'


class Clock:
    """Time that passes only by sleeping."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now

    def time(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        assert seconds >= 0
        self.now += seconds

# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading objects as the system account: plain HTTP, signature version 2, every failure as a NodeError."""

from __future__ import annotations

import base64
import dataclasses
import email.utils
import hashlib
import hmac
import http.client
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from typing import IO

from ..host import direct
from .model import NodeError

# The account whose reads the canned ACL aws-exec-read allows.
SYSTEM_ACCOUNT = '(eucalyptus)aws-exec-read'
TRIES = 4
IN_MEMORY = 11534336  # parts up to this size are buffered by a real node as well
CHUNK = 256 << 10
TIMEOUT = 60  # seconds without a byte


@dataclasses.dataclass(frozen=True)
class ObjectReader:
    """Reads objects of one endpoint with one key pair. ``wait`` is called with seconds between tries."""

    endpoint: str
    access_key: str
    secret_key: str
    wait: Callable[[float], None] = time.sleep
    service_path: str = '/services/objectstorage'

    def url(self, location: str) -> str:
        return f'{self.endpoint}{self.service_path}/{urllib.parse.quote(location)}'

    def read(self, location: str, limit: int) -> bytes:
        """A complete small object. NodeError when it is longer than ``limit`` bytes or cannot be read."""
        with self.download(location) as file:
            data = file.read(limit + 1)
        if len(data) > limit:
            raise NodeError(f'{location} is longer than {limit} bytes')
        return data

    def download(self, location: str, sha1: str | None = None) -> IO[bytes]:
        """The object as a temporary file at its start, with a verified digest; downloaded again if it arrived damaged."""
        problem = ''
        for attempt in range(TRIES):
            if attempt:
                self.wait(1.0 * attempt)
            try:
                file, digest = self._once(location)
            except urllib.error.HTTPError as error:
                problem = f'{location}: {_error_text(error)}'
                if error.code < 500:
                    break
            except (OSError, http.client.HTTPException) as error:
                problem = f'{location}: {error}'
            else:
                if sha1 is None or digest == sha1:
                    return file
                file.close()
                problem = f'{location}: its SHA1 is {digest}, but the manifest contains {sha1}'
        raise NodeError(f'cannot download {problem}')

    def _once(self, location: str) -> tuple[IO[bytes], str]:
        digest, url = hashlib.sha1(), self.url(location)
        file = tempfile.SpooledTemporaryFile(max_size=IN_MEMORY)  # noqa: SIM115 - the caller closes it
        try:
            with direct.urlopen(self._request(url), timeout=TIMEOUT) as answer:
                expected, received = answer.headers.get('Content-Length'), 0
                while chunk := answer.read(CHUNK):
                    received += len(chunk)
                    digest.update(chunk)
                    file.write(chunk)
            if expected is not None and received != int(expected):
                raise OSError(f'the connection ended after {received} of {expected} bytes')
        except BaseException:
            file.close()
            raise
        file.seek(0)
        return file, digest.hexdigest()

    def _request(self, url: str) -> urllib.request.Request:
        date = email.utils.formatdate(usegmt=True)
        text = f'GET\n\n\n{date}\n{urllib.parse.urlsplit(url).path}'
        signature = base64.b64encode(hmac.digest(self.secret_key.encode(), text.encode(), 'sha1')).decode()
        headers = {'Date': date, 'Authorization': f'AWS {self.access_key}:{signature}'}
        return urllib.request.Request(url, headers=headers)


def _error_text(error: urllib.error.HTTPError) -> str:
    """``403 AccessDenied``: the code from an S3 error document when there is one."""
    try:
        code = ElementTree.fromstring(error.read(65536)).findtext('Code') or error.reason
    except (ElementTree.ParseError, OSError):
        code = error.reason
    return f'{error.code} {code}'

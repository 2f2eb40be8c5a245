# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Downloading an image, without ever showing the secrets that its URL may contain."""

from __future__ import annotations

import errno
import http.client
import os
import shutil
import ssl
import typing as t
import urllib.error

from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.secrets import HIDDEN, shown
from ansible_collections.eucalyptus.cloud.plugins.module_utils.errors import CollectionError

_CHUNK = 1 << 20


class SourceError(CollectionError):
    """An image cannot be read or made raw."""


class Opener(t.Protocol):
    """Opens a URL: Ansible's ``open_url`` with its options, for example. With `ca_path` only the authorities in that file
    are trusted. Raises OSError, HTTPException and ValueError like urllib.request."""

    def __call__(self, url: str, /, *, ca_path: str | None = None) -> http.client.HTTPResponse: ...


def is_url(src: str) -> bool:
    return src.lower().startswith(('http://', 'https://'))


def download(url: str, path: str, opener: Opener, ca_path: str | None) -> None:
    """Fetch the URL into the file `path`. Raises SourceError, and OSError with ENOSPC when the file does not fit."""
    name = shown(url)
    failed = f'{"The URL" if name == HIDDEN else name} cannot be fetched'
    try:
        with _opened(url, opener, ca_path) as reply, open(path, 'wb') as file:
            if (reply.length or 0) > shutil.disk_usage(os.path.dirname(path)).free:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            shutil.copyfileobj(reply, file, _CHUNK)
            if reply.length:  # bytes that are still missing
                raise http.client.IncompleteRead(b'', reply.length)
    except urllib.error.HTTPError as error:
        raise SourceError(f'{failed}: the server answered {error.code} {error.reason}.') from error
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise
        raise SourceError(f'{failed}: {getattr(error, "reason", error)}.') from error
    except http.client.IncompleteRead as error:
        raise SourceError(f"{failed}: the server's answer was cut short.") from error
    except (http.client.InvalidURL, ValueError) as error:  # its text may contain what `shown` leaves out
        raise SourceError(f'{failed}: it is not a valid URL.') from error
    except http.client.HTTPException as error:
        raise SourceError(f'{failed}: the server does not answer in HTTP ({type(error).__name__}).') from error


def _opened(url: str, opener: Opener, ca_path: str | None) -> http.client.HTTPResponse:
    """Trust the system's authorities, and otherwise those in `ca_path`, as an internal mirror needs."""
    try:
        return opener(url)
    except urllib.error.URLError as error:
        if not ca_path or not isinstance(error.reason, ssl.SSLCertVerificationError):
            raise
    return opener(url, ca_path=ca_path)

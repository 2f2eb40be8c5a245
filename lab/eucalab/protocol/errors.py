# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The error replies of the services."""

from __future__ import annotations


class ApiError(Exception):
    """An EC2 error reply. The status decides whether clients retry: botocore repeats every 500."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(f'{code}: {message}')
        self.code, self.message, self.status = code, message, status


def failure(message: str) -> ApiError:
    """The 500 that Eucalyptus returns for any exception without a code of its own (ComputeErrorHandler)."""
    return ApiError('InternalFailure', message, 500)


def unauthorized(message: str) -> ApiError:
    return ApiError('UnauthorizedOperation', message, 403)


def lacking(what: str) -> ApiError:
    """The refusal of a request that only the lab cannot fulfil. It is a 501, because clients repeat requests after a 500."""
    return ApiError('NotImplemented', f'The lab lacks {what}.', 501)


class TransportError(Exception):
    """A request refused before it was parsed as a message: the reply's code is the HTTP status line (NioServerHandler)."""

    def __init__(self, status: int, message: str, for_log: str | None = None) -> None:
        super().__init__(message)
        self.status, self.message, self.for_log = status, message, for_log or message


class S3Error(Exception):
    """An object storage error reply; ``extra`` holds further elements of its body."""

    def __init__(self, status: int, code: str, message: str, **extra: str) -> None:
        super().__init__(f'{code}: {message}')
        self.status, self.code, self.message, self.extra = status, code, message, extra

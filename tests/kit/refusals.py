# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Requests that the API must refuse."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import botocore.exceptions
import pytest


@contextlib.contextmanager
def refused(code: str, *words: str, status: int = 400) -> Iterator[None]:
    """The call inside must fail with this error code and status, and a message that has these words."""
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        yield
    error = caught.value.response
    assert (error['Error']['Code'], error['ResponseMetadata']['HTTPStatusCode']) == (code, status), error
    for word in words:
        assert word in error['Error']['Message']

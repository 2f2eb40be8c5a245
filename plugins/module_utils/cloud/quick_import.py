# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Importing and setting up botocore, which is most of the time that a short module takes."""

from __future__ import annotations

import contextlib
import gc
import typing as t


@contextlib.contextmanager
def without_collections() -> t.Iterator[None]:
    """Switch the garbage collector off in the block. Imports and the models of services make many thousand objects that stay, so
    its collections free nothing, and they are a tenth of a module's processor time."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if enabled:
            gc.enable()

# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The root of the collection's exceptions."""

from __future__ import annotations


class CollectionError(Exception):
    """A request that cannot be fulfilled.

    The message is one or more complete sentences for the user: what was tried, on which resource, why it failed, and
    the way out where one is known. It contains no secret, so modules print it unchanged.
    """

# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ports for servers of tests."""

from __future__ import annotations

import socket

_KEPT: list[socket.socket] = []


def free_port() -> int:
    """A port that nobody else is given while this process lives: neither before its server is up, nor between two servers.

    A socket that is bound and does not listen reserves it. Servers that set SO_REUSEADDR, as it does, can still bind.
    """
    keeper = socket.socket()
    keeper.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    keeper.bind(('127.0.0.1', 0))
    _KEPT.append(keeper)
    port: int = keeper.getsockname()[1]
    return port

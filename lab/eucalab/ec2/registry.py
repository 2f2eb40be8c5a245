# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of EC2 actions: each resource family registers its actions with ``@action``.

An action gets the cloud, the caller and the request (a dictionary in botocore's member names), and returns the reply in
the same form, or raises ApiError.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from ..cloud.context import Cloud
from ..protocol.auth import Caller

Reply = dict[str, Any]
Action = Callable[[Cloud, Caller, dict[str, Any]], Reply | Awaitable[Reply]]

ACTIONS: dict[str, Action] = {}


def action(name: str) -> Callable[[Action], Action]:
    def announce(function: Action) -> Action:
        ACTIONS[name] = function
        return function

    return announce

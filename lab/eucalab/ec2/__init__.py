# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""EC2: one module per resource family; each announces its actions with ``@action``.

An action gets the cloud, the caller and the request (a dictionary in botocore's member names), and returns the reply in
the same form, or raises ApiError. A later action is a function more in its family's module, and its parameters in
``versions``.
"""

from __future__ import annotations

import importlib
from collections.abc import Awaitable, Callable
from typing import Any

from ..auth import Caller
from ..cloud import Cloud

Reply = dict[str, Any]
Action = Callable[[Cloud, Caller, dict[str, Any]], Reply | Awaitable[Reply]]

ACTIONS: dict[str, Action] = {}


def action(name: str) -> Callable[[Action], Action]:
    def announce(function: Action) -> Action:
        ACTIONS[name] = function
        return function

    return announce


def load_actions() -> dict[str, Action]:
    for family in (
        'attachments',
        'attributes',
        'console',
        'images',
        'instances',
        'registration',
        'run',
        'snapshots',
        'tags',
        'volumes',
        'zones',
    ):
        importlib.import_module(f'.{family}', __name__)
    return ACTIONS

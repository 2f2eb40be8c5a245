# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""GetConsoleOutput: the part of a guest's serial console that the node returns (``doGetConsoleOutput``)."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

from ..cloud.context import Cloud
from ..protocol.auth import Caller
from ..protocol.errors import ApiError, failure
from . import ids
from .registry import Reply, action

HEAD, TAIL = 4096, 64 << 10


@action('GetConsoleOutput')
def get_console_output(cloud: Cloud, caller: Caller, request: dict[str, Any]) -> Reply:
    identifier = ids.instance_id(cloud, request.get('InstanceId'))
    row = cloud.store.row('SELECT * FROM instances WHERE id = ?', identifier)
    strict = cloud.played.instances.console_needs_running
    if row is None or (row['state'] == 'terminated' and not strict):
        raise ApiError('InvalidInstanceID.NotFound', f"The instance ID '{identifier}' does not exist")
    if row['account'] != caller.account and not caller.is_admin:
        raise failure(f'Permission denied for vm: {identifier}')
    if row['state'] != 'running' and strict:
        raise failure(f'Instance {identifier} is not in a running state.')
    output = b''
    if row['instance_path'] and row['state'] == 'running':
        path = Path(row['instance_path'])
        output = _read(path / 'console.append.log', 0, HEAD) + _tail(path / 'console.log')
    return {'InstanceId': identifier, 'Timestamp': cloud.now(), 'Output': base64.b64encode(output).decode()}


def _tail(path: Path) -> bytes:
    try:
        return _read(path, max(0, path.stat().st_size - TAIL), TAIL)
    except FileNotFoundError:
        return b''


def _read(path: Path, start: int, most: int) -> bytes:
    try:
        with open(path, 'rb') as file:
            file.seek(start)
            return file.read(most)
    except FileNotFoundError:
        return b''

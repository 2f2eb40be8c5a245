# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A node without a hypervisor: it reports every request as done, so that clients can go through whole sequences quickly."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path

from eucalab.cloud.store import Store

from .lab import Lab

CONSOLE = 'a console of a played node\r\n'
# The steps that the API requests, and the node's answer.
_ANSWERS = (
    "UPDATE instances SET node_state = 'running', instance_path = :path WHERE state = 'pending' AND node_state IS NULL"
    " AND id NOT IN (SELECT instance_id FROM attachments JOIN volumes ON id = volume_id WHERE volumes.state = 'creating')",
    "UPDATE instances SET node_state = 'teardown' WHERE state IN ('shutting-down', 'stopping')",
    "UPDATE attachments SET node_state = 'attached' WHERE state = 'attaching' AND node_state IS NULL",
    "UPDATE attachments SET node_state = 'detached' WHERE state = 'detaching'",
    "UPDATE guest_requests SET node_state = 'done' WHERE node_state IS NULL",
)


@contextlib.contextmanager
def played_node(lab: Lab, directory: Path) -> Iterator[None]:
    """Answer the lab's requests while the block lasts. All instances have the same console, in ``directory``."""
    (directory / 'console.log').write_bytes(CONSOLE.encode())
    stop = threading.Event()

    def answer() -> None:
        store = Store(lab.config.database)
        while not stop.wait(0.1):
            for sql in _ANSWERS:
                store.execute(sql.replace(':path', '?'), *([str(directory)] if ':path' in sql else []))
        store.close()

    thread = threading.Thread(target=answer)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()

# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a module has to tell while it works: lines in a file that the task's action plugin follows and shows."""

from __future__ import annotations

import json


class Live:
    """Each line of the file is JSON: {"text": "…", "note": true} is shown whatever else there is, {"text": "…"} if
    there is room, {"text": "…", "passing": true} if somebody is watching.

    Without a path nothing is written. Telling is an ornament, so a file that cannot be written is no error.
    """

    def __init__(self, path: str | None) -> None:
        self._path = path

    def line(self, text: str) -> None:
        self._write({'text': text})

    def note(self, text: str) -> None:
        self._write({'text': text, 'note': True})

    def passing(self, text: str) -> None:
        self._write({'text': text, 'passing': True})

    def _write(self, what: dict[str, object]) -> None:
        if not self._path:
            return
        try:
            with open(self._path, 'a', encoding='utf-8') as file:
                file.write(json.dumps(what) + '\n')
        except OSError:
            self._path = None

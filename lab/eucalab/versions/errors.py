# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The wording of a version's refusals.

The actions raise errors with the codes and messages of 4.4. Older versions have other texts for some of them, and no
codes for most: ``ReplyQueue`` of 3.x takes the name of the message class as code, with HTTP status 406.
"""

from __future__ import annotations

import dataclasses
import re

NOT_ACCEPTABLE = 406


@dataclasses.dataclass(frozen=True)
class Errors:
    sources: tuple[str, ...]
    # Patterns of "Action Code: message" for errors that have the same code in this version. The code of any other is the
    # name of the request's class. None: all have the same code.
    coded: tuple[str, ...] | None = None
    # Pattern of "Action Code: message", and this version's message. The first that matches counts.
    words: tuple[tuple[str, str], ...] = ()
    # Actions whose reply for an unknown resource is not an error but ``<return>false</return>``.
    false_if_unknown: frozenset[str] = frozenset()

    def reply(self, action: str, status: int, code: str, message: str) -> tuple[int, str, str]:
        """HTTP status, code and message of this version."""
        text = f'{action} {code}: {message}'
        for pattern, template in self.words:
            match = re.fullmatch(pattern, text, re.DOTALL)
            if match:
                message = match.expand(template)
                break
        # 501: an error of the lab's own
        if self.coded is None or status == 501 or any(re.fullmatch(pattern, text, re.DOTALL) for pattern in self.coded):
            return status, code, message
        return NOT_ACCEPTABLE, f'{action}Type', message

    def is_only_false(self, action: str, code: str) -> bool:
        return action in self.false_if_unknown and code.endswith(('.NotFound', '.Malformed'))

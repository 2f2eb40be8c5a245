# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""User data that carries boot parameters to the node controller's hook, and the limits that would bite only there."""

from __future__ import annotations

import re

# The node controller keeps 16383 characters of base64, and cuts the rest off without a word.
MAX_BYTES = 12287
# x86 kernels read 2048 bytes of command line, the closing NUL among them, and ignore what follows.
MAX_PARAMETERS = 2047
NAME = re.compile(r'[A-Za-z0-9][A-Za-z0-9._-]*\Z')
KEYS = re.compile(r'^(bootparams|installer|console)=', re.MULTILINE)


class UserDataError(Exception):
    """The user data would not reach the hook as it is meant. The message says what is wrong with it."""


def compose(boot_params: str | None, installer: str | None, vnc: bool, user_data: str | None) -> bytes | None:
    """Return the user data to run an instance with, None when there is nothing to say.

    The hook's lines come first, so that nothing that cuts the data short takes them away. Raises UserDataError.
    """
    lines = []
    if boot_params is not None:
        lines.append(f'bootparams={_checked_parameters(boot_params)}')
    if installer is not None:
        if not NAME.match(installer):
            raise UserDataError(
                f'installer is {installer!r}, but it is the name of an installer that the operator cached on the node '
                'controllers: letters, digits, dot, underscore and hyphen.'
            )
        lines.append(f'installer={installer}')
    if vnc:
        lines.append('console=vnc')
    own = user_data or ''
    if lines and KEYS.search(own):
        raise UserDataError(
            'user_data has a line with bootparams=, installer= or console= of its own; '
            'say these with boot_params, installer and vnc, or all in user_data.'
        )
    data = ('\n'.join([*lines, own])).encode('utf-8', 'surrogateescape')
    if (lines or KEYS.search(own)) and len(data) > MAX_BYTES:
        raise UserDataError(
            f'The user data with the boot parameters has {len(data)} bytes, but a node controller keeps no more than '
            f'{MAX_BYTES}: shorten user_data.'
        )
    return data or None


def _checked_parameters(text: str) -> str:
    odd = next((char for char in text if not ' ' <= char <= '~'), None)
    if odd is not None:
        place = text.index(odd) + 1
        raise UserDataError(f'boot_params has {odd!r} at character {place}; a kernel command line is one line of printable ASCII.')
    if len(text) > MAX_PARAMETERS:
        raise UserDataError(
            f'boot_params has {len(text)} characters, but a kernel reads no more than {MAX_PARAMETERS} and ignores the '
            'rest: shorten it, for example with a shorter URL.'
        )
    return text

# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""User data that carries boot parameters to the hook of the node controllers and remains readable for cloud-init.

The hook looks for its lines at the beginning of any line. cloud-init decides by the first characters how to read user
data, and would treat `#cloud-config` after the hook's lines as plain text. In a MIME message each finds its own lines:
the hook's are a part of type text/plain, which cloud-init skips (cloudinit/user_data.py and
cloudinit/handlers/__init__.py, releases 0.7 to 24).
"""

from __future__ import annotations

import base64
import email
import hashlib
import re

from ansible_collections.eucalyptus.cloud.plugins.module_utils.errors import CollectionError

# The node controller keeps 16383 characters of base64, and silently cuts off the rest.
MAX_BYTES = 12287
# x86 kernels read 2048 bytes of command line, the closing NUL among them, and ignore what follows.
MAX_PARAMETERS = 2047
INSTALLER = re.compile(r'[a-z0-9_-][a-z0-9._-]*')  # as the role nc_hooks allows it (module_utils/node/installers.py)
KEYS = re.compile(r'^(bootparams|installer|console)=', re.MULTILINE)
# Beginnings by which cloud-init recognises user data, in lower case, with the content type of each.
KINDS = {
    '#cloud-config-archive': 'text/cloud-config-archive',
    '#cloud-config-jsonp': 'text/cloud-config-jsonp',
    '#cloud-config': 'text/cloud-config',
    '#cloud-boothook': 'text/cloud-boothook',
    '#part-handler': 'text/part-handler',
    '#upstart-job': 'text/upstart-job',
    '#include-once': 'text/x-include-once-url',
    '#include': 'text/x-include-url',
    '## template: jinja': 'text/jinja2',
    '#!': 'text/x-shellscript',
}
GZIP = b'\x1f\x8b'
# User data that has no effect. Eucalyptus 4.0 to 4.2 do not accept an empty text in a change, and cloud-init warns of other text.
NOTHING = b'#cloud-config\n{}\n'
# Bytes in which cloud-init looks for the header of a MIME message.
HEADER = 4096


class UserDataError(CollectionError):
    """User data that would not reach the hook as intended."""


def compose(boot_params: str | None, installer: str | None, vnc: bool, user_data: str | None) -> bytes | None:
    """Return the user data to run an instance with, None when there is none.

    The hook's lines come first, so that they are not cut off: in front of plain text, otherwise as the first part of
    a MIME message. The same arguments always give the same bytes. Raises UserDataError.
    """
    lines = _lines(boot_params, installer, vnc)
    own = user_data or ''
    if lines and KEYS.search(own):
        raise UserDataError(
            'user_data has a line that begins with bootparams=, installer= or console=, which the hook on the node '
            'controller would interpret. Use boot_params, installer and vnc for these, or indent the line.'
        )
    data = (_together(lines, own) if lines else own).encode('utf-8', 'surrogateescape')
    if (lines or own.startswith('bootparams=') or '\nbootparams=' in own) and len(data) > MAX_BYTES:
        raise UserDataError(
            f'The user data with the boot parameters has {len(data)} bytes, but a node controller keeps at most '
            f'{MAX_BYTES}. Shorten user_data, for example with #include and a URL.'
        )
    return data or None


def _lines(boot_params: str | None, installer: str | None, vnc: bool) -> str:
    lines = ''
    if boot_params is not None:
        lines += f'bootparams={_checked_parameters(boot_params)}\n'
    if installer is not None:
        if not INSTALLER.fullmatch(installer):
            raise UserDataError(
                f'installer is {installer!r}, but must be the name of an installer that the operator keeps on the node '
                'controllers: lower-case letters, digits, dot, underscore and hyphen, not beginning with a dot.'
            )
        lines += f'installer={installer}\n'
    if vnc:
        lines += 'console=vnc\n'
    return lines


def _together(lines: str, own: str) -> str:
    raw = own.encode('utf-8', 'surrogateescape')
    part = f'Content-Type: text/plain; charset="us-ascii"\n\n{lines}'
    if b'mime-version:' in raw[:HEADER].lower():
        message = email.message_from_string(own)
        if message.get_content_maintype() == 'multipart':
            return _with_part(own, message.get_boundary(), part)
        return _message(part, own)
    if raw.startswith(GZIP):
        raise UserDataError('user_data is compressed with gzip, which cannot carry boot parameters. Pass it uncompressed.')
    start = own.lstrip().lower()  # as cloud-init looks at it (handlers.type_from_starts_with)
    kind = next((kind for begin, kind in KINDS.items() if start.startswith(begin)), None)
    if kind is None:
        return lines + own
    if own.isascii() and not own.endswith('\r'):  # which would be taken for a part of the boundary's line end
        return _message(part, f'Content-Type: {kind}\n\n{own}')
    # cloud-init damages other than ASCII characters in a part that is not encoded (util.fully_decoded_payload).
    encoded = base64.encodebytes(raw).decode('ascii')
    return _message(part, f'Content-Type: {kind}; charset="utf-8"\nContent-Transfer-Encoding: base64\n\n{encoded}')


def _with_part(own: str, boundary: str | None, part: str) -> str:
    """The MIME message with one more part, in front of the others; every other byte stays."""
    first = boundary and re.search(rf'^--{re.escape(boundary)}[ \t]*\r?$', own, re.MULTILINE)
    if not first:
        raise UserDataError('user_data is a MIME message without the boundary that its Content-Type names. Correct it.')
    return f'{own[: first.start()]}--{boundary}\n{part}{own[first.start() :]}'


def _message(*parts: str) -> str:
    digest = hashlib.sha256(''.join(parts).encode('utf-8', 'surrogateescape')).hexdigest()
    boundary = f'part-{digest[:24]}'
    body = ''.join(f'--{boundary}\n{part}\n' for part in parts)
    return f'Content-Type: multipart/mixed; boundary="{boundary}"\nMIME-Version: 1.0\n\n{body}--{boundary}--\n'


def _checked_parameters(text: str) -> str:
    odd = next((char for char in text if not ' ' <= char <= '~'), None)
    if odd is not None:
        place = text.index(odd) + 1
        raise UserDataError(
            f'boot_params has {odd!r} at character {place}, but a kernel command line is one line of printable ASCII.'
        )
    if len(text) > MAX_PARAMETERS:
        raise UserDataError(
            f'boot_params has {len(text)} characters, but a kernel reads at most {MAX_PARAMETERS} and ignores the '
            'rest. Shorten it, for example with a shorter URL.'
        )
    return text

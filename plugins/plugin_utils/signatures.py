# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""OpenPGP signatures of a distribution's files, checked by gpgv with the distribution's keyring."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from ansible_collections.eucalyptus.cloud.plugins.module_utils.errors import CollectionError

STATUS = re.compile(r'^\[GNUPG:\] (\w+) ?(\S*)', re.MULTILINE)


class SignatureError(CollectionError):
    """A signature that is wrong or cannot be checked. The message names the URL and the keyring."""


def signed_text(content: bytes, url: str, keyring: str) -> tuple[bytes, str]:
    """The text inside a clear-signed file such as InRelease, and the fingerprint of its key. Raises SignatureError."""
    with tempfile.TemporaryDirectory(prefix='image_build.') as directory:
        signed, text = Path(directory, 'signed'), Path(directory, 'text')
        signed.write_bytes(content)
        # The output has the signed part only.
        key = _good([f'--output={text}', str(signed)], url, keyring)
        return text.read_bytes(), key


def check_detached(content: bytes, signature: bytes, url: str, keyring: str) -> str:
    """The fingerprint of the key whose good signature of this content is at the URL. Raises SignatureError."""
    with tempfile.TemporaryDirectory(prefix='image_build.') as directory:
        signed, beside = Path(directory, 'signed'), Path(directory, 'signature')
        signed.write_bytes(content)
        beside.write_bytes(signature)
        return _good([str(beside), str(signed)], url, keyring)


def _good(arguments: list[str], url: str, keyring: str) -> str:
    _readable(url, keyring)
    gpgv = shutil.which('gpgv')
    if not gpgv:
        raise SignatureError(
            f'The signature of {url} cannot be checked, because this machine has no gpgv. Install it (the package is gpgv or '
            'gnupg2), or set image_build_kernel_checksum and image_build_ramdisk_checksum.'
        )
    done = subprocess.run(
        [gpgv, '--status-fd', '1', '--keyring', str(Path(keyring).expanduser().absolute()), *arguments],
        capture_output=True,
        check=False,
    )
    status: list[tuple[str, str]] = STATUS.findall(done.stdout.decode('utf-8', 'replace'))
    # Release files have several signatures, of which an older keyring knows only some: then gpgv's exit status is not 0.
    # Keys of old releases have expired.
    valid = [value for word, value in status if word == 'VALIDSIG']
    bad = [word for word, _value in status if word in ('BADSIG', 'REVKEYSIG')]
    if bad or not valid:
        unknown = [value for word, value in status if word == 'NO_PUBKEY']
        reason = (
            'it is not the signature of this content'
            if bad
            else f'the keyring has none of its keys, {", ".join(unknown)}'
            if unknown
            else 'gpgv reports ' + ' '.join(done.stderr.decode('utf-8', 'replace').split())
        )
        raise SignatureError(f'The signature of {url} is not good for the keyring {keyring} (image_build_keyring): {reason}.')
    return valid[0]


def _readable(url: str, keyring: str) -> None:
    if not keyring:
        raise SignatureError(
            f'image_build_keyring is empty, so the signature of {url} cannot be checked. Set it to a file with the public keys of '
            'the distribution (`gpg --dearmor` makes it from an exported key).'
        )
    try:
        with Path(keyring).expanduser().open('rb') as file:
            armored = file.read(5) == b'-----'
    except OSError as error:
        raise SignatureError(
            f'image_build_keyring: there is no readable file {keyring} ({error.strerror}), so the signature of {url} cannot be '
            "checked. Install the distribution's package of keys, or set it to a copy of that file."
        ) from error
    if armored:
        raise SignatureError(f'image_build_keyring: {keyring} is armored, which gpgv cannot read. Convert it with `gpg --dearmor`.')

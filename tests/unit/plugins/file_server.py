# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A web server on loopback with files in memory, for HTTP and HTTPS, a key that signs them, and a mirror of Debian."""

from __future__ import annotations

import contextlib
import datetime
import hashlib
import http.server
import ipaddress
import ssl
import subprocess
import threading
import time
import typing as t
from collections.abc import Iterator
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

Files = dict[str, bytes]  # by path; a value that begins with http is the target of a redirection


@contextlib.contextmanager
def serving(files: Files, tls: ssl.SSLContext | None = None) -> Iterator[tuple[str, list[str]]]:
    """Yield the server's base URL and the paths that were asked for."""
    asked: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            content = files.get(self.path)
            if content is None:
                self.send_error(404)
            elif content.startswith(b'http'):
                self.send_response(302)
                self.send_header('Location', content.decode())
                self.end_headers()
            else:
                self.send_response(200)
                self.send_header('Content-Length', str(len(content)))
                self.end_headers()
                if self.command == 'GET':
                    self.wfile.write(content)

        do_HEAD = do_GET  # noqa: N815

        def log_message(self, *_arguments: t.Any) -> None:
            """Print nothing."""

    server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Handler)
    if tls:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={'poll_interval': 0.01}, daemon=True)
    thread.start()
    try:
        yield f'{"https" if tls else "http"}://127.0.0.1:{server.server_address[1]}', asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def certificate(directory: Path) -> Path:
    """A file with a key and a self-signed certificate of 127.0.0.1, made in the directory."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, '127.0.0.1')])
    now = datetime.datetime.now(datetime.timezone.utc)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address('127.0.0.1'))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = directory / 'tls.pem'
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return path


class Signer:
    """A key of its own, with its public half in ``keyring``."""

    def __init__(self, home: Path) -> None:
        home.mkdir(mode=0o700)
        self._gpg = ['gpg', '--homedir', str(home), '--batch', '--quiet', '--pinentry-mode', 'loopback', '--passphrase', '']
        self._home = home
        self._run('--quick-generate-key', 'Distribution <keys@example.com>', 'ed25519', 'sign', 'never')
        self.keyring = home / 'keyring.gpg'
        self.keyring.write_bytes(self._run('--export'))

    def _run(self, *arguments: str, content: bytes = b'') -> bytes:
        # On a busy machine gpg gives up before its agent has started.
        for _attempt in range(10):
            ended = subprocess.run([*self._gpg, *arguments], input=content, check=False, capture_output=True)
            if ended.returncode == 0 or b'connect to the agent' not in ended.stderr:
                break
            time.sleep(1)
        assert ended.returncode == 0, ended.stderr
        return ended.stdout

    def clear_signed(self, content: bytes) -> bytes:
        return self._run('--clear-sign', content=content)

    def detached(self, content: bytes) -> bytes:
        return self._run('--armor', '--detach-sign', content=content)

    def armored(self) -> bytes:
        return self._run('--armor', '--export')

    def close(self) -> None:
        subprocess.run(['gpgconf', '--homedir', str(self._home), '--kill', 'all'], check=False)


# --- a mirror of Debian 12

KERNEL, RAMDISK = b'a kernel', b'a ramdisk'
INSTALLER = '/dists/bookworm/main/installer-amd64/current/images/'
NETBOOT = 'netboot/debian-installer/amd64/'


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def debian(signer: Signer, release: str = 'InRelease', codename: str = 'bookworm') -> Files:
    """Its files, without kernel and ramdisk. ``release`` is InRelease, or Release for one with a detached signature."""
    sums = f'{sha256(KERNEL)}  ./{NETBOOT}linux\n{sha256(RAMDISK)}  ./{NETBOOT}initrd.gz\n'.encode()
    text = (
        f'Origin: Debian\nSuite: oldstable\nCodename: {codename}\nSHA256:\n'
        f' {sha256(b"")} 0 main/installer-amd64/current/images/MD5SUMS\n'
        f' {sha256(sums)} {len(sums):8} main/installer-amd64/current/images/SHA256SUMS\n'
    ).encode()
    signed = {
        'InRelease': {'/dists/bookworm/InRelease': signer.clear_signed(text)},
        'Release': {'/dists/bookworm/Release': text, '/dists/bookworm/Release.gpg': signer.detached(text)},
    }
    return {f'{INSTALLER}SHA256SUMS': sums, **signed[release]}

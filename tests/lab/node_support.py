# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Support for the node controller's tests: a scratch lab, bundles, an object server, a guest that prints its state."""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import email.utils
import gzip
import hashlib
import hmac
import http.server
import io
import json
import os
import re
import shutil
import subprocess
import tarfile
import tempfile
import threading
import time
import urllib.parse
import uuid
import zlib
from collections.abc import Iterator
from pathlib import Path

from cryptography.hazmat.primitives import hashes, padding, serialization
from cryptography.hazmat.primitives.asymmetric import padding as rsa_padding
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from eucalab.cloud import keys
from eucalab.cloud.store import Store
from eucalab.config import Config, cache_root
from eucalab.host import guests, shared
from eucalab.node.model import Settings
from tests.kit.lab import labs_below

NODE = 'node1'
ACCESS, SECRET = 'SYSTEMACCESSKEY00001', 'system-secret'
INSTALLER = cache_root() / 'installer'
PAIR: dict[str, bytes] = {}  # the cloud's key and certificate, by the names of their files


class Objects:
    """A small object server on loopback that checks signature version 2 with code of its own."""

    def __init__(self) -> None:
        self.contents: dict[str, bytes] = {}
        self.failures: dict[str, list[int]] = {}  # statuses to answer with first, per path
        self.requests: list[str] = []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.answer(self)

            def log_message(self, *_arguments: object) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Handler)
        self.endpoint = f'http://127.0.0.1:{self.server.server_address[1]}'
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()  # seconds until it sees its end

    def answer(self, handler: http.server.BaseHTTPRequestHandler) -> None:
        path = handler.path
        self.requests.append(path)
        text = f'GET\n\n\n{handler.headers["Date"]}\n{path}'.encode()
        signature = base64.b64encode(hmac.new(SECRET.encode(), text, hashlib.sha1).digest()).decode()
        key = urllib.parse.unquote(path.split('/', 3)[3])  # behind /services/objectstorage or, on 3.x, /services/Walrus
        status, body = 200, self.contents.get(key, b'')
        email.utils.parsedate_to_datetime(handler.headers['Date'])
        if handler.headers['Authorization'] != f'AWS {ACCESS}:{signature}':
            status, body = 403, b'<Error><Code>SignatureDoesNotMatch</Code></Error>'
        elif self.failures.get(key):
            status, body = self.failures[key].pop(0), b'busy'
        elif key not in self.contents:
            status, body = 404, b'<Error><Code>NoSuchKey</Code></Error>'
        handler.send_response(status)
        handler.send_header('Content-Length', str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


@dataclasses.dataclass
class ScratchLab:
    """A lab without its API: tests write the rows that the API process would write."""

    config: Config
    objects: Objects
    store: Store
    key: rsa.RSAPrivateKey

    @property
    def settings(self) -> Settings:
        return Settings(self.config, NODE)

    def put_image(self, image_id: str, data: bytes, **bundle: object) -> dict[str, bytes]:
        """Bundle bytes, signed by the cloud, and register them; returns the objects by key."""
        kind = {'eki': 'kernel', 'eri': 'ramdisk', 'emi': 'machine'}[image_id[:3]]
        prefix = f'images/{image_id}-disk' if self.settings.played.storage.parts_in_root else f'images/{image_id}/disk'
        objects = make_bundle(prefix, data, self.key, **bundle)
        objects[f'{prefix}.manifest.xml'] = signed(objects[f'{prefix}.manifest.xml'], self.key)
        self.objects.contents.update(objects)
        self.store.insert(
            'images',
            id=image_id,
            account='000000000001',
            name=image_id,
            type=kind,
            location=f'{prefix}.manifest.xml',
            architecture='x86_64',
            virtualization_type='paravirtual',
            root_device_type='instance-store',
            root_device_name='/dev/sda1',
            size=len(data),
            state='available',
            created=time.time(),
        )
        return objects

    def add_instance(self, **columns: object) -> str:
        number = uuid.uuid4().hex[:8]
        values: dict[str, object] = {
            'id': f'i-{number}',
            'reservation': 'r-0a1b2c3d',
            'account': '000000000001',
            'user_id': 'AIDATESTUSER1',
            'image_id': 'emi-00000001',
            'kernel_id': 'eki-00000001',
            'ramdisk_id': 'eri-00000001',
            'instance_type': self.settings.played.types.default,
            'zone': 'one',
            'root_device_type': 'instance-store',
            'groups': json.dumps(['sg-1a2b3c4d']),
            'mac': 'd0:0d:' + ':'.join(number[i : i + 2] for i in range(0, 8, 2)),
            'private_ip': '10.1.2.3',
            'public_ip': '192.0.2.33',
            'state': 'pending',
            'state_since': time.time(),
            'launched': time.time(),
            'node': NODE,
        }
        values.update(columns)
        self.store.insert('instances', **values)
        return str(values['id'])

    def add_volume(self, size: int, state: str = 'available') -> str:
        volume_id = f'vol-{uuid.uuid4().hex[:8]}'
        self.store.insert(
            'volumes',
            id=volume_id,
            account='000000000001',
            size=1,
            zone='one',
            state=state,
            state_since=time.time(),
            created=time.time(),
        )
        with open(self.config.volume_file(volume_id), 'wb') as file:
            file.truncate(size)
        return volume_id

    def attach(self, instance_id: str, volume_id: str, device: str = '/dev/sdf', **columns: object) -> None:
        values: dict[str, object] = {'state': 'attaching', 'state_since': time.time(), 'attached': time.time()}
        values.update(columns)
        self.store.insert('attachments', volume_id=volume_id, instance_id=instance_id, device=device, **values)

    def instance(self, instance_id: str) -> dict[str, object]:
        return dict(self.store.row('SELECT * FROM instances WHERE id = ?', instance_id))

    def attachment(self, volume_id: str) -> dict[str, object]:
        return dict(self.store.row('SELECT * FROM attachments WHERE volume_id = ?', volume_id))

    def add_hook(self, name: str, text: str, mode: int = 0o755) -> Path:
        path = self.settings.home / 'etc/eucalyptus/nc-hooks' / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(mode)
        return path


@contextlib.contextmanager
def scratch_lab(pace: float = 0.02, play: str = '4.4') -> Iterator[ScratchLab]:
    """A lab below /var/tmp: the hook's and the hypervisor's users cannot enter pytest's own directories."""
    root = Path(tempfile.mkdtemp(prefix='eucalab-test-', dir='/var/tmp'))
    root.chmod(0o755)
    objects = Objects()
    try:
        with labs_below(root):
            yield from _scratch_lab(objects, pace, play)
    finally:
        objects.close()
        shutil.rmtree(root)


def _scratch_lab(objects: Objects, pace: float, play: str) -> Iterator[ScratchLab]:
    config = Config('tnode', 18774, pace=pace, play=play, accel='tcg', nodes=(NODE,), endpoint=objects.endpoint)
    config.make_directories()
    config.save()
    key = _cloud_keys(config)
    store = Store(config.database)
    store.insert('accounts', number='000000000009', name='(eucalyptus)aws-exec-read', is_admin=0)
    store.insert('users', user_id='SYSTEM', account='000000000009', name='admin', access_key=ACCESS, secret_key=SECRET)
    try:
        yield ScratchLab(config, objects, store, key)
    finally:
        for row in store.rows('SELECT id FROM instances'):
            guests.remove_log(row['id'])
        store.close()
        if os.geteuid() == 0:  # only root's nodes have libvirt run
            shared.release(config)


def _cloud_keys(config: Config) -> rsa.RSAPrivateKey:
    """Give the lab its cloud's key and certificate, the same to all labs of a test run: making a key takes half a second."""
    paths = (keys.cloud_key(config), keys.cloud_certificate(config))
    for path in paths:
        if path.name in PAIR:
            path.write_bytes(PAIR[path.name])
    keys.create_cloud_keys(config)
    PAIR.update({path.name: path.read_bytes() for path in paths})
    key = serialization.load_pem_private_key(PAIR[paths[0].name], None)
    assert isinstance(key, rsa.RSAPrivateKey)
    return key


def make_bundle(
    prefix: str, data: bytes, key: rsa.RSAPrivateKey, part_size: int = 1 << 20, padding_bytes: int = 0, **overrides: object
) -> dict[str, bytes]:
    """Objects of a bundle, by bucket and key. Overrides replace the manifest's values: size, digest, key_text …"""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode='w', format=tarfile.GNU_FORMAT) as tar:
        member = tarfile.TarInfo('disk')
        member.size = len(data)
        tar.addfile(member, io.BytesIO(data))
    tar_bytes = archive.getvalue() + bytes(padding_bytes)
    compressor = zlib.compressobj(1, wbits=31)
    packed = compressor.compress(tar_bytes) + compressor.flush()
    secret, vector = os.urandom(16), os.urandom(16)
    padder = padding.PKCS7(128).padder()
    encryptor = Cipher(algorithms.AES(secret), modes.CBC(vector)).encryptor()
    cipher = encryptor.update(padder.update(packed) + padder.finalize()) + encryptor.finalize()
    parts = [cipher[start : start + part_size] for start in range(0, len(cipher), part_size)]
    values = {
        'size': len(data),
        'bundled_size': len(cipher),
        'digest': hashlib.sha1(tar_bytes).hexdigest(),
        'key_text': secret.hex(),
        **overrides,
    }

    def sealed(text: object) -> str:
        return key.public_key().encrypt(str(text).encode(), rsa_padding.PKCS1v15()).hex()

    folder, name = prefix.rsplit('/', 1)
    listed = ''.join(
        f"<part index='{i}'><filename>{name}.part.{i:02}</filename>"
        f"<digest algorithm='SHA1'>{hashlib.sha1(part).hexdigest()}</digest></part>"
        for i, part in enumerate(parts)
    )
    manifest = (
        "<?xml version='1.0' encoding='ASCII'?>\n<manifest><version>2007-10-10</version><machine_configuration>"
        '<architecture>x86_64</architecture></machine_configuration><image>'
        f'<name>{name}</name><user>000000000001</user><type>machine</type>'
        f"<digest algorithm='SHA1'>{values['digest']}</digest>"
        f'<size>{values["size"]}</size><bundled_size>{values["bundled_size"]}</bundled_size>'
        f"<ec2_encrypted_key algorithm='AES-128-CBC'>{sealed(values['key_text'])}</ec2_encrypted_key>"
        f'<ec2_encrypted_iv>{sealed(vector.hex())}</ec2_encrypted_iv>'
        f"<parts count='{len(parts)}'>{listed}</parts></image><signature>UNSIGNED</signature></manifest>"
    )
    objects = {f'{folder}/{name}.part.{i:02}': part for i, part in enumerate(parts)}
    objects[f'{prefix}.manifest.xml'] = manifest.encode()
    return objects


def signed(manifest: bytes, key: rsa.RSAPrivateKey) -> bytes:
    """The manifest with its owner's signature, without which clouds up to 4.1 refuse or do not start an image."""
    parts = [re.search(f'<{tag}>.*</{tag}>'.encode(), manifest, re.DOTALL) for tag in ('machine_configuration', 'image')]
    text = b''.join(part.group() for part in parts if part)
    signature = key.sign(text, rsa_padding.PKCS1v15(), hashes.SHA1()).hex().encode()
    return re.sub(b'<signature>.*</signature>', b'<signature>' + signature + b'</signature>', manifest)


GUEST_INIT = """#!/bin/sh
export PATH=/bin
mount -t proc proc /proc; mount -t sysfs sysfs /sys; mount -t devtmpfs dev /dev
modprobe -a virtio_pci virtio_blk
echo "guest: cmdline $(cat /proc/cmdline)"
while read _ _ blocks name; do case $name in vd*) echo "guest: $name $blocks";; esac; done < /proc/partitions
seen=' '
while :; do
    for d in /sys/block/vd*; do
        serial=$(cat $d/serial); name=${d##*/}
        case $seen in *" $name "*) ;; *) seen="$seen$name "
            case $(head -c 8 /dev/$name) in poweroff) echo "guest: off"; poweroff -f;; esac
            case $serial in euca-*) echo "guest was here" > /dev/$name; sync;; esac
            echo "guest: disk $name $serial";; esac
    done
    for name in $seen; do [ -e /sys/block/$name ] || { seen=${seen/ $name / }; echo "guest: $name is gone"; }; done
    sleep 0.5
done
"""


def guest_kernel() -> bytes:
    return (INSTALLER / 'vmlinuz').read_bytes()


def guest_ramdisk(init: str = GUEST_INIT) -> bytes:
    """The installer's ramdisk, for its drivers and busybox, with another init that the kernel unpacks over its own."""
    with tempfile.TemporaryDirectory() as name:
        (Path(name) / 'init').write_text(init)
        (Path(name) / 'init').chmod(0o755)
        archive = subprocess.run(
            ['cpio', '-o', '-H', 'newc', '--quiet'], cwd=name, input=b'init', capture_output=True, check=True
        ).stdout
    return (INSTALLER / 'initrd').read_bytes() + gzip.compress(archive)


def file_system(disk: Path, offset: int = 0) -> str:
    """The type of the file system at an offset of the disk; empty if there is none."""
    probe = ['blkid', '-p', '-o', 'value', '-s', 'TYPE', '-O', str(offset), str(disk)]
    return subprocess.run(probe, capture_output=True, text=True, check=False).stdout.strip()


def boot_sector(message: str, power_off: bool) -> bytes:
    """A disk's first sector that writes a message to the serial port and then switches the machine off, or halts.

    xor ax,ax; mov ds,ax; cld; mov si,text; next: lodsb; test al,al; jz end; mov dx,3f8h; out dx,al; jmp next
    end: mov dx,604h; mov ax,2000h; out dx,ax   (the ACPI sleep register of QEMU's pc)    halt: hlt; jmp halt
    """
    code = bytes.fromhex('31c0 8ed8 fc be0000 ac 84c0 7406 baf803 ee ebf5')
    code += bytes.fromhex('ba0406 b80020 ef' if power_off else '') + bytes.fromhex('f4 ebfd')
    code = code.replace(bytes.fromhex('be0000'), b'\xbe' + (0x7C00 + len(code)).to_bytes(2, 'little'))
    return (code + message.encode() + b'\r\n\0').ljust(510, b'\0') + b'\x55\xaa'

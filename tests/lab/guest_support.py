# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Labs with a network of their own, and guests in them: the busybox system, without an installation before."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import re
import shutil
import socket
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from eucalab.addressing import Addressing
from eucalab.cloud.keys import cloud_key
from eucalab.config import cache_root
from eucalab.installer import products
from tests.kit.command import eucalab
from tests.kit.lab import Lab, labs_below
from tests.kit.ports import free_port
from tests.kit.waiting import wait_for
from tests.lab.node_support import make_bundle, signed

FILE_SYSTEM_BYTES = 64 << 20
GUEST_SECONDS = 240  # until a guest has booted on a busy machine


@dataclasses.dataclass
class GuestLab(Lab):
    """A lab that the command ``eucalab`` has made."""

    @property
    def addressing(self) -> Addressing:
        assert self.config.addressing is not None
        return self.config.addressing

    def publish_busybox(self) -> str:
        """Publish the busybox system's root file system with its kernel and ramdisk; returns the id of the image."""
        key = load_pem_private_key(cloud_key(self.config).read_bytes(), None)
        assert isinstance(key, rsa.RSAPrivateKey)
        with tempfile.TemporaryDirectory(prefix='eucalab-test-', dir='/var/tmp') as folder:
            root = Path(folder) / 'root'
            with tarfile.open(products.system(cache_root(), 'busybox')) as archive:
                archive.extractall(root)
            boot = {kind: next((root / 'boot').glob(pattern)).read_bytes() for kind, pattern in KERNEL_FILES.items()}
            shutil.rmtree(root / 'boot')
            disk = Path(folder) / 'disk'
            with disk.open('wb') as file:
                file.truncate(FILE_SYSTEM_BYTES)
            subprocess.run(['/sbin/mke2fs', '-q', '-t', 'ext4', '-d', root, disk], check=True)
            ids = {kind: self._publish(kind, data, key) for kind, data in boot.items()}
            options = {'KernelId': ids['kernel'], 'RamdiskId': ids['ramdisk'], 'RootDeviceName': '/dev/sda1'}
            return self._publish('machine', disk.read_bytes(), key, **options)

    def _publish(self, kind: str, data: bytes, key: rsa.RSAPrivateKey, **options: str) -> str:
        s3 = self.s3(self.admin)
        if kind == 'kernel':
            s3.create_bucket(Bucket='busybox')
        settings = (
            '<kernel_id>true</kernel_id>' if kind == 'kernel' else '<ramdisk_id>true</ramdisk_id>' if kind == 'ramdisk' else ''
        )
        for name, body in make_bundle(f'busybox/{kind}', data, key, 10 << 20).items():
            if name.endswith('.manifest.xml'):
                body = body.replace(b'<user>000000000001</user>', f'<user>{self.admin.number}</user>'.encode())
                body = body.replace(b'<type>machine</type>', f'<type>{kind}</type>'.encode())
                body = body.replace(b'</architecture>', f'</architecture>{settings}'.encode())
                body = signed(body, self._admin_key())
            s3.put_object(Bucket='busybox', Key=name.removeprefix('busybox/'), Body=body, ACL='aws-exec-read')
        ec2 = self.ec2(self.admin)
        image = ec2.register_image(Name=kind, ImageLocation=f'busybox/{kind}.manifest.xml', Architecture='x86_64', **options)[
            'ImageId'
        ]
        # In the form that 3.1 accepts.
        ec2.modify_image_attribute(ImageId=image, Attribute='launchPermission', OperationType='add', UserGroups=['all'])
        return str(image)

    def _admin_key(self) -> rsa.RSAPrivateKey:
        assert self.admin.private_key is not None
        key = load_pem_private_key(self.admin.private_key.read_bytes(), None)
        assert isinstance(key, rsa.RSAPrivateKey)
        return key

    def run(self, image: str, **options: Any) -> str:
        """Run an instance; returns its id."""
        return str(self.ec2().run_instances(ImageId=image, MinCount=1, MaxCount=1, **options)['Instances'][0]['InstanceId'])

    def described(self, instance: str) -> dict[str, Any]:
        (reservation,) = self.ec2().describe_instances(InstanceIds=[instance])['Reservations']
        return dict(reservation['Instances'][0])

    def console(self, instance: str) -> str:
        path = self.row('instances', instance)['instance_path']
        file = Path(path or '/', 'console.log')
        return file.read_bytes().decode(errors='replace') if path and file.exists() else ''

    def wait_for_login(self, instance: str) -> None:
        wait_for(f'{instance} has booted', lambda: 'login:' in self.console(instance), GUEST_SECONDS)

    def ended(self, instance: str) -> bool:
        return self.row('instances', instance)['state'] == 'terminated'

    def inside(self, *command: str) -> str:
        """Run a command in the lab's namespace."""
        done = subprocess.run(
            ['nsenter', f'--net=/run/netns/{self.config.namespace}', *command], text=True, capture_output=True, check=True
        )
        return done.stdout


KERNEL_FILES = {'kernel': 'vmlinuz-*', 'ramdisk': 'initrd.img-*'}


@contextlib.contextmanager
def guest_lab(name: str, *words: str) -> Iterator[GuestLab]:
    """A lab with a network and two nodes in a state directory of its own."""
    root = Path(tempfile.mkdtemp(prefix='eucalab-test-', dir='/var/tmp'))
    root.chmod(0o755)
    with labs_below(root):
        done = eucalab('up', '--name', name, '--port', str(free_port()), '--accel', 'tcg', '--pace', '0.02', *words)
        try:
            assert done.returncode == 0, done.stderr
            yield GuestLab.load(name)
        finally:
            ended = eucalab('down', '--name', name)
            assert ended.returncode == 0, ended.stderr
            assert not root.exists() or not os.listdir(root)
            shutil.rmtree(root, ignore_errors=True)


def reaches(address: str, port: int, seconds: float = 3) -> bool:
    """Whether a connection from this machine to that port is accepted."""
    try:
        socket.create_connection((address, port), timeout=seconds).close()
    except OSError:
        return False
    return True


def ssh(address: str, key: Path, *command: str, user: str = 'root') -> str:
    """Run a command in a guest; returns what it prints."""
    done = subprocess.run(
        ['ssh', '-i', str(key), '-o', 'StrictHostKeyChecking=no', '-o', 'UserKnownHostsFile=/dev/null', '-o', 'LogLevel=ERROR']
        + ['-o', 'BatchMode=yes', '-o', 'ConnectTimeout=30', f'{user}@{address}', *command],
        text=True,
        capture_output=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return re.sub('\r', '', done.stdout)

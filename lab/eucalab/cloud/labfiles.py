# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files for the lab's users: credentials in a cloud's usual form, an inventory, and facts for playbooks."""

from __future__ import annotations

import json
import os
import shlex
import sys
from pathlib import Path

from ..config import Config, cache_root
from ..installer import products
from ..versions import PLAYED, Played
from . import keys
from .accounts import ADMIN, TENANT, Credentials
from .mirror import BUCKET

INSTALLER_MEMORY = 256  # MB
FOLDERS = {ADMIN: 'admin', TENANT: 'tenant'}
EUCARC = """\
EUCA_KEY_DIR=$(cd $(dirname ${{BASH_SOURCE:-$0}}); pwd -P)
export EC2_URL={endpoint}{ec2_path}
export S3_URL={endpoint}{s3_path}
export EC2_PRIVATE_KEY=${{EUCA_KEY_DIR}}/euca2-{folder}-pk.pem
export EC2_CERT=${{EUCA_KEY_DIR}}/euca2-{folder}-cert.pem
export EUCALYPTUS_CERT=${{EUCA_KEY_DIR}}/cloud-cert.pem
export EC2_ACCOUNT_NUMBER='{number}'
export EC2_USER_ID='{number}'
export EC2_ACCESS_KEY='{access_key}'
export EC2_SECRET_KEY='{secret_key}'
export AWS_ACCESS_KEY='{access_key}'
export AWS_SECRET_KEY='{secret_key}'
"""


def write(config: Config, credentials: dict[str, Credentials]) -> None:
    """Write all files, replacing each atomically."""
    for account, folder in FOLDERS.items():
        _write_credentials(config, config.home / folder, credentials[account])
    _write(config.home / 'inventory.ini', _inventory(config), 0o644)
    _write(config.home / 'lab.yml', _facts(config), 0o644)


def _write_credentials(config: Config, folder: Path, user: Credentials) -> None:
    folder.mkdir(mode=0o700, exist_ok=True)
    _write(folder / 'cloud-cert.pem', keys.cloud_certificate(config).read_text(), 0o644)
    if user.certificate and user.private_key:
        _write(folder / f'euca2-{folder.name}-cert.pem', user.certificate.read_text(), 0o600)
        _write(folder / f'euca2-{folder.name}-pk.pem', user.private_key.read_text(), 0o600)
    _write(
        folder / 'eucarc',
        EUCARC.format(
            endpoint=config.endpoint,
            ec2_path=PLAYED[config.play].requests.paths[0],
            s3_path=PLAYED[config.play].storage.paths[0],
            folder=folder.name,
            number=user.number,
            access_key=user.access_key,
            secret_key=user.secret_key,
        ),
        0o600,
    )


def _inventory(config: Config) -> str:
    """One host per node: this machine, with that node's $EUCALYPTUS."""
    # Ansible calls no interpreter whose path has a blank, so `tools/setup` may have made .venv a link to another directory.
    python = Path(sys.executable).parent.resolve() / Path(sys.executable).name
    lines = ['[node_controllers]']
    lines += [
        f'{node} ansible_connection=local ansible_python_interpreter={shlex.quote(str(python))}'
        f' nc_hooks_eucalyptus_home={shlex.quote(str(config.node_home(node)))}'
        for node in config.nodes
    ]
    return '\n'.join(lines) + '\n'


def _facts(config: Config) -> str:
    guest_s3_url = config.guest_endpoint + PLAYED[config.play].storage.paths[0]
    facts = {
        'lab_name': config.name,
        'lab_endpoint': config.endpoint,
        'lab_guest_endpoint': config.guest_endpoint,
        # This machine as guests see it. Without a network of the lab, guests cannot be reached.
        'lab_machine': str(config.addressing.machine) if config.addressing else '',
        'lab_zone': config.zone,
        'lab_admin_eucarc': str(config.home / 'admin/eucarc'),
        'lab_tenant_eucarc': str(config.home / 'tenant/eucarc'),
        'lab_installer_kernel': str(products.kernel(cache_root())),
        'lab_installer_ramdisk': str(products.ramdisk(cache_root())),
        'lab_guest_s3_url': guest_s3_url,
        'lab_mirror_url': f'{guest_s3_url}/{BUCKET}',
        'lab_instance_type': _instance_type(PLAYED[config.play]),
    }
    # A JSON string is a YAML string.
    return '---\n' + ''.join(f'{name}: {json.dumps(value)}\n' for name, value in facts.items())


def _instance_type(played: Played) -> str:
    """The smallest type with enough memory for the installer; empty where the cloud lists the sizes of its types for tenants."""
    if 'DescribeInstanceTypes' in played.requests.known:
        return ''
    return min((one.memory, name) for name, one in played.types.offered.items() if one.memory >= INSTALLER_MEMORY)[1]


def _write(path: Path, text: str, mode: int) -> None:
    new = path.with_name(path.name + '.new')
    new.unlink(missing_ok=True)
    with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), 'w') as out:
        os.fchmod(out.fileno(), mode)
        out.write(text)
    new.replace(path)

# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The metadata service at 169.254.169.254, as ``MetadataPipeline``, ``VmMetadata`` and ``VmInstanceMetadata`` of 4.4.

A request gets the metadata of the instance that has its source address. Its method is ignored.
"""

from __future__ import annotations

import base64
import json
import re
import sqlite3
import time
from collections.abc import Callable

from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key, pkcs7

from ..addressing import METADATA
from ..cloud import keys
from ..cloud.context import Cloud
from ..cloud.instance_types import is_partition
from ..cloud.instances import dns_name

# Metadata versions are not necessarily API versions.
VERSIONS = [
    '1.0',
    '2007-01-19',
    '2007-03-01',
    '2007-08-29',
    '2007-10-10',
    '2007-12-15',
    '2008-02-01',
    '2008-09-01',
    '2009-04-04',
    '2011-01-01',
    '2011-05-01',
    '2012-01-12',
    '2014-02-25',
    'latest',
]
_ACCEPTED = re.compile(r'/latest(?:/.*)?|/\d{4}-\d\d-\d\d/.*|/1\.0/.*', re.DOTALL)
NOT_FOUND = b'<html><head><title>404 - Not Found</title></head><body><h1>404 - Not Found</h1></body></html>\n'
Tree = dict[str, str]


async def handle(cloud: Cloud, request: web.Request) -> web.Response:
    path = request.raw_path.partition('?')[0]
    found = _versions(request.headers.get('Host', '')) if path == '/' else get(cloud, request.remote or '', path)
    response = web.Response(
        status=200 if found is not None else 404, body=NOT_FOUND if found is None else found, content_type='text/plain'
    )
    response.force_close()
    return response


def _versions(host: str) -> bytes | None:
    return '\n'.join(VERSIONS).encode() if host == str(METADATA) else None


def get(cloud: Cloud, sender: str, path: str) -> bytes | None:
    """Content of a path for the instance with that address; None if there is none."""
    if not _ACCEPTED.fullmatch(path):
        return None
    row = cloud.store.row(
        "SELECT * FROM instances WHERE (private_ip = ? OR public_ip = ?) AND state IN ('pending', 'running')", sender, sender
    )
    if row is None:
        return None
    _version, _, rest = path.lstrip('/').partition('/')
    name, _, local = re.sub('/+', '/', rest.lstrip('/')).partition('/')
    if not name:
        return '\n'.join(['dynamic', 'meta-data', *(['user-data'] if row['user_data'] else [])]).encode()
    if name == 'user-data':
        return base64.b64decode(row['user_data']) or None
    trees = {'meta-data': _META, 'dynamic': _DYNAMIC}.get(name)
    found = _look_up(cloud, row, trees, local) if trees else None
    return None if found is None else found.encode()


def _look_up(cloud: Cloud, row: sqlite3.Row, trees: Trees, path: str) -> str | None:
    """The value of a path, or the list of names below it."""
    prefix = path.partition('/')[0]
    if prefix and prefix in trees:
        tree = _with_lists(trees[prefix](cloud, row))
    else:
        tree = _with_lists(trees[''](cloud, row), [name for name, make in trees.items() if name and make(cloud, row)])
    return tree.get(path, tree.get(path.removesuffix('/')))


def _with_lists(tree: Tree, folders: list[str] | None = None) -> Tree:
    """The tree with a list of names for each folder. A name that is both is listed once, as a folder's."""
    lists: dict[str, set[str]] = {'': {f'{name}/' for name in folders or []}} if folders else {}
    for path in tree:
        parts = path.rstrip('/').split('/')
        for depth, part in enumerate(parts):
            name = part + ('/' if depth < len(parts) - 1 else '')
            lists.setdefault('/'.join(parts[:depth]), set()).add(name)
    complete = dict(tree)
    for folder, names in lists.items():
        text = '\n'.join(sorted(name for name in names if f'{name}/' not in names))
        complete[folder if folder not in tree else f'{folder}/'] = tree.get(f'{folder}/', text)
    return complete


def _core(cloud: Cloud, row: sqlite3.Row) -> Tree:
    image = cloud.store.row('SELECT * FROM images WHERE id = ?', row['image_id'])
    public = row['public_ip'] or '0.0.0.0'
    tree = {
        'ami-id': row['image_id'],
        'ami-launch-index': str(row['launch_index']),
        'hostname': dns_name(row['private_ip'], 'internal'),
        'instance-id': row['id'],
        'instance-type': row['instance_type'],
        'local-hostname': dns_name(row['private_ip'], 'internal'),
        'local-ipv4': row['private_ip'],
        'mac': row['mac'].upper(),
        'public-hostname': dns_name(public, ''),
        'public-ipv4': public,
        'reservation-id': row['reservation'],
        'security-groups': '\n'.join(sorted(json.loads(row['groups']))),
        'services/domain': 'eucalyptus',
        'placement/availability-zone': row['zone'],
    }
    if image is not None and row['root_device_type'] != 'ebs':
        tree['ami-manifest-path'] = image['location']
    for column, name in (('kernel_id', 'kernel-id'), ('ramdisk_id', 'ramdisk-id')):
        if row[column]:
            tree[name] = row[column]
    return tree


def _network(cloud: Cloud, row: sqlite3.Row) -> Tree:
    public = row['public_ip'] or '0.0.0.0'
    values = {
        'device-number': '0',
        'local-hostname': dns_name(row['private_ip'], 'internal'),
        'local-ipv4s': row['private_ip'],
        'mac': row['mac'],
        'owner-id': row['account'],
        'public-hostname': dns_name(public, ''),
        'public-ipv4s': public,
    }
    return {f'network/interfaces/macs/{row["mac"]}/{name}': value for name, value in values.items()}


def _block_devices(cloud: Cloud, row: sqlite3.Row) -> Tree:
    """The volumes that the instance was launched with. Those that were attached later are not among them."""
    root = row['root_device_name'] or '/dev/sda'
    short = root.removeprefix('/dev/')
    found = {'ami': short, 'emi': short, 'root': root}
    if row['root_device_type'] == 'ebs':
        others = cloud.store.rows(
            'SELECT device FROM attachments WHERE instance_id = ? AND NOT is_root AND attached = ? ORDER BY device',
            row['id'],
            row['launched'],
        )
        found |= {f'ebs{number}': other['device'].removeprefix('/dev/') for number, other in enumerate(others, 1)}
        ephemeral = cloud.store.row('SELECT name, device FROM ephemeral_disks WHERE instance_id = ?', row['id'])
        found |= {ephemeral['name']: ephemeral['device'].removeprefix('/dev/')} if ephemeral else {}
    elif is_partition(root):
        found |= {'ephemeral0': 'sda2', 'swap': 'sda3'}
    else:
        found['ephemeral0'] = 'sdb'
    return {f'block-device-mapping/{name}': value for name, value in found.items()}


def _public_keys(cloud: Cloud, row: sqlite3.Row) -> Tree:
    key = cloud.store.row('SELECT * FROM launch_keys WHERE instance_id = ?', row['id'])
    if key is None:
        return {}
    listed = f'0={row["key_name"]}'
    return {'public-keys': listed, 'public-keys/': listed, 'public-keys/0/openssh-key': key['public_key']}


def _monitoring(cloud: Cloud, row: sqlite3.Row) -> Tree:
    return {'fws/instance-monitoring': 'disabled'}


def _identity(cloud: Cloud, row: sqlite3.Row) -> Tree:
    image = cloud.store.row('SELECT architecture FROM images WHERE id = ?', row['image_id'])
    document = json.dumps(
        {
            'privateIp': row['private_ip'],
            'devpayProductCodes': None,
            'availabilityZone': row['zone'],
            'version': '2010-08-31',
            'region': 'eucalyptus',
            'instanceId': row['id'],
            'billingProducts': None,
            'instanceType': row['instance_type'],
            'accountId': row['account'],
            'pendingTime': time.strftime('%Y-%m-%dT%H:%M:%S.000Z', time.gmtime(row['launched'])),
            'imageId': row['image_id'],
            'architecture': image['architecture'] if image else 'x86_64',
            'kernelId': row['kernel_id'],
            'ramdiskId': row['ramdisk_id'],
        },
        indent=2,
    )
    key = load_pem_private_key(keys.cloud_key(cloud.config).read_bytes(), None)
    certificate = x509.load_pem_x509_certificate(keys.cloud_certificate(cloud.config).read_bytes())
    assert isinstance(key, rsa.RSAPrivateKey)
    envelope = pkcs7.PKCS7SignatureBuilder().set_data(document.encode()).add_signer(certificate, key, hashes.SHA256())
    return {
        'instance-identity/document': document,
        'instance-identity/pkcs7': _lines_of_76(envelope.sign(Encoding.DER, [pkcs7.PKCS7Options.Binary])),
        'instance-identity/signature': _lines_of_76(key.sign(document.encode(), padding.PKCS1v15(), hashes.SHA1())),
    }


def _lines_of_76(data: bytes) -> str:
    return base64.encodebytes(data).decode().rstrip('\n')


# Folder -> function for its part of the tree; '' is for the part outside these folders.
Trees = dict[str, Callable[[Cloud, sqlite3.Row], Tree]]
_META: Trees = {'': _core, 'network': _network, 'block-device-mapping': _block_devices, 'public-keys': _public_keys}
_DYNAMIC: Trees = {'': _monitoring, 'instance-identity': _identity}

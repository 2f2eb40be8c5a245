# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The accounts that every lab has: the cloud's admin, a tenant, and the system account that reads images."""

from __future__ import annotations

import base64
import dataclasses
import secrets
from pathlib import Path

from ..config import Config
from . import keys
from .store import Store

ADMIN, TENANT = 'eucalyptus', 'tenant'
# The cloud and its nodes read manifests and parts as this account; uploads grant it READ with the ACL aws-exec-read.
EXEC_READ = '(eucalyptus)aws-exec-read'
_ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'


@dataclasses.dataclass(frozen=True)
class Credentials:
    account: str  # the account's name
    number: str  # its number, 12 digits
    user_id: str
    access_key: str
    secret_key: str = dataclasses.field(repr=False)
    certificate: Path | None = None
    private_key: Path | None = None


def create_accounts(store: Store, config: Config) -> dict[str, Credentials]:
    """Make the three accounts, each with its user ``admin``, keys and certificates; existing ones are kept.

    Returns the credentials by account name (ADMIN, TENANT, EXEC_READ).
    """
    keys.create_cloud_keys(config)
    for name in (ADMIN, TENANT):
        keys.create_user_keys(config, name)
    with store.transaction():
        for name in (ADMIN, TENANT, EXEC_READ):
            if store.row('SELECT 1 FROM accounts WHERE name = ?', name) is None:
                _create(store, config, name)
    return {name: credentials(store, config, name) for name in (ADMIN, TENANT, EXEC_READ)}


def credentials(store: Store, config: Config, account: str) -> Credentials:
    """The credentials of an account's user ``admin``. LookupError when there is no such account."""
    row = store.row(
        "SELECT * FROM users JOIN accounts ON users.account = accounts.number WHERE accounts.name = ? AND users.name = 'admin'",
        account,
    )
    if row is None:
        raise LookupError(f'the lab has no account {account}')
    signs = row['certificate'] is not None
    return Credentials(
        account=account,
        number=row['number'],
        user_id=row['user_id'],
        access_key=row['access_key'],
        secret_key=row['secret_key'],
        certificate=keys.user_certificate(config, account) if signs else None,
        private_key=keys.user_key(config, account) if signs else None,
    )


def _create(store: Store, config: Config, name: str) -> None:
    number = '00' + ''.join(secrets.choice('0123456789') for _ in range(10))
    store.insert('accounts', number=number, name=name, is_admin=int(name == ADMIN))
    certificate = None if name == EXEC_READ else keys.user_certificate(config, name).read_text()
    store.insert(
        'users',
        user_id='AID' + _random(18),
        account=number,
        name='admin',
        access_key='AKI' + _random(17),
        secret_key=base64.b64encode(secrets.token_bytes(30)).decode(),
        certificate=certificate,
    )


def _random(length: int) -> str:
    return ''.join(secrets.choice(_ALPHABET) for _ in range(length))

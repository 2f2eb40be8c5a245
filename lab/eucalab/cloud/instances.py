# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Changes of an instance's state that both the API and the cluster controller make."""

from __future__ import annotations

from ..host.guests import remove_log
from . import addresses
from .context import Cloud


def set_state(cloud: Cloud, identifier: str, state: str, reason: str = '') -> None:
    if state in ('stopped', 'terminated'):
        addresses.release(cloud, identifier)
    cloud.store.execute(
        'UPDATE instances SET state = ?, state_since = ?, reason = ? WHERE id = ?', state, cloud.now(), reason, identifier
    )


def release_volumes(cloud: Cloud, identifier: str) -> None:
    """Detach a terminated instance's volumes and delete those marked for deletion."""
    for row in cloud.store.rows('SELECT * FROM attachments WHERE instance_id = ?', identifier):
        cloud.store.execute('DELETE FROM attachments WHERE volume_id = ?', row['volume_id'])
        if row['delete_on_termination']:
            cloud.store.execute(
                "UPDATE volumes SET state = 'deleting', state_since = ? WHERE id = ?", cloud.now(), row['volume_id']
            )


def bury(cloud: Cloud, identifier: str) -> None:
    release_volumes(cloud, identifier)
    cloud.forget_tags(identifier)
    remove_log(identifier)  # the id is not stored anywhere after this
    cloud.store.execute('DELETE FROM instances WHERE id = ?', identifier)


def dns_name(address: str, kind: str) -> str:
    """The name that the cloud gives an address; kind is ``internal`` for a private one, empty for a public one."""
    return f'euca-{address.replace(".", "-")}.eucalyptus{"." + kind if kind else ""}'

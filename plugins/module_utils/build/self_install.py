# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""An instance that installs itself: its root is made of an empty snapshot, and the hook of the node controllers boots an installer
that the operator cached there.

The snapshot is registered as an image, which all such instances of that size and zone use. A storage controller has the snapshots
of its own zone, and would have to fetch those of other zones.
"""

from __future__ import annotations

import re
import typing as t

from ansible_collections.eucalyptus.cloud.plugins.module_utils.build.remote import DISPLAY
from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.client import Cloud
from ansible_collections.eucalyptus.cloud.plugins.module_utils.image import registration

Root = dict[str, str]  # {'name': …, 'image_id': '' if it is not registered yet, 'zone': …}


def problems(values: t.Mapping[str, t.Any]) -> list[str]:
    """A sentence for each input (by its name without prefix) with which no instance can install itself."""
    found = []
    if not values['node_installer']:
        found.append(
            'image_build_node_installer is empty. Set it to the name of an installer that the operator keeps on the node '
            'controllers (nc_hooks_installers of the role nc_hooks).'
        )
    if values['boot'] == 'disk':
        found.append(
            'image_build_boot: an instance cannot install itself from a boot disk, because its root would be that disk. Set it to '
            'auto, or image_build_target to image.'
        )
    if not values['answer_file'] and values['remote_interface'] != DISPLAY:
        found.append(
            'image_build_remote_interface: access over the network needs a temporary security group, which the instance would '
            'keep. Set it to display, or set image_build_answer_file.'
        )
    return found


def root_name(size: int, architecture: str, zone: str) -> str:
    """Name of the empty root's image, in the characters that every version allows (3.4: no dot)."""
    return f'empty-{size}g-{architecture}-{re.sub("[^A-Za-z0-9_-]", "-", zone)}'


def root(cloud: Cloud, size: int, architecture: str, zone: str) -> Root:
    """The empty root of ``size`` GiB. Eucalyptus 3.1 may have several of the same name, which are the same. Raises CloudError."""
    name = root_name(size, architecture, zone)
    found = [
        image['image_id'] for image in registration.registered(cloud) if (image['name'], image['root_device_type']) == (name, 'ebs')
    ]
    return {'name': name, 'image_id': min(found, default=''), 'zone': zone}

# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""DescribeInstanceTypes of Eucalyptus, which is older than Amazon's request of that name and has a different reply.

Eucalyptus 3.3 to 5. botocore's API version 2014-10-01 does not contain the request. Shape: euca2ools,
``commands/ec2/describeinstancetypes.py``; disk in GB, memory in MiB.
"""

from __future__ import annotations

import typing as t

OPERATION = 'DescribeInstanceTypes'


def add_to(model: dict[str, t.Any]) -> None:
    """Add the request to botocore's service model, in which it must not be there already."""
    model['operations'][OPERATION] = {
        'name': OPERATION,
        'http': {'method': 'POST', 'requestUri': '/'},
        'input': {'shape': 'EucaInstanceTypesRequest'},
        'output': {'shape': 'EucaInstanceTypesReply'},
    }
    model['shapes'].update(
        EucaInstanceTypesRequest={'type': 'structure', 'members': {}},
        EucaInstanceTypesReply=_structure(InstanceTypes=('EucaInstanceTypes', 'instanceTypeDetails')),
        EucaInstanceTypes={'type': 'list', 'member': {'shape': 'EucaInstanceType', 'locationName': 'item'}},
        EucaInstanceType=_structure(
            Name=('String', 'name'), Cpu=('Integer', 'cpu'), Disk=('Integer', 'disk'), Memory=('Integer', 'memory')
        ),
    )


def _structure(**members: tuple[str, str]) -> dict[str, t.Any]:
    return {
        'type': 'structure',
        'members': {name: {'shape': shape, 'locationName': element} for name, (shape, element) in members.items()},
    }

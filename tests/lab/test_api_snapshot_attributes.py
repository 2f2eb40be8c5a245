# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Snapshots that an account shares with others."""

from __future__ import annotations

import pytest

from tests.kit.lab import Lab
from tests.kit.refusals import refused
from tests.kit.waiting import wait_for

ATTRIBUTE = {'Attribute': 'createVolumePermission'}


@pytest.fixture(name='snapshot')
def fixture_snapshot(lab_api: Lab) -> str:
    """A completed snapshot of the administrator's, which nobody else may use."""
    admin = lab_api.ec2(lab_api.admin)
    volume = admin.create_volume(Size=1, AvailabilityZone='one')['VolumeId']
    wait_for('the volume', lambda: admin.describe_volumes(VolumeIds=[volume])['Volumes'][0]['State'] == 'available')
    made: str = admin.create_snapshot(VolumeId=volume)['SnapshotId']
    wait_for('the snapshot', lambda: admin.describe_snapshots(SnapshotIds=[made])['Snapshots'][0]['State'] == 'completed')
    return made


def share(lab_api: Lab, snapshot: str, **change: list[dict[str, str]]) -> None:
    lab_api.ec2(lab_api.admin).modify_snapshot_attribute(SnapshotId=snapshot, CreateVolumePermission=change)


def permissions(lab_api: Lab, snapshot: str) -> list[dict[str, str]]:
    reply = lab_api.ec2(lab_api.admin).describe_snapshot_attribute(SnapshotId=snapshot, **ATTRIBUTE)
    return reply['CreateVolumePermissions']


def visible(lab_api: Lab, **request: object) -> list[str]:
    return [one['SnapshotId'] for one in lab_api.ec2().describe_snapshots(**request)['Snapshots']]


def test_an_account_sees_and_uses_what_is_shared_with_it_until_that_ends(lab_api: Lab, snapshot: str) -> None:
    tenant = lab_api.tenant.number
    assert snapshot not in visible(lab_api)
    share(lab_api, snapshot, Add=[{'UserId': tenant}])
    assert permissions(lab_api, snapshot) == [{'UserId': tenant}]
    assert snapshot in visible(lab_api)
    assert lab_api.ec2().create_volume(SnapshotId=snapshot, AvailabilityZone='one')['Size'] == 1
    with refused('UnauthorizedOperation', status=403):
        lab_api.ec2().delete_snapshot(SnapshotId=snapshot)
    share(lab_api, snapshot, Remove=[{'UserId': tenant}])
    assert permissions(lab_api, snapshot) == []
    assert snapshot not in visible(lab_api)
    with refused('UnauthorizedOperation', snapshot, status=403):
        lab_api.ec2().create_volume(SnapshotId=snapshot, AvailabilityZone='one')


def test_restorable_by_counts_explicit_permissions_only(lab_api: Lab, snapshot: str) -> None:
    admin = lab_api.ec2(lab_api.admin)
    share(lab_api, snapshot, Add=[{'Group': 'all'}])
    assert snapshot in visible(lab_api) and snapshot in visible(lab_api, RestorableByUserIds=['all'])
    assert snapshot not in visible(lab_api, RestorableByUserIds=['self'])
    share(lab_api, snapshot, Add=[{'UserId': lab_api.tenant.number}])
    assert snapshot in visible(lab_api, RestorableByUserIds=['self'])
    assert snapshot in visible(lab_api, RestorableByUserIds=[lab_api.tenant.number])
    # Its owner has no explicit permission.
    own = admin.describe_snapshots(RestorableByUserIds=['self'])['Snapshots']
    assert snapshot not in [one['SnapshotId'] for one in own]


def test_a_reset_snapshot_is_its_owners_only(lab_api: Lab, snapshot: str) -> None:
    share(lab_api, snapshot, Add=[{'Group': 'all'}, {'UserId': lab_api.tenant.number}])
    assert permissions(lab_api, snapshot) == [{'UserId': lab_api.tenant.number}, {'Group': 'all'}]
    lab_api.ec2(lab_api.admin).reset_snapshot_attribute(SnapshotId=snapshot, **ATTRIBUTE)
    assert permissions(lab_api, snapshot) == []


def test_the_form_of_2010_has_no_user_group(lab_api: Lab, snapshot: str) -> None:
    """boto 2 and awscli send UserGroup for --group-names, for which the genuine message has no field."""
    admin, change = lab_api.ec2(lab_api.admin), {'SnapshotId': snapshot, 'OperationType': 'add', **ATTRIBUTE}
    admin.modify_snapshot_attribute(UserIds=[lab_api.tenant.number], **change)
    assert permissions(lab_api, snapshot) == [{'UserId': lab_api.tenant.number}]
    with refused('400 Bad Request', 'UserGroup.1 = all'):
        admin.modify_snapshot_attribute(GroupNames=['all'], **change)
    query = f'Action=ModifySnapshotAttribute&SnapshotId={snapshot}&Attribute=createVolumePermission&OperationType=add&Group.1=all'
    assert lab_api.call(query, lab_api.admin)[0] == 200
    assert {'Group': 'all'} in permissions(lab_api, snapshot)


def test_requests_that_are_refused(lab_api: Lab, snapshot: str) -> None:
    share(lab_api, snapshot, Add=[{'UserId': lab_api.tenant.number}])
    for tenants in (
        lambda: lab_api.ec2().describe_snapshot_attribute(SnapshotId=snapshot, **ATTRIBUTE),
        lambda: lab_api.ec2().reset_snapshot_attribute(SnapshotId=snapshot, **ATTRIBUTE),
        lambda: lab_api.ec2().modify_snapshot_attribute(
            SnapshotId=snapshot, CreateVolumePermission={'Add': [{'UserId': lab_api.tenant.number}]}
        ),
    ):
        with refused('InvalidSnapshot.NotFound', snapshot):
            tenants()
    with refused('InternalFailure', 'Not a valid userId : nobody', status=500):
        share(lab_api, snapshot, Add=[{'UserId': 'nobody'}])
    with refused('InvalidParameterValue', 'snap-...'):
        lab_api.ec2().describe_snapshot_attribute(SnapshotId='a-snapshot', **ATTRIBUTE)
    with refused('InternalFailure', 'NullPointerException', status=500):
        lab_api.ec2(lab_api.admin).modify_snapshot_attribute(SnapshotId=snapshot)
    assert permissions(lab_api, snapshot) == [{'UserId': lab_api.tenant.number}]

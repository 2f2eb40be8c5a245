# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The API process keeps everything that it has confirmed, whatever happens to it."""

from __future__ import annotations

import http.client
import signal
import time
from collections.abc import Callable, Iterator

import pytest

from tests.kit.lab import Lab
from tests.kit.waiting import wait_for


@pytest.fixture
def lab(make_lab_api: Callable[..., Lab]) -> Iterator[Lab]:
    lab = make_lab_api('killed', pace=1000.0)  # so slow that nothing gets on but by ``age`` and ``poll``
    yield lab
    lab.stop()


def test_everything_survives_kill_9(lab: Lab) -> None:
    ec2, s3 = lab.ec2(), lab.s3()
    image = lab.register(lab.tenant, 'machine', 'images', **lab.published_boot())
    volume = ec2.create_volume(Size=1, AvailabilityZone='one')['VolumeId']
    lab.age('volumes', volume, 8)
    wait_for('available', lambda: ec2.describe_volumes(VolumeIds=[volume])['Volumes'][0]['State'] == 'available')
    with open(lab.config.volume_file(volume), 'r+b') as file:
        file.write(b'precious')
    instance = ec2.run_instances(ImageId=image, MinCount=1, MaxCount=1, UserData='d')['Instances'][0]['InstanceId']
    lab.report(instance, 'running')
    lab.poll()
    ec2.attach_volume(VolumeId=volume, InstanceId=instance, Device='/dev/sdc')
    ec2.create_tags(Resources=[instance], Tags=[{'Key': 'Name', 'Value': 'survivor'}])
    s3.put_object(Bucket='images', Key='body', Body=b'y' * 300000, Metadata={'k': 'v'})
    snapshot = ec2.create_snapshot(VolumeId=volume)['SnapshotId']
    creating = ec2.create_volume(SnapshotId=snapshot, AvailabilityZone='one')['VolumeId']
    upload = half_an_upload(lab)

    lab.stop(signal.SIGKILL)
    upload.close()
    (lab.config.snapshots / f'{snapshot}.raw').unlink(missing_ok=True)  # as if the copy had not been finished
    (lab.config.snapshots / f'{snapshot}.raw.partial').write_bytes(b'half')
    lab.start()

    assert {path.name for path in lab.config.objects.iterdir()} == {
        row['file'] for row in lab_rows(lab, 'SELECT file FROM objects')
    }
    found = ec2.describe_instances(InstanceIds=[instance])['Reservations'][0]['Instances'][0]
    assert (found['State']['Name'], found['Tags']) == ('running', [{'Key': 'Name', 'Value': 'survivor'}])
    assert ec2.describe_volumes(VolumeIds=[volume])['Volumes'][0]['Attachments'][0]['State'] == 'attaching'
    assert ec2.describe_images(ImageIds=[image])['Images'][0]['State'] == 'available'
    got = s3.get_object(Bucket='images', Key='body')
    assert (got['Body'].read(), got['Metadata']) == (b'y' * 300000, {'k': 'v'})
    lab.age('snapshots', snapshot, 30)
    wait_for(
        'the snapshot is taken up again',
        lambda: ec2.describe_snapshots(SnapshotIds=[snapshot])['Snapshots'][0]['State'] == 'completed',
    )
    lab.age('volumes', creating, 8)
    wait_for(
        'the volume is made after all', lambda: ec2.describe_volumes(VolumeIds=[creating])['Volumes'][0]['State'] == 'available'
    )
    assert lab.config.volume_file(creating).read_bytes()[:8] == b'precious'
    assert not list(lab.config.snapshots.glob('*.partial'))


def half_an_upload(lab: Lab) -> http.client.HTTPConnection:
    url = lab.s3().generate_presigned_url('put_object', {'Bucket': 'images', 'Key': 'body'})
    connection = http.client.HTTPConnection('127.0.0.1', lab.config.port)
    connection.putrequest('PUT', url.removeprefix(lab.config.endpoint))
    connection.putheader('Content-Length', '1000000')
    connection.endheaders(b'n' * 500000)
    wait_for('the upload has begun', lambda: list(lab.config.objects.glob('*.partial')))
    return connection


def lab_rows(lab: Lab, sql: str) -> list:
    from eucalab.cloud.store import Store

    store = Store(lab.config.database)
    try:
        return store.rows(sql)
    finally:
        store.close()


def test_sigterm_ends_it_cleanly_and_soon(lab: Lab) -> None:
    lab.ec2().describe_volumes()  # leaves a connection open
    assert lab.stop() == 0  # which waits 20 s at most
    lab.start()


def test_a_port_in_use_is_reported_and_nothing_else_is_touched(lab: Lab, make_lab_api: Callable[..., Lab]) -> None:
    with pytest.raises(AssertionError, match=f'cannot serve on port {lab.config.port}'):
        make_lab_api('second', port=lab.config.port)
    assert lab.ec2().describe_volumes()['Volumes'] is not None


def test_at_pace_1_the_cloud_is_as_slow_as_the_real_one(make_lab_api: Callable[..., Lab]) -> None:
    lab = make_lab_api('genuine-pace', pace=1.0)
    ec2 = lab.ec2()
    image = lab.register(lab.tenant, 'machine', 'images', **lab.published_boot())
    instance = ec2.run_instances(ImageId=image, MinCount=1, MaxCount=1)['Instances'][0]['InstanceId']
    started = time.monotonic()
    volume = ec2.create_volume(Size=1, AvailabilityZone='one')['VolumeId']
    lab.report(instance, 'running')
    wait_for('available', lambda: ec2.describe_volumes(VolumeIds=[volume])['Volumes'][0]['State'] == 'available')
    assert time.monotonic() - started >= 8
    wait_for(
        'the next poll has come',
        lambda: ec2.describe_instances(InstanceIds=[instance])['Reservations'][0]['Instances'][0]['State']['Name'] == 'running',
    )

# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""boto 2.49 works as it did, boto3 with the right settings too, and botocore's defaults fail as they do on a Eucalyptus."""

from __future__ import annotations

import http.client
import io
from collections.abc import Callable
from pathlib import Path

import boto.ec2.blockdevicemapping
import boto.ec2.connection
import boto.ec2.regioninfo
import boto.s3.connection
import boto3
import botocore.config
import botocore.session
import pytest

from tests.kit.lab import Lab
from tests.kit.played_node import CONSOLE, played_node
from tests.kit.refusals import refused
from tests.kit.waiting import wait_for


def connect_ec2(lab_api: Lab, signature: str, path: str) -> boto.ec2.connection.EC2Connection:
    class Connection(boto.ec2.connection.EC2Connection):
        def _required_auth_capability(self) -> list[str]:
            return [signature]

    region = boto.ec2.regioninfo.RegionInfo(name='eucalyptus', endpoint='127.0.0.1')
    return Connection(
        lab_api.tenant.access_key, lab_api.tenant.secret_key, is_secure=False, region=region, port=lab_api.config.port, path=path
    )


@pytest.mark.parametrize('signature', ['ec2', 'hmac-v4'])
@pytest.mark.parametrize('path', ['/services/compute', '/services/Eucalyptus'])
def test_boto_2_does_the_whole_sequence(lab_api: Lab, signature: str, path: str) -> None:
    ec2 = connect_ec2(lab_api, signature, path)
    assert [zone.name for zone in ec2.get_all_zones()] == ['one']
    volume = ec2.create_volume(1, 'one')
    wait_for('the volume is available', lambda: volume.update() == 'available')
    volume.add_tag('Name', 'from boto 2')
    snapshot = volume.create_snapshot('taken by boto 2')
    wait_for('the snapshot is completed', lambda: snapshot.update() == '100%')
    device = boto.ec2.blockdevicemapping.BlockDeviceType(snapshot_id=snapshot.id, delete_on_termination=True)
    devices = boto.ec2.blockdevicemapping.BlockDeviceMapping()
    devices['/dev/sda'] = device
    name = f'boto-{signature}-{path.rsplit("/", 1)[1]}'
    image_id = ec2.register_image(name=name, architecture='x86_64', root_device_name='/dev/sda', block_device_map=devices)
    ec2.modify_image_attribute(image_id, groups='all')
    image = ec2.get_image(image_id)
    assert (image.name, image.is_public, image.root_device_type) == (name, True, 'ebs')
    instance = ec2.run_instances(image_id, user_data='bootparams=ksdevice=link ip=dhcp').instances[0]
    assert instance.state == 'pending'
    lab_api.report(instance.id, 'running')
    wait_for('the instance runs', lambda: instance.update() == 'running')
    assert ec2.get_console_output(instance.id).output in (b'', None)
    assert instance.get_attribute('userData')['userData']
    second = ec2.create_volume(1, 'one')
    wait_for('the second volume is available', lambda: second.update() == 'available')
    second.attach(instance.id, '/dev/sdc')
    lab_api.report_attachment(second.id, 'attached')
    wait_for('attached', lambda: second.update() == 'in-use' and second.attachment_state() == 'attached')
    instance.terminate()
    lab_api.report(instance.id, 'teardown')
    wait_for('the instance is terminated', lambda: instance.update() == 'terminated')
    assert [tag.value for tag in ec2.get_all_tags({'resource-id': volume.id})] == ['from boto 2']
    ec2.deregister_image(image_id)
    assert snapshot.delete() and second.delete() and volume.delete()


def test_boto_2_stores_objects(lab_api: Lab) -> None:
    for path in ('/services/objectstorage', '/services/Walrus'):
        s3 = boto.s3.connection.S3Connection(
            lab_api.tenant.access_key,
            lab_api.tenant.secret_key,
            is_secure=False,
            host='127.0.0.1',
            port=lab_api.config.port,
            path=path,
            calling_format=boto.s3.connection.OrdinaryCallingFormat(),
        )
        bucket = s3.create_bucket(f'boto-{path.rsplit("/", 1)[1].lower()}')
        key = bucket.new_key('folder/a file')
        key.set_contents_from_string('content', policy='public-read')
        assert [one.name for one in bucket.list()] == ['folder/a file']
        assert bucket.get_key('folder/a file').get_contents_as_string() == b'content'
        assert lab_api.fetch(key.generate_url(60)) == (200, 'content')
        assert len(key.get_acl().acl.grants) == 2
        upload = bucket.initiate_multipart_upload('in parts', metadata={'k': 'v'})
        for number, content in ((1, b'a' * (5 << 20)), (2, b'end')):
            upload.upload_part_from_file(io.BytesIO(content), number)
        assert [part.size for part in upload] == [5 << 20, 3]
        upload.complete_upload()
        copy = bucket.copy_key('copy', bucket.name, 'in parts')
        assert bucket.get_key(copy.name).get_metadata('k') == 'v'
        assert copy.get_contents_as_string().endswith(b'aend')
        deleted = bucket.delete_keys(['folder/a file', 'in parts', 'copy'])
        assert ([one.key for one in deleted.deleted], deleted.errors) == (['folder/a file', 'in parts', 'copy'], [])
        bucket.delete()


def test_boto3s_resources_do_the_whole_sequence_with_the_right_settings(make_lab_api: Callable[..., Lab], tmp_path: Path) -> None:
    lab = make_lab_api('boto3')
    ec2 = boto3.session.Session(lab.tenant.access_key, lab.tenant.secret_key, region_name='eucalyptus').resource(
        'ec2', api_version='2014-10-01', endpoint_url=lab.ec2_url, config=botocore.config.Config(signature_version='v2')
    )
    with played_node(lab, tmp_path):
        key = ec2.create_key_pair(KeyName='operator')
        assert len(key.key_fingerprint) == 59
        group = ec2.create_security_group(GroupName='ssh', Description='for the operator')
        group.authorize_ingress(IpProtocol='tcp', FromPort=22, ToPort=22, CidrIp='192.0.2.0/24')
        assert ec2.SecurityGroup(group.id).ip_permissions[0]['IpRanges'] == [{'CidrIp': '192.0.2.0/24'}]
        volume = ec2.create_volume(Size=1, AvailabilityZone='one')
        wait_for('the volume', lambda: ec2.Volume(volume.id).state == 'available')
        snapshot = volume.create_snapshot(Description='installed')
        wait_for('the snapshot', lambda: ec2.Snapshot(snapshot.id).state == 'completed')
        root = [{'DeviceName': '/dev/sda', 'Ebs': {'SnapshotId': snapshot.id}}]
        image = ec2.register_image(Name='boto3', Architecture='x86_64', RootDeviceName='/dev/sda', BlockDeviceMappings=root)
        (instance,) = ec2.create_instances(
            ImageId=image.id, MinCount=1, MaxCount=1, KeyName='operator', SecurityGroups=['ssh'], UserData='hello'
        )
        wait_for('it runs', lambda: ec2.Instance(instance.id).state['Name'] == 'running')
        assert instance.console_output()['Output'] == CONSOLE
        instance.create_tags(Tags=[{'Key': 'Name', 'Value': 'by boto3'}])
        (found,) = ec2.instances.filter(Filters=[{'Name': 'tag:Name', 'Values': ['by boto3']}])
        assert (found.id, found.key_name) == (instance.id, 'operator')
        assert found.describe_attribute(Attribute='userData')['UserData']['Value'] == 'aGVsbG8='
        instance.reboot()
        made = instance.create_image(Name='made', NoReboot=True)
        wait_for('the image', lambda: ec2.Image(made.id).state == 'available')
        instance.stop()
        wait_for('it is stopped', lambda: ec2.Instance(instance.id).state['Name'] == 'stopped')
        instance.modify_attribute(UserData={'Value': b'changed'})
        instance.start()
        wait_for('it runs', lambda: ec2.Instance(instance.id).state['Name'] == 'running')
        instance.terminate()
        wait_for('it is terminated', lambda: ec2.Instance(instance.id).state['Name'] == 'terminated')
        for one in (image, made):
            one.deregister()
        for one in (*ec2.snapshots.filter(OwnerIds=['self']), volume, key, group):
            one.delete()
        assert list(ec2.images.all()) == list(ec2.snapshots.all()) == list(ec2.key_pairs.all()) == []


def default_client(lab_api: Lab, service: str, url: str):
    return botocore.session.Session().create_client(
        service,
        region_name='eucalyptus',
        endpoint_url=url,
        aws_access_key_id=lab_api.tenant.access_key,
        aws_secret_access_key=lab_api.tenant.secret_key,
    )


def test_botocores_default_ec2_client_fails_where_it_fails_on_4_4(lab_api: Lab) -> None:
    ec2 = default_client(lab_api, 'ec2', lab_api.ec2_url)
    assert ec2.describe_volumes()['Volumes'] is not None  # version 4 and 2016-11-15 are fine by themselves
    with refused('400 Bad Request', 'Failed to bind the following fields:', 'ClientToken = '):
        ec2.create_volume(Size=1, AvailabilityZone='one')
    with refused('400 Bad Request', 'DryRun'):
        ec2.describe_instances(DryRun=True)
    with refused('400 Bad Request', 'MaxResults'):
        ec2.describe_images(MaxResults=10)


def test_botocores_trailing_checksums_are_refused(lab_api: Lab) -> None:
    """botocore's default request for https, intercepted and sent over http unchanged."""
    lab_api.s3().create_bucket(Bucket='trailers')
    s3 = default_client(lab_api, 's3', lab_api.s3_url.replace('http:', 'https:'))
    caught = []

    def catch(request, **_):
        caught.append((request.url.replace('https:', 'http:'), dict(request.headers.items()), request.body.read()))
        raise KeyboardInterrupt

    s3.meta.events.register('before-send.s3', catch)
    with pytest.raises(KeyboardInterrupt):
        s3.put_object(Bucket='trailers', Key='k', Body=b'x')
    url, headers, body = caught[0]
    headers = {name: value.decode() if isinstance(value, bytes) else value for name, value in headers.items()}
    assert headers['X-Amz-Content-SHA256'] == 'STREAMING-UNSIGNED-PAYLOAD-TRAILER'
    connection = http.client.HTTPConnection('127.0.0.1', lab_api.config.port, timeout=10)
    connection.request('PUT', url.removeprefix(lab_api.config.endpoint), iter([body]), headers, encode_chunked=True)
    reply = connection.getresponse()
    assert (reply.status, b'x-amz-content-sha256' in reply.read()) == (400, True)
    with refused('NoSuchKey', status=404):
        lab_api.s3().get_object(Bucket='trailers', Key='k')


def test_botocores_default_s3_client_works_over_http(lab_api: Lab) -> None:
    s3 = default_client(lab_api, 's3', lab_api.s3_url)
    s3.create_bucket(Bucket='with-defaults')
    s3.put_object(Bucket='with-defaults', Key='k', Body=b'body')
    assert s3.get_object(Bucket='with-defaults', Key='k')['Body'].read() == b'body'

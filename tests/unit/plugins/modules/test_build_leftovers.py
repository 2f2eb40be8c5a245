# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest

TAG = '<tagSet><item><key>eucalyptus.cloud/build</key><value>debian-0123456789</value></item></tagSet>'
FINISHED = TAG.replace('</tagSet>', '<item><key>eucalyptus.cloud/build-key</key><value>0123</value></item></tagSet>')
BUCKET = '/services/objectstorage/answer-files-123456789012'
OWN = 'a' * 32
OPTIONS = {'name': 'debian-0123456789', 'account_id': '123456789012', 'wait_timeout': 60}
CLAIMS = '/services/objectstorage/builds-123456789012'
NOT_YET = (
    400,
    '<Response><Errors><Error><Code>IncorrectState</Code><Message>volume is in-use</Message></Error></Errors></Response>',
)

IN_USE = (
    400,
    '<Response><Errors><Error><Code>InvalidGroup.InUse</Code><Message>group is in use</Message></Error></Errors></Response>',
)


def instance(state: str, tags: str = TAG) -> str:
    return (
        '<reservationSet><item><instancesSet><item><instanceId>i-1</instanceId><instanceState><code>16</code>'
        f'<name>{state}</name></instanceState>{tags}</item></instancesSet></item></reservationSet>'
    )


def volume(state: str, tags: str = TAG) -> str:
    return f'<volumeSet><item><volumeId>vol-1</volumeId><status>{state}</status>{tags}</item></volumeSet>'


def snapshot(state: str) -> str:
    return f'<snapshotSet><item><snapshotId>snap-1</snapshotId><status>{state}</status>{TAG}</item></snapshotSet>'


def image(state: str = 'available', tags: str = TAG) -> str:
    return (
        f'<imagesSet><item><imageId>emi-1</imageId><imageState>{state}</imageState><name>debian-0123456789</name>'
        '<rootDeviceType>ebs</rootDeviceType><blockDeviceMapping><item><deviceName>/dev/sda</deviceName><ebs>'
        f'<snapshotId>snap-1</snapshotId></ebs></item></blockDeviceMapping>{tags}</item></imagesSet>'
    )


def group(name: str = 'debian-0123456789') -> str:
    return f'<securityGroupInfo><item><groupId>sg-1</groupId><groupName>{name}</groupName></item></securityGroupInfo>'


NOTHING = {
    'DescribeInstances': '<reservationSet/>',
    'DescribeSecurityGroups': '<securityGroupInfo/>',
    'DescribeVolumes': '<volumeSet/>',
    'DescribeImages': '<imagesSet/>',
    'DescribeSnapshots': '<snapshotSet/>',
    f'HEAD {BUCKET}/debian-0123456789': (404, ''),
    f'GET {CLAIMS}': (404, ''),
}


@pytest.fixture(name='empty')
def fixture_empty(cloud):
    for action, reply in NOTHING.items():
        cloud.on(action, reply)
    return cloud


def test_where_nothing_is_left_nothing_is_asked_for(empty, run):
    result = run('build_leftovers', **OPTIONS)
    assert (result['changed'], result['leftovers'], empty.writes) == (False, [], [])


def test_without_a_name_nothing_is_looked_for(empty, run):
    result = run('build_leftovers', **{**OPTIONS, 'name': ''})
    assert 'name must not be empty' in result['msg']
    assert empty.requests == []


def test_what_carries_another_builds_tag_or_none_stays(empty, run):
    empty.on('DescribeVolumes', volume('available', TAG.replace('0123456789', '9876543210')))
    assert run('build_leftovers', **OPTIONS)['leftovers'] == []
    empty.on('DescribeVolumes', volume('available', ''))
    assert run('build_leftovers', **OPTIONS)['leftovers'] == []


def test_a_finished_image_and_its_snapshot_stay(empty, run):
    empty.on('DescribeImages', image(tags=FINISHED))
    empty.on('DescribeSnapshots', snapshot('completed'))
    assert run('build_leftovers', **OPTIONS)['leftovers'] == []


def test_a_finished_instance_stays_and_an_unfinished_one_that_installs_itself_does_not(empty, run):
    empty.on('DescribeInstances', instance('running', FINISHED))
    assert run('build_leftovers', **OPTIONS)['leftovers'] == []
    empty.on('DescribeInstances', instance('stopped'))
    assert run('build_leftovers', check=True, **OPTIONS)['leftovers'][0]['state'] == 'stopped'


def test_an_image_that_was_registered_but_not_yet_tagged_is_found_by_its_name(empty, run):
    empty.on('DescribeImages', image(tags=''))
    assert [leftover['id'] for leftover in run('build_leftovers', check=True, **OPTIONS)['leftovers']] == ['emi-1']


def test_everything_is_removed_in_the_order_that_the_cloud_permits(empty, clock, run):
    empty.on('DescribeInstances', instance('running'), instance('running'), instance('shutting-down'), instance('terminated'))
    empty.on('DescribeSecurityGroups', group(), group(), '<securityGroupInfo/>')
    empty.on('DescribeVolumes', volume('in-use'), volume('in-use'), volume('available'), '<volumeSet/>')
    empty.on('DescribeImages', image(), image(), '<imagesSet/>')
    empty.on('DescribeSnapshots', snapshot('completed'), snapshot('completed'), '<snapshotSet/>')
    empty.on(f'HEAD {BUCKET}/debian-0123456789', '')
    empty.on(f'DELETE {BUCKET}/debian-0123456789', (204, ''))
    empty.on('DeleteVolume', NOT_YET, '<return>true</return>')
    for action in ('TerminateInstances', 'DeleteSecurityGroup', 'DeregisterImage', 'DeleteSnapshot'):
        empty.on(action, '<return>true</return>')
    result = run('build_leftovers', **OPTIONS)
    assert empty.writes == [
        f'DELETE {BUCKET}/debian-0123456789',
        'TerminateInstances',
        'DeleteSecurityGroup',
        'DeregisterImage',
        'DeleteSnapshot',
        'DeleteVolume',
        'DeleteVolume',
    ]
    assert [leftover['id'] for leftover in result['leftovers']] == [
        'answer-files-123456789012/debian-0123456789',
        'i-1',
        'sg-1',
        'emi-1',
        'snap-1',
        'vol-1',
    ]
    assert result['changed'] is True


STORAGE = '/services/objectstorage'


def stored(cloud, keys: list[str]) -> None:
    """Let the bucket images contain these objects."""
    contents = ''.join(f'<Contents><Key>{key}</Key><Size>1</Size><ETag>1</ETag></Contents>' for key in keys)
    cloud.on(
        f'GET {STORAGE}', '<ListAllMyBucketsResult><Buckets><Bucket><Name>images</Name></Bucket></Buckets></ListAllMyBucketsResult>'
    )
    cloud.on(f'GET {STORAGE}/images', f'<ListBucketResult><IsTruncated>false</IsTruncated>{contents}</ListBucketResult>')
    for key in keys:
        cloud.on(f'DELETE {STORAGE}/images/{key}', (204, ''))


def test_the_boot_disk_of_a_killed_build_goes_with_its_bundle_complete_or_not(empty, clock, run):
    """The first bundle is that of the image, the second was interrupted, and the third belongs to another image."""
    stems = [f'debian-0123456789-boot-{number * 24}.{number * 8}' for number in '12'] + ['debian-0123456789-a' + '-' + '1' * 24]
    keys = [f'{stems[0]}.manifest.xml', f'{stems[0]}.part.0', f'{stems[1]}.part.0', f'{stems[2]}.part.0']
    stored(empty, keys)
    boot = image(tags='').replace('debian-0123456789<', 'debian-0123456789-boot<')
    empty.on('DescribeImages', boot, boot, '<imagesSet/>')
    empty.on('DeregisterImage', '<return>true</return>')
    result = run('build_leftovers', boot_disk_bucket='images', **OPTIONS)
    assert [leftover['id'] for leftover in result['leftovers']] == ['emi-1', *(f'images/{stem}.manifest.xml' for stem in stems[:2])]
    assert empty.writes == ['DeregisterImage', *(f'DELETE {STORAGE}/images/{key}' for key in keys[:3])]


def disk(number: str) -> str:
    """A boot disk that all builds with the name debian can use."""
    return (
        f'<item><imageId>emi-{number}</imageId><imageState>available</imageState><name>debian-boot-{number * 12}</name>'
        f'<imageLocation>images/debian-boot-{number * 12}-{number * 24}.manifest.xml</imageLocation></item>'
    )


def test_the_boot_disks_of_several_builds_are_found_by_the_name_of_these_unless_an_instance_runs_from_them(empty, run):
    stems = [f'debian-boot-{number * 12}-{number * 24}' for number in '123'] + ['debian-0123456789-boot-' + '1' * 24]
    stored(empty, [f'{stem}.manifest.xml' for stem in stems])  # the third's upload was interrupted
    empty.on(f'HEAD {BUCKET}/debian', (404, ''))
    empty.on('DescribeInstances', instance('running').replace(TAG, '<imageId>emi-1</imageId>'))
    empty.on('DescribeImages', f'<imagesSet>{disk("1")}{disk("2")}</imagesSet>')
    options = {**OPTIONS, 'boot_disk_bucket': 'images'}
    found = run('build_leftovers', check=True, **{**options, 'name': 'debian'})['leftovers']
    assert [leftover['id'] for leftover in found] == ['emi-2', *(f'images/{stem}.manifest.xml' for stem in stems[1:3])]
    # A build has none but its own.
    assert [leftover['id'] for leftover in run('build_leftovers', check=True, **options)['leftovers']] == [
        f'images/{stems[3]}.manifest.xml'
    ]


def test_an_untagged_resource_is_found_by_token_and_volume(empty, run):
    untagged = instance('running').replace(TAG, '<clientToken>debian-0123456789.1700000000</clientToken>')
    empty.on('DescribeInstances', untagged)
    empty.on('DescribeVolumes', volume('in-use'))
    empty.on('DescribeSnapshots', snapshot('pending').replace(TAG, '<volumeId>vol-1</volumeId>'))
    result = run('build_leftovers', check=True, **OPTIONS)
    assert [leftover['id'] for leftover in result['leftovers']] == ['i-1', 'snap-1', 'vol-1']
    empty.on('DescribeInstances', untagged.replace('debian', 'another-debian'))
    assert 'i-1' not in str(run('build_leftovers', check=True, **OPTIONS)['leftovers'])


def test_a_finished_instance_whose_tags_somebody_replaced_stays(empty, run):
    token = '<clientToken>debian-0123456789.1700000000install</clientToken>'
    empty.on('DescribeInstances', instance('running', token + TAG.replace('eucalyptus.cloud/build', 'team')))
    assert run('build_leftovers', **OPTIONS)['leftovers'] == []
    empty.on('DescribeInstances', instance('running', token + TAG.replace('eucalyptus.cloud/build', 'euca:node')))
    assert len(run('build_leftovers', check=True, **OPTIONS)['leftovers']) == 1


def test_the_volume_by_which_a_pending_snapshot_is_found_stays_as_long_as_that(empty, clock, run):
    untagged = snapshot('pending').replace(TAG, '<volumeId>vol-1</volumeId>')
    empty.on('DescribeVolumes', volume('available'))
    empty.on('DescribeSnapshots', untagged)
    empty.on('DeleteSnapshot', '<return>true</return>')  # Eucalyptus does not report that it does nothing
    result = run('build_leftovers', **OPTIONS)
    assert result['failed'] and 'Volume vol-1 is kept until its snapshot is gone' in result['msg']
    assert [leftover['id'] for leftover in result['leftovers']] == ['snap-1', 'vol-1']
    assert 'DeleteVolume' not in empty.writes

    empty.on('DescribeVolumes', volume('available'), volume('available'), '<volumeSet/>')
    empty.on('DescribeSnapshots', untagged, untagged, '<snapshotSet/>')
    empty.on('DeleteVolume', '<return>true</return>')
    assert run('build_leftovers', **OPTIONS)['actions'] == ['remove snapshot snap-1', 'remove volume vol-1']


def test_a_volume_that_is_gone_and_still_listed_leads_to_its_snapshot(empty, run):
    empty.on('DescribeVolumes', volume('deleting'))
    empty.on('DescribeSnapshots', snapshot('pending').replace(TAG, '<volumeId>vol-1</volumeId>'))
    assert [leftover['id'] for leftover in run('build_leftovers', check=True, **OPTIONS)['leftovers']] == ['snap-1']


def test_a_snapshot_that_somebody_has_tagged_or_registered_stays(empty, run):
    empty.on('DescribeVolumes', volume('available'))
    mine = snapshot('completed').replace(
        TAG, '<volumeId>vol-1</volumeId><tagSet><item><key>Name</key><value>mine</value></item></tagSet>'
    )
    empty.on('DescribeSnapshots', mine)
    assert [leftover['id'] for leftover in run('build_leftovers', check=True, **OPTIONS)['leftovers']] == ['vol-1']
    empty.on('DescribeSnapshots', snapshot('completed').replace(TAG, '<volumeId>vol-1</volumeId>'))
    empty.on('DescribeImages', image(tags='').replace('debian-0123456789', 'my-image'))
    assert [leftover['id'] for leftover in run('build_leftovers', check=True, **OPTIONS)['leftovers']] == ['vol-1']


def test_tokens_are_looked_at_for_builds_only(empty, run):
    empty.on('DescribeInstances', instance('running').replace(TAG, '<clientToken>web.1</clientToken>'))
    empty.on(f'HEAD {BUCKET}/web', (404, ''))
    assert run('build_leftovers', check=True, **{**OPTIONS, 'name': 'web'})['leftovers'] == []


def test_a_security_group_is_found_by_its_name_if_that_is_a_builds(empty, run):
    empty.on('DescribeSecurityGroups', group())
    found = run('build_leftovers', check=True, **OPTIONS)['leftovers']
    assert found == [{'type': 'security group', 'id': 'sg-1', 'state': 'available'}]
    empty.on('DescribeSecurityGroups', group('default'))
    empty.on(f'HEAD {BUCKET}/default', (404, ''))
    assert run('build_leftovers', check=True, **{**OPTIONS, 'name': 'default'})['leftovers'] == []


def test_a_security_group_in_use_is_deleted_when_its_instance_has_left(empty, clock, run):
    empty.on('DescribeSecurityGroups', *[group()] * 4, '<securityGroupInfo/>')
    empty.on('DeleteSecurityGroup', IN_USE, IN_USE, '<return>true</return>')
    result = run('build_leftovers', **OPTIONS)
    assert result['actions'] == ['remove security group sg-1']
    assert empty.writes == ['DeleteSecurityGroup'] * 3


def test_where_no_storage_is_configured_there_is_no_answer_file(empty, run):
    assert run('build_leftovers', check=True, **OPTIONS, claim=OWN, s3_url='')['leftovers'] == []


def test_without_storage_nobody_but_the_owner_removes_anything(empty, run):
    result = run('build_leftovers', **OPTIONS, s3_url='')
    assert 'There is no s3_url' in result['msg']
    assert empty.writes == []


def claims(**modified: str) -> str:
    items = ''.join(
        f'<Contents><Key>debian-0123456789/{claim_id * 32}</Key><LastModified>{at}</LastModified></Contents>'
        for claim_id, at in modified.items()
    )
    return f'<ListBucketResult><IsTruncated>false</IsTruncated>{items}</ListBucketResult>'


LIVING = {'b': '2026-11-30T05:12:09.000Z'}
OTHER = '{"user": "alice", "host": "runner7", "process": 4711, "state": "building", "since": 1796015529.0}'


@pytest.mark.parametrize('check', [False, True])
def test_what_a_living_machine_is_building_stays(empty, run, check):
    empty.on(f'GET {CLAIMS}', claims(**LIVING))
    empty.on(f'GET {CLAIMS}/debian-0123456789/{"b" * 32}', OTHER)
    empty.on('DescribeVolumes', volume('in-use'))
    for own in ({}, {'claim': OWN}):
        result = run('build_leftovers', check=check, **OPTIONS, **own)
        assert 'debian-0123456789 is being built by alice@runner7 (process 4711, started 2026-11-30T' in result['msg']
    assert empty.writes == []


def test_what_appeared_with_a_machine_that_started_meanwhile_stays(empty, run):
    empty.on(f'GET {CLAIMS}', claims(), claims(**LIVING))
    empty.on(f'GET {CLAIMS}/debian-0123456789/{"b" * 32}', OTHER)
    empty.on('DescribeVolumes', volume('creating'))
    assert 'alice@runner7' in run('build_leftovers', **OPTIONS)['msg']
    assert empty.writes == []


def test_a_dead_machines_claim_is_removed_with_its_resources(empty, clock, run):
    empty.on(f'GET {CLAIMS}', claims(b='2026-11-30T05:12:09.000Z', c='2026-11-30T06:12:09.000Z'))
    empty.on(f'GET {CLAIMS}/debian-0123456789/{"c" * 32}', (404, ''))  # it ended between listing and reading
    empty.on(f'DELETE {CLAIMS}/debian-0123456789/{"b" * 32}', (204, ''))
    empty.on(f'DELETE {CLAIMS}', (204, ''))
    empty.on('DescribeVolumes', volume('available'), volume('available'), '<volumeSet/>')
    empty.on('DeleteVolume', '<return>true</return>')
    actions = run('build_leftovers', **OPTIONS)['actions']
    assert actions == [f'remove claim debian-0123456789/{"b" * 32}', 'remove volume vol-1']
    assert empty.writes == [f'DELETE {CLAIMS}/debian-0123456789/{"b" * 32}', f'DELETE {CLAIMS}', 'DeleteVolume']


def test_the_owner_removes_its_leftovers_also_when_the_storage_is_away(empty, clock, run):
    empty.on(f'GET {CLAIMS}', (500, ''))
    empty.on('DescribeVolumes', volume('available'), volume('available'), '<volumeSet/>')
    empty.on('DeleteVolume', '<return>true</return>')
    assert run('build_leftovers', **OPTIONS, claim=OWN)['actions'] == ['remove volume vol-1']
    assert 'ListObjects of bucket builds-123456789012 failed' in run('build_leftovers', **OPTIONS)['msg']


def test_with_keep_only_the_answer_file_with_its_password_hash_is_removed(empty, run):
    empty.on(f'HEAD {BUCKET}/debian-0123456789', '')
    empty.on(f'DELETE {BUCKET}/debian-0123456789', (204, ''))
    empty.on('DescribeVolumes', volume('available'))
    assert run('build_leftovers', **OPTIONS, keep=True)['actions'] == [
        'remove answer file answer-files-123456789012/debian-0123456789'
    ]
    assert empty.writes == [f'DELETE {BUCKET}/debian-0123456789']


def test_a_resource_that_cannot_be_removed_is_named_and_the_rest_is_removed(empty, clock, run):
    empty.on(f'HEAD {BUCKET}/debian-0123456789', (500, ''))
    empty.on(f'DELETE {BUCKET}/debian-0123456789', (500, ''))
    empty.on('DescribeInstances', instance('running'))
    empty.on('TerminateInstances', (403, ''))
    empty.on('DescribeVolumes', volume('available'), volume('available'), '<volumeSet/>')
    empty.on('DeleteVolume', '<return>true</return>')
    result = run('build_leftovers', **OPTIONS)
    assert result['failed'] and 'answer-files-123456789012/debian-0123456789, instance i-1.' in result['msg']
    assert [leftover['id'] for leftover in result['leftovers']] == ['answer-files-123456789012/debian-0123456789', 'i-1']
    assert result['actions'] == ['remove volume vol-1']


def test_check_mode_names_them_and_removes_nothing(empty, run):
    empty.on('DescribeVolumes', volume('available'))
    result = run('build_leftovers', check=True, **OPTIONS)
    assert result['changed'] is True
    assert result['leftovers'] == [{'type': 'volume', 'id': 'vol-1', 'state': 'available'}]
    assert empty.writes == []


def test_a_resource_that_stays_is_named_with_the_clouds_reason(empty, clock, run):
    empty.on('DescribeVolumes', volume('in-use'))
    empty.on('DeleteVolume', NOT_YET)
    result = run('build_leftovers', **OPTIONS)
    assert result['failed'] is True
    assert 'vol-1' in result['msg']
    assert 'volume is in-use' in result['msg']


def test_a_removal_that_takes_long_is_reported_every_30_seconds(empty, clock, run, tmp_path):
    empty.on('DescribeVolumes', volume('in-use'))
    empty.on('DeleteVolume', NOT_YET)
    progress = tmp_path / 'progress'
    result = run('build_leftovers', **{**OPTIONS, 'wait_timeout': 300}, progress_file=str(progress))
    assert result['failed']
    assert progress.read_text().count('Waiting for volume vol-1 to be removed, ') >= 300 // 30

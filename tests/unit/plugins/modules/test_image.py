# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json

import pytest
from ansible.module_utils.basic import AnsibleModule
from ansible_collections.eucalyptus.cloud.plugins.module_utils.image import compression, manifest
from ansible_collections.eucalyptus.cloud.tests.kit import unbundle
from ansible_collections.eucalyptus.cloud.tests.unit.plugins.bundle_kit import ACCOUNT, pair, s3_error
from ansible_collections.eucalyptus.cloud.tests.unit.plugins.cloud_xml import DONE, NOBODY, ebs_image, image, images
from ansible_collections.eucalyptus.cloud.tests.unit.plugins.fake_cloud import error
from ansible_collections.eucalyptus.cloud.tests.unit.plugins.web_server import ok, serving, sha256
from botocore.exceptions import ConnectionClosedError

BUCKET = f'images-{ACCOUNT}'


def zones(*names: str) -> str:
    items = ''.join(f'<item><zoneName>{name}</zoneName><zoneState>cc arn:euca</zoneState></item>' for name in names)
    return f'<availabilityZoneInfo>{items}</availabilityZoneInfo>'


# The zone `verbose` as every Eucalyptus lists it to an administrator, and to everybody else.
FOR_ADMINISTRATORS = zones('one', '|- vm types', '|- m1.small')
FOR_TENANTS = zones('one')


def permissions_xml(*accounts: str, everybody: bool = False) -> str:
    groups = '<item><group>all</group></item>' * everybody
    return f'<launchPermission>{groups}{"".join(f"<item><userId>{one}</userId></item>" for one in accounts)}</launchPermission>'


NONE = images()


@pytest.fixture(name='world')
def fixture_world(tmp_path, storage):
    """Options of a kernel image whose file and certificates are there."""
    (tmp_path / 'vmlinuz').write_bytes(b'a kernel' * 5000)
    (tmp_path / 'cloud.pem').write_bytes(pair('cloud').certificate_pem())
    (tmp_path / 'cert.pem').write_bytes(pair('user').certificate_pem())
    (tmp_path / 'key.pem').write_bytes(pair('user').key_pem())
    return {
        'name': 'kern',
        'type': 'kernel',
        'src': str(tmp_path / 'vmlinuz'),
        'account_id': ACCOUNT,
        'cloud_cert': str(tmp_path / 'cloud.pem'),
        'user_cert': str(tmp_path / 'cert.pem'),
        'user_private_key': str(tmp_path / 'key.pem'),
        'connections': 1,
    }


def registers(cloud, image_id: str = 'eki-1', found: str = NONE) -> None:
    """The cloud registers what comes and shows it from then on."""

    def register(parameters):
        shown = image(image_id, parameters['Name'], parameters.get('ImageLocation', ''))
        cloud.on('DescribeImages', images(shown))
        return f'<imageId>{image_id}</imageId>'

    cloud.on('DescribeAvailabilityZones', FOR_ADMINISTRATORS)
    cloud.on('DescribeServiceCertificates', (403, ''))
    cloud.on('DescribeImages', found)
    cloud.on('RegisterImage', register)
    cloud.on('DescribeImageAttribute', NOBODY)


def location_of(run, world) -> str:
    return run('image', check=True, **world)['image']['location']


# --- registering


def test_a_kernel_is_bundled_uploaded_and_registered(cloud, run, world, storage):
    registers(cloud)
    result = run('image', **world)
    assert result['changed'] is True
    assert result['image']['image_id'] == 'eki-1'
    assert result['actions'] == [f'bundle and upload {world["src"]}', 'register kernel image kern']
    assert result['upload']['compressor'] == compression.Compressor().library
    location = cloud.asked('RegisterImage')[0]['ImageLocation']
    raw = storage.objects[location]
    told = manifest.parse(raw)
    assert (told.image_type, told.user, told.name) == ('kernel', ACCOUNT, location.split('/')[1].removesuffix('.manifest.xml'))
    assert manifest.verify(raw, pair('user').certificate)
    parts = [storage.objects[f'{BUCKET}/{part.filename}'] for part in told.parts]
    for reader in ('cloud', 'user'):
        assert b''.join(unbundle.unbundle(told, parts, pair(reader).key)) == b'a kernel' * 5000
    assert storage.puts[-1] == location


def test_only_the_users_options_are_sent(cloud, run, world, storage):
    registers(cloud)
    run('image', **world)
    asked = cloud.asked('RegisterImage')[0]
    assert {key for key in asked if key[0].isupper()} - {
        'Version',
        'SignatureVersion',
        'SignatureMethod',
        'Signature',
        'Timestamp',
        'AWSAccessKeyId',
    } == {'Name', 'Architecture', 'ImageLocation'}


def test_check_mode_predicts_the_real_result_and_writes_nothing(cloud, run, world, storage):
    registers(cloud)
    predicted = run('image', check=True, **world)
    assert cloud.writes == [] and storage.puts == []
    real = run('image', **world)
    assert predicted['actions'] == real['actions']
    for key in set(real['image']) - {'image_id'}:
        assert predicted['image'][key] == real['image'][key], key


def test_the_same_bytes_change_nothing(cloud, run, world, storage):
    registers(cloud)
    location = location_of(run, world)
    cloud.on('DescribeImages', images(image(location=location)))
    result = run('image', **world)
    assert result['changed'] is False and result['actions'] == []
    assert cloud.writes == []


@pytest.mark.parametrize('change', [{'architecture': 'i386'}, {'type': 'ramdisk'}, {'name': 'other'}])
def test_a_change_of_any_field_of_the_manifest_makes_another_bundle(cloud, run, world, storage, change):
    registers(cloud)
    assert location_of(run, {**world, **change}) != location_of(run, world)


BOOT_IMAGES = images(image('eki-1', 'vmlinuz'), image('eri-1', 'initrd', kind='ramdisk'))


def test_a_machine_image_is_registered_with_its_kernel_and_devices(cloud, run, world, storage):
    registers(cloud, 'emi-1', BOOT_IMAGES)
    run(
        'image',
        **{
            **world,
            'type': 'machine',
            'kernel_id': 'eki-1',
            'ramdisk_id': 'eri-1',
            'virtualization_type': 'paravirtual',
            'root_device_name': '/dev/sda1',
            'block_devices': {'swap': 'sda3'},
            'description': 'd',
        },
    )
    asked = cloud.asked('RegisterImage')[0]
    assert (asked['KernelId'], asked['RamdiskId'], asked['VirtualizationType'], asked['Description']) == (
        'eki-1',
        'eri-1',
        'paravirtual',
        'd',
    )
    told = manifest.parse(storage.objects[asked['ImageLocation']])
    assert (told.kernel_id, told.ramdisk_id, told.block_devices) == (
        'eki-1',
        'eri-1',
        {'ami': 'sda1', 'root': '/dev/sda1', 'swap': 'sda3'},
    )


@pytest.mark.parametrize('name', ['vmlinuz-5', 'initrd.img', 'Windows-server'])
def test_a_machine_image_is_not_taken_for_something_else_by_its_files_name(cloud, run, world, storage, name):
    registers(cloud, 'emi-1')
    location = location_of(run, {**world, 'type': 'machine', 'name': name})
    assert location.startswith(f'{BUCKET}/machine-')


def test_a_snapshot_is_registered_with_its_architecture(cloud, run, world, storage):
    cloud.on('DescribeImages', NONE, images(ebs_image()))
    cloud.on('RegisterImage', '<imageId>emi-9</imageId>')
    cloud.on('DescribeImageAttribute', NOBODY)
    result = run('image', name='system', snapshot_id='snap-1', account_id=ACCOUNT)
    asked = cloud.asked('RegisterImage')[0]
    assert asked['Architecture'] == 'x86_64'
    assert asked['RootDeviceName'] == asked['BlockDeviceMapping.1.DeviceName'] == '/dev/sda'
    assert asked['BlockDeviceMapping.1.Ebs.SnapshotId'] == 'snap-1'
    assert 'ImageLocation' not in asked
    assert result['image']['snapshot_id'] == 'snap-1' and result['image']['location'] is None
    again = run('image', name='system', snapshot_id='snap-1', account_id=ACCOUNT)
    assert again['changed'] is False


@pytest.mark.parametrize(
    ('option', 'words'),
    [
        ({'kernel_id': 'eki-2'}, 'kernel_id: there is no kernel eki-2 that this account may use. Available: eki-1 (vmlinuz).'),
        (
            {'kernel_id': 'eki-1', 'ramdisk_id': 'eri-2'},
            'ramdisk_id: there is no ramdisk eri-2 that this account may use. Available: eri-1 (initrd).',
        ),
    ],
)
def test_a_kernel_or_ramdisk_that_does_not_exist_is_refused_before_the_upload(cloud, run, world, storage, option, words):
    registers(cloud, 'emi-1', BOOT_IMAGES)
    for check in (True, False):
        assert words in run('image', check=check, **{**world, 'type': 'machine', **option})['msg']
    assert storage.puts == [] and cloud.writes == []


# --- an account that may not register what it asks for


@pytest.mark.parametrize('image_type', ['kernel', 'ramdisk'])
@pytest.mark.parametrize('check', [False, True])
def test_a_tenant_learns_that_only_administrators_register_a_kernel_before_a_part_is_sent(
    cloud, run, world, storage, image_type, check
):
    registers(cloud)
    cloud.on('DescribeAvailabilityZones', FOR_TENANTS)
    result = run('image', check=check, **{**world, 'type': image_type})
    assert result['failed'] and f'Only administrators can register a {image_type}' in result['msg']
    assert 'nothing was uploaded' in result['msg'] and 'launch_permissions' in result['msg']
    assert cloud.asked('DescribeAvailabilityZones')[0]['ZoneName.1'] == 'verbose'
    assert storage.puts == [] and cloud.writes == []


def test_a_tenants_machine_image_needs_no_such_check(cloud, run, world, storage):
    registers(cloud, 'emi-1')
    run('image', **{**world, 'type': 'machine'})
    assert cloud.asked('DescribeAvailabilityZones') == [] and len(storage.puts) > 1


@pytest.mark.parametrize('zones_reply', [error('UnauthorizedOperation', 'no', 403), zones()], ids=['forbidden', 'no zone'])
def test_where_the_zones_do_not_show_who_is_an_administrator_the_registration_decides(cloud, run, world, storage, zones_reply):
    registers(cloud)
    cloud.on('DescribeAvailabilityZones', zones_reply)
    assert run('image', **world)['changed'] is True


def test_an_unchanged_kernel_needs_no_administrator(cloud, run, world, storage):
    registers(cloud)
    location = location_of(run, world)
    cloud.on('DescribeImages', images(image(location=location)))
    cloud.on('DescribeAvailabilityZones', FOR_TENANTS)
    assert run('image', **world)['changed'] is False


# --- failures


def test_a_refused_registration_takes_its_bundle_and_its_bucket_with_it(cloud, run, world, storage):
    registers(cloud)
    cloud.on('RegisterImage', error('InternalFailure', 'Only administrators can register kernel images.', 500))
    result = run('image', **world)
    assert result['failed'] and "Only the cloud's administrator" in result['msg']
    assert result['failure']['request'] == 'RegisterImage'
    assert storage.objects == {} and storage.buckets == []


def test_a_registration_whose_answer_was_lost_is_found_and_kept(cloud, run, world, storage):
    registers(cloud)
    location = location_of(run, world)
    cloud.on('DescribeImages', NONE, images(image(location=location)))
    cloud.on('RegisterImage', ConnectionClosedError(endpoint_url='x'))
    result = run('image', **world)
    assert result['changed'] is True and result['image']['image_id'] == 'eki-1'
    assert location in storage.objects


@pytest.mark.parametrize('short', ['', ConnectionClosedError(endpoint_url='x')])
def test_an_answer_that_was_cut_short_is_not_taken_for_a_refusal(cloud, run, world, storage, short):
    registers(cloud)
    cloud.on('DescribeImages', NONE, short)
    cloud.on('RegisterImage', '')
    result = run('image', **world)
    assert result['failed'] and 'It is unknown whether the image is registered' in result['msg']
    assert len(storage.objects) == 2


def test_when_it_is_unknown_whether_it_was_registered_nothing_is_removed(cloud, run, world, storage):
    registers(cloud)
    down = ConnectionClosedError(endpoint_url='x')
    cloud.on('DescribeImages', NONE, down)
    cloud.on('RegisterImage', down)
    result = run('image', **world)
    assert (
        result['failed']
        and 'It is unknown whether the image is registered' in result['msg']
        and 'Nothing was removed' in result['msg']
    )
    assert len(storage.objects) == 2


def test_what_was_uploaded_for_an_image_that_another_host_has_registered_meanwhile_is_removed(cloud, run, world, storage):
    registers(cloud)
    theirs = location_of(run, {**world, 'secret_key': 'another-secret'})
    cloud.on('DescribeImages', NONE, images(image(location=theirs)))
    cloud.on('RegisterImage', error('InvalidAMIName.Duplicate', 'in use'))
    result = run('image', **world)
    assert (result['image']['image_id'], result['image']['location']) == ('eki-1', theirs)
    assert storage.puts and storage.objects == {}


def test_a_refused_registration_leaves_the_bundle_that_another_host_has_registered(cloud, run, world, storage):
    registers(cloud)
    location = location_of(run, world)
    cloud.on('DescribeImages', NONE, images(image(location=location)))
    cloud.on('RegisterImage', error('AuthFailure', 'Manifest is not accessible'))
    result = run('image', **world)
    assert result['failed'] and 'Manifest is not accessible' in result['msg']
    assert location in storage.objects and len(storage.objects) == 2


@pytest.mark.parametrize(
    'other', [{'secret_key': 'another-secret'}, {'user_cert': None}, {'user_private_key': None, 'user_cert': None}]
)
def test_whoever_bundles_the_same_image_in_another_way_overwrites_nothing_and_has_nothing_to_do(cloud, run, world, storage, other):
    registers(cloud)
    run('image', **world)
    mine = dict(storage.objects)
    assert run('image', **{**world, **other})['changed'] is False
    registers(cloud)
    run('image', **{**world, **other})
    assert len(storage.objects) == 2 * len(mine) and storage.objects.items() >= mine.items()


def test_the_refusal_of_an_unsigned_bundle_by_an_old_cloud_names_the_key_option(cloud, run, world, storage):
    registers(cloud)
    cloud.on('RegisterImage', error('AuthFailure', 'Manifest has invalid signature'))
    result = run('image', **{**world, 'user_cert': None, 'user_private_key': None})
    assert 'user_private_key' in result['msg'] and 'secret_key' not in result['msg']


def test_an_upload_that_fails_registers_nothing(cloud, run, world, storage):
    registers(cloud)
    storage.faults = [s3_error('AccessDenied', 'no', 403)]
    result = run('image', **world)
    assert result['failed'] and cloud.asked('RegisterImage') == []


def test_the_next_run_sends_only_what_is_missing(cloud, run, world, storage):
    registers(cloud)
    run('image', **world)
    manifest_key = next(key for key in storage.objects if key.endswith('.manifest.xml'))
    del storage.objects[manifest_key]
    cloud.requests.clear()
    cloud.on('DescribeImages', NONE)
    registers(cloud)
    result = run('image', **world)
    assert (result['upload']['parts_sent'], result['upload']['parts_present']) == (0, 1)
    assert storage.puts == [manifest_key]


@pytest.mark.parametrize(
    ('change', 'words'),
    [
        ({'src': '/nowhere/vmlinuz'}, 'Cannot read the image /nowhere/vmlinuz: No such file or directory'),
        ({'type': 'machine', 'block_devices': {'swap': 'a<b'}}, "The element <device> of the manifest may not be 'a<b'."),
        ({'block_devices': {'swap': 'sda3'}}, 'A kernel image has no block_devices'),
        ({'connections': 0}, 'connections is a number from 1 to 32'),
        ({'part_size': 12}, 'part_size is a number from 1 to 11'),
        ({'src': '/etc'}, '/etc is neither a file nor a block device.'),
        ({'checksum': 'sha256:' + '0' * 64}, 'has the sha256 checksum'),
        ({'checksum': 'sha256:1234'}, 'is not of the form sha256:HEX'),
        ({'cloud_cert': '/nowhere/cloud.pem'}, 'Cannot read the cloud certificate /nowhere/cloud.pem'),
        ({'user_private_key': '/etc/passwd'}, 'is not a private key'),
        ({'name': 'a name'}, "An image cannot be named 'a name'"),
        ({'kernel_id': 'eki-1'}, 'A kernel image has no kernel_id'),
        ({'account_id': '12'}, 'account_id'),
        ({'src': 'http://x.test/vmlinuz'}, 'A URL needs a checksum: set checksum to sha256:HEX for http://x.test/vmlinuz.'),
    ],
)
def test_options_that_cannot_work_are_refused_before_any_request(cloud, run, world, storage, change, words):
    registers(cloud)
    result = run('image', **{**world, **change})
    assert result['failed'] and words in result['msg']
    assert cloud.writes == [] and storage.puts == []


@pytest.mark.parametrize('answer', [ok(b'a kernel' * 5000), b''])
def test_the_secrets_of_a_url_appear_nowhere(cloud, run, world, storage, answer, monkeypatch):
    logged = []
    monkeypatch.setattr(AnsibleModule, 'log', lambda _self, message, **_more: logged.append(message))
    registers(cloud)
    with serving(answer) as (host, _asked):
        src = f'http://me:Pa55word@{host}/vmlinuz?X-Signature=abc123'
        result = run('image', **{**world, 'src': src, 'checksum': sha256(b'a kernel' * 5000)})
    said = json.dumps([result, logged])
    assert logged and f'http://{host}/vmlinuz' in (result.get('msg') or result['actions'][0])
    assert result['invocation']['module_args']['src'] == f'********{host}/vmlinuz********'
    assert 'Pa55word' not in said and 'abc123' not in said


@pytest.mark.parametrize(('option', 'verified'), [({}, True), ({'validate_certs': True}, True), ({'validate_certs': False}, False)])
def test_the_certificate_of_an_images_server_is_verified_unless_the_option_forbids_it(
    cloud, run, world, monkeypatch, option, verified
):
    registers(cloud)
    asked = []

    def open_url(_url, **options):
        asked.append(options['validate_certs'])
        raise OSError('not today')

    monkeypatch.setattr('ansible_collections.eucalyptus.cloud.plugins.modules.image.open_url', open_url)
    run('image', **{**world, **option, 'src': 'https://x.test/vmlinuz', 'checksum': 'sha256:' + 64 * '0'})
    assert asked == [verified]


def test_an_image_of_this_name_made_from_something_else_is_an_error(cloud, run, world, storage):
    registers(cloud, found=images(image('eki-7', location='b/old.manifest.xml')))
    result = run('image', **world)
    assert (
        result['failed']
        and 'The image kern (eki-7) differs from the requested image: it was made from b/old.manifest.xml.' in result['msg']
    )
    assert cloud.writes == [] and storage.puts == []


def machine(world, **change):
    return {**world, 'type': 'machine', 'virtualization_type': 'hvm', **change}


@pytest.mark.parametrize(
    ('wanted', 'reason'),
    [
        ({'architecture': 'i386'}, 'architecture x86_64, wanted i386'),
        ({'virtualization_type': 'paravirtual'}, 'virtualization type hvm, wanted paravirtual'),
        ({'virtualization_type': 'paravirtual', 'kernel_id': 'eki-1'}, 'kernel none, wanted eki-1; virtualization type'),
        ({'ramdisk_id': 'eri-1'}, 'ramdisk none, wanted eri-1'),
        ({'type': 'ramdisk', 'virtualization_type': None}, 'type machine, wanted ramdisk'),
        ({'block_devices': {'swap': 'sdb'}}, "block devices none, wanted {'swap': 'sdb'}"),
        ({'src': 'longer'}, 'size 40000 bytes, wanted 40001'),
        ({'src': 'other'}, 'content SHA1 '),
        ({'src': None, 'snapshot_id': 'snap-2'}, 'root device type instance-store, wanted ebs'),
    ],
    ids=str,
)
def test_an_existing_image_that_differs_fails_with_the_differences(cloud, run, world, storage, tmp_path, wanted, reason):
    (tmp_path / 'longer').write_bytes(b'a kernel' * 5000 + b'x')
    (tmp_path / 'other').write_bytes(b'A kernel' * 5000)
    registers(cloud, 'emi-1')
    run('image', **machine(world))
    location = cloud.asked('RegisterImage')[0]['ImageLocation']
    shown = image('emi-1', location=location, kind='machine').replace(
        '<blockDeviceMapping/>', '<virtualizationType>hvm</virtualizationType><blockDeviceMapping/>'
    )
    cloud.on('DescribeImages', images(shown))
    wanted = {key: str(tmp_path / value) if key == 'src' and value else value for key, value in wanted.items()}
    options = {key: value for key, value in machine(world, **wanted).items() if value is not None}
    before = len(cloud.writes)
    result = run('image', **options)
    assert result['failed'] and f'The image kern (emi-1) differs from the requested image: {reason}' in result['msg']
    assert len(cloud.writes) == before


def test_an_image_from_another_snapshot_is_named_with_both(cloud, run, storage):
    cloud.on('DescribeImages', images(ebs_image().replace('x86_64', 'i386')))
    cloud.on('DescribeImageAttribute', NOBODY)
    result = run('image', name='system', snapshot_id='snap-2', account_id=ACCOUNT)
    assert 'architecture i386, wanted x86_64; snapshot snap-1, wanted snap-2. Use another name' in result['msg']
    result = run('image', name='system', snapshot_id='snap-1', account_id=ACCOUNT)
    assert 'differs from the requested image: architecture i386, wanted x86_64. Use another name' in result['msg']


@pytest.mark.parametrize(('root', 'swap'), [('sda1', 'sda3'), ('/dev/sda1', '/dev/sda3'), ('sda1', '/dev/sda3')])
def test_a_device_is_the_same_with_and_without_dev(cloud, run, world, storage, root, swap):
    registers(cloud, 'emi-1')
    usual = location_of(run, machine(world, root_device_name='/dev/sda1', block_devices={'swap': 'sda3'}))
    options = machine(world, root_device_name=root, block_devices={'swap': swap})
    assert location_of(run, options) == usual
    run('image', **options)
    asked = cloud.asked('RegisterImage')[0]
    assert asked['RootDeviceName'] == '/dev/sda1'
    told = manifest.parse(storage.objects[asked['ImageLocation']])
    assert told.block_devices == {'ami': 'sda1', 'root': '/dev/sda1', 'swap': 'sda3'}


def test_a_root_device_of_a_snapshot_is_the_same_without_dev(cloud, run, storage):
    cloud.on('DescribeImages', NONE, images(ebs_image()))
    cloud.on('RegisterImage', '<imageId>emi-9</imageId>')
    cloud.on('DescribeImageAttribute', NOBODY)
    run('image', name='system', snapshot_id='snap-1', root_device_name='sdb', account_id=ACCOUNT)
    asked = cloud.asked('RegisterImage')[0]
    assert asked['RootDeviceName'] == asked['BlockDeviceMapping.1.DeviceName'] == '/dev/sdb'


def test_a_machine_image_that_may_not_boot_causes_a_warning(cloud, run, world, storage, tmp_path):
    registers(cloud, 'emi-1')
    (tmp_path / 'disk').write_bytes(bytes(510) + b'\x55\xaa' + bytes(4096))
    result = run('image', **machine(world, src=str(tmp_path / 'disk')))
    assert 'disk may not boot' not in str(result.get('warnings'))
    registers(cloud, 'emi-1')
    result = run('image', **machine(world))
    assert f'{world["src"]} may not boot: it has no partition table, no boot sector and no file system.' in str(result['warnings'])


def test_two_images_of_one_name_are_an_error_that_lists_them(cloud, run, world, storage):
    registers(cloud, found=images(image('eki-7'), image('eki-8')))
    assert 'eki-7 (available), eki-8 (available)' in run('image', **world)['msg']


def test_an_image_that_is_not_there_and_has_no_source_is_an_error(cloud, run, storage):
    cloud.on('DescribeImages', NONE)
    assert 'There is no image named kern' in run('image', name='kern')['msg']


# --- replacing


def test_the_new_image_is_uploaded_before_the_old_one_goes(cloud, run, world, storage):
    storage.buckets, storage.objects = ['b'], {'b/old.manifest.xml': b'', 'b/old.part.00': b'', 'b/older.part.00': b''}
    registers(cloud, found=images(image('eki-7', location='b/old.manifest.xml')))
    cloud.on('DeregisterImage', DONE)
    result = run('image', state='replaced', delete_bundle=True, **world)
    assert result['changed'] is True and result['image']['image_id'] == 'eki-1'
    order = [action.split('/')[-1].split('.')[-1] for action in cloud.writes]
    assert order.index('xml') < order.index('DeregisterImage') < order.index('RegisterImage')
    assert 'b/older.part.00' in storage.objects and 'b/old.part.00' not in storage.objects
    assert run('image', state='replaced', **world)['changed'] is False


def test_when_the_new_one_is_refused_the_old_one_is_registered_again(cloud, run, world, storage):
    old = image('eki-7', location='b/old.manifest.xml', **{'purpose': 'test', 'euca:image-conversion-state': 'complete'})
    registers(cloud, found=images(old))
    cloud.on('DescribeImageAttribute', permissions_xml('000000000001'))
    cloud.on('DeregisterImage', DONE)
    cloud.on('RegisterImage', error('AuthFailure', 'Manifest is not accessible'), '<imageId>eki-8</imageId>')
    for action in ('ModifyImageAttribute', 'CreateTags'):
        cloud.on(action, DONE)
    result = run('image', state='replaced', delete_bundle=True, **world)
    assert result['failed'] and 'Manifest is not accessible' in result['msg']
    assert result['msg'].endswith('The former image is registered again, as eki-8.')
    again = cloud.asked('RegisterImage')[1]
    assert (again['ImageLocation'], again['Name']) == ('b/old.manifest.xml', 'kern')
    assert cloud.asked('ModifyImageAttribute')[0]['LaunchPermission.Add.1.UserId'] == '000000000001'
    asked = cloud.asked('CreateTags')[0]
    assert asked['Tag.1.Key'] == 'purpose' and 'Tag.2.Key' not in asked  # the cloud's own it sets itself
    assert storage.objects == {}


# --- an image that is there


def test_permissions_are_brought_to_exactly_what_is_wanted(cloud, run, storage):
    cloud.on('DescribeImages', images(image(public=True)))
    cloud.on('DescribeImageAttribute', permissions_xml('000000000001', '000000000002', everybody=True))
    cloud.on('ModifyImageAttribute', DONE)
    result = run(
        'image',
        name='kern',
        account_id=ACCOUNT,
        launch_permissions={'public': False, 'accounts': ['0000-0000-0002', '000000000003']},
    )
    added, removed = cloud.asked('ModifyImageAttribute')
    assert added['LaunchPermission.Add.1.UserId'] == '000000000003'
    assert [removed[key] for key in sorted(removed) if key.startswith('LaunchPermission.Remove')] == ['000000000001', 'all']
    assert result['diff']['after']['launch_permissions'] == {'public': False, 'accounts': ['000000000002', '000000000003']}


def test_omitted_permissions_stay(cloud, run, storage):
    cloud.on('DescribeImages', images(image(public=True)))
    cloud.on('DescribeImageAttribute', permissions_xml('000000000001', everybody=True))
    assert run('image', name='kern', account_id=ACCOUNT)['changed'] is False
    assert run('image', name='kern', account_id=ACCOUNT, launch_permissions={'public': True})['changed'] is False
    assert run('image', name='kern', account_id=ACCOUNT, launch_permissions={'accounts': ['000000000001']})['changed'] is False
    assert cloud.writes == []


def test_an_empty_option_is_one_that_was_not_given(cloud, run, world, storage):
    registers(cloud)
    location = location_of(run, world)
    cloud.on('DescribeImages', images(image(location=location)))
    result = run('image', **world, description='', kernel_id='', ramdisk_id='', root_device_name='')
    assert result['changed'] is False


def test_tags_and_description_are_changed_by_id(cloud, run, storage):
    cloud.on('DescribeImages', images(image('eki-5', description='old', a='1')))
    cloud.on('DescribeImageAttribute', NOBODY)
    for action in ('ModifyImageAttribute', 'CreateTags'):
        cloud.on(action, DONE)
    result = run('image', image_id='eki-5', account_id=ACCOUNT, description='new', tags={'a': '1', 'b': '2'})
    assert result['actions'] == ['set the description', 'set tags b']
    assert cloud.asked('ModifyImageAttribute')[0]['Description.Value'] == 'new'
    assert cloud.asked('CreateTags')[0]['ResourceId.1'] == 'eki-5'


def test_absent_deregisters_and_deletes_what_was_asked_for(cloud, run, storage):
    storage.buckets, storage.objects = ['b'], {'b/k.manifest.xml': b'', 'b/k.part.00': b''}
    cloud.on('DescribeImages', images(image()), NONE)
    cloud.on('DescribeImageAttribute', NOBODY)
    cloud.on('DeregisterImage', DONE)
    result = run('image', name='kern', state='absent', account_id=ACCOUNT, delete_bundle=True)
    assert result['actions'] == ['deregister image eki-1', 'delete bundle b/k.manifest.xml']
    assert result['image']['state'] == 'deregistered' and storage.objects == {}
    again = run('image', name='kern', state='absent', account_id=ACCOUNT, delete_bundle=True)
    assert again['changed'] is False and again['image'] is None


def test_absent_also_deletes_the_bundles_that_interrupted_runs_have_left(cloud, run, storage):
    digits = '0123456789abcdef01234567'
    left = ['kern-' + digits + '.1a2b3c4d.part.00', 'kern-' + digits[::-1] + '.manifest.xml']
    others = ['kern-' + '0' * 24 + '.manifest.xml', 'kern-2-' + digits + '.part.00', 'kern-notes.txt']
    storage.buckets, storage.objects = [BUCKET], {f'{BUCKET}/{key}': b'' for key in left + others}
    cloud.on('DescribeImages', images(image('eki-8', 'another', location=f'{BUCKET}/{others[0]}')))
    options = {'name': 'kern', 'state': 'absent', 'account_id': ACCOUNT, 'delete_bundle': True}
    predicted = run('image', check=True, **options)
    result = run('image', **options)
    assert result['actions'] == predicted['actions'] and len(result['actions']) == 2
    assert sorted(storage.objects) == sorted(f'{BUCKET}/{key}' for key in others)
    assert run('image', **options)['changed'] is False


def test_a_bundle_that_another_host_has_registered_since_it_was_planned_to_go_stays(cloud, run, world, storage):
    registers(cloud)
    theirs = location_of(run, {**world, 'secret_key': 'another-secret'})
    storage.buckets, storage.objects = [BUCKET], {theirs: b'manifest'}
    cloud.on('DescribeImages', NONE, NONE, images(image(location=theirs)))
    cloud.on('RegisterImage', error('InvalidAMIName.Duplicate', 'in use'))
    result = run('image', state='replaced', delete_bundle=True, **world)
    assert result['image']['location'] == theirs
    assert storage.objects == {theirs: b'manifest'}


def test_bundles_of_names_that_are_only_alike_stay(cloud, run, world, storage):
    registers(cloud)
    cloud.on('RegisterImage', ConnectionClosedError(endpoint_url='x'))
    cloud.on('DescribeImages', NONE)
    storage.buckets = [BUCKET]
    key = location_of(run, {**world, 'name': 'fedora-40'})
    storage.objects = {key: b''}
    assert run('image', name='fedora.40', state='absent', delete_bundle=True, account_id=ACCOUNT)['changed'] is False
    assert run('image', name='fedora-40', state='absent', delete_bundle=True, account_id=ACCOUNT)['changed'] is True


def test_a_known_bundle_is_deleted_even_without_an_account_number(cloud, run, storage):
    storage.buckets, storage.objects = ['b'], {'b/k.manifest.xml': b'', 'b/k.part.00': b''}
    cloud.on('DescribeImages', images(image()))  # it goes on listing it for a moment
    cloud.on('DescribeImageAttribute', NOBODY)
    cloud.on('DeregisterImage', DONE)
    result = run('image', name='kern', state='absent', delete_bundle=True)
    assert result['actions'] == ['deregister image eki-1', 'delete bundle b/k.manifest.xml'] and storage.objects == {}


def test_absent_leaves_bundle_and_snapshot_unless_asked(cloud, run, storage):
    cloud.on('DescribeImages', images(ebs_image()))
    cloud.on('DescribeImageAttribute', NOBODY)
    cloud.on('DeregisterImage', DONE)
    cloud.on('DeleteSnapshot', DONE)
    run('image', name='system', state='absent', account_id=ACCOUNT)
    assert cloud.writes == ['DeregisterImage']
    run('image', name='system', state='absent', account_id=ACCOUNT, delete_snapshot=True)
    assert cloud.asked('DeleteSnapshot')[0]['SnapshotId'] == 'snap-1'


def test_the_last_state_of_an_image_that_fails_is_reported(cloud, run, world, storage):
    registers(cloud)
    location = location_of(run, world)
    cloud.on(
        'RegisterImage',
        lambda parameters: (
            cloud.on('DescribeImages', images(image(location=location, state='failed'))),
            '<imageId>eki-1</imageId>',
        )[1],
    )
    result = run('image', **world)
    assert result['failed'] and 'its last state is failed' in result['msg'] and result['image']['image_id'] == 'eki-1'


def test_progress_goes_to_the_file_and_never_a_secret(cloud, run, world, storage, tmp_path):
    registers(cloud)
    result = run('image', progress_file=str(tmp_path / 'progress'), **world)
    lines = [json.loads(line)['text'] for line in (tmp_path / 'progress').read_text().splitlines()]
    assert lines[0] == 'kern: bundling and uploading: 0 %, 1 MiB' and '100 %' in lines[-1]
    assert 'very-secret' not in json.dumps(result['image']) + json.dumps(result['actions']) + ''.join(lines)


# --- image_info


def test_images_are_listed_in_the_same_shape_with_their_manifests(cloud, run, world, storage):
    registers(cloud)
    made = run('image', **world)['image']
    listed = run('image_info', account_id=ACCOUNT, manifest=True)['images']
    told = listed[0].pop('manifest')
    assert listed == [made]
    assert (told['size'], told['parts'], told['signed']) == (40_000, 1, True)


def test_deregistered_images_and_other_names_are_not_listed(cloud, run, storage):
    cloud.on('DescribeImages', images(image('eki-1'), image('eki-2', 'x'), image('eki-3', state='deregistered')))
    cloud.on('DescribeImageAttribute', NOBODY)
    assert [image['image_id'] for image in run('image_info', account_id=ACCOUNT)['images']] == ['eki-1', 'eki-2']
    assert [image['image_id'] for image in run('image_info', account_id=ACCOUNT, name='x')['images']] == ['eki-2']
    assert cloud.asked('DescribeImages')[0]['Owner.1'] == 'self'


def test_a_manifest_that_cannot_be_read_is_a_warning_and_null(cloud, run, storage):
    storage.buckets, storage.objects = ['b'], {'b/k.manifest.xml': b'<html/>'}
    cloud.on('DescribeImages', images(image()))
    cloud.on('DescribeImageAttribute', NOBODY)
    result = run('image_info', account_id=ACCOUNT, manifest=True)
    assert result['images'][0]['manifest'] is None
    assert 'not a bundle manifest' in str(result['warnings'])

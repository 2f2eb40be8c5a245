# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The image module where clouds, accounts and interrupts differ from what one expects."""

from __future__ import annotations

import signal

import pytest
from ansible_collections.eucalyptus.cloud.tests.unit.plugins.bundle_kit import ACCOUNT, s3_error
from ansible_collections.eucalyptus.cloud.tests.unit.plugins.cloud_xml import DONE, NOBODY, ebs_image, image, images
from ansible_collections.eucalyptus.cloud.tests.unit.plugins.fake_cloud import error
from botocore.exceptions import ConnectionClosedError

EVERYBODY = '<launchPermission><item><group>all</group></item></launchPermission>'
SYSTEM = {'name': 'system', 'snapshot_id': 'snap-1', 'account_id': ACCOUNT}


@pytest.fixture(name='registers')
def fixture_registers(cloud):
    """The cloud registers a snapshot; nothing is registered before."""
    cloud.on('DescribeImages', images(), images(ebs_image()))
    cloud.on('DescribeImageAttribute', NOBODY)
    cloud.on('RegisterImage', '<imageId>emi-9</imageId>')
    for action in ('ModifyImageAttribute', 'DeregisterImage', 'DeleteSnapshot'):
        cloud.on(action, DONE)


# --- a cloud whose new images are everybody's


def test_a_new_image_that_should_be_private_is_private_whatever_the_clouds_default(cloud, run, registers):
    cloud.on('DescribeImages', images())
    predicted = run('image', check=True, **SYSTEM, launch_permissions={'public': False, 'accounts': []})
    cloud.on('DescribeImages', images(), images(ebs_image()))
    result = run('image', **SYSTEM, launch_permissions={'public': False, 'accounts': []})
    assert [asked['LaunchPermission.Remove.1.Group'] for asked in cloud.asked('ModifyImageAttribute')] == ['all']
    assert predicted['actions'] == result['actions']
    assert predicted['image']['launch_permissions'] == result['image']['launch_permissions'] == {'public': False, 'accounts': []}


def test_a_new_image_without_options_is_left_as_the_cloud_makes_it(cloud, run, registers):
    run('image', **SYSTEM)
    assert cloud.asked('ModifyImageAttribute') == []


@pytest.mark.parametrize(('former', 'change'), [(NOBODY, 'Remove'), (EVERYBODY, 'Add')])
def test_a_former_image_that_is_registered_again_is_as_private_as_it_was(cloud, run, registers, former, change):
    cloud.on('DescribeImages', images(ebs_image(snapshot_id='snap-0')))
    cloud.on('DescribeImageAttribute', former)
    cloud.on('RegisterImage', error('InvalidParameter', 'no'), '<imageId>emi-10</imageId>')
    result = run('image', **SYSTEM, state='replaced')
    assert result['msg'].endswith('The former image is registered again, as emi-10.')
    (asked,) = cloud.asked('ModifyImageAttribute')
    assert (asked['ImageId'], asked[f'LaunchPermission.{change}.1.Group']) == ('emi-10', 'all')


# --- an administrator and other accounts


def test_a_bundle_from_which_its_owner_has_registered_another_image_stays(cloud, run, storage):
    tenant = '000987654321'
    storage.buckets, storage.objects = ['b'], {'b/k.manifest.xml': b'', 'b/k.part.00': b''}
    all_images = [image('emi-1', 'one', kind='machine', owner=tenant), image('emi-2', 'two', kind='machine', owner=tenant)]

    def listed(parameters):
        asked = [value for key, value in parameters.items() if key.startswith(('Owner.', 'ImageId.'))]
        return images(*(one for one in all_images if any(word in one for word in asked)))

    cloud.on('DescribeImages', listed)
    cloud.on('DeregisterImage', DONE)
    options = {'image_id': 'emi-1', 'state': 'absent', 'delete_bundle': True, 'account_id': ACCOUNT}
    assert run('image', **options)['actions'] == ['deregister image emi-1']
    del all_images[1]
    assert run('image', **options)['actions'] == ['deregister image emi-1', 'delete bundle b/k.manifest.xml']
    assert storage.objects == {}


# --- interrupts


@pytest.fixture(name='caught')
def fixture_caught(monkeypatch):
    """The signals that have come through, instead of ending the tests."""
    seen = []
    before = {one: signal.signal(one, lambda number, _frame: seen.append(number)) for one in (signal.SIGINT, signal.SIGTERM)}
    yield seen
    for one, handler in before.items():
        signal.signal(one, handler)


@pytest.mark.parametrize('sent', [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize('refused', [False, True])
def test_an_interrupt_counts_only_when_the_new_image_or_the_former_is_registered(cloud, run, registers, caught, sent, refused):
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    seen_by = {}

    def interrupted(action, reply):
        def answer(_parameters):
            signal.raise_signal(sent)
            signal.pthread_sigmask(signal.SIG_BLOCK, ())  # whatever may come through has come then
            seen_by[action] = list(caught)
            return reply

        return answer

    cloud.on('DescribeImages', images(ebs_image(snapshot_id='snap-0')), images(ebs_image()))
    cloud.on('DeregisterImage', interrupted('deregister', DONE))
    first = error('InvalidParameter', 'no') if refused else '<imageId>emi-9</imageId>'
    cloud.on('RegisterImage', interrupted('register', first), interrupted('again', '<imageId>emi-9</imageId>'))
    result = run('image', **SYSTEM, state='replaced')
    assert ('is registered again' in result.get('msg', '')) is refused
    assert set(seen_by) == {'deregister', 'register', *(['again'] if refused else [])}
    assert not any(seen_by.values()) and caught == [sent]
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == before


def test_after_a_failed_deregistration_interrupts_count_again(cloud, run, registers):
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    cloud.on('DescribeImages', images(ebs_image(snapshot_id='snap-0')))
    cloud.on('DeregisterImage', error('InvalidParameter', 'no'))
    assert run('image', **SYSTEM, state='replaced')['failed']
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == before


# --- an image from a snapshot


@pytest.mark.parametrize('option', [{'kernel_id': 'eki-1'}, {'ramdisk_id': 'eri-1'}, {'virtualization_type': 'paravirtual'}])
def test_options_that_the_cloud_ignores_for_a_snapshot_are_refused(cloud, run, registers, option):
    for check in (True, False):
        result = run('image', check=check, **SYSTEM, **option)
        assert result['failed'] and f'An image from a snapshot has no {next(iter(option))}' in result['msg']
    assert cloud.writes == []


@pytest.mark.parametrize('options', [{}, {'virtualization_type': 'hvm', 'root_device_name': '/dev/sda1', 'kernel_id': ''}])
def test_check_mode_predicts_an_image_from_a_snapshot(cloud, run, registers, options):
    cloud.on('DescribeImages', images())
    predicted = run('image', check=True, **SYSTEM, **options)
    cloud.on('DescribeImages', images(), images(ebs_image()))
    real = run('image', **SYSTEM, **options)
    assert {**predicted['image'], 'image_id': 'emi-9'} == real['image']


# --- what the cloud would refuse later


@pytest.mark.parametrize(
    ('option', 'words'),
    [
        ({'description': 'x' * 256}, 'The description has 256 characters; 255 are allowed'),
        ({'launch_permissions': {'accounts': ['000000000001', '123']}}, "'123' is not an account's number"),
        ({'launch_permissions': {'accounts': ['all']}}, "'all' is not an account's number"),
        ({'kernel_id': 'eki_12345678'}, "kernel_id: 'eki_12345678' is not the id of a kernel image (eki-1a2b3c4d)"),
        ({'ramdisk_id': 'eki-12345678'}, "ramdisk_id: 'eki-12345678' is not the id of a ramdisk image"),
    ],
)
def test_what_the_cloud_would_refuse_is_refused_before_anything_is_read_or_sent(cloud, run, registers, storage, option, words):
    cloud.on('DescribeImages', images())
    for check in (True, False):
        result = run('image', check=check, name='one', src='/nowhere', account_id=ACCOUNT, **option)
        assert result['failed'] and words in result['msg']
    assert cloud.writes == []


def test_the_longest_description_and_an_account_with_dashes_are_taken(cloud, run, registers):
    permissions = {'accounts': ['0000-0000-0001']}
    assert 'failed' not in run('image', **SYSTEM, description='x' * 255, launch_permissions=permissions)


# --- somebody else's bucket


def test_a_default_bucket_that_somebody_else_owns_does_not_hinder_a_removal(cloud, run, storage):
    theirs = f'images-{ACCOUNT}'
    storage.buckets, storage.objects = ['b'], {'b/k.manifest.xml': b'', 'b/k.part.00': b''}
    cloud.on('DescribeImages', images(image('emi-1', 'one', kind='machine')))
    cloud.on('DescribeImageAttribute', NOBODY)
    cloud.on('DeregisterImage', DONE)
    answer = storage.answer
    storage.answer = lambda action, parameters: (
        s3_error('AccessDenied', 'Access Denied', 403) if theirs in action else answer(action, parameters)
    )
    result = run('image', name='one', state='absent', delete_bundle=True, account_id=ACCOUNT)
    assert result['actions'] == ['deregister image emi-1', 'delete bundle b/k.manifest.xml'] and storage.objects == {}


# --- a deregistration whose answer is lost


@pytest.mark.parametrize('state', ['available', 'deregistered', 'deregistered_cleanup', None])
def test_only_an_image_that_is_still_there_makes_a_lost_answer_a_failure(cloud, run, registers, state):
    cloud.on('DescribeImages', images(ebs_image()), images(*([ebs_image(state=state)] if state else [])))
    cloud.on('DeregisterImage', ConnectionClosedError(endpoint_url='x'))
    result = run('image', name='system', state='absent', account_id=ACCOUNT)
    assert result.get('failed', False) is (state == 'available')
    assert result['changed'] is (state != 'available')


# --- the snapshot of a deregistered image


GONE = {'name': 'system', 'state': 'absent', 'delete_snapshot': True, 'account_id': ACCOUNT}


def test_a_snapshot_that_another_image_is_registered_from_stays_with_a_warning(cloud, run, registers):
    cloud.on('DescribeImages', images(ebs_image(), ebs_image('emi-10', 'other')))
    predicted = run('image', check=True, **GONE)
    result = run('image', **GONE)
    assert predicted['actions'] == result['actions'] == ['deregister image emi-9']
    assert 'The snapshot snap-1 is kept, because emi-10 was also registered from it.' in str(result['warnings'])
    cloud.on('DescribeImages', images(ebs_image('emi-10', 'other')))
    assert run('image', **{**GONE, 'name': 'other'})['actions'] == ['deregister image emi-10', 'delete snapshot snap-1']


def test_a_snapshot_that_cannot_be_deleted_is_named_with_what_to_do(cloud, run, registers):
    cloud.on('DescribeImages', images(ebs_image()))
    cloud.on('DeleteSnapshot', error('InvalidSnapshot.InUse', 'in use'))
    result = run('image', **GONE)
    assert result['failed'] and result['failure']['code'] == 'InvalidSnapshot.InUse'
    assert 'snapshot snap-1. Delete it with the module snapshot' in result['msg']
    assert result['actions'] == ['deregister image emi-9']

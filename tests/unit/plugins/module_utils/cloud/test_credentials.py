# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.credentials import (
    Credentials,
    CredentialsError,
    find_credentials,
)
from ansible_collections.eucalyptus.cloud.plugins.module_utils.errors import CollectionError

ENVIRONMENT = {
    'EC2_URL': 'http://env:8773/services/compute',
    'S3_URL': 'http://env:8773/services/objectstorage',
    'EC2_ACCESS_KEY': 'env-key',
    'EC2_SECRET_KEY': 'env-secret',
    'EC2_USER_ID': '111111111111',
}
EUCARC = 'EC2_URL=http://rc/\nS3_URL=http://rc-s3/\nEC2_ACCESS_KEY=rc-key\nEC2_SECRET_KEY=rc-secret\n'
INI = """\
[global]
default-region = one
[region one]
ec2-url = http://one/
s3-url = http://one-s3/
user = acme:admin
certificate = /certs/one.pem
[region two]
ec2-url = http://two/
user = acme:admin
[user acme:admin]
key-id = admin-key
secret-key = admin%secret
account-id = 222222222222
private-key = /keys/admin.pem
[user acme:bob]
key-id = bob-key
secret-key = bob-secret
"""


@pytest.fixture(name='home')
def fixture_home(tmp_path):
    (tmp_path / '.euca').mkdir()
    (tmp_path / '.euca' / 'cloud.ini').write_text(INI)
    (tmp_path / 'eucarc').write_text(EUCARC)
    return tmp_path


def test_options_come_before_everything(home):
    options = {'ec2_url': 'http://o/', 'access_key': 'o-key', 'secret_key': 'o-secret', 'eucarc': str(home / 'eucarc')}
    found = find_credentials(options, ENVIRONMENT)
    assert (found.ec2_url, found.access_key, found.secret_key) == ('http://o/', 'o-key', 'o-secret')


COMPLETE = {'ec2_url': 'http://o/', 'access_key': 'o-key', 'secret_key': 'o-secret'}


def test_complete_options_take_nothing_from_another_cloud_in_the_environment(home):
    environment = {
        **ENVIRONMENT,
        'EUCALYPTUS_CERT': '/a/cloud.pem',
        'EC2_CERT': '/a/cert.pem',
        'EC2_PRIVATE_KEY': '/a/key',
        'AWS_ACCESS_KEY_ID': 'amazon',
        'AWS_SESSION_TOKEN': 'token',
        'HOME': str(home),
    }
    assert find_credentials(COMPLETE, environment) == Credentials(**COMPLETE)
    assert find_credentials(COMPLETE, {'HOME': str(home)}) == Credentials(**COMPLETE)


def test_complete_options_take_only_the_named_source_and_the_origin_names_it(home):
    found = find_credentials({**COMPLETE, 'region': 'one'}, {'HOME': str(home)})
    assert (found.ec2_url, found.cloud_cert) == ('http://o/', '/certs/one.pem')
    assert found.origin == 'the options and region one of ~/.euca/*.ini'
    found = find_credentials({**COMPLETE, 'eucarc': str(home / 'eucarc')}, {})
    assert (found.s3_url, found.origin) == ('http://rc-s3/', f'the options and the eucarc file {home}/eucarc')


def test_keys_of_the_cloud_and_keys_for_amazon_in_one_environment_are_not_mixed():
    amazon = {'AWS_ACCESS_KEY_ID': 'amazon', 'AWS_SECRET_ACCESS_KEY': 'amazon-secret', 'AWS_SESSION_TOKEN': 'token'}
    found = find_credentials({}, {**ENVIRONMENT, **amazon})
    assert (found.access_key, found.secret_key, found.security_token) == ('env-key', 'env-secret', None)
    found = find_credentials({}, {'EC2_URL': 'http://env/', 'EC2_SECRET_KEY': 'env-secret', **amazon})
    assert (found.access_key, found.secret_key, found.security_token) == ('amazon', 'amazon-secret', 'token')
    found = find_credentials({'access_key': 'o-key', 'secret_key': 'o-secret'}, {'EC2_URL': 'http://env/', **amazon})
    assert (found.access_key, found.ec2_url, found.security_token) == ('o-key', 'http://env/', None)


def test_a_token_of_the_cloud_goes_with_its_key_under_both_names():
    """As where a temporary key is exported for every tool."""
    environment = {**ENVIRONMENT, 'AWS_ACCESS_KEY_ID': 'env-key', 'AWS_SECURITY_TOKEN': 'token'}
    assert find_credentials({}, environment).security_token == 'token'


def test_with_an_eucarc_neither_environment_nor_ini_are_read(home):
    found = find_credentials({'eucarc': str(home / 'eucarc')}, {**ENVIRONMENT, 'HOME': str(home)})
    assert (found.ec2_url, found.access_key, found.account_id) == ('http://rc/', 'rc-key', None)
    (home / 'eucarc').write_text(EUCARC.replace('EC2_SECRET_KEY=rc-secret', ''))
    with pytest.raises(CredentialsError, match='eucarc .*without secret_key'):
        find_credentials({'eucarc': str(home / 'eucarc')}, {**ENVIRONMENT, 'HOME': str(home)})


def test_the_environment_comes_before_the_ini_files(home):
    found = find_credentials({}, {**ENVIRONMENT, 'HOME': str(home)})
    assert (found.ec2_url, found.account_id, found.origin) == (
        'http://env:8773/services/compute',
        '111111111111',
        'the environment',
    )


def test_keys_for_another_cloud_in_the_environment_are_not_mixed_with_the_ini_files(home):
    found = find_credentials({}, {'AWS_ACCESS_KEY_ID': 'amazon', 'AWS_SECRET_ACCESS_KEY': 'amazon', 'HOME': str(home)})
    assert (found.ec2_url, found.access_key, found.secret_key) == ('http://one/', 'admin-key', 'admin%secret')
    assert found.cloud_cert == '/certs/one.pem'
    assert found.user_private_key == '/keys/admin.pem'


def test_a_region_is_taken_from_the_ini_files_although_the_environment_is_complete(home):
    environment = {**ENVIRONMENT, 'HOME': str(home)}
    assert find_credentials({'region': 'two'}, environment).ec2_url == 'http://two/'
    assert find_credentials({'region': 'acme:bob@two'}, environment).access_key == 'bob-key'


def test_a_region_in_the_environment_chooses_among_the_ini_files(home):
    assert find_credentials({}, {'EUCA_DEFAULT_REGION': 'two', 'HOME': str(home)}).ec2_url == 'http://two/'


FIELD_INI = """\
; cloud of the second floor
[global]
default-region = floor2

[region floor2]
ec2-url = http://192.0.2.10:8773/services/compute/   ; front end
s3-url = http://192.0.2.10:8773/services/objectstorage/
user = ann
verify-ssl = false

[user 000123456789:ann]
key-id = AKIEXAMPLEEXAMPLE123
secret-key = abcdEFGHijklMNOPqrstUVWXyz0123456789ABCD ; made 2016-03-10
account-id = 000123456789
private-key = ~/.euca/$FLOOR.pem
"""


def test_a_comment_behind_a_value_belongs_neither_to_the_key_nor_to_the_url(tmp_path):
    (tmp_path / 'my.ini').write_text('\ufeff' + FIELD_INI)
    found = find_credentials({}, {'EUCA_CONFIG_PATH': f'{tmp_path}/*.ini', 'HOME': '/home/ann', 'FLOOR': '2'})
    assert found == Credentials(
        ec2_url='http://192.0.2.10:8773/services/compute/',
        s3_url='http://192.0.2.10:8773/services/objectstorage/',
        access_key='AKIEXAMPLEEXAMPLE123',
        secret_key='abcdEFGHijklMNOPqrstUVWXyz0123456789ABCD',
        account_id='000123456789',
        user_private_key='/home/ann/.euca/2.pem',
        verify_ssl='false',
        origin='region floor2 of ~/.euca/*.ini',
    )


@pytest.mark.parametrize(
    ('region', 'environment', 'who_where'),
    [
        ('acme:bob@', {}, ('bob-key', 'http://one/')),
        ('bob@', {'EUCA_DEFAULT_REGION': 'two'}, ('bob-key', 'http://two/')),
        ('two', {}, ('admin-key', 'http://two/')),
        ('two', {'EUCA_DEFAULT_REGION': 'bob@one'}, ('bob-key', 'http://two/')),
        ('bob@two', {'AWS_DEFAULT_REGION': 'one'}, ('bob-key', 'http://two/')),
        (None, {'EUCA_DEFAULT_REGION': 'bob@', 'AWS_DEFAULT_REGION': 'two'}, ('bob-key', 'http://one/')),
    ],
)
def test_user_and_region_are_chosen_as_with_euca2ools(home, region, environment, who_where):
    found = find_credentials({'region': region}, {**environment, 'HOME': str(home)})
    assert (found.access_key, found.ec2_url) == who_where


@pytest.mark.parametrize(
    ('written', 'options', 'verify'),
    [
        (None, (None, None), True),
        (None, (None, '/ca.pem'), '/ca.pem'),
        ('false', (None, None), False),
        ('false', (None, '/ca.pem'), False),
        ('false', (True, None), True),
        ('true', (None, '/ca.pem'), '/ca.pem'),
        ('true', (False, None), False),
    ],
)
def test_verify_ssl_of_the_region_counts_unless_the_option_is_given(written, options, verify):
    assert Credentials(**COMPLETE, verify_ssl=written).verify(*options) == verify


def test_a_verify_ssl_that_is_no_boolean_is_named_with_its_region():
    with pytest.raises(CollectionError, match='verify-ssl in region r must be true or false'):
        Credentials(**COMPLETE, verify_ssl='maybe', origin='region r').verify(None, None)


FIELD_EUCARC = """\
EUCA_KEY_DIR=$(dirname $(readlink -f ${BASH_SOURCE}))
export S3_URL=http://192.0.2.10:8773/services/Walrus
export EC2_URL=eucalyptus::http://192.0.2.10:8773/services/Eucalyptus
export EC2_PRIVATE_KEY=${EUCA_KEY_DIR}/euca2-ann-0a1b2c3d-pk.pem
export EC2_CERT=${EUCA_KEY_DIR}/euca2-ann-0a1b2c3d-cert.pem
export EUCALYPTUS_CERT=${EUCA_KEY_DIR}/cloud-cert.pem
export AWS_CREDENTIAL_FILE=${EUCA_KEY_DIR}/iamrc
export EC2_USER_ID='000123456789'
"""


def test_the_files_of_an_eucarc_are_those_beside_it_and_its_keys_may_be_in_the_iamrc(tmp_path):
    (tmp_path / 'eucarc').write_text(FIELD_EUCARC)
    (tmp_path / 'iamrc').write_text('AWSAccessKeyId=AKIEXAMPLE # mine\nAWSSecretKey = abc=\n')
    assert find_credentials({'eucarc': str(tmp_path / 'eucarc')}, {'EC2_URL': 'http://another/'}) == Credentials(
        ec2_url='http://192.0.2.10:8773/services/Eucalyptus',
        s3_url='http://192.0.2.10:8773/services/Walrus',
        access_key='AKIEXAMPLE',
        secret_key='abc=',
        account_id='000123456789',
        cloud_cert=f'{tmp_path}/cloud-cert.pem',
        user_cert=f'{tmp_path}/euca2-ann-0a1b2c3d-cert.pem',
        user_private_key=f'{tmp_path}/euca2-ann-0a1b2c3d-pk.pem',
        origin=f'the eucarc file {tmp_path}/eucarc',
    )


def test_certificates_in_an_unknown_directory_are_left_out(tmp_path):
    (tmp_path / 'eucarc').write_text(EUCARC + 'K=$(find-keys)\nEUCALYPTUS_CERT=$K/cloud-cert.pem\nEC2_CERT=${K}/x.pem\n')
    found = find_credentials({'eucarc': str(tmp_path / 'eucarc')}, {})
    assert (found.cloud_cert, found.user_cert, found.access_key) == (None, None, 'rc-key')


def test_a_credential_file_counts_only_without_a_pair_of_keys_in_variables(tmp_path):
    (tmp_path / 'iamrc').write_text('AWSAccessKeyId=file-key\nAWSSecretKey=file-secret\n')
    environment = {'EC2_URL': 'http://e/', 'AWS_CREDENTIAL_FILE': '~/iamrc', 'HOME': str(tmp_path), 'AWS_SECURITY_TOKEN': 'another'}
    found = find_credentials({}, environment)
    assert (found.access_key, found.secret_key, found.security_token) == ('file-key', 'file-secret', None)
    assert find_credentials({}, {**ENVIRONMENT, **environment}).access_key == 'env-key'
    (tmp_path / 'iamrc').unlink()
    with pytest.raises(CredentialsError, match='AWS_CREDENTIAL_FILE names, .*/iamrc: No such file'):
        find_credentials({}, environment)


def test_without_credentials_the_message_names_every_place_that_was_searched(tmp_path):
    with pytest.raises(CredentialsError) as caught:
        find_credentials({'ec2_url': 'http://o/'}, {'HOME': str(tmp_path), 'EC2_SECRET_KEY': 'hidden'})
    message = str(caught.value)
    assert 'the options' in message
    assert 'the environment (without access_key)' in message
    assert '~/.euca/*.ini' in message
    assert 'hidden' not in message


def test_a_missing_eucarc_is_named():
    with pytest.raises(CredentialsError, match='/no/such/eucarc: No such file'):
        find_credentials({'eucarc': '/no/such/eucarc'}, {})


def test_a_broken_ini_file_is_named_without_what_is_in_it(home):
    (home / '.euca' / 'cloud.ini').write_text('secret-key = hidden\n')
    with pytest.raises(CollectionError) as caught:
        find_credentials({}, {'HOME': str(home)})
    assert 'cloud.ini' in str(caught.value)
    assert 'hidden' not in str(caught.value)


def test_secrets_are_not_shown_by_repr(home):
    assert 'rc-secret' not in repr(find_credentials({'eucarc': str(home / 'eucarc')}, {}))


def test_an_eucarc_with_a_value_that_only_running_it_would_give_is_named_with_what_it_lacks(tmp_path):
    eucarc = tmp_path / 'eucarc'
    eucarc.write_text('EC2_URL=http://$(hostname):8773/\nEC2_ACCESS_KEY=a\nEC2_SECRET_KEY=s\n')
    with pytest.raises(CredentialsError) as refused:
        find_credentials({'eucarc': str(eucarc)}, {})
    assert f'the eucarc file {eucarc} (without ec2_url)' in str(refused.value)
    assert 'Values that depend on commands in the file are left out. Set the missing ones as options.' in str(refused.value)

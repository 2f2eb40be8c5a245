# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Endpoint and keys of a cloud, from the options, a eucarc file, the environment, or the ini files of euca2ools.

A source's parser is imported when the source is read: most tasks need none, and a module pays for each import.
"""

from __future__ import annotations

import os
import typing as t
from dataclasses import dataclass, field

from ansible_collections.eucalyptus.cloud.plugins.module_utils.errors import CollectionError

# Names in a eucarc and in the environment; the first one that is set counts.
VARIABLES = {
    'ec2_url': ('EC2_URL',),
    's3_url': ('S3_URL',),
    'access_key': ('EC2_ACCESS_KEY', 'AWS_ACCESS_KEY', 'AWS_ACCESS_KEY_ID'),
    'secret_key': ('EC2_SECRET_KEY', 'AWS_SECRET_KEY', 'AWS_SECRET_ACCESS_KEY'),
    'security_token': ('AWS_SECURITY_TOKEN', 'AWS_SESSION_TOKEN'),
    'account_id': ('EC2_ACCOUNT_NUMBER', 'EC2_USER_ID'),
    'cloud_cert': ('EUCALYPTUS_CERT',),
    'user_cert': ('EC2_CERT', 'EUCA_CERT'),
    'user_private_key': ('EC2_PRIVATE_KEY', 'EUCA_PRIVATE_KEY'),
}
# Names in the file that AWS_CREDENTIAL_FILE names (iamrc).
CREDENTIAL_FILE = {'AWSAccessKeyId': 'access_key', 'AWSSecretKey': 'secret_key'}
# Names in the [region …] and [user …] sections of euca2ools' ini files.
REGION_KEYS = {'ec2_url': 'ec2-url', 's3_url': 's3-url', 'cloud_cert': 'certificate', 'verify_ssl': 'verify-ssl'}
USER_KEYS = {
    'access_key': 'key-id',
    'secret_key': 'secret-key',
    'account_id': 'account-id',
    'user_cert': 'certificate',
    'user_private_key': 'private-key',
}
URLS = ('ec2_url', 's3_url')
PATHS = ('cloud_cert', 'user_cert', 'user_private_key')
NEEDED = ('ec2_url', 'access_key', 'secret_key')


class CredentialsError(CollectionError):
    """No complete set of endpoint and keys. The message names every place that was searched and what it lacked."""


@dataclass
class Credentials:
    """A complete set. Paths may be relative to the directory that the module runs in; None stands for a missing value."""

    ec2_url: str
    access_key: str
    secret_key: str = field(repr=False)
    s3_url: str | None = None
    security_token: str | None = field(default=None, repr=False)
    account_id: str | None = None
    cloud_cert: str | None = None
    user_cert: str | None = None
    user_private_key: str | None = None
    verify_ssl: str | None = None  # of the region, as written
    origin: str = 'the options'

    def own_bucket(self, purpose: str) -> str:
        """A bucket name that no other account has chosen: 'images-123456789012'. Raises CredentialsError."""
        return f'{purpose}-{self.account()}'

    def account(self) -> str:
        """The account's number, 12 digits. Raises CredentialsError."""
        number = (self.account_id or '').replace('-', '')
        if not (len(number) == 12 and number.isdigit()):
            raise CredentialsError(
                f'The account number is missing: {self.origin} did not contain EC2_ACCOUNT_NUMBER (12 digits). '
                'Set the option account_id.'
            )
        return number

    def verify(self, validate_certs: bool | None, ca_path: str | None) -> bool | str:
        """The verification of https endpoints: False, True, or a file of authorities. Without the option,
        `verify-ssl` of the region applies, and without that certificates are verified. Raises IniError."""
        if validate_certs is None and self.verify_ssl is not None:
            from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud import ini

            validate_certs = ini.boolean(self.verify_ssl, f'verify-ssl in {self.origin}')
        return validate_certs is not False and (ca_path or True)


Source = tuple[str, dict[str, str]]


def find_credentials(options: t.Mapping[str, t.Any], environ: t.Mapping[str, str]) -> Credentials:
    """Complete the options from ONE further source. Two sources are never mixed: they could be two clouds.

    With the option ``eucarc`` that file is the source, with ``region`` that region of the ini files. Without both there
    is none when the options have endpoint and keys, and otherwise it is the environment, if it completes the set, or
    the default region of the ini files. Raises CredentialsError and IniError.
    """
    given = {name: str(options[name]) for name in VARIABLES if options.get(name)}
    # A certificate in the environment may be another cloud's, which could open the bundle instead.
    if given.keys() >= set(NEEDED) and not (options.get('eucarc') or options.get('region')):
        return Credentials(**given)
    lacks = []
    for origin, source in _sources(options, environ):
        if given.get('access_key', source.get('access_key')) != source.get('access_key'):
            source.pop('security_token', None)  # it belongs to the source's own access key
        found = dict(source, **given)
        missing = [name for name in NEEDED if not found.get(name)]
        if not missing:
            used = source.keys() - given.keys()
            return Credentials(**found, origin=f'the options and {origin}' if used and given else origin if used else 'the options')
        lacks.append(f'{origin} ({"without " + ", ".join(missing) if source else "nothing there"})')
    way_out = 'Set the option eucarc, or source the eucarc of the cloud before running.'
    if options.get('eucarc'):
        way_out = 'Values that depend on commands in the file are left out. Set the missing ones as options.'
    searched = '; '.join(['the options'] * bool(given) + lacks)
    raise CredentialsError(f'No complete set of ec2_url, access_key and secret_key. Searched: {searched}. {way_out}')


def _sources(options: t.Mapping[str, t.Any], environ: t.Mapping[str, str]) -> t.Iterator[Source]:
    if options.get('eucarc'):
        yield _eucarc(os.path.abspath(os.path.expanduser(options['eucarc'])), environ)
        return
    if not options.get('region'):
        yield 'the environment', _from_variables(environ, environ)
    yield _ini(options.get('region'), environ)


def _eucarc(path: str, environ: t.Mapping[str, str]) -> Source:
    from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud import eucarc

    variables = eucarc.parse_eucarc(_file(path, 'the eucarc file'), path)
    return f'the eucarc file {path}', _from_variables(variables, {'HOME': environ.get('HOME', ''), **variables})


def _file(path: str, what: str) -> str:
    try:
        with open(path, encoding='utf-8', errors='replace') as file:
            return file.read()
    except OSError as error:
        raise CredentialsError(f'Cannot read {what} {path}: {error.strerror}.') from error


def _from_variables(variables: t.Mapping[str, str], known: t.Mapping[str, str]) -> dict[str, str]:
    """The settings among shell variables; ``known`` are those that a path in them may use."""
    # Where EC2_… are the keys of this cloud, AWS_… may be the user's at Amazon: the secret key is one of the access
    # key's own kind, and the token is taken only when the access key is that of AWS_… as well.
    kind = next((name[:4] for name in VARIABLES['access_key'] if variables.get(name)), '')
    names = {**VARIABLES, 'secret_key': [name for name in VARIABLES['secret_key'] if name.startswith(kind)]}
    firsts = {key: next((variables[name] for name in names[key] if variables.get(name)), '') for key in names}
    # As in euca2ools, a pair of keys in variables comes before the file.
    if variables.get('AWS_CREDENTIAL_FILE') and not (firsts['access_key'] and firsts['secret_key']):
        from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud import ini

        firsts.update(_from_credential_file(ini.expanded(variables['AWS_CREDENTIAL_FILE'], known)))
    if firsts['access_key'] not in (variables.get('AWS_ACCESS_KEY'), variables.get('AWS_ACCESS_KEY_ID')):
        firsts['security_token'] = ''
    # euca2ools accepts REGION::URL.
    firsts.update(
        {key: firsts[key].rpartition('::')[2] if '://' in firsts[key].rpartition('::')[2] else firsts[key] for key in URLS}
    )
    return {key: value for key, value in firsts.items() if value}


def _from_credential_file(path: str) -> dict[str, str]:
    """The pair of keys in an iamrc; empty unless both are there."""
    found: dict[str, str] = {}
    for line in _file(path, 'the file that AWS_CREDENTIAL_FILE names,').removeprefix('\ufeff').splitlines():
        name, equals, value = line.partition('#')[0].partition('=')
        if equals and name.strip() in CREDENTIAL_FILE:
            found.setdefault(CREDENTIAL_FILE[name.strip()], value.strip())
    return found if all(found.get(key) for key in CREDENTIAL_FILE.values()) else {}


def _ini(wanted: str | None, environ: t.Mapping[str, str]) -> Source:
    """A region of the ini files and its user; ``USER@``, ``REGION`` or ``USER@REGION`` as in euca2ools: what the option
    does not name comes from the environment, then from default-region."""
    from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud import ini

    files = ini.read_configuration(environ)
    from_environ = environ.get('EUCA_DEFAULT_REGION') or environ.get('AWS_DEFAULT_REGION')
    named = [ini.split_region(wanted), ini.split_region(from_environ), ('', files.globals.get('default-region', ''))]
    region = next((region for _user, region in named if region), '')
    if not region:
        return '~/.euca/*.ini', {}
    user = next((user for user, _region in named if user), '') or files.region_option(region, 'user') or ''
    found = {key: files.region_option(region, option) for key, option in REGION_KEYS.items()}
    if user:
        found.update({key: files.user_option(user, option) for key, option in USER_KEYS.items()})
    found.update({key: ini.expanded(found[key] or '', environ) for key in PATHS if found.get(key)})
    return f'region {region} of ~/.euca/*.ini', {key: value for key, value in found.items() if value}

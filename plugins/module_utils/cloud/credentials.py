# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the cloud is and who we are there: from options, an eucarc file, the environment, or the ini files of
euca2ools."""

from __future__ import annotations

import configparser
import glob
import os
import typing as t
from dataclasses import dataclass, field

from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.eucarc import parse_eucarc
from ansible_collections.eucalyptus.cloud.plugins.module_utils.errors import CollectionError

# Names in an eucarc and in the environment; the first one that is set counts.
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
# Names in the [region …] and [user …] sections of euca2ools' ini files.
REGION_KEYS = {'ec2_url': 'ec2-url', 's3_url': 's3-url', 'cloud_cert': 'certificate'}
USER_KEYS = {
    'access_key': 'key-id',
    'secret_key': 'secret-key',
    'account_id': 'account-id',
    'user_cert': 'certificate',
    'user_private_key': 'private-key',
}
NEEDED = ('ec2_url', 'access_key', 'secret_key')


class CredentialsError(CollectionError):
    """No complete set of endpoint and keys. The message names every place that was looked at and what it lacked."""


@dataclass
class Credentials:
    """A complete set. Paths may be relative to the directory that the module runs in, and None where nothing was
    said."""

    ec2_url: str
    access_key: str
    secret_key: str = field(repr=False)
    s3_url: str | None = None
    security_token: str | None = field(default=None, repr=False)
    account_id: str | None = None
    cloud_cert: str | None = None
    user_cert: str | None = None
    user_private_key: str | None = None
    origin: str = 'the options'

    def own_bucket(self, purpose: str) -> str:
        """A bucket name that no other account has chosen: 'images-123456789012'. Raises CredentialsError."""
        return f'{purpose}-{self.account()}'

    def account(self) -> str:
        """The account's number, 12 digits. Raises CredentialsError."""
        number = (self.account_id or '').replace('-', '')
        if not (len(number) == 12 and number.isdigit()):
            raise CredentialsError(
                f"The account's number is needed, 12 digits, and {self.origin} did not give it (EC2_ACCOUNT_NUMBER): "
                'set the option account_id.'
            )
        return number


Source = tuple[str, dict[str, str]]


def find_credentials(options: t.Mapping[str, t.Any], environ: t.Mapping[str, str]) -> Credentials:
    """Complete what the options say from ONE further source; two sources are never mixed, they could be two clouds.

    With the option ``eucarc`` that file is the source, with ``region`` that region of the ini files. Otherwise there
    is none when the options have endpoint and keys, and else it is the environment, if it completes the set, or the
    default region of the ini files. Raises CredentialsError.
    """
    given = {name: str(options[name]) for name in VARIABLES if options.get(name)}
    # A certificate that lies around in the environment may be another cloud's, which could open the bundle instead.
    if given.keys() >= set(NEEDED) and not (options.get('eucarc') or options.get('region')):
        return Credentials(**given)
    lacks = []
    for origin, source in _sources(options, environ):
        if given.get('access_key', source.get('access_key')) != source.get('access_key'):
            source.pop('security_token', None)  # it is that of the source's own access key
        found = dict(source, **given)
        missing = [name for name in NEEDED if not found.get(name)]
        if not missing:
            used = source.keys() - given.keys()
            return Credentials(**found, origin=f'the options and {origin}' if used and given else origin if used else 'the options')
        lacks.append(f'{origin} ({"without " + ", ".join(missing) if source else "nothing there"})')
    raise CredentialsError(
        'No complete set of ec2_url, access_key and secret_key. Looked at: '
        + '; '.join(['the options'] * bool(given) + lacks)
        + '. Give the option eucarc, or source the eucarc of the cloud before running.'
    )


def _sources(options: t.Mapping[str, t.Any], environ: t.Mapping[str, str]) -> t.Iterator[Source]:
    if options.get('eucarc'):
        yield _eucarc(os.path.abspath(os.path.expanduser(options['eucarc'])))
        return
    region = options.get('region')
    if not region:
        yield 'the environment', _from_variables(environ)
        region = environ.get('EUCA_DEFAULT_REGION') or environ.get('AWS_DEFAULT_REGION')
    yield _ini(region, environ)


def _eucarc(path: str) -> Source:
    try:
        with open(path, encoding='utf-8', errors='replace') as file:
            text = file.read()
    except OSError as error:
        raise CredentialsError(f'Cannot read the eucarc file {path}: {error.strerror}.') from error
    return f'the eucarc file {path}', _from_variables(parse_eucarc(text, os.path.dirname(path)))


def _from_variables(variables: t.Mapping[str, str]) -> dict[str, str]:
    # Where EC2_… are the keys of this cloud, AWS_… may be the user's at Amazon: the secret key is one of the access
    # key's own kind, and the token is taken only when the access key is that of AWS_… too.
    kind = next((name[:4] for name in VARIABLES['access_key'] if variables.get(name)), '')
    names = {**VARIABLES, 'secret_key': [name for name in VARIABLES['secret_key'] if name.startswith(kind)]}
    firsts = {key: next((variables[name] for name in names[key] if variables.get(name)), '') for key in names}
    if firsts['access_key'] not in (variables.get('AWS_ACCESS_KEY'), variables.get('AWS_ACCESS_KEY_ID')):
        firsts['security_token'] = ''
    return {key: value for key, value in firsts.items() if value}


def _ini(region: str | None, environ: t.Mapping[str, str]) -> Source:
    """The region of ~/.euca and /etc/euca2ools; ``user@region`` names another user than the region's own."""
    if environ.get('EUCA_CONFIG_PATH'):
        patterns = environ['EUCA_CONFIG_PATH'].split(':')
    else:
        home = environ.get('HOME') or '~'
        patterns = [
            '/etc/euca2ools/euca2ools.ini',
            '/etc/euca2ools/conf.d/*.ini',
            os.path.expanduser(f'{home}/.euca/*.ini'),
        ]
    ini = configparser.ConfigParser(interpolation=None, strict=False)
    try:
        ini.read([path for pattern in patterns for path in sorted(glob.glob(pattern))], encoding='utf-8')
    except (configparser.Error, UnicodeDecodeError) as error:
        raise CredentialsError(f'Cannot read the ini files of euca2ools: {_one_line(error)}') from error
    user, _at, name = (region or ini.get('global', 'default-region', fallback='')).rpartition('@')
    if not name:
        return '~/.euca/*.ini', {}
    section = f'region {name}'
    if not ini.has_section(section):
        return f'region {name} of ~/.euca/*.ini', {}
    user = user or ini.get(section, 'user', fallback='')
    found = {key: ini.get(section, option, fallback='') for key, option in REGION_KEYS.items()}
    found.update({key: ini.get(f'user {user}', option, fallback='') for key, option in USER_KEYS.items()})
    return f'region {name} of ~/.euca/*.ini', {key: value for key, value in found.items() if value}


def _one_line(error: Exception) -> str:
    # A parsing error quotes the line it stumbled over, which may be the one with the secret key.
    return f'{type(error).__name__} in {getattr(error, "source", None) or "a file that is not UTF-8"}'

# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks of a build's inputs that need no cloud.

Each check takes the value and returns the rest of a sentence that begins with the variable's name ('must be 1 or more, not 0'),
or an empty string when nothing is wrong with the value. No check quotes a secret.
"""

from __future__ import annotations

import difflib
import re
import typing as t

from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.tags import BUILD_TAG, KEY_LENGTH, SYSTEM, VALUE_LENGTH
from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.user_data import INSTALLER

# XML, in which requests are answered, cannot contain them.
CONTROL = re.compile('[\x00-\x08\x0b\x0c\x0e-\x1f]')
Check = t.Callable[[t.Any], str]

ARCHITECTURES = ('i386', 'x86_64')
DESCRIPTION_LENGTH = 255  # InvalidParameter beyond that, Eucalyptus 3.4 and later
LARGEST = 2**31 - 1  # an integer in requests and time limits
# Presigned URLs of S3 are valid for at most 7 days. Eucalyptus enforces that for version 4 signatures and sets no limit
# for the version 2 signatures used here (S3Authentication.validateExpiresFromParams).
MOST_EXPIRES = 7 * 24 * 3600
SHOWN = 5  # names listed in a message
DIGESTS = {'md5': 32, 'sha1': 40, 'sha224': 56, 'sha256': 64, 'sha384': 96, 'sha512': 128}  # hexadecimal digits
# AttachVolume of every Eucalyptus: letters, digits and slashes, 3 to 10 of them. Eucalyptus 3 refuses sda and sdb, and the
# first disk of the instance has one of the other names.
DEVICE = re.compile(r'(?=.{3,10}\Z)(/dev/)?(sd[c-z]|hd[c-z]|x?vd[b-z])[0-9]*\Z')
# crypt(3): $id$salt$hash, perhaps with parameters between. The old DES form has no mark that distinguishes it from a password.
CRYPT_HASH = re.compile(r'\$(1|2[abxy]|5|6|7|y|gy|sha1|md5)(\$[^\s:$]+){2,}')

SSH_KEY = re.compile(r'(ssh|ecdsa|sk)-[a-z0-9@.-]+ [A-Za-z0-9+/]{16,}={0,3}( [^\r\n]*)?')


def nearest(wrong: str, existing: t.Iterable[str]) -> list[str]:
    """At most SHOWN of the existing names, the most similar to the wrong one first."""
    names = sorted(set(existing))
    similar = difflib.get_close_matches(wrong, names, n=SHOWN, cutoff=0.5)
    return [*similar, *(name for name in names if name not in similar)][:SHOWN]


def among(*choices: str) -> Check:
    return lambda value: '' if value in choices else f'must be {" or ".join(choices)}, not {value!r}'


def positive(unit: str, most: int = LARGEST) -> Check:
    def check(value: int) -> str:
        if value < 1:
            return f'must be 1 or more ({unit}), not {value}'
        return '' if value <= most else f'must be {most} or less ({unit})'

    return check


def not_negative(unit: str) -> Check:
    return lambda value: '' if 0 <= value <= LARGEST else f'must be 0 or more ({unit}), not {value}'


def build_name(value: str) -> str:
    # A dot is not allowed in an image's name in Eucalyptus 3.4.
    good = re.fullmatch('[a-z0-9][a-z0-9-]{1,58}[a-z0-9]', value)
    return '' if good else f'must consist of 3 to 60 lower-case letters, digits and dashes, not {value!r}'


def description(value: str) -> str:
    if CONTROL.search(value):
        return 'must not contain control characters'
    return '' if len(value) <= DESCRIPTION_LENGTH else f'has {len(value)} characters; {DESCRIPTION_LENGTH} are allowed'


def tags(value: dict[str, t.Any]) -> str:
    for key, content in value.items():
        if not key or key.startswith(SYSTEM) or len(key) >= KEY_LENGTH:
            limits = f'keys have 1 to {KEY_LENGTH - 1} characters and do not begin with {" or ".join(SYSTEM)}'
            return f'must not contain the tag {key[:KEY_LENGTH]!r}: {limits}'
        if key.startswith(BUILD_TAG):
            return f'must not contain the tag {key!r}: the role sets it itself'
        if isinstance(content, (dict, list)):
            return f'must give each tag one value; the value of {key!r} is a {type(content).__name__}'
        if CONTROL.search(f'{key}{content}'):
            return f'must not contain control characters, as the tag {key!r} does'
        if len(str(content)) >= VALUE_LENGTH:
            return f'must give each tag up to {VALUE_LENGTH - 1} characters; the value of {key!r} has {len(str(content))}'
    return ''


def permissions(value: dict[str, t.Any]) -> str:
    for key in value:
        if key not in ('public', 'accounts'):
            hint = difflib.get_close_matches(str(key), ('public', 'accounts'), n=1)
            return f'must have only the keys public and accounts, not {key!r}' + (f'; did you mean {hint[0]}?' if hint else '')
    if value.get('public') is not None and not is_switch(value['public']):
        return f'must set public to true or false, not {value["public"]!r}'
    accounts = value.get('accounts')
    if accounts is not None and not isinstance(accounts, list):
        return 'must set accounts to a list of account numbers'
    for account in accounts or []:
        if not re.fullmatch('[0-9]{12}', str(account).replace('-', '')):
            return f'must list account numbers of 12 digits, in quotes because YAML drops leading zeros, not {account!r}'
    return ''


def location(value: str) -> str:
    """A path, or a URL that can be fetched."""
    scheme = re.match(r'([A-Za-z][A-Za-z0-9+.-]*)://', value)
    if scheme and scheme[1].lower() not in ('http', 'https'):
        return f'must be a path or an http(s) URL; {scheme[1]}:// is not supported'
    if scheme and not re.match(r'https?://[^/?#\s]+', value, re.IGNORECASE):
        return 'must name a host after ://'
    return _one_line(value)


def path(value: str) -> str:
    if '://' in value:
        return 'must be a path, not a URL: download the file first'
    return _one_line(value)


def quotable(value: str) -> str:
    """A text that answer files can put between quotes of any kind."""
    return (
        'must not contain quotes and backslashes; in a URL, write them as %22, %27, %5C, %60'
        if re.search(r'["\'\\`]', value)
        else ''
    )


def url(value: str) -> str:
    return quotable(value) if re.fullmatch(r'https?://[^/?#\s]+\S*', value, re.IGNORECASE) else 'must be an http(s) URL'


def mirror(value: str) -> str:
    """A URL that installers put into the installed system and messages show."""
    if re.search('[@?#]', value):
        return 'must be a URL without user, password and query, because installers and messages show it'
    return url(value)


def checksum(value: str) -> str:
    name, _colon, digits = value.strip().partition(':')
    if DIGESTS.get(name) == len(digits) and re.fullmatch('[0-9A-Fa-f]+', digits):
        return ''
    return f'must have the form sha256:HEX (or {", ".join(name for name in DIGESTS if name != "sha256")}), not {value!r}'


def image_id(prefix: str) -> Check:
    return lambda value: (
        '' if re.fullmatch(prefix + '-[0-9A-Fa-f]+', value) else f'must be an image ID like {prefix}-1a2b3c4d, not {value!r}'
    )


def node_installer(value: str) -> str:
    return '' if INSTALLER.fullmatch(value) else f'must consist of a-z, 0-9, dot, underscore and dash, not {value!r}'


def bucket(value: str) -> str:
    good = re.fullmatch('[A-Za-z0-9._-]{3,255}', value)
    return '' if good else f'must consist of 3 to 255 letters, digits and . _ -, not {value!r}'


def device(value: str) -> str:
    return '' if DEVICE.match(value) else f'must be a device from /dev/sdc to /dev/sdz, or /dev/vdb to /dev/vdz, not {value!r}'


def pattern(value: str) -> str:
    """A regular expression that chooses something: one that matches an empty line would match every line."""
    try:
        matches_all = re.compile(value).search('')
    except (re.error, OverflowError) as error:
        return f'must be a regular expression; {value!r} is not valid: {error}'
    return f'must not match every line, as {value!r} does' if matches_all else ''


def each(check: Check) -> Check:
    """The same for all elements of a list."""
    return lambda values: next((problem for value in values if (problem := check(value))), '')


def word(value: str) -> str:
    return '' if re.fullmatch(r'[!-~]+', value) else f'must be printable ASCII without blanks, not {value!r}'


def package(value: str) -> str:
    # Only names of a kickstart's groups contain blanks.
    good = value.isprintable() and re.fullmatch(r'[^\s%#]\S*|-?@.*\S', value)
    return '' if good else f'must have one package per element, without blanks, not {value!r}'


def kickstart_version(value: str) -> str:
    good = re.fullmatch('RHEL([6-9]|1[01])|F(1[6-9]|[2-9][0-9])', value)
    return '' if good else f'must be a version as pykickstart names it, RHEL6 to RHEL11 or F16 and later, not {value!r}'


def timezone(value: str) -> str:
    good = re.fullmatch('[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+)*', value)
    return '' if good else f'must be a time zone like UTC or Europe/Berlin, not {value!r}'


def language(value: str) -> str:
    good = re.fullmatch(r'(C|[a-z]{2,3}_[A-Z]{2})\.UTF-8', value)
    return '' if good else f'must be a locale like en_US.UTF-8 or de_DE.UTF-8, not {value!r}'


def keyboard(value: str) -> str:
    return '' if re.fullmatch('[a-z][a-z0-9-]*', value) else f'must be a keyboard layout like us or de, not {value!r}'


def hostname(value: str) -> str:
    label = '[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?'
    good = len(value) <= 64 and re.fullmatch(rf'{label}(\.{label})*', value)  # HOST_NAME_MAX of Linux
    return '' if good else f'must be a host name of letters, digits and dashes, not {value!r}'


USER_KEYS = ('name', 'ssh_keys', 'password_hash', 'sudo')


def user(value: dict[str, t.Any]) -> str:
    """A user as a dictionary. No message contains its password."""
    name = value.get('name')
    if not isinstance(name, str) or not re.fullmatch('[a-z_][a-z0-9_-]{0,31}', name) or name == 'root':
        return f'must give each user a name of lower-case letters, digits, dashes and underscores, and none is root, not {name!r}'
    for key in value:
        if key not in USER_KEYS:
            return f'must have only the keys {", ".join(USER_KEYS)}, not {key!r} for {name}'
    keys, secret = value.get('ssh_keys') or [], value.get('password_hash') or ''
    if not keys and not secret:
        return f'must give {name} ssh_keys or a password_hash, because nobody could log in otherwise'
    if not isinstance(keys, list) or not all(re.fullmatch(SSH_KEY, str(one).strip()) for one in keys):
        return f'must give {name} ssh_keys as a list of public keys in one line each (ssh-ed25519 AAAA…)'
    if secret and password_hash(str(secret)):
        return f'must give {name} a password_hash that is a crypt(3) hash ($6$SALT$HASH), not a password'
    if value.get('sudo') is not None and not is_switch(value['sudo']):
        return f'must set sudo of {name} to true or false'
    return ''


def password_hash(value: str) -> str:
    good = CRYPT_HASH.fullmatch(value)
    return '' if good else 'must be a crypt(3) hash ($6$SALT$HASH), not a password; make one with: openssl passwd -6'


def _one_line(value: str) -> str:
    return '' if value.isprintable() else 'must not contain control characters'


TRUE_WORDS = ('y', 'yes', 'on', '1', 'true', 't', '1.0')
FALSE_WORDS = ('n', 'no', 'off', '0', 'false', 'f', '0.0')


class Unconverted(ValueError):
    """A value of another type than the input's. The message is the rest of a sentence, as a check returns it."""


def converted(variable: str, kind: str, value: t.Any, elements: str = 'str') -> t.Any:
    """The value as str, int, bool, list or dict. `-e name=value` makes a string of everything. Raises Unconverted."""
    if kind in ('list', 'dict'):
        return _collection(variable, kind, value, elements)
    if isinstance(value, (list, dict)):
        raise Unconverted(f'must be a {WORDS[kind]}, not a {WORDS[type(value).__name__]}')
    if kind == 'int':
        return _whole_number(value)
    if kind == 'bool':
        return _switch(value)
    return '' if value is None else str(value)


WORDS = {'str': 'string', 'path': 'string', 'int': 'whole number', 'bool': 'boolean', 'list': 'list', 'dict': 'dictionary'}


def _collection(variable: str, kind: str, value: t.Any, elements: str) -> t.Any:
    wanted, sample = (list, '[…]') if kind == 'list' else (dict, '{…}')
    if value is None:
        return wanted()
    if not isinstance(value, wanted):
        found = WORDS.get(type(value).__name__, 'string')
        raise Unconverted(f'must be a {WORDS[kind]}, not a {found}. Write it in a file, or as -e \'{{"{variable}": {sample}}}\'')
    if isinstance(value, dict):
        return {str(key): content for key, content in value.items()}
    if elements == 'dict':
        if not all(isinstance(element, dict) for element in value):
            raise Unconverted('must be a list of dictionaries')
        return [dict(element) for element in value]
    if any(isinstance(element, (list, dict)) or element is None for element in value):
        raise Unconverted('must be a list of strings')
    return [str(element) for element in value]


def _whole_number(value: t.Any) -> int:
    text = str(value).strip()
    if isinstance(value, bool) or not re.fullmatch(r'[+-]?[0-9]+(\.0+)?', text):
        raise Unconverted(f'must be a whole number, not {value!r}')
    return int(text.partition('.')[0])


def is_switch(value: t.Any) -> bool:
    return str(value).strip().lower() in TRUE_WORDS + FALSE_WORDS


def switched_on(value: t.Any) -> bool:
    return str(value).strip().lower() in TRUE_WORDS


def _switch(value: t.Any) -> bool:
    if not is_switch(value):
        raise Unconverted(f'must be true or false, not {value!r}')
    return switched_on(value)

# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checksums of an installer's kernel and ramdisk, from the distribution's own signed or otherwise trusted files."""

from __future__ import annotations

import configparser
import hashlib
import os
import re
import tarfile
import tempfile
import typing as t
import urllib.error
import urllib.parse
from pathlib import Path

from ansible.module_utils.urls import open_url
from ansible_collections.eucalyptus.cloud.plugins.module_utils.errors import CollectionError
from ansible_collections.eucalyptus.cloud.plugins.plugin_utils import signatures
from ansible_collections.eucalyptus.cloud.plugins.plugin_utils.installer_cache import TIMEOUT, FetchFailed, fetch

LARGEST = 32 << 20  # bytes of an index; Debian's InRelease has a quarter of a million
PARTS = ('kernel', 'ramdisk')
MISSING = (403, 404, 410)  # some mirrors answer 403 for a file that is not there
SUMS_LINE = re.compile(r'([0-9a-f]{64}) [ *]?(?:\./)?(\S+)')
RELEASE_LINE = re.compile(r' ([0-9a-f]{64}) +[0-9]+ (\S+)')
SUITE = re.compile(r'^(?:Suite|Codename): *(\S+)', re.MULTILINE)
REVIEWED = 'the checksum is in the catalogue'


class MediaError(CollectionError):
    """Media that cannot be fetched or verified. The message names the variable and the URL."""


class NotThere(Exception):
    """The server has no such file."""


def look_up(system: t.Mapping[str, t.Any], keyring: str, cache: Path) -> dict[str, str]:
    """Find the media of a system that `catalogue.resolve` returned.

    Returns ``base``, the mirror that has them; ``kernel_checksum`` and ``ramdisk_checksum`` as sha256:HEX; ``trust``, how far they
    were verified. If the files are in an archive, they are unpacked into ``cache``, and ``kernel`` and ``ramdisk`` are their paths.
    ``iso_url`` is set if the ISO's name follows from the checksums. Raises MediaError.
    """
    if system['sha256']:
        return {'base': _having_kernel(system), 'trust': REVIEWED, **_sums(system['sha256'])}
    if system['trust'] == 'none':
        raise MediaError(
            'image_build_kernel_checksum and image_build_ramdisk_checksum are empty, and the files of '
            f'{system["os"]} have no checksums that could be verified. Set both, as sha256:HEX.'
        )
    if system['trust'] == 'treeinfo':
        return _by_treeinfo(system)
    return _first(system, system['bases'], lambda base: _signed(system, base, keyring, cache))


def _sums(digests: t.Mapping[str, str]) -> dict[str, str]:
    return {f'{part}_checksum': f'sha256:{digest}' for part, digest in digests.items()}


def _first(system: t.Mapping[str, t.Any], bases: list[str], found: t.Callable[[str], dict[str, str]]) -> dict[str, str]:
    """The result for the first of the mirrors that has the files."""
    tried = []
    for base in bases:
        try:
            return found(base)
        except NotThere as error:
            tried.append(str(error))
    raise MediaError(
        f'image_build_mirror: the installer of {system["os"]} was not found. Tried: {", ".join(tried)}. Set it to a mirror that '
        'has the release, or change the entry with image_build_catalogue.'
    )


def _having_kernel(system: t.Mapping[str, t.Any]) -> str:
    """The mirror that has the files, if there is a choice."""
    bases: list[str] = system['bases']
    if len(bases) == 1:
        return bases[0]

    def found(base: str) -> dict[str, str]:
        _get(f'{base}/{system["kernel"]}', method='HEAD')
        return {'base': base}

    return _first(system, bases, found)['base']


# --- .treeinfo, which is not signed


def _by_treeinfo(system: t.Mapping[str, t.Any]) -> dict[str, str]:
    def found(official: str) -> dict[str, str]:
        url = f'{official}/{system["checksums"]}'
        if not url.startswith('https://'):
            raise MediaError(
                f'{url} is not signed, and nothing but TLS would protect it. Set image_build_kernel_checksum and '
                'image_build_ramdisk_checksum, as sha256:HEX.'
            )
        content = _get(url, same_host=True).decode('utf-8', 'replace')
        directory = system['checksums'].rpartition('/')[0]
        sums = {part: _of_treeinfo(content, os.path.relpath(system[part], directory), url) for part in PARTS}
        host = urllib.parse.urlsplit(url).hostname
        # The checksums are the distribution's, wherever the files come from.
        base = official if system['bases'] == system['official'] else system['bases'][0]
        return {'base': base, 'trust': f'{url}, which is not signed, over TLS from {host}', **_sums(sums)}

    return _first(system, system['official'], found)


def _of_treeinfo(content: str, name: str, url: str) -> str:
    parser = configparser.RawConfigParser(strict=False)
    try:
        parser.read_string(content)
        kind, _colon, digits = parser.get('checksums', name).partition(':')
    except configparser.Error as error:
        raise MediaError(f'{url} has no checksum of {name}: {str(error).splitlines()[0]}.') from error
    if kind != 'sha256' or not re.fullmatch('[0-9a-f]{64}', digits):
        raise MediaError(f'{url} has no SHA-256 sum of {name}. Set image_build_kernel_checksum and image_build_ramdisk_checksum.')
    return digits


# --- signed files


def _signed(system: t.Mapping[str, t.Any], base: str, keyring: str, cache: Path) -> dict[str, str]:
    url = f'{base}/{system["checksums"]}'
    try:
        if system['trust'] == 'release':
            content, trust = _by_release(system, base, url, keyring)
        else:
            content, signature = _get(url), f'{base}/{system["signature"]}'
            key = signatures.check_detached(content, _get(signature), signature, keyring)
            trust = f'{url}, with a good signature of the key {key} in {keyring}'
    except signatures.SignatureError as error:
        raise MediaError(str(error)) from error
    listed = {name: digest for digest, name in SUMS_LINE.findall(content.decode('utf-8', 'replace'))}
    if 'bundle_pattern' in system:
        return {'base': base, 'trust': trust, **_bundled(system, base, listed, cache)}
    directory = system['checksums'].rpartition('/')[0]
    sums = {}
    for part in PARTS:
        name = os.path.relpath(system[part], directory)
        if name not in listed:
            raise MediaError(f'{url} has no SHA-256 sum of {name}, the {part} of {system["os"]}.')
        sums[part] = listed[name]
    return {'base': base, 'trust': trust, **_sums(sums)}


def _by_release(system: t.Mapping[str, t.Any], base: str, sums_url: str, keyring: str) -> tuple[bytes, str]:
    """The content of the file of checksums, whose own checksum is in the signed Release; and how far it was verified."""
    directory = f'{base}/{system["release"]}'
    try:
        url = f'{directory}InRelease'
        release, key = signatures.signed_text(_get(url), url, keyring)
    except NotThere:
        url = f'{directory}Release'
        release = _get(url)
        key = signatures.check_detached(release, _get(f'{url}.gpg'), f'{url}.gpg', keyring)
    text = release.decode('utf-8', 'replace')
    wanted = system['release'].rstrip('/').rpartition('/')[2]
    if wanted not in SUITE.findall(text):
        # The same keys sign all releases.
        raise MediaError(f'{url} is signed, but for {" and ".join(SUITE.findall(text)) or "no release"} instead of {wanted}.')
    listed = {name: digest for digest, name in RELEASE_LINE.findall(text)}
    name = system['checksums'].removeprefix(system['release'])
    if name not in listed:
        raise MediaError(f'{url} has no SHA-256 sum of {name}.')
    content = _get(sums_url)
    digest = hashlib.sha256(content).hexdigest()
    if digest != listed[name]:
        raise MediaError(
            f'The SHA-256 sum of {sums_url} is {digest}, and {url} has {listed[name]}. The mirror may be in the middle of an '
            'update; image_build_mirror selects another one.'
        )
    return content, f'{sums_url}, whose checksum is in {url}, with a good signature of the key {key} in {keyring}'


def _bundled(system: t.Mapping[str, t.Any], base: str, listed: t.Mapping[str, str], cache: Path) -> dict[str, str]:
    """Kernel and ramdisk out of the archive, and the URL of the ISO, of the newest point release."""
    bundle = _newest(system, 'bundle_pattern', listed)
    found = {}
    if 'iso_pattern' in system:
        # The kernel and the ISO must be of the same point release.
        found['iso_url'] = f'{base}/{system["tree"]}{_newest(system, "iso_pattern", listed)}'
    try:
        archive = fetch(f'{base}/{system["tree"]}{bundle}', listed[bundle], cache)
        with tarfile.open(archive) as tar:
            for part in PARTS:
                found[part], digest = _unpacked(tar, system[part], cache)
                found |= _sums({part: digest})
    except FetchFailed as error:
        raise MediaError(str(error)) from error
    except (tarfile.TarError, KeyError, OSError) as error:
        raise MediaError(f'{bundle} of {system["os"]} cannot be unpacked into {cache}: {error}.') from error
    return found


def _newest(system: t.Mapping[str, t.Any], field: str, listed: t.Iterable[str]) -> str:
    names = [name for name in listed if re.fullmatch(system[field], name)]
    if not names:
        raise MediaError(f'The checksums of {system["os"]} list no file with a name like {system[field]}.')
    return max(names, key=_version)


def _version(name: str) -> list[int]:
    found = re.search(r'[0-9]+(\.[0-9]+)*', name)
    return [int(number) for number in found[0].split('.')] if found else []


def _unpacked(tar: tarfile.TarFile, name: str, cache: Path) -> tuple[str, str]:
    """Path and SHA-256 sum of a file of the archive, in the cache."""
    member = next((one for one in tar if one.isfile() and one.name.removeprefix('./') == name), None)
    stream = tar.extractfile(member) if member else None
    if stream is None:
        raise KeyError(f'it has no file {name}')
    digest = hashlib.sha256()
    with tempfile.NamedTemporaryFile(dir=cache, prefix='.fetching-', delete=False) as file:
        try:
            while block := stream.read(1 << 20):
                digest.update(block)
                file.write(block)
            file.flush()
            os.replace(file.name, cache / digest.hexdigest())
        except BaseException:
            os.unlink(file.name)
            raise
    return str(cache / digest.hexdigest()), digest.hexdigest()


# --- the network


def _get(url: str, same_host: bool = False, method: str = 'GET') -> bytes:
    """The content of a small file; with HEAD, nothing. Raises NotThere, MediaError."""
    try:
        with open_url(url, method=method, timeout=TIMEOUT, http_agent='ansible-eucalyptus.cloud') as reply:
            content: bytes = reply.read(LARGEST + 1)
            end = urllib.parse.urlsplit(reply.geturl())
    except urllib.error.HTTPError as error:
        if error.code in MISSING:
            raise NotThere(f'{url} (the server answered {error.code})') from error
        raise MediaError(f'{url} cannot be fetched: the server answered {error.code} {error.reason}.') from error
    except (OSError, ValueError) as error:
        # A mirror cannot replace the distribution's own host.
        mirror = '' if same_host else 'image_build_mirror to a mirror that this machine reaches, or '
        raise MediaError(
            f'{url} cannot be fetched: {getattr(error, "reason", error)}. Set {mirror}image_build_kernel_checksum and '
            'image_build_ramdisk_checksum.'
        ) from error
    if len(content) > LARGEST:
        raise MediaError(f'{url} has more than {LARGEST >> 20} MiB, so it is not an index.')
    if same_host and (end.scheme, end.hostname) != ('https', urllib.parse.urlsplit(url).hostname):
        raise MediaError(
            f'{url} was redirected to {end.scheme}://{end.hostname}, which is not trusted for files without a signature.'
        )
    return content

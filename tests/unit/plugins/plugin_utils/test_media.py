# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Media of the catalogue's systems, from a server on loopback, with real signatures and real TLS."""

from __future__ import annotations

import io
import shutil
import ssl
import tarfile
import typing as t
from pathlib import Path

import pytest
from ansible_collections.eucalyptus.cloud.plugins.module_utils.build import catalogue
from ansible_collections.eucalyptus.cloud.plugins.plugin_utils import media, systems
from ansible_collections.eucalyptus.cloud.tests.unit.plugins.build_kit import ROLE
from ansible_collections.eucalyptus.cloud.tests.unit.plugins.file_server import (
    INSTALLER,
    KERNEL,
    RAMDISK,
    Files,
    Signer,
    certificate,
    debian,
    serving,
    sha256,
)

TREE = '/9/BaseOS/x86_64/os/'

pytestmark = pytest.mark.skipif(not shutil.which('gpgv'), reason='needs gpgv')


REVIEWED = {'x86_64': {'kernel': sha256(KERNEL), 'ramdisk': sha256(RAMDISK)}}
SUMS = {'kernel_checksum': f'sha256:{sha256(KERNEL)}', 'ramdisk_checksum': f'sha256:{sha256(RAMDISK)}'}


@pytest.fixture(name='tls')
def fixture_tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext:
    """A server's context; this process trusts its certificate."""
    pem = certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    monkeypatch.setenv('SSL_CERT_FILE', str(pem))
    return context


def system(name: str, given: str = '', **changes: t.Any) -> dict[str, t.Any]:
    return catalogue.resolve(systems.read(ROLE, {name: changes}).entry(name), name, 'x86_64', given)


def refusal(looked_up: dict[str, t.Any], keyring: t.Any, cache: Path) -> str:
    with pytest.raises(media.MediaError) as caught:
        media.look_up(looked_up, str(keyring), cache)
    return str(caught.value)


# --- Debian: SHA256SUMS, whose checksum is in the signed Release


@pytest.mark.parametrize('release', ['InRelease', 'Release'])
def test_checksums_come_from_a_file_that_the_signed_release_lists(signer: Signer, tmp_path: Path, release: str) -> None:
    with serving(debian(signer, release)) as (url, _asked):
        found = media.look_up(system('debian-12', url), str(signer.keyring), tmp_path)
    trust = found.pop('trust')
    assert found == {'base': url, **SUMS}
    assert trust.startswith(
        f'{url}{INSTALLER}SHA256SUMS, whose checksum is in {url}/dists/bookworm/{release}, with a good signature of the key '
    )
    assert trust.endswith(f' in {signer.keyring}')


def test_checksums_that_differ_from_the_release_are_refused(signer: Signer, tmp_path: Path) -> None:
    files = debian(signer)
    files[f'{INSTALLER}SHA256SUMS'] = files[f'{INSTALLER}SHA256SUMS'].replace(sha256(KERNEL).encode(), sha256(b'evil').encode())
    with serving(files) as (url, _asked):
        said = refusal(system('debian-12', url), signer.keyring, tmp_path)
    assert f'The SHA-256 sum of {url}{INSTALLER}SHA256SUMS is ' in said


def test_a_release_that_was_changed_after_it_was_signed_is_refused(signer: Signer, tmp_path: Path) -> None:
    files = debian(signer)
    files['/dists/bookworm/InRelease'] = files['/dists/bookworm/InRelease'].replace(b'Origin: Debian', b'Origin: Nobody')
    with serving(files) as (url, _asked):
        said = refusal(system('debian-12', url), signer.keyring, tmp_path)
    assert said == (
        f'The signature of {url}/dists/bookworm/InRelease is not good for the keyring {signer.keyring} (image_build_keyring): '
        'it is not the signature of this content.'
    )


def test_the_signed_release_of_another_system_is_refused(signer: Signer, tmp_path: Path) -> None:
    with serving(debian(signer, codename='bullseye')) as (url, _asked):
        said = refusal(system('debian-12', url), signer.keyring, tmp_path)
    assert said == f'{url}/dists/bookworm/InRelease is signed, but for oldstable and bullseye instead of bookworm.'


def test_text_outside_of_the_signature_does_not_count(signer: Signer, tmp_path: Path) -> None:
    files = debian(signer)
    evil = f'{sha256(b"evil")}  ./netboot/debian-installer/amd64/linux\n'.encode()
    files[f'{INSTALLER}SHA256SUMS'] = evil
    fake = f'SHA256:\n {sha256(evil)} {len(evil)} main/installer-amd64/current/images/SHA256SUMS\n\n'.encode()
    files['/dists/bookworm/InRelease'] += fake
    with serving(files) as (url, _asked):
        said = refusal(system('debian-12', url), signer.keyring, tmp_path)
    assert f'The SHA-256 sum of {url}{INSTALLER}SHA256SUMS is {sha256(evil)}, and ' in said


def test_a_key_that_is_not_in_the_keyring_is_refused_with_its_number(signer: Signer, tmp_path: Path) -> None:
    other = Signer(tmp_path / 'other')
    try:
        with serving(debian(signer)) as (url, _asked):
            said = refusal(system('debian-12', url), other.keyring, tmp_path)
    finally:
        other.close()
    assert 'the keyring has none of its keys, ' in said


def test_a_keyring_that_is_missing_empty_or_armored_is_named(signer: Signer, tmp_path: Path) -> None:
    armored = tmp_path / 'keys.asc'
    armored.write_bytes(signer.armored())
    with serving(debian(signer)) as (url, _asked):
        one = system('debian-12', url)
        assert 'image_build_keyring: there is no readable file /no/keys.gpg' in refusal(one, '/no/keys.gpg', tmp_path)
        assert 'image_build_keyring is empty' in refusal(one, '', tmp_path)
        assert f'image_build_keyring: {armored} is armored' in refusal(one, armored, tmp_path)


def test_without_gpgv_the_way_out_is_named(signer: Signer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(debian(signer)) as (url, _asked):
        monkeypatch.setenv('PATH', str(tmp_path))
        assert 'this machine has no gpgv' in refusal(system('debian-12', url), signer.keyring, tmp_path)


def test_a_mirror_without_the_release_is_refused_with_the_url_that_was_tried(signer: Signer, tmp_path: Path) -> None:
    with serving({}) as (url, _asked):
        said = refusal(system('debian-12', url), signer.keyring, tmp_path)
    assert 'image_build_mirror: the installer of debian-12 was not found. Tried: ' in said
    assert f'{url}/dists/bookworm/Release (the server answered 404)' in said


def test_a_release_that_has_moved_is_found_in_the_archive(signer: Signer, tmp_path: Path) -> None:
    with serving({}) as (gone, _asked), serving(debian(signer)) as (archive, _asked2):
        found = media.look_up(system('debian-12', mirror=gone, archive=archive), str(signer.keyring), tmp_path)
    assert found['base'] == archive


def test_a_mirror_that_cannot_be_reached_is_named(signer: Signer, tmp_path: Path) -> None:
    with serving({}) as (url, _asked):
        pass
    said = refusal(system('debian-12', url), signer.keyring, tmp_path)
    assert said.startswith(f'{url}/dists/bookworm/InRelease cannot be fetched: ')
    assert 'Set image_build_mirror' in said


# --- Enterprise Linux: .treeinfo, without a signature, over TLS from the distribution's own host


def treeinfo(kernel: bytes = KERNEL) -> Files:
    lines = [
        '[checksums]',
        f'images/pxeboot/initrd.img = sha256:{sha256(RAMDISK)}',
        f'images/pxeboot/vmlinuz = sha256:{sha256(kernel)}',
        '[general]',
        '; WARNING.0 = This section provides compatibility with pre-productmd treeinfos.',
    ]
    return {f'{TREE}.treeinfo': '\n'.join(lines).encode()}


def test_treeinfo_counts_over_tls_from_the_distributions_own_host(tls: ssl.SSLContext, tmp_path: Path) -> None:
    with serving(treeinfo(), tls) as (url, _asked):
        found = media.look_up(system('rocky-9', mirror=url), '', tmp_path)
    assert found == {'base': url, 'trust': f'{url}{TREE}.treeinfo, which is not signed, over TLS from 127.0.0.1', **SUMS}


def test_checksums_stay_the_distributions_when_the_files_come_from_a_mirror(tls: ssl.SSLContext, tmp_path: Path) -> None:
    with serving(treeinfo(), tls) as (official, _asked), serving(treeinfo(b'evil')) as (mirror, asked):
        entry = systems.read(ROLE, {'rocky-9': {'mirror': official}}).entry('rocky-9')
        found = media.look_up(catalogue.resolve(entry, 'rocky-9', 'x86_64', mirror), '', tmp_path)
    assert (found['base'], found['kernel_checksum'], asked) == (mirror, SUMS['kernel_checksum'], [])


def test_treeinfo_without_tls_is_refused(tmp_path: Path) -> None:
    with serving(treeinfo()) as (url, asked):
        said = refusal(system('rocky-9', mirror=url), '', tmp_path)
    assert f'{url}{TREE}.treeinfo is not signed, and nothing but TLS would protect it.' in said
    assert asked == []


def test_treeinfo_from_a_host_with_an_unknown_certificate_is_refused(
    tls: ssl.SSLContext, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv('SSL_CERT_FILE')
    with serving(treeinfo(), tls) as (url, _asked):
        said = refusal(system('rocky-9', mirror=url), '', tmp_path)
    assert f'{url}{TREE}.treeinfo cannot be fetched' in said
    assert 'certificate' in said.lower()
    assert said.endswith(' Set image_build_kernel_checksum and image_build_ramdisk_checksum.')


def test_treeinfo_behind_a_redirection_to_another_host_is_refused(tls: ssl.SSLContext, tmp_path: Path) -> None:
    with serving(treeinfo()) as (elsewhere, _asked):
        moved = {f'{TREE}.treeinfo': f'{elsewhere}{TREE}.treeinfo'.encode()}
        with serving(moved, tls) as (url, _asked2):
            said = refusal(system('rocky-9', mirror=url), '', tmp_path)
    assert 'was redirected to http://127.0.0.1, which is not trusted' in said


@pytest.mark.parametrize('content', ['[general]\n', 'no ini file', '[checksums]\nimages/pxeboot/vmlinuz = md5:abc\n'])
def test_treeinfo_without_the_sums_is_refused(tls: ssl.SSLContext, tmp_path: Path, content: str) -> None:
    with serving({f'{TREE}.treeinfo': content.encode()}, tls) as (url, _asked):
        assert f'{url}{TREE}.treeinfo has no' in refusal(system('rocky-9', mirror=url), '', tmp_path)


# --- openSUSE: CHECKSUMS with a detached signature; Ubuntu: the kernel is in an archive


def test_a_file_of_checksums_with_a_detached_signature_is_verified(signer: Signer, tmp_path: Path) -> None:
    tree = '/distribution/leap/15.6/repo/oss/'
    sums = f'{sha256(KERNEL)}  boot/x86_64/loader/linux\n{sha256(RAMDISK)}  boot/x86_64/loader/initrd\n'.encode()
    files = {f'{tree}CHECKSUMS': sums, f'{tree}CHECKSUMS.asc': signer.detached(sums)}
    with serving(files) as (url, _asked):
        found = media.look_up(system('leap-15.6', url), str(signer.keyring), tmp_path)
        assert {name: found[name] for name in SUMS} == SUMS
        files[f'{tree}CHECKSUMS'] += b'more\n'
        assert f'The signature of {url}{tree}CHECKSUMS.asc is not good' in refusal(
            system('leap-15.6', url), signer.keyring, tmp_path
        )


def ubuntu(signer: Signer, members: dict[str, bytes], point: str = '.3') -> Files:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode='w:gz') as tar:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    bundle = packed.getvalue()
    sums = (
        f'{sha256(b"old")} *ubuntu-24.04-netboot-amd64.tar.gz\n{sha256(bundle)} *ubuntu-24.04{point}-netboot-amd64.tar.gz\n'
        f'{sha256(b"iso")} *ubuntu-24.04{point}-live-server-amd64.iso\n'
    ).encode()
    return {
        '/24.04/SHA256SUMS': sums,
        '/24.04/SHA256SUMS.gpg': signer.detached(sums),
        f'/24.04/ubuntu-24.04{point}-netboot-amd64.tar.gz': bundle,
    }


def test_kernel_and_ramdisk_are_unpacked_from_the_newest_verified_archive(signer: Signer, tmp_path: Path) -> None:
    with serving(ubuntu(signer, {'./amd64/linux': KERNEL, './amd64/initrd': RAMDISK})) as (url, _asked):
        one = system('ubuntu-24.04', url)
        found = media.look_up(one, str(signer.keyring), tmp_path)
    assert {name: found[name] for name in SUMS} == SUMS
    assert [Path(found[part]).read_bytes() for part in media.PARTS] == [KERNEL, RAMDISK]
    found.pop('trust')
    iso = f'{url}/24.04/ubuntu-24.04.3-live-server-amd64.iso'
    assert catalogue.located(one, **found)['boot_params']['unattended'].startswith(f'autoinstall ip=dhcp url={iso} ')


def test_an_archive_without_the_kernel_and_one_with_another_sum_are_refused(signer: Signer, tmp_path: Path) -> None:
    files = ubuntu(signer, {'amd64/initrd': RAMDISK})
    with serving(files) as (url, _asked):
        assert 'it has no file amd64/linux' in refusal(system('ubuntu-24.04', url), signer.keyring, tmp_path / '1')
        files['/24.04/ubuntu-24.04.3-netboot-amd64.tar.gz'] = b'evil'
        said = refusal(system('ubuntu-24.04', url), signer.keyring, tmp_path / '2')
    assert f'The SHA-256 sum of {url}/24.04/ubuntu-24.04.3-netboot-amd64.tar.gz is {sha256(b"evil")} instead of ' in said


# --- neither


def test_reviewed_sums_of_the_catalogue_need_no_request(tmp_path: Path) -> None:
    found = media.look_up(system('debian-12', 'http://192.0.2.1', sha256=REVIEWED), '', tmp_path)
    assert found == {'base': 'http://192.0.2.1', 'trust': 'the checksum is in the catalogue', **SUMS}


def test_a_release_with_reviewed_sums_that_has_moved_is_found_in_the_archive(tmp_path: Path) -> None:
    kernel = '/releases/44/Everything/x86_64/os/images/pxeboot/vmlinuz'
    with serving({}) as (gone, _asked), serving({kernel: KERNEL}) as (archive, asked):
        found = media.look_up(system('fedora-44', mirror=gone, archive=archive), '', tmp_path)
        said = refusal(system('fedora-44', mirror=gone, archive=f'{gone}/archive'), '', tmp_path)
    assert (found['base'], asked) == (archive, [kernel])
    assert f'Tried: {gone}{kernel} (the server answered 404), {gone}/archive{kernel} (' in said


def test_media_without_checksums_need_those_of_the_user(tmp_path: Path) -> None:
    said = refusal(system('rhel-9', 'http://192.0.2.1'), '', tmp_path)
    assert 'image_build_kernel_checksum and image_build_ramdisk_checksum are empty, and the files of rhel-9 have no' in said

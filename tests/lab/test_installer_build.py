# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The builder of installer and systems: up-to-date products, rebuilds, interruptions. No network."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from eucalab.installer import build, fai, packages, systems
from eucalab.installer.packages import BuildError
from eucalab.installer.ramdisk import Ramdisk, libraries
from tests.kit.paths import ROOT, environment
from tests.kit.waiting import wait_for


class Apt:
    """A double of apt and of the builders: a product is one file with the version of the kernel."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.version = '1'
        self.built: list[str] = []
        self.fails = False
        monkeypatch.setattr(os, 'geteuid', lambda: 0)
        monkeypatch.setattr(packages, 'kernel_package', lambda: ('linux-image-x', self.version))
        monkeypatch.setattr(packages, 'candidates', lambda names: dict.fromkeys(names, '1'))
        monkeypatch.setattr(packages, 'unpack', lambda _package, into: into.mkdir())
        for name in list(build.PRODUCTS):
            monkeypatch.setitem(build.PRODUCTS, name, lambda kernel, out, name=name: self.make(name, out))

    def make(self, name: str, out: Path) -> None:
        self.built.append(name)
        (out / 'product').write_text(self.version)
        if self.fails:
            raise BuildError('no network')


@pytest.fixture
def apt(monkeypatch: pytest.MonkeyPatch) -> Apt:
    return Apt(monkeypatch)


def test_what_is_up_to_date_is_not_built_again(apt: Apt, tmp_path: Path) -> None:
    build.build(tmp_path)
    assert apt.built == ['installer', 'busybox', 'debian'] and build.outdated(tmp_path) == {}
    build.build(tmp_path)
    assert len(apt.built) == 3


def test_a_new_version_takes_the_place_of_the_old_one(apt: Apt, tmp_path: Path) -> None:
    build.build(tmp_path, ['busybox'])
    apt.version = '2'
    assert list(build.outdated(tmp_path, ['busybox'])) == ['busybox']
    build.build(tmp_path, ['busybox'])
    assert (tmp_path / 'busybox/product').read_text() == '2'
    assert sorted(path.name[:9] for path in tmp_path.iterdir()) == ['.busybox-', '.lock', 'busybox']


def test_a_build_that_fails_leaves_the_old_product(apt: Apt, tmp_path: Path) -> None:
    build.build(tmp_path, ['busybox'])
    apt.version, apt.fails = '2', True
    with pytest.raises(BuildError):
        build.build(tmp_path, ['busybox'])
    assert (tmp_path / 'busybox/product').read_text() == '1'
    assert not list(tmp_path.glob('.build-*'))


def test_what_a_killed_build_left_is_removed_and_not_taken_for_a_product(apt: Apt, tmp_path: Path) -> None:
    (tmp_path / '.build-killed/debian').mkdir(parents=True)
    (tmp_path / '.debian-half').mkdir()
    (tmp_path / 'debian').symlink_to('.debian-half')  # without its mark "complete"
    build.build(tmp_path)
    assert 'debian' in apt.built
    assert not (tmp_path / '.build-killed').exists() and not (tmp_path / '.debian-half').exists()


def test_fai_is_built_only_by_name(apt: Apt, tmp_path: Path) -> None:
    build.build(tmp_path)
    assert 'fai' not in apt.built and 'fai' not in build.outdated(tmp_path)
    build.build(tmp_path, ['fai'])
    assert apt.built[-1] == 'fai' and build.outdated(tmp_path, ['fai']) == {}


@pytest.mark.skipif(os.geteuid() != 0, reason='needs root, to mount')
def test_the_processes_and_mounts_of_a_killed_fai_build_end_with_it(tmp_path: Path) -> None:
    seconds = f'8{os.getpid()}'  # no other test sleeps for so long
    command = f'mount -t tmpfs none {tmp_path}; touch {tmp_path}/mounted; exec sleep {seconds}'
    program = f'from pathlib import Path; from eucalab.installer import fai; fai._run(Path("/"), "sh", "-c", {command!r})'

    def sleeps() -> bool:
        return any(_command_line(process) == f'sleep\0{seconds}\0' for process in Path('/proc').glob('[0-9]*'))

    builder = subprocess.Popen([sys.executable, '-c', program], env=environment())
    try:
        wait_for('the command runs', sleeps, 20)
        assert not list(tmp_path.iterdir())  # mounted only for the command
    finally:
        builder.kill()
        builder.wait()
    wait_for('the command has ended', lambda: not sleeps(), 20)


def test_complete_products_are_enough_when_apt_has_no_lists(apt: Apt, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    build.build(tmp_path)

    def ignorant() -> tuple[str, str]:
        raise BuildError('apt has no kernel')

    monkeypatch.setattr(packages, 'kernel_package', ignorant)
    assert build.outdated(tmp_path) == {}
    shutil.rmtree(tmp_path / 'debian', ignore_errors=True)
    (tmp_path / 'debian').unlink()
    with pytest.raises(BuildError, match='apt has no kernel'):
        build.outdated(tmp_path)


def test_a_changed_source_file_is_a_reason_to_build(apt: Apt, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sources = tmp_path / 'sources'
    shutil.copytree(systems.SOURCES, sources)
    monkeypatch.setattr(build, 'SOURCES', sources)
    build.build(tmp_path / 'cache')
    (sources / 'ramdisk/say.sh').write_text('# other words\n')
    assert list(build.outdated(tmp_path / 'cache')) == ['installer']


def test_a_ramdisk_is_an_archive_that_others_unpack(tmp_path: Path) -> None:
    disk = Ramdisk()
    disk.file('init', b'#!/bin/sh\n', 0o755)
    disk.file('deep/down/here', b'abc')
    disk.link('bin/sh', 'busybox')
    (tmp_path / 'archive').write_bytes(disk.archive())
    subprocess.run('busybox cpio -id < ../archive', shell=True, cwd=_empty(tmp_path / 'out'), check=True, capture_output=True)
    assert (tmp_path / 'out/deep/down/here').read_bytes() == b'abc'
    assert (tmp_path / 'out/init').stat().st_mode & 0o777 == 0o755
    assert os.readlink(tmp_path / 'out/bin/sh') == 'busybox'


def test_the_same_files_make_the_same_ramdisk() -> None:
    def made() -> bytes:
        disk = Ramdisk()
        disk.program(Path('/bin/sh').resolve(), 'bin/sh')
        return disk.compressed()

    assert made() == made()


def test_a_program_comes_with_its_libraries() -> None:
    found = libraries(Path('/bin/sh').resolve())
    assert any('/libc.so.6' in library for library in found) and any('ld-linux' in library for library in found)


def test_a_command_that_fails_is_reported_with_its_own_words() -> None:
    with pytest.raises(BuildError, match='^sh failed: out of paper$'):
        packages.run('sh', '-c', 'echo out of paper >&2; exit 3')


def test_a_missing_command_is_reported_with_the_way_to_install_it() -> None:
    with pytest.raises(BuildError, match='no-such-program is not installed: run make setup'):
        packages.run('no-such-program')


ARCHIVES = """\
Debian|bookworm|http://mirror.example.com/debian/|bookworm|main
Debian|bookworm-updates|http://mirror.example.com/debian/|bookworm-updates|main
Debian|bookworm-security|http://mirror.example.com/security/|bookworm-security|main
Debian|bookworm|http://mirror.example.com/debian/|bookworm|contrib
Node Source|nodistro|https://node.example.com/|nodistro|main
"""


@pytest.fixture
def apt_get(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Put a program apt-get first in PATH that prints this text."""

    def prints(text: str) -> None:
        program = tmp_path / 'apt-get'
        program.write_text(f"#!/bin/sh\ncat <<'END'\n{text}END\n")
        program.chmod(0o755)

    monkeypatch.setenv('PATH', f'{tmp_path}:{os.environ["PATH"]}')
    return prints


def test_debian_comes_from_the_mirror_that_this_machines_apt_uses(apt_get: Callable[[str], None]) -> None:
    apt_get(ARCHIVES)
    assert packages.debian_sources().splitlines() == [
        'deb http://mirror.example.com/debian/ bookworm main',
        'deb http://mirror.example.com/debian/ bookworm-updates main',
        'deb http://mirror.example.com/security/ bookworm-security main',
    ]


def test_without_a_debian_12_archive_in_apts_sources_nothing_is_guessed(apt_get: Callable[[str], None]) -> None:
    apt_get(ARCHIVES.partition('\n')[2])
    with pytest.raises(BuildError, match="apt's sources name no archive of Debian 12"):
        packages.debian_sources()


def test_the_builder_names_no_host() -> None:
    files = [path for path in systems.SOURCES.rglob('*') if path.is_file() and '__pycache__' not in path.parts]
    assert [path for path in files if re.search(rb'://[a-z0-9-]+\.[a-z]', path.read_bytes())] == []


def _command_line(process: Path) -> str:
    try:
        return (process / 'cmdline').read_text()
    except OSError:  # it has ended
        return ''


def _empty(path: Path) -> Path:
    path.mkdir()
    return path


def test_the_documentation_shows_the_script_of_fais_configuration_space() -> None:
    script = (fai.SOURCES / '50-answer.sh').read_text()
    commands = ''.join(f'    {line}\n' for line in script.splitlines() if not line.startswith('# '))
    assert commands in (ROOT / 'docs/build_image.md').read_text()

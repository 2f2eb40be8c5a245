# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the node controller calls the hook, and everything that can go wrong around it."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import time
from pathlib import Path

import pytest
from lxml import etree

from tests.hook.hook_check import check
from tests.hook.hook_planted import PLANTED, planted
from tests.hook.hook_shapes import Shape, encode
from tests.hook.hook_world import ENVIRONMENT, PRE_BOOT, SHELLS, World, orphans

DATA = encode(b'bootparams=a\n')
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason='only root can mount a filesystem, or run as another user')
EVENTS = (
    'euca-nc-pre-init', 'euca-nc-post-init', 'euca-nc-pre-hyp-check', 'euca-nc-pre-adopt', 'euca-nc-pre-clean',
    'euca-nc-pre-attach', 'euca-nc-post-detach', 'euca-nc-pre-boot2', 'euca-nc-next-idea', '', '-x', '--help',
)  # fmt: skip


@pytest.mark.parametrize('event', EVENTS)
def test_another_event_changes_nothing(world, shell, event):
    world.put(Shape(), DATA)
    before = world.snapshot()
    result = world.run(shell, event)
    assert (result.code, result.output) == (0, b'')
    assert world.snapshot() == before


@pytest.mark.parametrize('directory', ['', '/', '/nonexistent', '/dev/null', '/etc', 'relative', '-x', '//'])
def test_an_unusable_instance_directory_is_survived(world, shell, directory):
    world.put(Shape(), DATA)
    before = world.snapshot()
    result = world.run(shell, PRE_BOOT, directory)
    assert (result.code, result.output) == (0, b'')
    assert world.snapshot() == before


@pytest.mark.parametrize('arguments', [[], ['euca-nc-pre-boot'], ['euca-nc-pre-boot', '/'], ['euca-nc-pre-boot', '', '']])
def test_missing_arguments_are_survived(world, shell, arguments):
    """Eucalyptus before 4.0 calls through a shell, which drops an empty argument."""
    done = subprocess.run([*SHELLS[shell], str(world.hook), *arguments], capture_output=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, b'', b'')


def test_relative_paths_work(world, shell):
    world.put(Shape(), DATA)
    where = os.path.relpath(world.directory, world.home)
    done = subprocess.run([*SHELLS[shell], str(world.hook), PRE_BOOT, '.', where], cwd=world.home, check=False)
    assert done.returncode == 0
    assert b'<cmdline>a console=ttyS0</cmdline>' in world.libvirt_file.read_bytes()


@pytest.mark.parametrize('name', ["it's a", 'a"b', 'a&b', 'a$(id)', 'a*', '-n'])
def test_odd_characters_in_the_paths_are_harmless(tmp_path, shell, name):
    world = World(tmp_path / name)
    world.put(Shape(), DATA)
    assert check(world, shell).applied


def test_the_environment_is_the_hooks_own(world, shell, tmp_path):
    """PATH, field separator, locale and umask of the caller, its programs, libraries and catalogs have no effect."""
    world.put(Shape(), DATA)
    bait = tmp_path / 'bait'
    bait.mkdir()
    for name in ('grep', 'xsltproc', 'base64', 'tr', 'cp', 'mv', 'ln', 'printf'):
        (bait / name).write_text(f'#!/bin/sh\n: >{bait}/used\nexit 1\n')
        (bait / name).chmod(0o755)
    environment = {
        **ENVIRONMENT, 'PATH': str(bait), 'IFS': 'a', 'XML_CATALOG_FILES': f'{bait}/catalog', 'TMPDIR': '/nonexistent',
        'tmp': 'x', 'taken': '1', 'has_value': '1', 'value': 'x', 'rc': '7', 'installer': 'x', 'wrong': '1', 'cut': '1',
        'shown': 'x', 'put': 'x', 'marked': '1',
    }  # fmt: skip
    argv = [*SHELLS[shell], str(world.hook), PRE_BOOT, str(world.home), str(world.directory)]
    done = subprocess.run(argv, env=environment, capture_output=True, umask=0o777, cwd=bait, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, b'', b'')
    assert not (bait / 'used').exists()
    assert world.libvirt_file.stat().st_mode & 0o777 == 0o644
    assert world.tenant_log.stat().st_mode & 0o777 == 0o600


def test_the_callers_descriptors_and_input_are_not_passed_on(world, shell):
    """The NC's listening socket and locks: whoever inherits them keeps them."""
    world.put(Shape(), DATA)
    tool = world.cwd / 'xsltproc'
    tool.write_text(f'#!/bin/bash\nls -l /proc/self/fd >{world.cwd}/seen\ncat >{world.cwd}/input\nexit 1\n')
    tool.chmod(0o755)
    world.hook.write_text(world.hook.read_text().replace('PATH=/usr/bin', f'PATH={world.cwd}:/usr/bin'))
    kept = [os.open('/etc/hostname', os.O_RDONLY) for _ in range(12)]
    argv = [*SHELLS[shell], str(world.hook), PRE_BOOT, str(world.home), str(world.directory)]
    subprocess.run(argv, input=b'input', close_fds=False, pass_fds=[fd for fd in kept if fd < 10], check=False)
    for fd in kept:
        os.close(fd)
    assert (world.cwd / 'input').read_bytes() == b''
    assert '/etc/hostname' not in (world.cwd / 'seen').read_text()


@pytest.mark.parametrize('tool', ['xsltproc', 'base64', 'tr'])
def test_a_missing_program_before_the_marker_is_known_is_logged_and_survived(world, shell, tool):
    if shell == 'busybox' and tool != 'xsltproc':
        pytest.skip('this shell has the program built in')
    world.put(Shape(), DATA)
    broken_tool(world, tool)
    assert world.run(shell).code == 0
    assert world.libvirt_file.read_bytes() == world.domain
    assert b' failed: ' in world.log.read_bytes()
    assert not world.tenant_log.exists()


@pytest.mark.parametrize('tool', ['cp', 'mv', 'ln'])
def test_a_missing_program_after_the_marker_is_a_refusal(world, shell, tool):
    if shell == 'busybox':
        pytest.skip('this shell has the program built in')
    world.put(Shape(), DATA)
    broken_tool(world, tool)
    assert world.run(shell).code == 1
    assert world.libvirt_file.read_bytes() == world.domain
    assert not list(world.directory.glob('*.new*'))


def broken_tool(world: World, tool: str, script: str = 'exit 1') -> None:
    """Let the hook find a program of this name that fails. It sets its own PATH, so its copy is changed."""
    place = world.home / 'bin'
    place.mkdir()
    (place / tool).write_text(f'#!/bin/sh\n{script}\n')
    (place / tool).chmod(0o755)
    text = world.hook.read_text()
    assert text.count('PATH=/usr/bin') == 1
    world.hook.write_text(text.replace('PATH=/usr/bin', f'PATH={place}:/usr/bin'))


@pytest.mark.parametrize('name', ['get-user-data.xsl', 'insert-boot-params.xsl'])
@pytest.mark.parametrize('content', [None, '', '<xsl:stylesheet'])
def test_missing_and_broken_stylesheets_are_logged_and_survived(world, shell, name, content):
    world.put(Shape(), DATA)
    (world.conf / name).unlink()
    if content is not None:
        (world.conf / name).write_text(content)
    assert world.run(shell).code == 0
    assert world.libvirt_file.read_bytes() == world.domain
    assert b' failed: ' in world.log.read_bytes()


@pytest.mark.parametrize('what', ['log directory', 'log', 'console'])
def test_logs_that_cannot_be_written_change_nothing_else(world, shell, what):
    world.put(Shape(), DATA)
    if what == 'log directory':
        world.log.parent.rmdir()
    else:
        (world.log if what == 'log' else world.tenant_log).mkdir()
    result = world.run(shell)
    assert (result.code, result.output) == (0, b'')
    assert b'<cmdline>a console=ttyS0</cmdline>' in world.libvirt_file.read_bytes()
    if what == 'console':
        world.tenant_log.rmdir()
    elif what == 'log':
        world.log.rmdir()


def test_the_lines_of_other_hooks_for_the_tenant_are_kept(world, shell):
    world.put(Shape(), DATA)
    world.tenant_log.write_bytes(b'\0other\nbootparams: applied\n')
    assert world.run(shell).code == 0
    assert world.tenant_log.read_bytes().startswith(b'\0other\nbootparams: applied\nbootparams: applied: ')


@pytest.mark.parametrize('what', PLANTED)
def test_nothing_planted_is_written_through_or_waited_for(world, shell, what):
    assert planted(world, what, shell)


@pytest.mark.skipif(os.geteuid() == 0, reason='root can write everywhere')
def test_a_directory_that_cannot_be_written_is_a_refusal(world, shell):
    world.put(Shape(), DATA)
    world.directory.chmod(0o555)
    code = world.run(shell).code
    world.directory.chmod(0o755)
    assert code == 1
    assert world.libvirt_file.read_bytes() == world.domain


@needs_root
def test_a_full_filesystem_never_leaves_a_short_file(tmp_path, shell):
    """Every amount of free space from none to enough: the file is the old one or the whole new one, never anything else."""
    place = tmp_path / 'small'
    place.mkdir()
    subprocess.run(['mount', '-t', 'tmpfs', '-o', 'size=256k,mode=755', 'none', str(place)], check=True)
    try:
        world = World(tmp_path / 'world')
        world.directory = place
        codes = set()
        for pages in range(7):
            assert on_full(world, shell, pages) is None
            codes.add(world.code)
        assert codes == {0, 1}
    finally:
        subprocess.run(['umount', str(place)], check=True)


def on_full(world: World, shell: str, pages: int) -> None:
    """Run with this many pages left; assert that the file is whole."""
    text = Shape().libvirt_xml().replace(b'</devices>', b'<x>' + b'y' * 9000 + b'</x></devices>')
    world.put(Shape(), DATA, text)
    filler = world.directory / 'filler'
    free = os.statvfs(world.directory).f_bavail
    filler.write_bytes(b'x' * 4096 * (free - pages))
    result = world.run(shell)
    world.code = result.code
    assert result.output == b''
    file = world.libvirt_file.read_bytes()
    if result.code == 0:
        assert etree.fromstring(file).findtext('os/cmdline') == 'a console=ttyS0'
        assert file.endswith(b'</domain>\n')
    else:
        assert file == text
    assert not list(world.directory.glob('*.new*'))


def test_two_at_once_on_the_same_instance_leave_it_right(world, shell):
    world.put(Shape(), DATA)
    for _ in range(3):
        for pid in [world.start(shell) for _ in range(6)]:
            assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert b'<cmdline>a console=ttyS0</cmdline>' in world.libvirt_file.read_bytes()
    assert (world.directory / 'instance-libvirt.xml.orig').read_bytes() == world.domain
    names = ['console.append.log', 'instance-libvirt.xml', 'instance-libvirt.xml.orig', 'instance.xml']
    assert sorted(os.listdir(world.directory)) == names


def test_a_copy_that_loses_a_race_accepts_the_result_that_is_in_place(world, shell):
    """GNU cp refuses to copy a file that is replaced in that moment, as by a second hook."""
    if shell == 'busybox':
        pytest.skip('this shell has the program built in')
    world.put(Shape(), DATA)
    assert world.run(shell).code == 0
    result = world.cwd / 'result'
    world.libvirt_file.rename(result)
    world.put(Shape(), DATA)
    broken_tool(world, 'cp', f'cat {result} >"$2"\nexit 1')
    assert world.run(shell).code == 0
    assert world.libvirt_file.read_bytes() == result.read_bytes()
    assert b' applied: ' in world.log.read_bytes()
    assert not list(world.directory.glob('*.new*'))


def test_instances_at_the_same_time_do_not_interfere(world, shell):
    directories = []
    for number in range(8):
        directory = world.home / 'instances' / f'i-{number}x'
        directory.mkdir()
        (directory / 'instance.xml').write_bytes(Shape().instance_xml(encode(b'bootparams=n=%d\n' % number)))
        (directory / 'libvirt.xml').write_bytes(Shape().libvirt_xml())
        directories.append(directory)
    for pid in [world.start(shell, directory=str(directory)) for directory in directories]:
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    for number, directory in enumerate(directories):
        assert b'<cmdline>n=%d console=ttyS0</cmdline>' % number in (directory / 'libvirt.xml').read_bytes()
    assert len(world.log.read_bytes().splitlines()) == 8


@pytest.mark.parametrize('number', [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_an_interrupted_hook_leaves_no_rest_and_no_half(world, shell, number):
    """At whatever moment the signal comes."""
    for delay in (0.001, 0.003, 0.005, 0.007, 0.009, 0.012):
        world.put(Shape(), DATA)
        pid = world.start(shell)
        time.sleep(delay)
        os.kill(pid, number)
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        assert code in (0, 1, -number, 128 + number)  # the last two: before the shell has come to the traps
        assert not orphans_after(60)
        assert not list(world.directory.glob('*.new*'))
        assert etree.fromstring(world.libvirt_file.read_bytes()).findtext('os/cmdline') in (
            'a console=ttyS0',
            'root=/dev/vda1 console=ttyS0',
        )


def orphans_after(seconds: float) -> bool:
    """Give what the hook was waiting for the time to end by itself."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        try:
            pid, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return False
        if pid == 0:
            time.sleep(0.005)
    return orphans()


@needs_root
@pytest.mark.parametrize('processes', range(1, 6))
def test_a_node_without_processes_left_gives_no_other_exit_code(tmp_path, shell, processes):
    """A shell that cannot fork ends with a code of its own (dash: 2); before the marker is known that must become 0."""
    if shell in ('bash', 'mksh'):
        pytest.skip('this shell goes on trying for half a minute')
    tmp_path.chmod(0o755)
    for parent in tmp_path.parents[:3]:
        if parent != Path('/tmp'):
            parent.chmod(parent.stat().st_mode | 0o055)
    world = World(tmp_path / 'w')
    world.put(Shape(), DATA)
    subprocess.run(['chown', '-R', '61234', str(tmp_path / 'w')], check=True)
    argv = [*SHELLS[shell], str(world.hook), PRE_BOOT, str(world.home), str(world.directory)]
    limit = lambda: resource.setrlimit(resource.RLIMIT_NPROC, (processes, processes))  # noqa: E731
    done = subprocess.run(argv, user=61234, group=61234, extra_groups=[], preexec_fn=limit, capture_output=True, check=False)
    assert done.returncode in (0, 1)
    assert world.libvirt_file.read_bytes() == world.domain or done.returncode == 0
    assert not orphans_after(60)

# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A node and its machine: acceleration, daemons, /dev/kvm, partitions on plain files."""

from __future__ import annotations

import grp
import os
import shutil
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from eucalab.host import libvirt_daemons, processes, reaper
from eucalab.node import acceleration, disks
from tests.kit.waiting import wait_for
from tests.lab.node_support import INSTALLER, file_system

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason='changes owners')
needs_kernel = pytest.mark.skipif(
    shutil.which('qemu-system-x86_64') is None or not (INSTALLER / 'complete').is_file(), reason='run make setup'
)
EXT3_JOURNAL_ROOM = 16 << 20


def cpuinfo(path: Path, flags: str) -> Path:
    file = path / 'cpuinfo'
    file.write_text(f'processor\t: 0\nflags\t\t: fpu {flags} sse\nbugs\t\t: vmx_nothing\n')
    return file


def test_without_the_processors_flag_guests_are_emulated_however_willing_the_device_looks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / 'vmlinuz').write_bytes(b'')
    monkeypatch.setattr(acceleration, 'trial_boots', lambda *_arguments: True)
    assert acceleration.choose('auto', tmp_path, cpuinfo(tmp_path, 'mmx')) == 'qemu'
    assert acceleration.choose('auto', tmp_path, cpuinfo(tmp_path, 'vmx')) == 'kvm'
    assert acceleration.choose('auto', tmp_path, cpuinfo(tmp_path, 'svm')) == 'kvm'


def test_with_the_flag_a_guest_must_really_boot(tmp_path: Path) -> None:
    assert acceleration.choose('auto', tmp_path, cpuinfo(tmp_path, 'vmx')) == 'qemu'  # no kernel to try
    (tmp_path / 'vmlinuz').write_bytes(b'this is no kernel')
    assert acceleration.choose('auto', tmp_path, cpuinfo(tmp_path, 'vmx')) == 'qemu'


def test_a_requested_acceleration_is_used_without_a_trial(tmp_path: Path) -> None:
    assert acceleration.choose('tcg', tmp_path, cpuinfo(tmp_path, 'vmx')) == 'qemu'
    assert acceleration.choose('kvm', tmp_path, cpuinfo(tmp_path, 'mmx')) == 'kvm'


@pytest.mark.vm
@needs_kernel
def test_the_trial_distinguishes_a_guest_that_boots_from_one_that_does_not(tmp_path: Path) -> None:
    assert acceleration.trial_boots(INSTALLER / 'vmlinuz', 'tcg', 120)
    (tmp_path / 'vmlinuz').write_bytes((INSTALLER / 'vmlinuz').read_bytes()[: 1 << 20])
    assert not acceleration.trial_boots(tmp_path / 'vmlinuz', 'tcg', 5)


@needs_root
def test_a_kvm_device_that_only_root_may_open_is_given_to_its_group_and_others_are_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    device = tmp_path / 'kvm'
    monkeypatch.setattr(libvirt_daemons, 'KVM_DEVICE', device)
    libvirt_daemons.open_kvm_device()  # no device, no complaint
    for before, after in ((0o600, 0o660), (0o666, 0o666)):
        device.write_bytes(b'')
        device.chmod(before)
        libvirt_daemons.open_kvm_device()
        assert stat.S_IMODE(device.stat().st_mode) == after
        assert device.stat().st_gid == (grp.getgrnam('kvm').gr_gid if after == 0o660 else 0)
        device.unlink()


def test_a_daemon_is_recognised_by_its_program_not_by_words_in_a_command_line(tmp_path: Path) -> None:
    program = tmp_path / f'labd{os.getpid()}'  # other runs of this test on the machine have theirs
    shutil.copy('/bin/sleep', program)
    bystander = subprocess.Popen(['/bin/sleep', '60'], executable='/bin/sleep')
    daemon = subprocess.Popen([str(program), '60'])
    try:
        # A moment after its start a process has no command line yet.
        wait_for('the daemon is known', lambda: libvirt_daemons.running_pid(program.name) == daemon.pid)
    finally:
        for process in (daemon, bystander):
            process.kill()
            process.wait()
    assert libvirt_daemons.running_pid(program.name) is None


def test_a_daemon_that_was_stopped_is_gone_however_long_it_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    script = 'import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print("ready", flush=True); time.sleep(60)'
    with subprocess.Popen([sys.executable, '-c', script], stdout=subprocess.PIPE) as slow:
        slow.stdout.readline()
        monkeypatch.setattr(libvirt_daemons, 'running_pid', {'libvirtd': slow.pid}.get)
        monkeypatch.setattr(processes, 'STOP_SECONDS', 0.5)
        libvirt_daemons.stop_daemons(['libvirtd'])
        ended = processes.start_time(slow.pid) is None
        slow.kill()
    assert ended


def start_by_reaper(script: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, '-I', '-S', reaper.__file__, '/bin/sh', '-c', script]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)


def parent(pid: int) -> str:
    return Path(f'/proc/{pid}/stat').read_text().rpartition(')')[2].split()[1]


def test_what_a_daemon_leaves_behind_is_collected_by_its_reaper_and_not_left_to_process_1(tmp_path: Path) -> None:
    script = f'(sleep 60 & echo $! > {tmp_path}/guest) > /dev/null 2>&1'
    assert start_by_reaper(script).returncode == 0
    guest = int((tmp_path / 'guest').read_text())
    collector = int(parent(guest))
    assert b'reaper.py' in Path(f'/proc/{collector}/cmdline').read_bytes()
    os.kill(guest, signal.SIGKILL)
    wait_for('the guest leaves no zombie', lambda: not Path(f'/proc/{guest}').exists(), 10)
    wait_for('the reaper ends with its last child', lambda: processes.start_time(collector) is None, 10)


def test_a_daemon_that_does_not_start_is_reported_in_its_own_words() -> None:
    result = start_by_reaper('echo no room >&2; exit 6')
    assert (result.returncode, result.stderr) == (6, 'no room\n')


def test_a_disk_is_composed_of_image_ephemeral_and_swap_and_stays_sparse(tmp_path: Path) -> None:
    image, disk = tmp_path / 'image', tmp_path / 'disk'
    content = os.urandom(70_000) + bytes(5 << 20) + os.urandom(8) + bytes(500)
    image.write_bytes(content)
    with image.open('rb') as file:
        disks.compose_disk(disk, file, 64 << 20, 8 << 20)
    listed = subprocess.run(['sfdisk', '--dump', str(disk)], capture_output=True, text=True, check=True).stdout
    rows = [line.partition(':')[2] for line in listed.splitlines() if line.startswith(str(disk))]
    numbers = [[int(field.partition('=')[2]) for field in row.split(',')[:2]] for row in rows]
    assert [row.split('type=')[1] for row in rows] == ['83', '83', '83']
    assert numbers[0] == [64, -(-len(content) // 512)] and numbers[1][1] == (64 << 20) // 512
    with open(disk, 'rb') as file:
        file.seek(64 * 512)
        assert file.read(len(content)) == content
    assert [file_system(disk, start * 512) for start, _count in numbers[1:]] == ['ext3', '']
    assert disk.stat().st_blocks * 512 < EXT3_JOURNAL_ROOM


@pytest.mark.parametrize('kind, expected', [('ext3', 'ext3'), ('none', '')])
def test_an_ephemeral_disk_of_tens_of_gigabytes_costs_megabytes(tmp_path: Path, kind: str, expected: str) -> None:
    disk = tmp_path / 'vdb.blocks'
    disks.make_ephemeral(disk, 30 << 30, kind)
    assert (disk.stat().st_size, file_system(disk)) == (30 << 30, expected)
    assert disk.stat().st_blocks * 512 < EXT3_JOURNAL_ROOM
    if kind == 'ext3':
        subprocess.run(['/sbin/e2fsck', '-fn', disk], check=True, capture_output=True)

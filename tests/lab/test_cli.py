# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command ``eucalab``: labs with real API and node processes, without guests."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

import pytest

from eucalab.config import Config
from eucalab.host import checks, shared
from eucalab.host.processes import start_time
from tests.kit.command import Place
from tests.kit.paths import environment
from tests.kit.ports import free_port

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason='a lab needs root')


@pytest.fixture(scope='module')
def lab(place: Place) -> Config:
    """One lab for the tests that only look."""
    return place.up('looked-at')


def alive(pid: int) -> bool:
    return start_time(pid) is not None


def kill(pid: int) -> None:
    """Send SIGKILL and wait until the process has ended."""
    os.kill(pid, signal.SIGKILL)
    while alive(pid):
        time.sleep(0.02)


def sourced(eucarc: Path) -> dict[str, str]:
    """Variables that a shell exports after sourcing the file."""
    script = f'. {eucarc}; for v in ${{!EC2_*}} S3_URL EUCALYPTUS_CERT; do echo "$v=${{!v}}"; done'
    text = subprocess.run(['bash', '-c', script], env={}, text=True, capture_output=True, check=True).stdout
    return dict(line.split('=', 1) for line in text.splitlines())


@pytest.mark.parametrize('folder', ['admin', 'tenant'])
def test_a_eucarc_contains_the_endpoints_and_is_readable_by_its_owner_only(place: Place, lab: Config, folder: str) -> None:
    eucarc = place.state / lab.name / folder / 'eucarc'
    values = sourced(eucarc)
    assert values['EC2_URL'] == f'http://127.0.0.1:{lab.port}/services/compute'
    assert values['S3_URL'] == f'http://127.0.0.1:{lab.port}/services/objectstorage'
    assert re.fullmatch(r'\d{12}', values['EC2_ACCOUNT_NUMBER']) and values['EC2_USER_ID'] == values['EC2_ACCOUNT_NUMBER']
    for name in ('EC2_CERT', 'EC2_PRIVATE_KEY', 'EUCALYPTUS_CERT'):
        assert Path(values[name]).read_text().startswith('-----BEGIN ')
    for path in (eucarc, Path(values['EC2_PRIVATE_KEY'])):
        assert path.stat().st_mode & 0o077 == 0


def test_the_mirror_is_there_for_everybody(place: Place, lab: Config) -> None:
    url = f'http://127.0.0.1:{lab.port}/services/objectstorage/mirror/debian/rootfs.tar'
    assert urllib.request.urlopen(url, timeout=20).read() == (place.cache / 'debian/rootfs.tar').read_bytes()


def test_the_inventory_names_the_nodes_and_their_homes(place: Place, lab: Config) -> None:
    home = place.state / lab.name
    shown = subprocess.run(
        [Path(sys.executable).with_name('ansible-inventory'), '-i', home / 'inventory.ini', '--list'],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    node = json.loads(shown)['_meta']['hostvars']['node1']
    assert node['ansible_connection'] == 'local'
    assert node['nc_hooks_eucalyptus_home'] == str(home / 'nodes/node1')
    assert (home / 'nodes/node1/etc/eucalyptus/nc-hooks').is_dir()
    assert (home / 'nodes/node1/etc/eucalyptus/libvirt.xsl').is_file()


def test_status_shows_what_runs(place: Place, lab: Config) -> None:
    done = place.run('status', '--name', lab.name)
    assert done.returncode == 0, done.stderr
    assert re.search(rf'^  api +running +{place.pid(lab.name, "api")} ', done.stdout, re.MULTILINE)
    assert re.search(r'^  instances  none$', done.stdout, re.MULTILINE)


def test_a_reader_that_ends_early_gets_no_traceback(place: Place, lab: Config) -> None:
    for words in (('status', '--name', lab.name), ('up', '--help')):
        command = f'{sys.executable} -m eucalab "$@" | true'
        done = subprocess.run(
            ['bash', '-c', command, 'sh', *words], env=place.environment(), capture_output=True, text=True, check=True
        )
        assert done.stderr == ''


def test_a_lab_that_was_made_under_a_narrow_umask_has_directories_that_hooks_can_enter(place: Place) -> None:
    words = ['up', '--name', 'narrow', '--port', str(free_port()), '--nodes', '1', '--accel', 'tcg']
    before = os.umask(0o077)
    try:
        done = place.run(*words)
    finally:
        os.umask(before)
    assert done.returncode == 0, done.stderr
    hooks = place.state / 'narrow/nodes/node1/etc/eucalyptus/nc-hooks'
    subprocess.run(['ls', hooks], user='nobody', extra_groups=[], capture_output=True, check=True)
    kill(place.pid('narrow', 'node1'))
    hooks.parent.chmod(0o700)
    assert f'node1 ended: eucalab.node: no hook can run: the user nobody cannot enter {hooks}.' in place.error(*words)
    hooks.parent.chmod(0o755)
    assert place.run(*words).returncode == 0
    place.run('down', '--name', 'narrow')


def test_up_again_changes_nothing(place: Place, lab: Config) -> None:
    before = place.pid(lab.name, 'api'), place.pid(lab.name, 'node1')
    done = place.run('up', '--name', lab.name)
    assert done.returncode == 0 and 'is already up' in done.stdout
    assert (place.pid(lab.name, 'api'), place.pid(lab.name, 'node1')) == before


def test_a_port_that_another_lab_has_is_named_and_nothing_stays_behind(place: Place, lab: Config) -> None:
    said = place.error('up', '--name', 'second', '--port', str(lab.port))
    assert said == f'port {lab.port} is in use (lab {lab.name} has it); choose another: --port'
    assert not (place.state / 'second').exists()


def test_a_killed_process_is_shown_and_started_again_with_the_same_accounts(place: Place) -> None:
    place.up('killed')
    eucarc = (place.state / 'killed/admin/eucarc').read_text()
    api, node = place.pid('killed', 'api'), place.pid('killed', 'node1')
    kill(node)
    status = place.run('status', '--name', 'killed')
    assert status.returncode == 1 and re.search(r'^  node1 +not running', status.stdout, re.MULTILINE)
    assert 'node1' in place.run('up', '--name', 'killed').stdout.splitlines()[0]
    assert place.pid('killed', 'api') == api and place.pid('killed', 'node1') != node
    kill(api)
    kill(place.pid('killed', 'node1'))
    assert place.run('up', '--name', 'killed').returncode == 0
    assert (place.state / 'killed/admin/eucarc').read_text() == eucarc
    assert place.run('down', '--name', 'killed').returncode == 0


def test_down_leaves_nothing_of_the_lab_and_all_of_the_others(place: Place, lab: Config) -> None:
    place.up('gone')
    pids = [place.pid('gone', 'api'), place.pid('gone', 'node1')]
    done = place.run('down', '--name', 'gone')
    assert (done.returncode, done.stdout, done.stderr) == (0, 'Lab gone was removed.\n', '')
    assert not any(map(alive, pids)) and not (place.state / 'gone').exists()
    assert alive(place.pid(lab.name, 'api')) and alive(place.pid(lab.name, 'node1'))
    assert str(place.state / 'gone') not in registered_labs()


def registered_labs() -> list[str]:
    """The register of all labs of the machine. Others change it meanwhile, and the last lab removes it."""
    try:
        return json.loads(shared.REGISTER.read_text())['labs']
    except FileNotFoundError:
        return []


def test_down_without_a_lab_is_no_error(place: Place) -> None:
    done = place.run('down', '--name', 'never')
    assert (done.returncode, done.stdout) == (0, 'There is no lab never.\n')


@pytest.mark.parametrize('configuration', [None, '{"name": "half", ', '{"odd": 1}'])
def test_down_removes_what_an_interrupted_up_left(place: Place, configuration: str | None) -> None:
    (place.state / 'half/nodes/node1').mkdir(parents=True)
    (place.state / 'half/state.db').write_text('not a database')
    if configuration is not None:
        (place.state / 'half/config.json').write_text(configuration)
    done = place.run('down', '--name', 'half')
    assert done.returncode == 0, done.stderr
    assert not (place.state / 'half').exists()


def test_a_pid_that_belongs_to_somebody_else_by_now_is_spared(place: Place) -> None:
    place.up('recycled')
    pid_file = place.state / 'recycled/run/node1.pid'
    node, started = map(int, pid_file.read_text().split())
    with subprocess.Popen(['sleep', '600']) as bystander:
        pid_file.write_text(f'{bystander.pid}\n{started}\n')
        assert place.run('down', '--name', 'recycled').returncode == 0
        assert bystander.poll() is None
        bystander.kill()
    assert not alive(node), 'the node process that no pid file knew goes on'


def test_a_lab_of_the_same_name_elsewhere_is_left_alone(place: Place, tmp_path_factory: pytest.TempPathFactory) -> None:
    place.up('twin')
    other = Path(tempfile.mkdtemp(prefix='eucalab-test-', dir='/var/tmp'))
    (other / 'twin').mkdir()
    done = place.run('down', '--name', 'twin', EUCALAB_STATE=str(other))
    assert done.returncode == 0 and not other.exists()
    assert alive(place.pid('twin', 'api')) and alive(place.pid('twin', 'node1'))
    place.run('down', '--name', 'twin')


def test_guests_that_libvirt_forgot_are_ended_too(place: Place) -> None:
    place.up('guests')
    disk = place.state / 'guests/volumes/vol-0a1b2c3d.raw'
    command = [sys.executable, '-c', 'import time; time.sleep(600)', 'guest={},debug-threads=on', str(disk)]
    with (
        subprocess.Popen([word.format('i-0a1b2c3d') for word in command]) as ours,
        subprocess.Popen([*command[:3], 'guest=i-0a1b2c3e,debug-threads=on', '/elsewhere/disk']) as other,
    ):
        assert place.run('down', '--name', 'guests').returncode == 0
        assert ours.wait(10) == -signal.SIGTERM
        assert other.poll() is None
        other.kill()


def test_another_pace_restarts_the_processes_with_it(place: Place) -> None:
    place.up('paced')
    before = place.pid('paced', 'api')
    assert place.run('up', '--name', 'paced', '--pace', '0.5').returncode == 0
    assert place.config('paced').pace == 0.5
    assert place.pid('paced', 'api') != before
    place.run('down', '--name', 'paced')


def test_reset_empties_the_lab_and_keeps_its_settings(place: Place) -> None:
    before = place.up('emptied', '--pace', '0.3')
    eucarc = (place.state / 'emptied/admin/eucarc').read_text()
    marker = place.state / 'emptied/volumes/vol-0a1b2c3d.raw'
    marker.touch()
    done = place.run('reset', '--name', 'emptied')
    assert done.returncode == 0, done.stderr
    assert place.config('emptied') == before
    assert not marker.exists() and (place.state / 'emptied/admin/eucarc').read_text() != eucarc
    place.run('down', '--name', 'emptied')


def test_a_newer_system_in_the_cache_reaches_the_mirror(place: Place) -> None:
    config = place.up('mirrored')
    objects = len(list((place.state / 'mirrored/objects').iterdir()))
    place.build('busybox/rootfs.tar', 'a newer system')
    assert place.run('up', '--name', 'mirrored').returncode == 0
    url = f'http://127.0.0.1:{config.port}/services/objectstorage/mirror/busybox/rootfs.tar'
    assert urllib.request.urlopen(url, timeout=20).read() == b'a newer system'
    assert len(list((place.state / 'mirrored/objects').iterdir())) == objects
    place.run('down', '--name', 'mirrored')


def test_a_lab_without_nodes_has_only_the_api(place: Place) -> None:
    done = place.run('up', '--name', 'nodeless', '--port', str(free_port()), '--nodes', '0')
    assert done.returncode == 0, done.stderr
    assert [path.name for path in (place.state / 'nodeless/run').iterdir()] == ['api.pid']
    place.run('down', '--name', 'nodeless')


def test_what_was_not_built_is_named(place: Place, tmp_path: Path) -> None:
    said = place.error('up', '--name', 'unbuilt', EUCALAB_CACHE=str(tmp_path))
    assert said == f'{tmp_path}/installer/vmlinuz is missing; build it with: python -m eucalab.installer build'


def test_a_place_that_the_hooks_user_cannot_enter_is_refused(place: Place, tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    said = place.error('up', '--name', 'private', EUCALAB_STATE=str(tmp_path / 'state'))
    assert f'cannot enter {tmp_path}' in said and 'EUCALAB_STATE' in said


@pytest.mark.parametrize('name', ['../x', 'A', 'a b', ''])
def test_a_name_that_is_no_directory_is_refused(place: Place, name: str) -> None:
    assert 'is not a valid lab name' in place.error('up', '--name', name)


def test_missing_packages_come_with_the_line_that_installs_them(place: Place, lab: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, 'which', lambda program, **_: None if program in ('xsltproc', 'libvirtd') else program)
    with pytest.raises(checks.LabError, match='apt-get install .* libvirt-daemon-system xsltproc$'):
        checks.before_up(lab, has_port=True)


def test_a_full_disk_is_noticed_before_anything_is_made(place: Place, lab: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv('EUCALAB_STATE', str(place.state))
    monkeypatch.setenv('EUCALAB_CACHE', str(place.cache))
    monkeypatch.setattr(shutil, 'disk_usage', lambda _path: shutil._ntuple_diskusage(10, 9, 1 << 20))
    with pytest.raises(checks.LabError, match='has 1 MiB free and a lab needs 3072;'):
        checks.before_up(lab, has_port=True)


def test_without_root_the_message_names_sudo(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, 'geteuid', lambda: 1000)
    with pytest.raises(checks.LabError, match='sudo'):
        checks.root()


class Daemons:
    """A double of libvirtd and virtlogd: processes that the test can start and stop."""

    def __init__(self) -> None:
        self.running: dict[str, int] = {}
        self.stopped: list[str] = []

    def ensure(self) -> None:
        for name in ('virtlogd', 'libvirtd'):
            self.running.setdefault(name, os.getpid())

    def stop(self, names: list[str]) -> None:
        self.stopped += names


@pytest.fixture
def fake_daemons(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Daemons:
    from eucalab.host import libvirt_daemons

    fake = Daemons()
    monkeypatch.setattr(shared, 'REGISTER', tmp_path / 'eucalab.json')
    monkeypatch.setattr(libvirt_daemons, 'ensure_daemons', fake.ensure)
    monkeypatch.setattr(libvirt_daemons, 'running_pid', fake.running.get)
    monkeypatch.setattr(libvirt_daemons, 'stop_daemons', fake.stop)
    monkeypatch.setenv('EUCALAB_STATE', str(tmp_path / 'state'))
    return fake


def saved(name: str) -> Config:
    config = Config(name)
    config.save()
    return config


def test_daemons_that_a_lab_started_are_stopped_with_the_last_lab(fake_daemons: Daemons) -> None:
    first, second = saved('first'), saved('second')
    shared.hold(first)
    shared.hold(second)
    shared.release(first)
    assert fake_daemons.stopped == []
    shared.release(second)
    assert sorted(fake_daemons.stopped) == ['libvirtd', 'virtlogd']
    assert not shared.REGISTER.exists()


def test_daemons_that_ran_before_go_on(fake_daemons: Daemons) -> None:
    fake_daemons.running['libvirtd'] = os.getpid()
    config = saved('guest')
    shared.hold(config)
    shared.release(config)
    assert fake_daemons.stopped == ['virtlogd']


def test_a_lab_that_was_removed_by_hand_holds_no_daemons(fake_daemons: Daemons) -> None:
    lost, config = saved('lost'), saved('kept')
    shared.hold(lost)
    shared.hold(config)
    shutil.rmtree(lost.home)
    shared.release(config)
    assert sorted(fake_daemons.stopped) == ['libvirtd', 'virtlogd']


def test_a_daemon_that_was_started_anew_by_somebody_is_not_ours_any_more(fake_daemons: Daemons) -> None:
    config = saved('restarted')
    shared.hold(config)
    register = json.loads(shared.REGISTER.read_text())
    register['started']['libvirtd'][1] -= 1
    shared.REGISTER.write_text(json.dumps(register))
    shared.release(config)
    assert fake_daemons.stopped == ['virtlogd']


def test_two_commands_at_a_time_wait_for_each_other(place: Place) -> None:
    port = free_port()
    words = [sys.executable, '-m', 'eucalab', 'up', '--name', 'raced', '--port', str(port), '--nodes', '1', '--accel', 'tcg']
    running = [
        subprocess.Popen(words, env=place.environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    output = ''.join(process.communicate(timeout=300)[0] for process in running)
    assert [process.returncode for process in running] == [0, 0]
    assert output.count('is up:') == 1 and output.count('is already up') == 1
    place.run('down', '--name', 'raced')


def test_commands_take_turns_although_each_removes_the_empty_state_directory(tmp_path: Path) -> None:
    script = """
import os
from eucalab import config
from eucalab.host import turns
alone = f'{config.state_root()}.alone'
for _ in range(500):
    with turns.one_at_a_time():
        os.close(os.open(alone, os.O_CREAT | os.O_EXCL))
        os.unlink(alone)
"""
    running = [
        subprocess.Popen(
            [sys.executable, '-c', script], env=environment(EUCALAB_STATE=tmp_path / 'state'), stderr=subprocess.PIPE, text=True
        )
        for _ in range(4)
    ]
    said = ''.join(process.communicate(timeout=300)[1] for process in running)
    assert [process.returncode for process in running] == [0] * 4, said[-2000:]
    assert not (tmp_path / 'state').exists()


def test_up_that_is_killed_anywhere_can_be_taken_down(place: Place) -> None:
    words = [sys.executable, '-m', 'eucalab', 'up', '--name', 'cut', '--port', str(free_port()), '--nodes', '1', '--accel', 'tcg']
    for delay in (0.2, 0.4, 0.6, 0.9):
        process = subprocess.Popen(words, env=place.environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(delay)
        process.kill()
        process.wait()
        done = place.run('down', '--name', 'cut')
        assert done.returncode == 0, done.stderr
        assert not (place.state / 'cut').exists()
        assert processes_of(place, 'cut') == []


def processes_of(place: Place, lab: str) -> list[str]:
    """Processes of a lab. Other runs of these tests have labs of the same names elsewhere."""
    command = ['pgrep', '-f', rf'eucalab\.(server|node) {lab}( |$)']
    found = subprocess.run(command, capture_output=True, text=True, check=False).stdout.split()
    return [pid for pid in found if keeps_labs_at(place.state, Path('/proc', pid, 'environ'))]


def keeps_labs_at(state: Path, environ: Path) -> bool:
    with contextlib.suppress(OSError):  # it has ended
        return f'EUCALAB_STATE={state}'.encode() in environ.read_bytes().split(b'\0')
    return False

# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The installer's interpretation of kickstarts: its own scripts, on this machine, under two shells with their awks."""

from __future__ import annotations

import dataclasses
import http.server
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

PARTS = Path(__file__).resolve().parents[2] / 'lab/eucalab/installer/ramdisk'
# What init does with a kickstart before it touches a disk, and then what it would obey.
DRIVER = """
LIB={parts} WORK={work} TARGET={work}/target ks_version={version}
mkdir -p "$WORK"
for part in say fetch kickstart commands scripts; do . "$LIB/$part.sh"; done
kickstart_scripts "$1" pre "$WORK/pre"
run_scripts "$WORK/pre" pre /
kickstart_include "$1" "$WORK/ks-full.cfg"
kickstart_scripts "$WORK/ks-full.cfg" post "$WORK/post"
kickstart_commands "$WORK/post/commands"
for name in url image password crypted lock hostname timezone clear disk append loader end label; do
    eval "value=\\$ks_$name"
    printf '= %s %s\\n' "$name" "$value"
done
"""
GOOD = """\
url --url=http://10.0.2.2/debian
rootpw --plaintext secret
clearpart --all --drives=vdb
part / --fstype=ext4 --grow
poweroff
"""


@dataclasses.dataclass
class Outcome:
    status: int
    console: str
    work: Path

    @property
    def values(self) -> dict[str, str]:
        lines = [line[2:].partition(' ') for line in self.console.splitlines() if line.startswith('= ')]
        return {name: value for name, _, value in lines}

    @property
    def partitions(self) -> list[list[str]]:
        return [line.split('\x1f')[:-1] for line in (self.work / 'partitions').read_text().splitlines()]

    @property
    def failure(self) -> str:
        """The failure's message, which must be exactly one line and the last one."""
        assert self.status == 1, self.console
        assert self.console.count('installer: FAILED: ') == 1, self.console
        return self.console.splitlines()[-1].removeprefix('installer: FAILED: ')


Read = Callable[..., Outcome]


@pytest.fixture(params=['dash', 'busybox sh'])
def read(request: pytest.FixtureRequest, tmp_path: Path) -> Read:
    """Run the installer's scripts on a kickstart, under each shell that may run them."""
    shell = request.param.split()
    if shutil.which(shell[0]) is None:
        pytest.skip(f'{shell[0]} is not installed')

    def run(kickstart: str, version: str = '') -> Outcome:
        (tmp_path / 'ks.cfg').write_text(kickstart)
        (tmp_path / 'driver').write_text(DRIVER.format(parts=PARTS, work=tmp_path / 'work', version=version))
        # Whatever the shell, the installer's wget is busybox's.
        (tmp_path / 'bin').mkdir(exist_ok=True)
        if not (tmp_path / 'bin/wget').exists():
            (tmp_path / 'bin/wget').symlink_to(shutil.which('busybox') or '/usr/bin/busybox')
        done = subprocess.run(
            [*shell, str(tmp_path / 'driver'), str(tmp_path / 'ks.cfg')],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=60,
            check=False,
            env={'PATH': f'{tmp_path}/bin:/usr/sbin:/usr/bin:/sbin:/bin'},
        )
        return Outcome(done.returncode, done.stdout, tmp_path / 'work')

    return run


def test_the_commands_of_a_kickstart_become_what_the_installer_obeys(read: Read) -> None:
    outcome = read(
        GOOD + 'network --bootproto=dhcp --hostname=web1.example.org\ntimezone --utc Europe/Berlin\n'
        'bootloader --append="quiet net.ifnames=0" --boot-drive=vdb\n'
    )
    assert outcome.status == 0, outcome.console
    assert outcome.values == {
        'url': 'http://10.0.2.2/debian',
        'image': '',
        'password': 'secret',
        'crypted': '',
        'lock': '',
        'hostname': 'web1.example.org',
        'timezone': 'Europe/Berlin',
        'clear': 'yes',
        'disk': 'vdb',
        'append': 'quiet net.ifnames=0',
        'loader': 'mbr',
        'end': 'poweroff',
        'label': '',
    }
    assert outcome.partitions == [['/', 'ext4', '0', 'yes', '']]


@pytest.mark.parametrize(
    ('written', 'meant'),
    [
        ('"two words"', 'two words'),
        ("'it''s'", 'its'),
        ('a\\ b', 'a b'),
        ('"a\\"b"', 'a"b'),
        ("'a\\b'", 'a\\b'),
        ('$HOME', '$HOME'),
        ('`id`', '`id`'),
        ('"$(id)"', '$(id)'),
        ("'a#b'", 'a#b'),
        ('x # a comment', 'x'),
        ('*', '*'),
        ('&;|<>', '&;|<>'),
        ('pässwörd', 'pässwörd'),
    ],
)
def test_words_are_split_as_a_shell_would_and_never_interpreted(read: Read, written: str, meant: str) -> None:
    outcome = read(GOOD.replace('--plaintext secret', f'--plaintext {written}'))
    assert outcome.values.get('password') == meant, outcome.console


def test_an_option_and_its_value_may_be_two_words(read: Read) -> None:
    outcome = read(GOOD.replace('--url=', '--url ').replace('--drives=', '--drives '))
    assert (outcome.values['url'], outcome.values['disk']) == ('http://10.0.2.2/debian', 'vdb')


def test_a_query_with_ampersands_survives(read: Read) -> None:
    url = 'http://10.0.2.2/x/rootfs.tar?Signature=a%2Bb&Expires=1&AWSAccessKeyId=AKI'
    outcome = read(GOOD.replace('url --url=http://10.0.2.2/debian', f'liveimg --url={url}'))
    assert outcome.values['image'] == url


def test_an_unknown_command_is_a_warning(read: Read) -> None:
    outcome = read('frobnicate --hard\n' + GOOD)
    assert outcome.status == 0
    assert 'installer: warning: unknown command: frobnicate (line 1)' in outcome.console


def test_carriage_returns_of_another_system_do_no_harm(read: Read) -> None:
    assert read(GOOD.replace('\n', '\r\n')).values['end'] == 'poweroff'


def test_pre_scripts_write_what_include_reads(read: Read, tmp_path: Path) -> None:
    disk = tmp_path / 'disk.ks'
    outcome = read(
        GOOD.replace('clearpart --all --drives=vdb\n', f'%include {disk}\n')
        + f'%pre\necho "clearpart --all --drives=vdc" > {disk}\n%end\n'
    )
    assert outcome.values['disk'] == 'vdc', outcome.console


def test_an_included_file_may_include_another(read: Read, tmp_path: Path) -> None:
    (tmp_path / 'a.ks').write_text(f'%include {tmp_path}/b.ks\n')
    (tmp_path / 'b.ks').write_text('network --hostname=inner')
    assert read(GOOD + f'%include {tmp_path}/a.ks\nreboot\n').values['hostname'] == 'inner'


def test_a_file_that_includes_itself_ends(read: Read, tmp_path: Path) -> None:
    (tmp_path / 'a.ks').write_text(f'%include {tmp_path}/a.ks\n')
    assert read(GOOD + f'%include {tmp_path}/a.ks\n').failure == 'the kickstart has more than 10 %include'


def test_a_missing_include_names_the_file(read: Read) -> None:
    assert read(GOOD + '%include /nowhere/x.ks\n').failure == 'kickstart line 6: %include /nowhere/x.ks: no such file'


def test_scripts_are_kept_as_they_are(read: Read) -> None:
    script = '  echo "a  b" # no comment here\n\ncat <<X\n%packages-like\npart nonsense\nX\n'
    outcome = read(GOOD + f'%post --nochroot --erroronfail --log=/root/post.log\n{script}%end\n%post\ntrue\n%end\n')
    assert outcome.status == 0, outcome.console
    assert (outcome.work / 'post/post.1').read_text() == script
    assert (outcome.work / 'post/post.1.options').read_text() == '--nochroot\x1f--erroronfail\x1f--log=/root/post.log\x1f\n'
    assert (outcome.work / 'post/post.2').read_text() == 'true\n'


def test_a_pre_script_that_must_not_fail_ends_the_installation(read: Read) -> None:
    assert read(GOOD + '%pre --erroronfail\nexit 3\n%end\n').failure == '%pre script 1 ended with status 3'


def test_a_pre_script_that_may_fail_is_a_warning(read: Read) -> None:
    outcome = read(GOOD + '%pre\nexit 3\n%end\n')
    assert outcome.status == 0
    assert 'installer: warning: %pre script 1 ended with status 3' in outcome.console


@pytest.mark.parametrize(
    ('kickstart', 'reason'),
    [
        ('', 'the kickstart names no source: url --url=... or liveimg --url=... is missing'),
        (GOOD.replace('part / --fstype=ext4 --grow\n', ''), 'the kickstart has no part / (or autopart)'),
        (GOOD.replace('part / ', 'part /home '), 'the kickstart has no part /'),
        (GOOD.replace('ext4', 'xfs'), 'kickstart line 4: part: --fstype=xfs is not supported (ext4, ext3, ext2, swap)'),
        (GOOD.replace('--grow', ''), 'kickstart line 4: part: / has neither --size nor --grow'),
        (GOOD.replace('--grow', '--size=many'), 'kickstart line 4: part: --size is not a number of MiB'),
        (GOOD.replace('--grow', '--grow --ondisk=vda'), 'kickstart line 4: part: disk vda, but disk vdb was named before'),
        (GOOD.replace('=vdb', '=vda,vdb'), 'kickstart line 3: clearpart: only one disk is supported'),
        (GOOD.replace('=vdb', '=../vdb'), 'kickstart line 3: clearpart: not a disk: ../vdb'),
        (GOOD + 'network --bootproto=static', 'kickstart line 6: network: only --bootproto=dhcp is supported'),
        (GOOD + 'network --hostname="a b"', 'kickstart line 6: network: not a host name'),
        (GOOD + 'timezone ../../etc/passwd', 'kickstart line 6: timezone: not a time zone'),
        (GOOD + 'liveimg --url=http://x/y.tar', 'the kickstart has both url and liveimg'),
        (GOOD + 'rootpw "open', 'kickstart line 6: a quotation mark is not closed'),
        (GOOD + '%post\necho', 'kickstart line 6: section %post has no %end'),
        (GOOD + '%post\n%pre\n%end\n', 'kickstart line 7: section %post of line 6 has no %end'),
        (GOOD + '%end', 'kickstart line 6: %end without a section'),
        (GOOD + 'lang \x07', 'kickstart line 6: a control character'),
        (GOOD + 'lang a\x1fb', 'kickstart line 6: a control character'),
        ('<html><body>404</body></html>', 'the kickstart names no source: url --url=... or liveimg --url=... is missing'),
    ],
)
def test_an_unusable_kickstart_is_refused_in_one_line(read: Read, kickstart: str, reason: str) -> None:
    assert read(kickstart).failure == reason


@pytest.mark.parametrize(
    'line',
    [
        'rootpw --plaintext geheim --odd',
        'rootpw geheim auch',
        'rootpw --iscrypted geheim:x',
        'rootpw "geheim',
        'rootpw --lock geheim',
    ],
)
def test_no_password_reaches_the_console(read: Read, line: str) -> None:
    outcome = read(GOOD.replace('rootpw --plaintext secret', line))
    spoken = [text for text in outcome.console.splitlines() if not text.startswith('= ')]
    assert 'geheim' not in '\n'.join(spoken)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found = self.path == '/x.ks?Signature=a%2Bb&Expires=9'
            body = b'network --hostname=fetched\n' if found else b'no'
            self.send_response(200 if found else 403)
            self.send_header('Content-Length', str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_arguments: object) -> None:
            pass

    running = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Handler)
    threading.Thread(target=running.serve_forever, daemon=True).start()
    yield f'http://127.0.0.1:{running.server_address[1]}'
    running.shutdown()
    running.server_close()


def test_what_is_fetched_is_asked_for_with_its_whole_query(read: Read, server: str) -> None:
    outcome = read(GOOD + f'%include {server}/x.ks?Signature=a%2Bb&Expires=9\n')
    assert outcome.values['hostname'] == 'fetched', outcome.console


def test_a_refused_download_is_reported_without_the_query(read: Read, server: str) -> None:
    failure = read(GOOD + f'%include {server}/y.ks?Signature=verysecret\n').failure
    assert failure.startswith(f'cannot fetch an included file {server}/y.ks: ')
    assert '403' in failure
    assert 'verysecret' not in failure


def test_only_what_the_installer_can_fetch_is_tried(read: Read) -> None:
    assert read(GOOD + '%include nfs://server/x.ks\n').failure == (
        'cannot fetch an included file nfs://server/x.ks: only http:// and ftp:// are understood'
    )


def test_partitions_with_sizes_swap_and_labels(read: Read) -> None:
    outcome = read(
        GOOD.replace(
            'part / --fstype=ext4 --grow',
            'part / --size=900 --label=system\npart swap --size 100\npartition /srv --fstype ext3 --grow',
        )
    )
    assert outcome.partitions == [
        ['/', 'ext4', '900', 'no', 'system'],
        ['swap', 'swap', '100', 'no', ''],
        ['/srv', 'ext3', '0', 'yes', ''],
    ]


@pytest.mark.parametrize('name', ['network-mtu', 'network-onboot'])
def test_kickstarts_of_el6_from_the_field_are_accepted(read: Read, name: str) -> None:
    kickstart = (Path(__file__).parent / f'{name}.ks').read_text()
    for version in ('', 'RHEL6'):
        outcome = read(kickstart, version)
        assert outcome.status == 0, outcome.console


def test_an_option_without_its_value_does_not_swallow_the_next_option(read: Read) -> None:
    outcome = read(GOOD + 'network --onboot --hostname=web1\n')
    assert outcome.values['hostname'] == 'web1', outcome.console


def test_an_end_may_be_indented(read: Read) -> None:
    outcome = read(GOOD + '%post\ntrue\n  %end\nnetwork --hostname=after\n')
    assert outcome.values['hostname'] == 'after', outcome.console
    assert (outcome.work / 'post/post.1').read_text() == 'true\n'


def test_an_include_inside_a_script_is_replaced_by_the_file(read: Read, tmp_path: Path) -> None:
    (tmp_path / 'a.sh').write_text('echo included\n')
    outcome = read(GOOD + f'%packages\n%include {tmp_path}/a.sh\n%end\n%post\ntrue\n%include {tmp_path}/a.sh\nfalse\n%end\n')
    assert outcome.status == 0, outcome.console
    assert (outcome.work / 'post/post.1').read_text().split('\n') == ['true', 'echo included', '', 'false', '']


@pytest.mark.parametrize(
    'line',
    [
        'part /home --size=9 --encrypted --passphrase=geheim',
        'part /home --size=9 --passphrase geheim --encrypted',
        'autopart --encrypted --passphrase geheim',
        'autopart --encrypted --escrowcert=http://x/geheim',
    ],
)
def test_encryption_is_refused_without_its_passphrase(read: Read, line: str) -> None:
    outcome = read(GOOD + line)
    assert outcome.failure == f'kickstart line 6: {line.split()[0]}: encryption is not supported'
    assert 'geheim' not in outcome.console


@pytest.mark.parametrize(
    'line',
    [
        'network --wpakey geheim',
        'network --essid x --wepkey geheim',
        'bootloader --password geheim',
        'part /home --size=9 passphrase=geheim',
    ],
)
def test_no_other_secret_reaches_the_console(read: Read, line: str) -> None:
    assert 'geheim' not in read(GOOD + line).console


INITIALISED = GOOD.replace('clearpart --all', 'clearpart --all --initlabel')
BIOSBOOT = 'part biosboot --fstype=biosboot --size=1\n'


@pytest.mark.parametrize('version', ['F16', 'F37', 'F43', 'RHEL10'])
def test_where_gpt_is_the_default_a_kickstart_without_a_biosboot_partition_stops_as_in_anaconda(read: Read, version: str) -> None:
    failure = read(INITIALISED, version).failure
    assert failure.startswith('storage configuration failed: Your BIOS-based system needs a special partition to boot from a GPT')
    assert "create a 1MiB 'biosboot' type partition on the vdb disk" in failure
    with_partition = read(INITIALISED + BIOSBOOT, version)
    assert with_partition.values['label'] == 'gpt'
    assert ['biosboot', 'biosboot', '1', 'no', ''] in with_partition.partitions


@pytest.mark.parametrize(
    ('version', 'kickstart', 'label'),
    [
        ('', INITIALISED, ''),
        ('F36', INITIALISED, ''),
        ('RHEL9', INITIALISED, ''),
        ('F43', INITIALISED.replace('--initlabel', '--initlabel --disklabel=msdos'), 'msdos'),
        ('F43', INITIALISED + 'reqpart\n', 'gpt'),
        ('RHEL10', INITIALISED.replace('part / --fstype=ext4 --grow', 'autopart'), 'gpt'),
        ('RHEL8', INITIALISED.replace('--initlabel', '--disklabel=gpt') + 'reqpart --add-boot\n', 'gpt'),
    ],
)
def test_a_disk_label_that_a_bios_can_boot_is_accepted(read: Read, version: str, kickstart: str, label: str) -> None:
    outcome = read(kickstart, version)
    assert outcome.status == 0, outcome.console
    assert outcome.values['label'] == label
    assert (['biosboot', 'biosboot', '1', 'no', ''] in outcome.partitions) is (label == 'gpt')


@pytest.mark.parametrize(
    ('version', 'line', 'word'),
    [
        ('RHEL6', 'clearpart --all --disklabel=msdos', '--disklabel'),
        ('F20', 'clearpart --all --disklabel=msdos', '--disklabel'),
        ('F22', 'reqpart', 'reqpart'),
        ('RHEL6', 'bootloader --boot-drive=vdb', '--boot-drive'),
        ('F34', 'install', 'install'),
        ('RHEL10', 'authconfig --enableshadow', 'authconfig'),
    ],
)
def test_a_word_that_the_chosen_version_lacks_is_refused(read: Read, version: str, line: str, word: str) -> None:
    assert read(GOOD + line, version).failure == f'kickstart line 6: {line.split()[0]}: {version} does not support {word}'


def test_a_version_that_does_not_exist_is_refused(read: Read) -> None:
    assert read(GOOD, 'RHEL5').failure == 'eucalab.kickstart=RHEL5: no such version; RHEL6 and F16 are the first'

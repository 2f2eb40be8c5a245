# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whole installations by their consoles: good ones, failed ones and ones that wait for a person, of each family.

The files are in ../module_utils/console; the first line of most names the sources that their texts are after. In them, ␍ is a
carriage return, which ansible-test refuses in files.
"""

from __future__ import annotations

import pytest
from ansible_collections.eucalyptus.cloud.plugins.module_utils.build import remote
from ansible_collections.eucalyptus.cloud.plugins.module_utils.console import following, proof
from ansible_collections.eucalyptus.cloud.plugins.modules import console_log, install_wait
from ansible_collections.eucalyptus.cloud.tests.unit.plugins.build_kit import COLLECTION
from ansible_collections.eucalyptus.cloud.tests.unit.plugins.cloud_xml import console, instance, instances
from ansible_collections.eucalyptus.cloud.tests.unit.plugins.fake_cloud import Clock, FakeCloud

DIRECTORY = COLLECTION / 'tests/unit/plugins/module_utils/console'
# By file: the outcome, and words of the message.
CONSOLES = {
    'anaconda-good': ('powered_off', ''),
    'anaconda-cmdline-failed': ('failed', 'Some packages, groups or modules are missing.'),
    'anaconda-waits-at-hub': ('waiting', 'Kickstart insufficient'),
    'debian-installer-good': ('powered_off', ''),
    'debian-bad-mirror': ('failed', 'Bad archive mirror An error has been detected'),
    'debian-newt-borders': ('failed', 'Failed to retrieve the preconfiguration file'),
    'debian-installer-waits': ('waiting', 'Write the changes to disks?'),
    'subiquity-good': ('powered_off', ''),
    'subiquity-failed': ('failed', "'justno' is not one of ['security', 'all']"),
    'subiquity-waits': ('waiting', 'Continue with autoinstall?'),
    'yast-good': ('powered_off', ''),
    'yast-failed': ('failed', 'Failed to download AutoYaST file.'),
    'yast-waits': ('waiting', '0) <-- Back <--'),
    'agama-good': ('powered_off', ''),
    'agama-failed': ('failed', 'Could not generate the configuration: unexpected end of file'),
    'agama-failed-late': ('failed', 'Installation failed'),
    'agama-waits': ('silent', 'nothing new has appeared on the console for '),
    'fai-good': ('powered_off', ''),
    'fai-failed': ('failed', 'is too small - at least 68720525312 bytes are required'),
    'fai-waits': ('waiting', 'Press <RETURN> to reboot'),
}
RUNNING, ENDED = instances(instance('running')), instances(instance('terminated'))


@pytest.fixture(name='clock')
def fixture_clock(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Clock:
    for module in (following, install_wait, console_log):
        monkeypatch.setattr(module, 'time', clock)
    return clock


def content(name: str) -> bytes:
    lines = (DIRECTORY / f'{name}.console').read_bytes().replace('␍'.encode(), b'\r').splitlines(keepends=True)
    return b''.join(lines[1:] if lines[0].startswith(b'# After ') else lines)


@pytest.mark.parametrize('pieces', [1, 7])
@pytest.mark.parametrize('name', CONSOLES)
def test_a_replayed_console_is_judged_as_a_person_would(cloud: FakeCloud, clock: Clock, run, name: str, pieces: int) -> None:
    ended, words = CONSOLES[name]
    whole = content(name)
    powers_off = b'Power down' in whole
    cloud.on('GetConsoleOutput', *(console(whole[: len(whole) * (i + 1) // pieces]) for i in range(pieces)))
    cloud.on('DescribeInstances', *[RUNNING] * (pieces + 5), *([ENDED] if powers_off else []))
    began = clock.now
    result = run(
        'install_wait', instance_id='i-1', success_pattern=proof.success_pattern('0123456789'), silence_timeout=600, timeout=7200
    )
    assert result['install']['ended'] == ended, result
    assert words in result.get('msg', '')
    assert bool(result.get('failed')) is (ended != 'powered_off')
    assert bool(result['install']['proof']) is (ended == 'powered_off')
    if ended != 'silent':
        assert clock.now - began < 60, 'a failure is found long before the time limits'


def test_each_family_has_a_good_a_failed_and_a_waiting_console() -> None:
    def outcomes(family: str) -> set[str]:
        return {ended.replace('silent', 'waiting') for name, (ended, _words) in CONSOLES.items() if name.startswith(family[:6])}

    for family in remote.WAYS:
        assert outcomes(family) == {'powered_off', 'failed', 'waiting'}, family


def test_every_console_is_replayed_and_names_its_source() -> None:
    assert sorted(path.stem for path in DIRECTORY.glob('*.console')) == sorted(CONSOLES)

# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The collection's uploads to a real API process over a bad line. tests/bundle/faults.py does many more."""

from __future__ import annotations

import json
import math
import random
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.bundle import fault_proxy, faults
from tests.kit.lab import Lab


@pytest.fixture(name='lab', scope='module')
def fixture_lab(make_lab_api: Callable[..., Lab]) -> Lab:
    return make_lab_api('faults', pace=0.0)


@pytest.mark.parametrize('seed', [4, 5])
def test_an_upload_over_a_bad_line_ends_right_or_with_a_clear_error(lab, tmp_path, seed):
    outcome = faults.one_run(lab, tmp_path, seed)
    assert sum(outcome.faults.values()) > 0


@pytest.mark.parametrize('kind', fault_proxy.KINDS)
def test_every_kind_of_fault_is_survived_when_it_does_not_last(lab, tmp_path, kind):
    path, name = tmp_path / 'image', f'once-{kind.replace("_", "-")}'
    path.write_bytes(random.Random(1).randbytes(1_200_000))
    options = {**lab.options(), 'name': name, 'type': 'ramdisk', 'src': str(path)}
    # Only the storage is behind the bad line: a question to EC2 that is damaged ends the task, rightly.
    with fault_proxy.FaultProxy(lab.config.port, 2, 0.3, (kind,)).running() as proxy:
        result = faults.run_image({**options, 's3_url': lab.options(proxy.port)['s3_url']}, proxy.port)
    assert proxy.faults[kind] > 0
    assert not result.get('failed'), result
    assert faults.open_bundle(lab, result['image']['location']) == path.read_bytes()


def test_an_upload_that_was_killed_goes_on_with_the_missing_parts_only(lab, tmp_path):
    path = tmp_path / 'image'
    path.write_bytes(random.Random(2).randbytes(12 * faults.PART_SIZE))
    with fault_proxy.FaultProxy(lab.config.port, 1, 0.0, most_parts=5).running() as proxy:
        options = {**lab.options(proxy.port), 'name': 'killed', 'type': 'ramdisk', 'src': str(path)}
        process = faults.start_image(options)
        deadline = time.monotonic() + 120
        while len(parts_of(lab, 'killed')) < 5 and time.monotonic() < deadline:
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        while proxy.talks and time.monotonic() < deadline:  # what was on its way arrives
            time.sleep(0.01)
        there = set(parts_of(lab, 'killed'))
        assert len(there) == 5 and 'killed' not in faults.registered(lab)
        proxy.puts.clear()
        proxy.most_parts = math.inf
        result = faults.run_image(options)
    sent = {put.removeprefix('/services/objectstorage/') for put in proxy.puts if '.part.' in put}
    everything = set(parts_of(lab, 'killed'))
    assert (result['upload']['parts_present'], result['upload']['parts_sent']) == (len(there), 13 - len(there))
    assert sent == everything - there and len(everything) == 13
    assert faults.open_bundle(lab, faults.registered(lab)['killed']) == path.read_bytes()


@pytest.mark.parametrize('other', [{}, {'user_cert': None, 'user_private_key': None}], ids=['alike', 'unsigned'])
def test_hosts_that_register_the_same_image_at_once_do_not_spoil_it(lab, tmp_path, other):
    for turn in range(3):
        path, name = tmp_path / 'image', f'race-{len(other)}-{turn}'
        path.write_bytes(random.Random(turn).randbytes(2 * faults.PART_SIZE))
        options = {**lab.options(), 'name': name, 'type': 'ramdisk', 'src': str(path)}
        hosts = [faults.start_image(given) for given in (options, options, {**options, **other})]
        results = [json.loads(host.communicate(timeout=300)[0]) for host in hosts]
        assert not [result for result in results if result.get('failed')], results
        assert len({result['image']['image_id'] for result in results}) == 1
        faults.check_registrations(lab, {name: path.read_bytes()})
        gone = faults.run_image({**lab.options(), 'name': name, 'type': 'ramdisk', 'state': 'absent', 'delete_bundle': True})
        assert len(gone['actions']) == 2, gone
        assert not [key for key in faults.stored(lab) if f'/{name}-' in key]


def parts_of(lab: Lab, name: str) -> list[str]:
    return [key for key in faults.stored(lab) if key.split('/')[1].startswith(f'{name}-') and '.part.' in key]


def test_a_sparse_gigabyte_survives_the_whole_way(lab, tmp_path):
    path = tmp_path / 'image'
    with open(path, 'wb') as file:
        file.seek(700 << 20)
        file.write(b'island' * 1000)
        file.truncate(1 << 30)
    result = faults.run_image({**lab.options(), 'name': 'sparse', 'type': 'ramdisk', 'src': str(path)})
    assert sum(len(content) for key, content in faults.stored(lab).items() if '/sparse-' in key) < 2 << 20
    objects = faults.stored(lab)
    told = faults.manifest.parse(objects[result['image']['location']])
    bucket = result['image']['location'].partition('/')[0]
    parts = [objects[f'{bucket}/{part.filename}'] for part in told.parts]
    key = faults.certificates.load_private_key(Path(lab.options()['user_private_key']).read_bytes(), "the user's key")
    faults.unbundle.extract(told, parts, key, str(tmp_path / 'back'))
    assert (tmp_path / 'back').stat().st_size == 1 << 30
    with open(tmp_path / 'back', 'rb') as file:
        file.seek(700 << 20)
        assert file.read(6000) == b'island' * 1000
        assert file.read(1 << 20) == bytes(1 << 20)

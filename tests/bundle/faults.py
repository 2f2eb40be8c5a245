# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Uploads over a bad line to a real lab API: each ends complete and right or with a clear error, never with a broken
registration; and the next run, over a good line, completes it.

``python -m tests.bundle.faults --runs 200 --seed 1`` prints one line per run and a summary. One seed is one sequence of faults.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from ansible_collections.eucalyptus.cloud.plugins.module_utils.image import certificates, manifest
from ansible_collections.eucalyptus.cloud.tests.kit import unbundle

from eucalab.cloud.keys import cloud_key
from tests.bundle import fault_proxy
from tests.kit.lab import Lab
from tests.kit.paths import environment

PART_SIZE = 256 * 1024
IMPATIENT = Path(__file__).resolve().parent / 'impatient_image.py'


@dataclass
class Outcome:
    seed: int
    failed: bool
    message: str
    seconds: float
    faults: Counter[str]
    upload: dict = field(default_factory=dict)


def run_image(options: dict, bad_line: int | None = None) -> dict:
    """Run the module as a process of its own and return its result. `bad_line`: the port of one that may stall."""
    done = start_image(options, bad_line)
    out, errors = done.communicate(timeout=300)
    if not out.strip():
        raise AssertionError(f'the module printed nothing:\n{errors}')
    return json.loads(out)


def start_image(options: dict, bad_line: int | None = None) -> subprocess.Popen:
    process = subprocess.Popen(
        [sys.executable, str(IMPATIENT)],
        env=environment(),
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    process.stdin.write(json.dumps({'_part_size': PART_SIZE, '_bad_line': bad_line, **options}))
    process.stdin.close()
    process.stdin = None
    return process


def make_image(path: Path, seed: int) -> bytes:
    dice = random.Random(seed)
    data = b''.join(
        dice.choice((dice.randbytes, bytes, lambda size: b'text' * (size // 4)))(dice.randrange(1, 900_000))
        for _piece in range(dice.randrange(1, 8))
    )
    path.write_bytes(data)
    return data


def stored(lab: Lab) -> dict[str, bytes]:
    """All objects, by bucket/key, as the lab has them on its disk."""
    rows = lab.rows('SELECT bucket, key, file FROM objects')
    return {f'{bucket}/{key}': (lab.config.objects / file).read_bytes() for bucket, key, file in rows}


def registered(lab: Lab) -> dict[str, str]:
    """Names of the registered images with their locations."""
    return {row['name']: row['location'] for row in lab.rows("SELECT name, location FROM images WHERE state = 'available'")}


def open_bundle(lab: Lab, location: str) -> bytes:
    objects = stored(lab)
    declared = manifest.parse(objects[location])
    bucket = location.partition('/')[0]
    key = certificates.load_private_key(cloud_key(lab.config).read_bytes(), "the cloud's key")
    return b''.join(unbundle.unbundle(declared, [objects[f'{bucket}/{part.filename}'] for part in declared.parts], key))


def check_registrations(lab: Lab, contents: dict[str, bytes]) -> None:
    """Every registered image's bundle opens, is the image of that name, and its manifest is the one registered."""
    rows = lab.rows("SELECT location, manifest_sha256 FROM images WHERE state = 'available'")
    hashes = {row['location']: row['manifest_sha256'] for row in rows}
    objects = stored(lab)
    locations = registered(lab)
    for name in locations.keys() & contents:
        location = locations[name]
        assert hashlib.sha256(objects[location]).hexdigest() == hashes[location], f'the manifest of {name} was written again'
        assert open_bundle(lab, location) == contents[name], f'{name} is registered and its bundle is not it'


def one_run(lab: Lab, directory: Path, seed: int) -> Outcome:
    dice = random.Random(seed)
    name, path = f'faults-{seed}', directory / f'image-{seed}'
    contents = {name: make_image(path, seed)}
    options = {'name': name, 'type': 'ramdisk', 'src': str(path)}
    rate = dice.choice((0.1, 0.25, 0.5, 0.8))
    started = time.monotonic()
    with fault_proxy.FaultProxy(lab.config.port, seed, rate).running() as proxy:
        result = run_image({**lab.options(proxy.port), **options}, proxy.port)
    seconds = time.monotonic() - started
    failed = bool(result.get('failed'))
    message = result.get('msg', '')
    check_registrations(lab, contents)
    if failed:
        assert len(message) > 20 and 'Traceback' not in message and 'exception' not in result, result
    else:
        assert name in registered(lab), 'the result contains an image that is not registered'
    again = run_image({**lab.options(), **options})
    assert not again.get('failed'), again
    assert name in registered(lab)
    check_registrations(lab, contents)
    gone = run_image({**lab.options(), 'name': name, 'state': 'absent', 'delete_bundle': True})
    assert gone['changed'] and not [key for key in stored(lab) if key.split('/')[1].startswith(name)], stored(lab).keys()
    path.unlink()
    return Outcome(seed, failed, message, seconds, proxy.faults, result.get('upload', {}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--runs', type=int, default=200)
    parser.add_argument('--seed', type=int, default=1, help='the first seed; run N has seed + N')
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that it leaves nothing behind
    totals: Counter[str] = Counter()
    broken = []
    with (
        tempfile.TemporaryDirectory(prefix='bundle-faults-', dir='/var/tmp') as directory,
        Lab.running(Path(directory) / 'state', 'faults', pace=0.0) as lab,
    ):
        for seed in range(options.seed, options.seed + options.runs):
            try:
                outcome = one_run(lab, Path(directory), seed)
            except AssertionError as error:
                broken.append(seed)
                print(f'seed {seed}: BROKEN: {error}', flush=True)
                continue
            totals['failed' if outcome.failed else 'complete'] += 1
            totals.update(outcome.faults)
            end = f'error: {outcome.message[:150]}' if outcome.failed else f'complete, {outcome.upload}'
            print(f'seed {seed}: {sum(outcome.faults.values())} faults, {outcome.seconds:.1f} s, {end}', flush=True)
    print(
        f'{options.runs} runs from seed {options.seed}: {totals.pop("complete", 0)} complete and right, '
        f'{totals.pop("failed", 0)} with a clear error, {len(broken)} broken {broken or ""}; faults {dict(totals)}'
    )
    sys.exit(bool(broken))


if __name__ == '__main__':
    main()

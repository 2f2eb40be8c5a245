# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What bundling and uploading cost, against the pipeline that euca2ools runs. Prints `NAME VALUE UNIT (target T) ok|short`.

The peer is tar | gzip (or pigz) | openssl enc | split, with sha1sum over the tar and over the parts, which it needs on disk.
Ours hands each part on as it is made, and includes the identity hash, the MD5 of the parts and the start of Python. CPU
seconds are of all processes, so they can be compared on a busy machine; wall seconds only on an idle one. What ours takes is
the median of three runs.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import os
import random
import resource
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tests.bundle import sink
from tests.kit.paths import environment

MIB = 1 << 20
KEY = '000102030405060708090a0b0c0d0e0f'

PEER = """
set -e -o pipefail
mkfifo sum
sha1sum < sum > tar.sha1 &
tar --format=gnu --owner=0 --group=0 --mtime=@0 -C "$(dirname "$1")" -cf - "$(basename "$1")" \
  | tee sum | $2 -c | openssl enc -aes-128-cbc -K $3 -iv $3 | split -b 10485760 -d - part.
wait
sha1sum part.* > parts.sha1
"""


def real_files() -> Iterator[bytes]:
    """The bytes of /usr, as a system's disk holds them: whole files, in a fixed order."""
    for directory, folders, names in os.walk('/usr'):
        folders.sort()
        for name in sorted(names):
            path = os.path.join(directory, name)
            if os.path.isfile(path) and not os.path.islink(path):
                with contextlib.suppress(OSError), open(path, 'rb') as file:
                    yield file.read()


def make_images(directory: Path, size: int) -> dict[str, Path]:
    """mixed: half noise, half files, in stretches that fit no block; hole: half files, then a hole; sparse: a few noisy islands."""
    noise, pieces = random.Random(5), real_files()
    paths = {name: directory / name for name in ('mixed', 'hole', 'sparse')}

    def files(target: int) -> Iterator[bytes]:
        for piece in pieces:
            yield piece[:target]
            target -= len(piece[:target])
            if not target:
                return

    with open(paths['mixed'], 'wb') as file:
        while file.tell() < size:
            stretch = noise.randrange(1, 3 * MIB)
            file.write(noise.randbytes(min(stretch, size - file.tell())))
            for piece in files(min(stretch, size - file.tell())):
                file.write(piece)
    pieces = real_files()
    with open(paths['hole'], 'wb') as file:
        for piece in files(size // 2):
            file.write(piece)
        file.truncate(size)
    with open(paths['sparse'], 'wb') as file:
        for island in range(16):
            file.seek(island * size // 16)
            file.write(noise.randbytes(size // 1024))
        file.truncate(size)
    return paths


def measured(command: list[str], directory: Path, env: dict[str, str] | None = None) -> tuple[float, float, str]:
    """Wall seconds, CPU seconds of all its processes, and what it printed."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    # A group of its own, so that a pipeline that is interrupted goes as a whole.
    process = subprocess.Popen(command, cwd=directory, env=env, stdout=subprocess.PIPE, text=True, start_new_session=True)
    try:
        out, _errors = process.communicate()
    except BaseException:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        raise
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, out


def parts_size(directory: Path) -> int:
    return sum(path.stat().st_size for path in directory.glob('*part.*'))


def run_peer(image: Path, packer: str) -> tuple[float, float, int]:
    with tempfile.TemporaryDirectory(dir=image.parent) as directory:
        wall, cpu, _out = measured(['bash', '-c', PEER, 'peer', str(image), packer, KEY], Path(directory))
        return wall, cpu, parts_size(Path(directory))


def run_ours(image: Path, library: str) -> tuple[float, float, int, float]:
    """The median of three: ours takes a tenth of the peer's time, so a hiccup of the machine weighs ten times as much."""
    command = [sys.executable, '-m', 'tests.bundle.bench', '--bundle', str(image), library]
    runs = [measured(command, image.parent, environment()) for _run in range(3)]
    results = [json.loads(out) for _wall, _cpu, out in runs]
    wall, cpu = (statistics.median(run[figure] for run in runs) for figure in (0, 1))
    return wall, cpu, results[0]['size'], max(one['peak_mib'] for one in results)


def bundle_here(path: str, library: str) -> None:
    """The child: bundle, drop the parts as if they were sent, print their size and the peak of memory."""
    if library == 'zlib':
        sys.modules['isal'] = None  # as if it were not installed: its checksum is used, too
    from ansible_collections.eucalyptus.cloud.plugins.module_utils.image import bundle, compression

    size = 0
    with bundle.ImageFile(path) as image:
        identity = bundle.identify(image, 'image')
        key, iv = bundle.derive_secrets('secret', identity, 'image')
        for part in bundle.Bundler(image, identity, 'image', key, iv, compressor=compression.Compressor(library)):
            size += len(part.data)
    peak = next(line for line in Path('/proc/self/status').read_text().splitlines() if line.startswith('VmHWM'))
    print(json.dumps({'peak_mib': int(peak.split()[1]) / 1024, 'size': size}))


def report(name: str, value: float, unit: str, target: float, at_least: bool = True) -> None:
    good = value >= target if at_least else value <= target
    print(f'{name} {value:.2f} {unit} (target {">=" if at_least else "<="} {target:g}) {"ok" if good else "short"}', flush=True)


def bench_bundle(name: str, image: Path) -> None:
    gzip_wall, gzip_cpu, gzip_size = run_peer(image, 'gzip')
    isal_wall, isal_cpu, isal_size, isal_peak = run_ours(image, 'isal')
    pigz_wall, pigz_cpu, _size = run_peer(image, 'pigz')
    zlib_wall, zlib_cpu, zlib_size, zlib_peak = run_ours(image, 'zlib')
    print(
        f'# {name}: gzip {gzip_wall:.2f} s, CPU {gzip_cpu:.2f} s; pigz {pigz_wall:.2f} s, CPU {pigz_cpu:.2f} s; '
        f'isal {isal_wall:.2f} s, CPU {isal_cpu:.2f} s; zlib {zlib_wall:.2f} s, CPU {zlib_cpu:.2f} s'
    )
    report(f'bundle_{name}_isal_cpu_vs_gzip', gzip_cpu / isal_cpu, 'x', 8)
    report(f'bundle_{name}_zlib_cpu_vs_gzip', gzip_cpu / zlib_cpu, 'x', 3.5)
    report(f'bundle_{name}_isal_wall_vs_gzip', gzip_wall / isal_wall, 'x', 6)
    report(f'bundle_{name}_isal_wall_vs_pigz', pigz_wall / isal_wall, 'x', 3)
    report(f'bundle_{name}_isal_growth', 100 * (isal_size / gzip_size - 1), '%', 16, at_least=False)
    report(f'bundle_{name}_zlib_growth', 100 * (zlib_size / gzip_size - 1), '%', 16, at_least=False)
    report(f'bundle_{name}_peak_memory', max(isal_peak, zlib_peak), 'MiB', 96, at_least=False)


def bench_upload(directory: Path, size: int) -> None:
    """14 parts of noise to a server that answers after 100 ms and takes 25 MB/s of each connection."""
    from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.client import Cloud
    from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.credentials import Credentials
    from ansible_collections.eucalyptus.cloud.plugins.module_utils.image import bundle
    from ansible_collections.eucalyptus.cloud.plugins.module_utils.image.upload import CONNECTIONS, Bucket

    image = directory / 'upload'
    image.write_bytes(random.Random(6).randbytes(size))
    seconds = {}
    for connections in (1, CONNECTIONS):
        with sink.running(latency=0.1, rate=25e6) as url, bundle.ImageFile(image) as opened:
            identity = bundle.identify(opened, 'image')
            cloud = Cloud(Credentials(ec2_url=url, s3_url=url, access_key='a', secret_key='b'))
            start = time.perf_counter()
            bundler = bundle.Bundler(opened, identity, 'image', bytes(16), bytes(16))
            Bucket(cloud, 'bucket', connections=connections).send(bundler, 'image')
            seconds[connections] = time.perf_counter() - start
    print('# upload: ' + ', '.join(f'{count} connections {spent:.2f} s' for count, spent in seconds.items()))
    report(f'upload_{CONNECTIONS}_connections_vs_1', seconds[1] / seconds[CONNECTIONS], 'x', 3)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--mib', type=int, default=1024, help='size of the images')
    parser.add_argument('--only', choices=['mixed', 'hole', 'sparse', 'upload'], action='append')
    parser.add_argument('--bundle', nargs=2, metavar=('IMAGE', 'LIBRARY'), help=argparse.SUPPRESS)
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that it leaves nothing behind
    if options.bundle:
        bundle_here(*options.bundle)
        return
    wanted = options.only or ['mixed', 'hole', 'sparse', 'upload']
    with tempfile.TemporaryDirectory(prefix='bundle-bench-', dir='/var/tmp') as directory:
        images = make_images(Path(directory), options.mib * MIB) if wanted != ['upload'] else {}
        for name, image in images.items():
            if name in wanted:
                # Both sides find the image in memory, so that the disk is not what is compared.
                hashlib.md5(image.read_bytes(), usedforsecurity=False)
                bench_bundle(name, image)
        if 'upload' in wanted:
            bench_upload(Path(directory), 140 * MIB)


if __name__ == '__main__':
    main()

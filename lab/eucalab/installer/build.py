# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Building the outdated products of the cache.

Each product is a directory ``.NAME-INPUTS`` in the cache with a link ``NAME`` to it; INPUTS is a digest of
all its inputs. It is built under another name and renamed, so the cache never contains a partial product.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from . import fai, packages, systems
from .packages import BuildError

SOURCES = Path(__file__).parent
PRODUCTS: dict[str, Callable[[Path, Path], None]] = {
    'installer': systems.installer,
    'busybox': systems.busybox,
    'debian': systems.debian,
    'fai': fai.installer,
}
# The lab's own. FAI takes minutes and requires more packages on this machine, so it is built only by name.
DEFAULT = ['installer', 'busybox', 'debian']


def report(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def build(cache: Path, only: list[str] | None = None) -> None:
    """Bring the products (:data:`DEFAULT`, or ``only``) up to date.

    :raises BuildError: with the problem and its solution
    """
    names = only or DEFAULT
    with _locked(cache):
        wanted = outdated(cache, names)
        for name in names:
            if name not in wanted:
                report(f'{name}: up to date in {cache / name}')
        if wanted:
            _build(cache, packages.kernel_package()[0], wanted)


def outdated(cache: Path, names: list[str] | None = None) -> dict[str, str]:
    """The products that are missing or have other inputs than the current ones, with the digest of those."""
    names = names or DEFAULT
    complete = [name for name in names if (cache / name / 'complete').is_file()]
    try:
        inputs = _inputs(names)
    except BuildError:
        if len(complete) == len(names):
            return {}  # apt has no lists at the moment, so newer versions are unknown
        raise
    return {
        name: digest for name, digest in inputs.items() if name not in complete or os.readlink(cache / name) != f'.{name}-{digest}'
    }


def _build(cache: Path, kernel: str, missing: dict[str, str]) -> None:
    with tempfile.TemporaryDirectory(prefix='.build-', dir=cache) as temporary:
        work = Path(temporary)
        work.chmod(0o755)  # apt downloads as a user of its own
        started = time.monotonic()
        packages.unpack(kernel, work / 'kernel')
        report(f'kernel: {kernel} unpacked in {time.monotonic() - started:.1f} s')
        for name, inputs in missing.items():
            started = time.monotonic()
            report(f'{name}: building')
            product = work / name
            product.mkdir(mode=0o755)
            PRODUCTS[name](work / 'kernel', product)
            (product / 'complete').touch()
            _publish(cache, product, name, inputs)
            sizes = ', '.join(
                f'{file.name} {file.stat().st_size / 1e6:.1f} MB'
                for file in sorted((cache / name).iterdir())
                if file.stat().st_size
            )
            report(f'{name}: built in {time.monotonic() - started:.1f} s ({sizes})')


def _publish(cache: Path, product: Path, name: str, inputs: str) -> None:
    """Put the finished directory in its place. The link changes in one step; the replaced directory is removed afterwards."""
    final = cache / f'.{name}-{inputs}'
    if final.exists():
        shutil.rmtree(final)
    product.rename(final)
    link = cache / f'.{name}.link'
    link.unlink(missing_ok=True)
    link.symlink_to(final.name)
    link.rename(cache / name)
    for old in cache.glob(f'.{name}-*'):
        if old != final:
            shutil.rmtree(old)


def _inputs(names: list[str]) -> dict[str, str]:
    """For each product a digest of its inputs: sources of this package and versions of the Debian packages."""
    kernel = packages.kernel_package()
    versions = packages.candidates(package for name in names for package in systems.PACKAGES[name])
    return {name: _digest(name, kernel, versions) for name in names}


def _digest(name: str, kernel: tuple[str, str], versions: dict[str, str]) -> str:
    digest = hashlib.sha256(repr(kernel).encode())
    for package in systems.PACKAGES[name]:
        digest.update(f'{package} {versions[package]}\n'.encode())
    folders = [SOURCES / folder for folder in systems.FOLDERS[name]]
    for file in sorted([*SOURCES.glob('*.py'), *(file for folder in folders for file in folder.rglob('*'))]):
        if file.is_file():
            digest.update(file.relative_to(SOURCES).as_posix().encode() + b'\0' + file.read_bytes())
    return digest.hexdigest()[:16]


@contextmanager
def _locked(cache: Path) -> Iterator[None]:
    """Run one build at a time; a second one waits. Removes the leftovers of a killed build."""
    if os.geteuid() != 0:
        raise BuildError('building a Debian system needs root: run it with sudo')
    cache.mkdir(mode=0o755, parents=True, exist_ok=True)
    with (cache / '.lock').open('w') as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            report(f'waiting for another build in {cache}')
            fcntl.flock(lock, fcntl.LOCK_EX)
        for leftover in cache.glob('.build-*'):
            shutil.rmtree(leftover, ignore_errors=True)  # children of a killed build may still be running
        yield

#!/usr/bin/env python3
# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Try the hook with hostile user data, under every shell, as root and as nobody, and compare with what it must do.

    python -m tests.hook.fuzz --cases 100000            so many cases
    python -m tests.hook.fuzz --seconds 600 --seed 7    for that long; the seed selects the cases

A case that fails is printed with the seed that gives it alone: --seed N --only.
"""

from __future__ import annotations

import argparse
import contextlib
import multiprocessing
import os
import pwd
import queue
import random
import shutil
import sys
import tempfile
import time
from pathlib import Path

from tests.hook import hook_hostile
from tests.hook.hook_check import check
from tests.hook.hook_world import FILES, SHELLS, World, adopt_orphans


def try_one(worlds: list[World], seed: int) -> str:
    """Run case number `seed`; give a word for what happened, or raise AssertionError."""
    rng = random.Random(seed)
    secret = b'S3cret%012x' % rng.getrandbits(48)
    world, shell = rng.choice(worlds), rng.choice(list(SHELLS))
    shape, text = hook_hostile.case(rng, secret)
    world.put(shape, text)
    try:
        verdict = check(world, shell, secret)
    except AssertionError as error:
        where = f'{shell} {shape.version} {shape.kind} {world.policy}'
        raise AssertionError(f'{where} userData={text[:200]}\n{str(error)[:2000]}') from None
    return 'no marker' if verdict.silent else 'applied' if verdict.applied else 'refused'


def worker(place: str, user: str | None, files: Path, seeds: range, deadline: float, answers: multiprocessing.Queue) -> None:
    """Run cases until they or the time are used up; put (counts, failures) into `answers`."""
    adopt_orphans()
    counts: dict[str, int] = {}
    failures: list[str] = []
    if user:
        account = pwd.getpwnam(user)
        os.chown(place, account.pw_uid, account.pw_gid)
        os.setgroups([])
        os.setgid(account.pw_gid)
        os.setuid(account.pw_uid)
    worlds = [World(Path(place) / str(number), policy, files) for number, policy in enumerate(hook_hostile.POLICIES)]
    for seed in seeds:
        if time.monotonic() > deadline or len(failures) > 4:
            break
        try:
            word = try_one(worlds, seed)
        except KeyboardInterrupt:  # the results so far are still printed
            break
        except Exception as error:  # noqa: BLE001 - also a defect of the checks is a failure, and must not end the worker
            word = 'FAILED'
            failures.append(f'seed {seed} as {user or "this user"}: {type(error).__name__} {error}')
        counts[word] = counts.get(word, 0) + 1
    answers.put((user, counts, failures))


def users() -> list[str | None]:
    """Say as whom to run: root can be both, nobody else can change."""
    return [None, 'nobody'] if os.geteuid() == 0 else [None]


def run(cases: int, seconds: float, seed: int, files: Path = FILES, workers: int = 0) -> tuple[dict[str, int], list[str]]:
    """Share the cases among the workers; give the counts and the failures."""
    place = Path(tempfile.mkdtemp(prefix='hook-fuzz-'))
    place.chmod(0o755)
    # Others than root may not be able to enter the checkout, or to read what is in it.
    files = shutil.copytree(files, place / 'files', copy_function=shutil.copyfile)
    for path in (files, *files.iterdir()):
        path.chmod(0o755)
    answers: multiprocessing.Queue = multiprocessing.Queue()
    processes = start(cases, seconds, seed, files, workers, answers)
    counts: dict[str, int] = {}
    failures: list[str] = []
    try:
        for _ in processes:
            user, part, failed = answer(answers, processes)
            for word, count in part.items():
                counts[word] = counts.get(word, 0) + count
                counts[f'as {user or "this user"}'] = counts.get(f'as {user or "this user"}', 0) + count
            failures += failed
    except RuntimeError:
        for process in processes:
            process.terminate()
        raise
    finally:
        for process in processes:
            process.join()
        shutil.rmtree(place)
    return counts, failures


def start(
    cases: int, seconds: float, seed: int, files: Path, workers: int, answers: multiprocessing.Queue
) -> list[multiprocessing.Process]:
    """The workers, each with a directory of its own beside ``files``."""
    who = users()
    number = max(workers or os.cpu_count() or 1, len(who))
    share = -(-cases // number)
    processes = []
    for index in range(number):
        own = files.with_name(str(index))
        own.mkdir()
        seeds = range(seed + index * share, seed + min(cases, (index + 1) * share))
        arguments = (str(own), who[index % len(who)], files, seeds, time.monotonic() + seconds, answers)
        processes.append(multiprocessing.Process(target=worker, args=arguments))
        processes[-1].start()
    return processes


def answer(answers: multiprocessing.Queue, workers: list[multiprocessing.Process]) -> tuple[str | None, dict[str, int], list[str]]:
    """Wait for a worker, which an interrupt from the terminal reaches too."""
    while True:
        with contextlib.suppress(KeyboardInterrupt, queue.Empty):
            return answers.get(timeout=1)
        if any(worker.exitcode for worker in workers):
            raise RuntimeError('a worker died; its output is above')


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--cases', type=int, default=None, help='how many (default 100000, or no limit with --seconds)')
    parser.add_argument('--seconds', type=float, default=None, help='how long at most')
    parser.add_argument('--seed', type=int, default=None, help='number of the first case (default: by the clock)')
    parser.add_argument('--workers', type=int, default=0, help='how many at once (default: one for each processor)')
    parser.add_argument('--only', action='store_true', help='only the case --seed')
    arguments = parser.parse_args()
    seed = arguments.seed if arguments.seed is not None else int(time.time()) * 1_000_000
    cases = 1 if arguments.only else arguments.cases or (10**9 if arguments.seconds else 100_000)
    began = time.monotonic()
    counts, failures = run(cases, arguments.seconds or 10**9, seed, workers=arguments.workers)
    spent = time.monotonic() - began
    total = sum(count for word, count in counts.items() if not word.startswith('as '))
    print(f'{total} cases from seed {seed} in {spent:.0f} s ({total / spent:.0f}/s): {counts}')
    print('\n\n'.join(failures), end='\n' if failures else '')
    return 1 if failures else 0


if __name__ == '__main__':
    sys.exit(main())

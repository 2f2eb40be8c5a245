# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command ``eucalab up | down | status | reset``, which manages whole labs."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import os
import pwd
import shutil
import sqlite3
import sys
import time
import urllib.error
from collections.abc import Iterator

from .cloud import labfiles, mirror
from .cloud.accounts import ADMIN, create_accounts
from .cloud.store import Store
from .config import NETWORKS, Config, set_umask, state_root
from .errors import LabError
from .host import checks, direct, guests, namespaces, shared, turns
from .host.processes import Daemon
from .versions import PLAYED

READY_SECONDS = 90  # on a busy machine starting Python alone may take ten


def main(arguments: list[str] | None = None) -> int:
    try:
        try:
            return _command(_parser().parse_args(arguments))
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        # The reader, `head -1` for example, has ended. Python's remaining output is discarded.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def _command(options: argparse.Namespace) -> int:
    set_umask()
    try:
        checks.root()
        with turns.one_at_a_time():
            return {'up': up, 'down': down, 'status': status, 'reset': reset}[options.command](options)
    except LabError as problem:
        print(f'eucalab: {problem}', file=sys.stderr)
    except KeyboardInterrupt:
        name = f'--name {options.name}'
        print(
            f'\neucalab: interrupted. Continue with: eucalab up {name}, or remove the lab with: eucalab down {name}',
            file=sys.stderr,
        )
    return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog='eucalab', description='A one-machine cloud for trials and tests.')
    commands = parser.add_subparsers(dest='command', required=True, metavar='COMMAND')
    texts = {
        'up': 'create the lab, or restart its stopped processes',
        'down': 'stop the lab and remove it completely',
        'status': 'show the processes and resources of the lab',
        'reset': 'remove everything in the lab and start it again',
    }
    for command, text in texts.items():
        sub = commands.add_parser(command, help=text, description=text)
        sub.add_argument('--name', default='demo', help='name of the lab (default: demo)')
        if command in ('up', 'reset'):
            sub.add_argument('--port', type=int, help='port of the API on 127.0.0.1 (default: 8773)')
            sub.add_argument(
                '--pace', type=float, help="factor for the cloud's own delays; 1.0 is a real cloud's speed (default: 0.1)"
            )
            sub.add_argument('--accel', choices=['auto', 'kvm', 'tcg'], help='acceleration of virtual machines (default: auto)')
            sub.add_argument('--nodes', type=int, choices=range(10), metavar='N', help='node controllers (default: 2)')
            sub.add_argument(
                '--network',
                choices=list(NETWORKS),
                help="namespace: guests have addresses of their own (default); none: QEMU's user networking",
            )
            sub.add_argument('--play', choices=list(PLAYED), help='Eucalyptus version to imitate (default: 4.4)')
    return parser


def up(options: argparse.Namespace) -> int:
    before = _before(options.name)
    config = _wanted(options, before)
    has_port = before is not None and before.port == config.port and Daemon(config, 'api').pid() is not None
    checks.before_up(config, has_port)
    if before is not None:
        _stop_what_changed(before, config)
    config, is_new = _with_network(config)
    if is_new and before is not None:
        _stop(before)  # remaining processes have their sockets in the old namespace
    config.make_directories()
    if config.nodes:
        shared.hold(config)
    with _memory(config) as store:
        credentials = create_accounts(store, config)
        mirror.seed(store, config, credentials[ADMIN].number)
    labfiles.write(config, credentials)
    daemons = _daemons(config)
    # The nodes first: their trial of the machine's acceleration takes a while, and they do not need the API.
    waiting = [(daemon, daemon.start()) for daemon in reversed(daemons) if daemon.pid() is None]
    for daemon, log_start in reversed(waiting):
        _wait_for(config, daemon, log_start)
    if not _answers(config):
        raise LabError(f'the API does not respond at {config.endpoint}; its log is {daemons[0].log}')
    _summary(config, [daemon.name for daemon, _ in waiting])
    return 0


def _with_network(config: Config) -> tuple[Config, bool]:
    """Create the lab's network if necessary and save the configuration; also returns whether the network is new."""
    if config.network == 'namespace':
        return namespaces.ensure(config, bool(_instances(config)))
    namespaces.remove(config)
    config.save()
    return config, False


def _before(name: str) -> Config | None:
    """Configuration of the existing lab, or None."""
    try:
        return Config.load(name)
    except FileNotFoundError:
        return None


def _wanted(options: argparse.Namespace, before: Config | None) -> Config:
    """Configuration of the existing lab, or of a new one, with the given options applied."""
    config = before or Config(options.name, hook_user=_hook_user(), network='namespace')
    given = ((field, getattr(options, field)) for field in ('port', 'pace', 'accel', 'play', 'network'))
    changes = {field: value for field, value in given if value is not None}
    if options.nodes is not None:
        changes['nodes'] = tuple(f'node{number}' for number in range(1, options.nodes + 1))
    if 'port' in changes or 'network' in changes:
        changes.update(endpoint='', guest_endpoint='')  # follow from the port
    return dataclasses.replace(config, **changes)


def _hook_user() -> str:
    try:
        return pwd.getpwnam('eucalyptus').pw_name
    except KeyError:
        return 'nobody'


def _daemons(config: Config) -> list[Daemon]:
    return [Daemon(config, name) for name in ('api', *config.nodes)]


@contextlib.contextmanager
def _memory(config: Config) -> Iterator[Store]:
    """The lab's database, open. LabError when it is unusable."""
    try:
        with contextlib.closing(Store(config.database)) as store:
            yield store
    except sqlite3.Error as problem:
        raise LabError(
            f'{config.database} cannot be used ({problem}). If it is damaged, empty the lab and start it again'
            f' with: eucalab reset --name {config.name}'
        ) from None


def _stop_what_changed(before: Config, config: Config) -> None:
    """Stop the processes if their configuration changed, so that they start with the new one."""
    if before.play != config.play:
        raise LabError(
            f'lab {config.name} imitates Eucalyptus {before.play}, and its resources are those of that version.'
            f' Empty it for another version with: eucalab reset --name {config.name} --play {config.play}'
        )
    if before != config:
        gone = set(before.nodes) - set(config.nodes)
        if gone and _instances(before):
            raise LabError(
                f'lab {config.name} has instances, so {" and ".join(sorted(gone))} cannot be removed.'
                f' Remove the instances with: eucalab reset --name {config.name} --nodes {len(config.nodes)}'
            )
        if before.network != config.network and _instances(before):
            raise LabError(
                f'lab {config.name} has instances with addresses of its present network.'
                f' Remove the instances with: eucalab reset --name {config.name} --network {config.network}'
            )
        _stop(before)


def _stop(config: Config) -> None:
    for daemon in reversed(_daemons(config)):
        daemon.stop()


def _wait_for(config: Config, daemon: Daemon, log_start: int) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while True:
        if daemon.name == 'api':
            if _answers(config):
                return
        elif f'{daemon.name} is ready' in daemon.said_since(log_start):
            return
        if daemon.pid() is None:
            last = daemon.said_since(log_start).strip().splitlines()[-1:]
            raise LabError(f'{daemon.name} ended: {"".join(last)[-300:]} (its log is {daemon.log})')
        if time.monotonic() > deadline:
            raise LabError(f'{daemon.name} is not ready after {READY_SECONDS} s; its log is {daemon.log}')
        time.sleep(0.05)


def _answers(config: Config) -> bool:
    try:
        direct.urlopen(config.endpoint, timeout=10)
    except urllib.error.HTTPError:
        return True  # the refusal of an unsigned request
    except OSError:
        return False
    return True


def _summary(config: Config, started: list[str]) -> None:
    words = (
        'is up'
        if len(started) == len(config.nodes) + 1
        else f'is up again, {" and ".join(started)} restarted'
        if started
        else 'is already up'
    )
    print(
        f'Lab {config.name} {words}: {config.endpoint}, imitates Eucalyptus {config.play} at pace {config.pace:g},'
        f' nodes {", ".join(config.nodes) or "none"}.\n'
        f'  as administrator  . {config.home}/admin/eucarc\n'
        f'  as tenant         . {config.home}/tenant/eucarc\n'
        f'  nodes             ansible-playbook -i {config.home}/inventory.ini ...'
    )


def down(options: argparse.Namespace) -> int:
    config = _known(options.name)
    if not config.home.exists():
        namespaces.remove(config)
        print(f'There is no lab {config.name}.')
        return 0
    _remove(config)
    shared.release(config)
    print(f'Lab {config.name} was removed.')
    return 0


def _known(name: str) -> Config:
    """The lab's configuration as far as it is readable, so that the remains of an interrupted "up" can be removed."""
    if name in ('', '.', '..') or '/' in name:
        raise LabError(f'{name!r} is not a valid lab name')
    try:
        return Config.load(name)
    except (FileNotFoundError, LabError):
        nodes = (state_root() / name / 'nodes').glob('*')
        return Config(name, nodes=tuple(path.name for path in nodes))


def _remove(config: Config) -> None:
    _stop(config)
    instances = {*_instances(config), *guests.running(config)}
    guests.destroy(config)
    namespaces.remove(config)
    for instance in instances:
        guests.remove_log(instance)
    shutil.rmtree(config.home)


def _instances(config: Config) -> list[str]:
    """Ids of the lab's instances, terminated ones included."""
    if not config.database.exists():
        return []
    try:
        with contextlib.closing(Store(config.database)) as store:
            return [row['id'] for row in store.rows('SELECT id FROM instances')]
    except sqlite3.Error:  # damaged: running guests are then found by their files
        return []


def reset(options: argparse.Namespace) -> int:
    config = _wanted(options, _before(options.name))
    checks.values(config)  # before anything is lost
    if config.home.exists():
        _remove(config)
    config.save()  # for `up`
    return up(options)


def status(options: argparse.Namespace) -> int:
    config = _before(options.name)
    if config is None:
        raise LabError(f'there is no lab {options.name}; create one with: eucalab up --name {options.name}')
    print(f'Lab {config.name}: {config.endpoint}, imitates Eucalyptus {config.play} at pace {config.pace:g}, {config.home}')
    print(f'  network    {config.addressing.subnet if config.addressing else "none"}')
    good = True
    for daemon in _daemons(config):
        pid = daemon.pid()
        state = 'not running' if pid is None else 'running'
        if pid is not None and daemon.name == 'api' and not _answers(config):
            state = 'no response'
        good = good and state == 'running'
        print(f'  {daemon.name:<10} {state:<16} {pid or "-":<8} {daemon.log}')
    _print_resources(config)
    if not good:
        raise LabError(f'some processes are not running; restart them with: eucalab up --name {config.name}')
    return 0


def _print_resources(config: Config) -> None:
    with _memory(config) as store:
        for table in ('images', 'instances', 'volumes', 'snapshots'):
            counts = store.rows(f'SELECT state, count(*) AS number FROM {table} GROUP BY state ORDER BY state')
            text = ', '.join(f'{row["number"]} {row["state"]}' for row in counts)
            print(f'  {table:<10} {text or "none"}')

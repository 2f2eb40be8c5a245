# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The node controller's loop: looks at the rows, does each instance's work in its own thread, watches the domains."""

from __future__ import annotations

import functools
import logging
import sqlite3
import threading
import time
from collections.abc import Callable

from ..cloud.store import Store
from . import cards, hooks
from .attachments import Attachments
from .checkpoint import restore, save
from .home import prepare_home
from .hypervisor import Hypervisor, HypervisorGone
from .lifecycle import Lifecycle, report
from .model import Cancelled, Instance, NodeError, Settings
from .power import Power

LOOK_SECONDS = 0.2  # not paced: a real node receives requests immediately
MONITOR_SECONDS = 5.0  # MONITORING_PERIOD, paced
MONITOR_LEAST = 2.0  # at any pace, so that clients that poll every 2 s can read a domain's last output before it
# counts as gone, even on a busy machine that delays them by some seconds
QUERY_RETRIES = 5  # LIBVIRT_QUERY_RETRIES: looks without the domain, 25 s, before it counts as gone
log = logging.getLogger('eucalab.node')


def monitoring_period(pace: float) -> float:
    return max(MONITOR_LEAST, MONITOR_SECONDS * pace)


class Worker:
    """The thread that works for one instance; there is never a second one for the same instance."""

    def __init__(self, name: str, job: Callable[[Store, threading.Event], None], settings: Settings) -> None:
        self.cancelled = threading.Event()
        self._job = job
        self._settings = settings
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        store = Store(self._settings.config.database)
        try:
            self._job(store, self.cancelled)
        except HypervisorGone as error:
            log.error('%s, will try again: %s', self._thread.name, error)
            self.cancelled.wait(max(0.5, self._settings.pace))
        except Exception:
            log.exception('%s failed', self._thread.name)
        finally:
            store.close()

    @property
    def busy(self) -> bool:
        return self._thread.is_alive()


class Controller:
    """One node. ``run`` returns when ``stop`` is set; domains go on running and the next process adopts them."""

    def __init__(self, settings: Settings, stop: threading.Event) -> None:
        self.settings = settings
        self.stop = stop
        self.hooks = hooks.Hooks(settings.home, settings.config.hook_user, settings.shape.hooks_by_shell)
        self.hypervisor = Hypervisor(self.hooks)
        self._lifecycle = Lifecycle(settings, self.hooks, self.hypervisor)
        self._attachments = Attachments(self._lifecycle)
        self._power = Power(self._lifecycle)
        self._workers: dict[str, Worker] = {}
        self._running: dict[str, Instance] = {}
        self._retries: dict[str, int] = {}
        self._not_adopted: set[str] = set()

    def run(self) -> None:
        store = Store(self.settings.config.database)
        prepare_home(self.settings)
        self.hooks.enable()
        if not (self._patiently(self._initialise) and self._patiently(lambda: self._adopt(store))):
            return
        account = hooks.describe_account(self.settings.config.hook_user)
        log.info('%s is ready: domain type %s, hooks run as %s', self.settings.node, self.settings.hypervisor, account)
        next_monitoring = 0.0
        while not self.stop.wait(LOOK_SECONDS):
            try:
                self._look(store)
                if time.monotonic() >= next_monitoring:
                    self._monitor(store)
                    next_monitoring = time.monotonic() + monitoring_period(self.settings.pace)
            except Exception:
                # The instances need their node whatever happened. The next look finds the remaining work in the rows.
                log.exception('will try again')
                self.stop.wait(max(0.5, MONITOR_SECONDS * self.settings.pace))

    def _patiently(self, step: Callable[[], None]) -> bool:
        """Try until it works, as a real node tries again at each request; False on a request to stop."""
        while not self.stop.is_set():
            try:
                step()
                return True
            except NodeError as error:
                log.error('will try again: %s', error)
                self.stop.wait(max(0.5, MONITOR_SECONDS * self.settings.pace))
        return False

    def _initialise(self) -> None:
        self.hooks.call(hooks.PRE_INIT, self.settings.home)
        self.hooks.call(hooks.POST_INIT, self.settings.home)

    def _adopt(self, store: Store) -> None:
        """Take over what an earlier process left: running domains are adopted, unfinished starts begin anew."""
        ours = "state IN ('pending', 'running') AND node_state IN ('staging', 'booting', 'running')"
        for row in self._rows(store, ours):
            try:
                there = self._adopt_one(store, Instance.from_row(row, self.settings))
            except HypervisorGone:
                raise
            except NodeError as error:
                log.error('%s is not adopted: %s', row['id'], error)
                self._not_adopted.add(row['id'])
                continue
            if not there and row['node_state'] != 'running':
                log.info('%s: its start was interrupted and begins again', row['id'])
                store.execute('UPDATE instances SET node_state = NULL WHERE id = ?', row['id'])

    def _adopt_one(self, store: Store, instance: Instance) -> bool:
        if not self.hypervisor.adopt(instance.id, str(instance.path), cards.plug(instance, self.settings)):
            return False
        restore(instance)
        instance.state = 'Running'
        save(instance, self.settings)
        self._running[instance.id] = instance
        report(store, self.settings, instance.id, 'running')
        log.info('%s adopted', instance.id)
        return True

    def _look(self, store: Store) -> None:
        """Start the work that the rows request."""
        # Before the rows are read, so that they contain the finished workers' results and nothing is requested twice.
        self._workers = {instance_id: worker for instance_id, worker in self._workers.items() if worker.busy}
        for row in self._rows(
            store,
            "state IN ('pending', 'running', 'shutting-down', 'stopping') AND (node_state IS NULL OR node_state <> 'teardown')",
        ):
            ending = row['state'] in ('shutting-down', 'stopping')
            if self._busy(row['id']):
                if ending:
                    self._workers[row['id']].cancelled.set()
            elif ending:
                self._spawn('end', row, self._ending(row))
            elif row['node_state'] is None:
                self._spawn('start', row, functools.partial(self._start, row))
        for row in self._attachments.wanted(store):
            self._look_at_attachment(row)
        for row in self._power.wanted(store):
            self._look_at_request(row)

    def _look_at_attachment(self, row: sqlite3.Row) -> None:
        instance_id = row['instance_id']
        # An instance that was not adopted has no worker. Its volumes are released when it ends.
        if self._busy(instance_id) or row['instance_node_state'] in ('staging', 'booting') or instance_id in self._not_adopted:
            return
        instance = self._running.get(instance_id) if row['instance_node_state'] == 'running' else None
        self._workers[instance_id] = Worker(
            f'{row["state"]} {row["volume_id"]}',
            lambda store, _cancelled: self._attachments.serve(store, row, instance),
            self.settings,
        )

    def _look_at_request(self, row: sqlite3.Row) -> None:
        instance_id = row['instance_id']
        if not self._busy(instance_id):
            instance = self._running.get(instance_id)
            self._workers[instance_id] = Worker(
                f'{row["wanted"]} {instance_id}', lambda store, _cancelled: self._power.serve(store, row, instance), self.settings
            )

    def _monitor(self, store: Store) -> None:
        """Find the domains that have ended. One that cannot be queried counts neither as running nor as ended."""
        for row in self._rows(store, "state IN ('pending', 'running') AND node_state = 'running'"):
            if row['id'] in self._not_adopted or self._busy(row['id']) or self._power.is_off(store, row['id']):
                continue
            try:
                runs = self.hypervisor.runs(row['id'])
            except HypervisorGone as error:
                log.error('%s', error)
                return
            left = QUERY_RETRIES if runs else self._retries.get(row['id'], QUERY_RETRIES) - 1
            self._retries[row['id']] = left
            if left <= 0:
                log.info('%s: its domain is gone', row['id'])
                self._spawn('end', row, self._ending(row))

    def _start(self, row: sqlite3.Row, store: Store, cancelled: threading.Event) -> None:
        instance = Instance.from_row(row, self.settings)
        try:
            self._lifecycle.start(store, instance, cancelled)
        except Cancelled as error:
            log.info('%s: %s', instance.id, error)
            self._end(store, row, str(error))
        except NodeError as error:
            log.error('%s cannot start: %s', instance.id, error)
            self._end(store, row, str(error))
        except Exception as error:
            log.exception('%s cannot start', instance.id)
            self._end(store, row, f'{type(error).__name__}: {error}')
        else:
            self._retries.pop(instance.id, None)
            self._running[instance.id] = instance

    def _ending(self, row: sqlite3.Row) -> Callable[[Store, threading.Event], None]:
        def job(store: Store, _cancelled: threading.Event) -> None:
            self._end(store, row, '')

        return job

    def _end(self, store: Store, row: sqlite3.Row, reason: str) -> None:
        self._running.pop(row['id'], None)
        # Nobody else would end a failed start, so this is retried until it succeeds.
        self._patiently(lambda: self._lifecycle.end(store, Instance.from_row(row, self.settings), reason))
        self._not_adopted.discard(row['id'])
        self._retries.pop(row['id'], None)

    def _rows(self, store: Store, condition: str) -> list[sqlite3.Row]:
        return store.rows(f'SELECT * FROM instances WHERE node = ? AND {condition}', self.settings.node)

    def _busy(self, instance_id: str) -> bool:
        """Whether a worker had it when the rows were read, which may be older than what the worker has done since."""
        return instance_id in self._workers

    def _spawn(self, what: str, row: sqlite3.Row, job: Callable[[Store, threading.Event], None]) -> None:
        self._workers[row['id']] = Worker(f'{what} {row["id"]}', job, self.settings)

# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The protocol of claims, under every order of the machines' requests."""

from __future__ import annotations

import itertools
import threading
import typing as t

import pytest
from ansible_collections.eucalyptus.cloud.plugins.module_utils.build import claim
from ansible_collections.eucalyptus.cloud.plugins.module_utils.build.claim import (
    BUILDING,
    DEAD_AFTER,
    BuildInProgress,
    Claim,
    ClaimError,
    Owner,
    refuse_if_busy,
)
from ansible_collections.eucalyptus.cloud.tests.unit.plugins.claim_kit import Clocks, Storage
from hypothesis import given, settings
from hypothesis import strategies as st

Turn = t.Callable[[], None]


@pytest.fixture(name='storage')
def fixture_storage(monkeypatch: pytest.MonkeyPatch) -> Storage:
    storage = Storage()
    monkeypatch.setattr(claim, 'time', Clocks(storage))
    return storage


def machine(storage: t.Any, claim_id: str) -> Claim:
    return Claim(storage, Owner('alice', f'runner{claim_id}', 4711), claim_id)


class Turns:
    """Runs machines in threads of which exactly one is awake. Each request and each sleep is one turn of its machine."""

    def __init__(self, names: t.Sequence[str], schedule: t.Iterable[int]) -> None:
        self.schedule = iter(schedule)
        self.storage = Storage()
        self.wake = {name: threading.Semaphore(0) for name in names}
        self.paused = threading.Semaphore(0)
        self.running = list(names)
        self.result: dict[str, str] = {}

    def turn(self, name: str) -> None:
        self.paused.release()
        assert self.wake[name].acquire(timeout=20)

    def run(self) -> None:
        threads = [threading.Thread(target=self._machine, args=(name,), daemon=True) for name in self.running]
        for thread in threads:
            thread.start()
            assert self.paused.acquire(timeout=20)
        turns = 0
        while self.running:
            turns += 1
            assert turns < 500, f'nobody gets on: {self.storage.objects}'
            choice = next(self.schedule, turns)
            self.wake[self.running[choice % len(self.running)]].release()
            assert self.paused.acquire(timeout=20)
        for thread in threads:
            thread.join(20)

    def _machine(self, name: str) -> None:
        self.turn(name)
        mine = machine(_Scheduled(self, name), name)
        try:
            mine.take()
        except BuildInProgress as error:
            self.result[name] = str(error)
        except BaseException as error:
            self.result[name] = repr(error)
        else:
            self.result[name] = 'holds'
        self.running.remove(name)
        self.paused.release()


class _Scheduled:
    name, place = Storage.name, Storage.place

    def __init__(self, turns: Turns, machine_name: str) -> None:
        self._turns, self._machine = turns, machine_name

    def __getattr__(self, request: str) -> t.Any:
        def in_turn(*arguments: t.Any) -> t.Any:
            self._turns.turn(self._machine)
            return getattr(self._turns.storage, request)(*arguments)

        return in_turn


def exactly_one_holds(turns: Turns, monkeypatch: pytest.MonkeyPatch) -> None:
    clocks = Clocks(turns.storage)
    monkeypatch.setattr(claim, 'time', clocks)
    names = list(turns.running)
    turns.run()
    assert sorted(turns.result.values()).count('holds') == 1, turns.result
    holder = next(name for name in names if turns.result[name] == 'holds')
    assert set(turns.storage.objects) == {holder}
    for name in names:
        if name != holder:
            assert 'debian-0a1b is being ' in turns.result[name], turns.result
            assert 'alice@runner' in turns.result[name]


@pytest.mark.parametrize('head', list(itertools.product((0, 1), repeat=4)))
def test_of_two_machines_exactly_one_holds_in_every_order_of_requests(
    head: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A machine holds after three requests and gives way after four. Ten choices cover every order up to that."""
    for tail in itertools.product((0, 1), repeat=6):
        exactly_one_holds(Turns(('a', 'b'), head + tail), monkeypatch)


@settings(max_examples=300, deadline=None)
@given(schedule=st.lists(st.integers(0, 5), max_size=40), count=st.integers(3, 4))
def test_of_several_machines_exactly_one_holds(schedule: list[int], count: int) -> None:
    with pytest.MonkeyPatch.context() as monkeypatch:
        exactly_one_holds(Turns('abcd'[:count], schedule), monkeypatch)


def test_a_machine_alone_holds_at_once_and_since_the_storages_time(storage: Storage) -> None:
    one = machine(storage, 'a')
    one.take()
    assert (one.owner.state, one.owner.since) == (BUILDING, storage.now)
    assert set(storage.objects) == {'a'}


def test_the_refusal_names_who_where_since_when_and_the_last_sign_of_life(storage: Storage) -> None:
    machine(storage, 'a').take()
    storage.now += 12
    with pytest.raises(BuildInProgress) as refusal:
        machine(storage, 'b').take()
    assert str(refusal.value) == (
        'debian-0a1b is being built by alice@runnera (process 4711, started 2027-01-15T08:00:00+00:00, last seen 12 s ago).'
    )
    assert set(storage.objects) == {'a'}


def test_an_interrupted_build_is_reported_as_being_cleaned_up(storage: Storage) -> None:
    one = machine(storage, 'a')
    one.take()
    one.owner.state = claim.CLEANING
    one.refresh()
    with pytest.raises(BuildInProgress, match='is being cleaned up, after an interruption, by alice@runnera'):
        machine(storage, 'b').take()


def test_a_holder_that_gives_signs_of_life_is_never_taken_over(storage: Storage) -> None:
    one = machine(storage, 'b')
    one.take()
    for _minute in range(10):
        storage.now += 60
        one.refresh()
        with pytest.raises(BuildInProgress):
            machine(storage, 'a').take()


@pytest.mark.parametrize(('silence', 'dead'), [(DEAD_AFTER - 1, False), (DEAD_AFTER + 1, True)])
def test_a_holder_is_dead_after_a_silence_and_its_claim_is_removed(storage: Storage, silence: float, dead: bool) -> None:
    machine(storage, 'a').take()
    storage.now += silence
    other = machine(storage, 'b')
    if not dead:
        with pytest.raises(BuildInProgress):
            other.take()
        assert set(storage.objects) == {'a'}
    else:
        other.take()
        assert set(storage.objects) == {'b'}


def test_a_sign_of_life_is_one_request(storage: Storage) -> None:
    one = machine(storage, 'a')
    one.take()
    requests = []
    storage.list = lambda: requests.append('list') or ({}, 0.0)  # type: ignore[method-assign,func-returns-value]
    for _time in range(10):
        storage.now += claim.REFRESH
        one.refresh()
    assert requests == []
    assert storage.objects['a'][0] == storage.now


def test_a_holder_that_was_silent_does_not_give_way_to_a_machine_that_only_asks(storage: Storage) -> None:
    holder = machine(storage, 'b')
    holder.take()
    storage.now += DEAD_AFTER + 1
    storage.put('a', storage.objects['b'][1].replace(BUILDING, 'asking'))
    looks = []
    listing = storage.list

    def look() -> tuple[dict[str, float], float]:
        looks.append(1)
        if len(looks) == 3:
            storage.remove('a')  # it saw the holder, which lives again
        return listing()

    storage.list = look  # type: ignore[method-assign]
    holder.refresh()
    assert len(looks) == 3
    assert set(storage.objects) == {'b'}


def test_a_machine_that_wakes_up_after_it_was_taken_over_gives_way(storage: Storage) -> None:
    sleeper, other = machine(storage, 'a'), machine(storage, 'b')
    sleeper.take()
    storage.now += DEAD_AFTER + 1
    other.take()
    with pytest.raises(BuildInProgress, match='runnerb'):
        sleeper.refresh()
    other.refresh()
    assert set(storage.objects) == {'b'}


def test_a_machine_that_wakes_up_before_anybody_took_over_keeps_the_build(storage: Storage) -> None:
    sleeper = machine(storage, 'b')
    sleeper.take()
    storage.now += DEAD_AFTER + 1
    sleeper.refresh()
    with pytest.raises(BuildInProgress, match='runnerb'):
        machine(storage, 'a').take()


def test_a_storage_that_is_away_for_long_does_not_cost_the_holder_its_claim(storage: Storage) -> None:
    one = machine(storage, 'a')
    one.take()
    storage.now += DEAD_AFTER
    listing = storage.list
    storage.list = lambda: (nothing for nothing in ()).throw(ClaimError('away'))  # type: ignore[method-assign]
    with pytest.raises(ClaimError, match='away'):
        one.refresh()
    assert 'a' in storage.objects
    storage.list = listing  # type: ignore[method-assign]
    one.refresh()
    assert one.owner.state == BUILDING


def test_after_an_outage_that_hid_a_take_over_the_holder_gives_way(storage: Storage) -> None:
    """The put arrived and the listing failed: the next renewal must look again instead of trusting the fresh put."""
    one, other = machine(storage, 'a'), machine(storage, 'b')
    one.take()
    storage.now += DEAD_AFTER + 1
    other.take()
    listing = storage.list
    storage.list = lambda: (nothing for nothing in ()).throw(ClaimError('away'))  # type: ignore[method-assign]
    with pytest.raises(ClaimError):
        one.refresh()
    storage.list = listing  # type: ignore[method-assign]
    with pytest.raises(BuildInProgress, match='runnerb'):
        one.refresh()


def test_a_listing_that_comes_too_late_is_not_trusted(storage: Storage) -> None:
    listing, late = storage.list, iter([DEAD_AFTER])

    def slow() -> tuple[dict[str, float], float]:
        seen = listing()
        storage.now += next(late, 0)
        return seen

    storage.list = slow  # type: ignore[method-assign]
    puts = []
    put = storage.put
    storage.put = lambda claim_id, content: puts.append(claim_id) or put(claim_id, content)  # type: ignore[method-assign,func-returns-value]
    machine(storage, 'a').take()
    assert puts == ['a', 'a', 'a']  # asked twice, then held


def test_a_failure_while_asking_withdraws_the_claim(storage: Storage) -> None:
    storage.list = lambda: (nothing for nothing in ()).throw(ClaimError('away'))  # type: ignore[method-assign]
    with pytest.raises(ClaimError, match='away'):
        machine(storage, 'a').take()
    assert storage.objects == {}


def test_a_storage_that_does_not_list_what_it_accepted_is_named(storage: Storage) -> None:
    storage.list = lambda: ({}, storage.now)  # type: ignore[method-assign]
    with pytest.raises(ClaimError, match='bucket builds-1 accepts claims on builds but does not list them'):
        machine(storage, 'a').take()


@pytest.mark.parametrize('damaged', ['', '{not json', '[]', '{"user": 1}', '{"user":"u","host":"h","process":1,"since":1e999}'])
def test_a_damaged_claim_counts_until_it_is_dead(storage: Storage, damaged: str) -> None:
    storage.put('f', damaged)
    storage.now += 1
    other = machine(storage, 'z')
    with pytest.raises(BuildInProgress, match='unknown@unknown'):
        other.take()
    storage.now += DEAD_AFTER
    other.take()
    assert set(storage.objects) == {'z'}


@pytest.mark.parametrize('state', ['asking', BUILDING])
def test_leftovers_are_not_removed_while_a_machine_has_or_requests_the_build(storage: Storage, state: str) -> None:
    one = machine(storage, 'a')
    one.take()
    one.owner.state = state
    one.refresh()
    with pytest.raises(BuildInProgress, match='runnera'):
        refuse_if_busy(storage, None)
    storage.now += DEAD_AFTER + 1
    assert refuse_if_busy(storage, None) == ['a']


def test_the_holder_itself_removes_leftovers_while_others_ask(storage: Storage) -> None:
    machine(storage, 'b').take()
    storage.put('a', storage.objects['b'][1].replace(BUILDING, 'asking'))
    assert refuse_if_busy(storage, 'b') == []


def test_a_machine_that_lost_its_claim_removes_nothing(storage: Storage) -> None:
    machine(storage, 'b').take()
    with pytest.raises(BuildInProgress, match='runnerb'):
        refuse_if_busy(storage, 'a')
    storage.remove('b')
    with pytest.raises(BuildInProgress, match='Another machine has taken over debian-0a1b'):
        refuse_if_busy(storage, 'a')

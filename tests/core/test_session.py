"""Sessions: what the parts of one run share, and what people see of it."""

import asyncio
from dataclasses import FrozenInstanceError, replace
from typing import Any

import pytest

from ackflow import operators as op
from ackflow import sinks, streams
from ackflow.streams import Requeue, Skip
from ackflow.streams.core import ACCEPTED, CREDIT, OVER, Context, Kind, Run, Session
from tests.core.recording import Recording
from tests.queues import closed


class Inlet(Recording):
    """An inlet that says what it is told to, and writes down what is done to it."""

    def __init__(self, in_flight: int = 0, *, starved: bool = True, over: bool = False) -> None:
        super().__init__()
        self.in_flight = in_flight
        self.starved = starved
        self.over = over
        self.events: list[Any] = []

    def owns(self, account: Any) -> bool:
        return account is self

    def stop(self) -> None:
        self.events.append("stop")

    def woken(self) -> None:
        self.events.append("woken")

    async def open(self) -> None:
        self.events.append("open")

    async def close(self, *, abort: bool = False) -> None:
        self.events.append(("close", abort))


class Joiner:
    """Keeps tokens back."""

    def __init__(self, *tokens: Any, depth: int = 1, lets_go: bool = True) -> None:
        self.tokens = tokens
        self.flushes: list[Any] = []
        self.context = Context(Session(), False, 0, None, (), (depth,))
        self.lets_go = lets_go

    def parked(self) -> Any:
        return self.tokens

    def flush(self, reason: Any) -> bool:
        self.flushes.append(reason)
        return self.lets_go

    def exhausted(self) -> None:
        self.flushes.append("exhausted")


def session(*inlets: Any, joiners: Any = (), looker: Any = None) -> Session:
    made = Session()
    made.inlets += inlets
    for joiner in joiners:
        joiner.context = replace(joiner.context, inputs=(inlets,))
    made.joiners += joiners
    made.looker = looker
    return made


async def test_every_inlet_is_opened_stopped_and_closed() -> None:
    one, other = Inlet(), Inlet()
    running = session(one, other)
    assert (running.state, running.stopping, running.draining) == ("running", False, False)
    await running.open()
    running.stop()
    assert (running.state, running.stopping, running.draining) == ("draining", True, False)
    await running.close()
    await running.close(abort=True)
    for inlet in (one, other):
        assert inlet.events == ["open", "stop", ("close", False), ("close", True)]


def test_a_drain_stops_and_gives_back_what_has_not_begun() -> None:
    inlet = Inlet()
    running = session(inlet)
    running.drain()
    assert (running.draining, running.stopping, inlet.events) == (True, True, ["stop"])


def test_the_first_error_ends_the_run() -> None:
    inlet = Inlet()
    running = session(inlet)
    running.fail(first := ValueError("first"))
    running.fail(ValueError("second"))
    assert running.error is first
    assert inlet.events == ["stop", "stop"]
    assert not running.draining


def test_a_limit_is_used_up_by_what_is_handed_out() -> None:
    running = Session()
    assert running.allow(1000) == 1000
    running.limit = 5
    assert [running.allow(count) for count in (2, 2, 2, 2)] == [2, 2, 1, 0]
    assert running.limit == 0


def test_errors_are_counted_by_type_with_the_first_as_the_example() -> None:
    running = Session()
    first, second = ValueError("first"), ValueError("second")
    running.record(first, "map(f=int)", "x", 3)
    running.record(second, "map(f=int)", "y")
    running.record(KeyError("other"), "tap(f=look)", "z")
    failures = running.summary.failures
    assert list(failures) == ["ValueError", "KeyError"]
    assert (failures["ValueError"].count, failures["KeyError"].count) == (4, 1)
    assert failures["ValueError"].example == "ValueError: first"
    assert first.__notes__ == ["in map(f=int), with the value 'x'"]
    assert not hasattr(second, "__notes__")


@pytest.mark.parametrize("error", [Skip("no need"), Requeue("later")])
def test_what_was_asked_for_is_no_failure(error: Exception) -> None:
    running = Session()
    running.record(error, "map(f=int)", "x")
    assert running.summary.failures == {}
    assert not hasattr(error, "__notes__")


def test_a_long_value_is_cut_in_the_note_and_a_short_one_is_not() -> None:
    long, short = ValueError("long"), KeyError("short")
    running = Session()
    running.record(long, "map", "x" * 300)
    running.record(short, "map", "x" * 198)
    (note,) = long.__notes__
    assert note.startswith("in map, with the value 'xxxx")
    assert note.endswith("…")
    assert 150 < len(note) < 260
    assert short.__notes__ == [f"in map, with the value {'x' * 198!r}"]
    running.record(cut := TypeError("cut"), "map", "x" * 199)
    assert cut.__notes__ == [f"in map, with the value '{'x' * 198}…"]


def test_failed_messages_are_counted_and_settled_by_their_own_policies() -> None:
    account = Recording()
    running = Session()
    tokens: list[Any] = [(account, 1), (account, 2)]
    running.failed(Run(["x", "y"], tokens, bad := ValueError("bad")), "map")
    assert bad.__notes__ == ["in map, with the value 'x'"]
    assert account.kinds == {1: "REJECT", 2: "REJECT"}
    assert running.summary.failures["ValueError"].count == 2
    running.record(ValueError("worse"), "tap", "z")
    assert running.summary.failures["ValueError"].stages == {"map": 2, "tap": 1}


def test_parts_of_one_name_have_circuits_of_their_own() -> None:
    running = Session()
    names = [running.circuit(part)._part for part in ("store", "map", "store", "store")]
    assert names == ["store", "map", "store (2)", "store (3)"]


def test_a_part_is_halted_under_the_first_thousand_characters_of_its_name() -> None:
    for length, whole in ((1_000, True), (1_001, False)):
        assert (Session().circuit("s" * length)._part == "s" * length) is whole


async def test_a_halt_is_counted_and_logged_once_and_its_last_reason_is_shown(caplog: Any) -> None:
    running = Session()
    running.halted("store", "first")
    running.halted("store", "second")
    running.halted("queue", "gone")
    assert running.state == "halted: store: second; queue: gone"
    assert running.summary.halts == 2
    running.resumed("store")
    running.resumed("store")
    assert running.state == "halted: queue: gone"
    running.resumed("queue")
    assert running.state == "running"
    said = [record.message for record in caplog.records]
    assert said == [
        "store is halted: first",
        "queue is halted: gone",
        "store goes on",
        "queue goes on",
    ]


@pytest.mark.parametrize(("in_flight", "flushed"), [(0, False), (1, True), (2, True), (3, False)])
def test_joiners_let_go_when_they_keep_all_that_a_starving_source_has_out(
    in_flight: int, flushed: bool
) -> None:
    inlet, other = Inlet(in_flight), Inlet()
    one, two = Joiner((inlet, 1)), Joiner((inlet, 2), (inlet, 2), (other, 3))
    empty, foreign = Joiner(), Joiner((other, 4))
    running = session(inlet, joiners=[one, two, empty, foreign])
    assert running.unpark(inlet) is flushed  # type: ignore[arg-type]
    assert [len(joiner.flushes) for joiner in (one, two)] == [flushed, flushed]
    assert empty.flushes == foreign.flushes == []


def test_who_is_at_the_end_lets_go_before_those_further_down() -> None:
    inlet = Inlet(3, over=True)
    down, up = Joiner((inlet, 1), (inlet, 2), depth=3), Joiner((inlet, 3), depth=2)
    stuck = Joiner((inlet, 3), depth=1, lets_go=False)
    running = session(inlet, joiners=[down, up, stuck])
    assert running.unpark(inlet)  # type: ignore[arg-type]
    assert (stuck.flushes, up.flushes, down.flushes) == ([OVER], [OVER], [CREDIT])


@pytest.mark.parametrize(("in_flight", "told"), [(1, [OVER]), (2, [CREDIT])])
def test_who_waits_for_two_sources_is_at_the_end_when_both_rest(
    in_flight: int, told: list[str]
) -> None:
    inlet, other = Inlet(1, over=True), Inlet(in_flight, over=True)
    both = Joiner((inlet, 1), (other, 1))
    assert session(inlet, other, joiners=[both]).unpark(inlet)  # type: ignore[arg-type]
    assert both.flushes == told


def test_relief_is_for_starving_sources_alone() -> None:
    fed, starved = Inlet(1, starved=False), Inlet(1)
    one, other = Joiner((fed, 1)), Joiner((starved, 1))
    session(fed, starved, joiners=[one, other]).relieve()
    assert (len(one.flushes), len(other.flushes)) == (0, 1)


def test_nothing_parked_is_nothing_to_let_go() -> None:
    inlet = Inlet(0)
    assert not session(inlet, joiners=[Joiner()]).unpark(inlet)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("joiners", "over", "told"), [(0, False, 1), (0, True, 0), (1, False, 0), (1, True, 0)]
)
def test_a_looker_is_told_when_it_holds_all_and_more_could_come(
    joiners: int, over: bool, told: int
) -> None:
    inlet = Inlet(2, over=over)
    looker = Joiner((inlet, 1), (inlet, 2))
    keeping = [Joiner((inlet, 2))] * joiners
    assert session(inlet, joiners=keeping, looker=looker).unpark(inlet)  # type: ignore[arg-type]
    assert len(looker.flushes) == told
    assert all(len(joiner.flushes) == 1 for joiner in keeping)


def test_each_kind_of_outcome_has_its_count() -> None:
    running = Session()
    for kind, count in zip(Kind, (1, 2, 3, 4), strict=True):
        running.settled(kind, count)
        running.settled(kind, count)
    summary = running.summary
    counted = (summary.accepted, summary.skipped, summary.requeued, summary.rejected)
    assert counted == (2, 4, 6, 8)
    assert ACCEPTED.kind is Kind.ACCEPTED


async def test_two_stages_of_one_name_halt_under_names_of_their_own() -> None:
    seen: list[str] = []
    failures = iter([ConnectionError("away"), ConnectionError("still"), None] * 2)

    def work(value: int) -> int:
        seen.append(handle.state)
        if error := next(failures):
            raise error
        return value

    stream = closed([1]) | op.map(work) | op.chunk(1) | op.unchunk() | op.map(work)
    handle = (stream | sinks.to_list()).start()
    assert await handle == [1]
    assert handle.stats().halts == 2


async def test_a_run_that_draws_from_two_queues_flushes_the_one_that_starves() -> None:
    small, large = streams.memory.queue(range(4), prefetch=4), closed(range(100, 102))
    chunked = small | op.chunk(4, timeout=None)
    small.close()
    values = await ((chunked | op.unchunk()) + large | sinks.to_list())
    assert values == [0, 1, 2, 3, 100, 101]


def test_who_waits_is_woken_once_when_a_limit_is_used_up() -> None:
    inlet = Inlet()
    running = session(inlet)
    running.limit = 3
    assert (running.allow(2), inlet.events) == (2, [])
    assert (running.allow(2), inlet.events) == (1, ["woken"])
    assert (running.allow(2), inlet.events) == (0, ["woken"])


async def test_what_is_told_of_a_halt_cannot_be_changed() -> None:
    await asyncio.sleep(10)
    running = session()
    running.halted("store", "away")
    (halt,) = running.halted_parts(12.5)
    assert (halt.part, halt.reason, halt.seconds, halt.source) == ("store", "away", 2.5, False)
    with pytest.raises(FrozenInstanceError):
        halt.seconds = 0.0  # type: ignore[misc]

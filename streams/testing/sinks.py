"""check_sink: what the engine relies on in every sink, on one of one's own."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ackflow.streams.core import Reject, Stream, check_count
from ackflow.streams.memory import MemoryQueue
from ackflow.streams.testing.cases import flat
from ackflow.streams.testing.clock import VirtualLoop
from ackflow.streams.testing.expecting import (
    at_any_turn,
    counted,
    expect,
    expect_among,
    expect_conserved,
    expect_values,
    leaving_nothing,
)
from ackflow.streams.testing.parts import Recording, closed_queue, ending
from ackflow.streams.testing.searching import import_hypothesis, search, strategy
from ackflow.streams.testing.watched import JoinedRuns, Watched

Written = Callable[[Any], Sequence[Any]]


@dataclass(frozen=True)
class SinkCase:
    """A sink, what it is given, and what can be known of what it wrote."""

    make: Callable[[], Any]
    written: Written | None
    bad: Sequence[Any]
    chunks: int | None

    def stream(self, queue: MemoryQueue[Any], sink: Watched) -> Stream[Any]:
        """Return what goes into the sink: single values, or chunks of them."""
        size = self.chunks or (5 if sink.sink.chunks else None)
        return queue if size is None else Stream(JoinedRuns(size), queue)

    def expect_written(self, sink: Watched, values: Sequence[Any], *, more: bool = False) -> None:
        """Expect that values were written, as often as they are there, or more often."""
        if self.written is not None:
            found = flat(list(self.written(getattr(sink.sink, "sink", sink.sink))))
            if more:
                expect_among("acked, but not written", values, found)
            else:
                expect_values("written", found, values, in_order=False)


async def calls_come_in_order(case: SinkCase, xs: list[Any]) -> None:
    """Open, writes, close, result; twice, since a pipeline may run again."""
    sink = Watched(case.make())
    for number in (1, 2):
        del sink.events[:]
        queue = closed_queue(xs, dead_letter="exchange")
        async with leaving_nothing(queue):
            await (case.stream(queue, sink) | sink)
        writes = len(sink.events) - 3
        expected = ["open", *["write"] * writes, "close", "result"]
        expect_values(f"calls in run {number}", sink.events, expected)
        expect(not sink.faults, "; ".join(sink.faults))
        expect_values(f"acked in run {number}", queue.acked, xs, in_order=False)
        case.expect_written(sink, xs * number)


async def is_closed_at_every_exit(case: SinkCase, xs: list[Any]) -> None:
    """Cancelled at any turn of the loop, it is closed once, and what was acked was written."""
    await at_any_turn(lambda turn: _cancel(case, xs, turn))


async def _cancel(case: SinkCase, xs: list[Any], turn: int) -> bool:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    queue, sink = closed_queue(xs, dead_letter="exchange"), Watched(case.make())
    async with leaving_nothing(queue):
        handle = (case.stream(queue, sink) | sink).start()
        loop.at_turn(loop.turns + turn, handle._task.cancel)
        await asyncio.wait([handle._task])
    if not handle._task.cancelled():
        handle._task.result()
    begun = "open" in sink.events
    expect(not begun or sink.events.count("close") == 1, f"calls: {', '.join(sink.events)}")
    expect(
        not begun or "write" not in sink.events[sink.events.index("close") :], "closed too early"
    )
    expect_conserved(queue, xs)
    case.expect_written(sink, queue.acked, more=True)
    return not handle._task.cancelled()


async def is_closed_when_the_source_breaks(case: SinkCase, xs: list[Any]) -> None:
    """A run that ends with an error closes the sink too."""
    sink, queue = Watched(case.make()), closed_queue(xs, dead_letter="exchange")
    async with leaving_nothing(queue):
        handle = (case.stream(queue, sink) | sink).start()
        handle._session.fail(Reject("the run fails"))
        error = await ending(handle._task)
    expect(isinstance(error, Reject), f"the run ended with {error!r}, not with its own error")
    expect(sink.events.count("close") == 1, f"calls: {', '.join(sink.events)}")
    expect_conserved(queue, xs)


async def what_is_refused_fails_alone(case: SinkCase, xs: list[Any], at: list[int]) -> None:
    """Refused elements become dead letters, the others are written."""
    mixed = list(xs)
    for number, place in enumerate(at):
        mixed.insert(place, case.bad[number % len(case.bad)])
    sink, dead = Watched(case.make()), Recording()
    options: dict[str, Any] = {"attempts": 1, "wait": lambda state: 0.0, "dead_letter": dead}
    queue = closed_queue(mixed, **options)
    async with leaving_nothing(queue):
        await (case.stream(queue, sink) | sink)
    letters, bad = [each.body for each in dead.accepted], mixed[:]
    for x in xs:
        bad.remove(x)
    expect_among("refused, but no dead letter", bad, letters)
    allowed = counted(bad) if sink.idempotent else counted(bad) | counted(sink.blamed)
    wrong = counted(letters) - allowed
    expect(not wrong, f"dead letters that nothing was wrong with: {', '.join(wrong.elements())}")
    expect_values("acked", queue.acked, mixed, in_order=False)
    good = counted(mixed) - counted(letters)
    expect(not sink.faults, "; ".join(sink.faults))
    if case.written is not None:
        found = counted(flat(list(case.written(getattr(sink.sink, "sink", sink.sink)))))
        expect(
            not good - found, f"accepted, but not written: {', '.join((good - found).elements())}"
        )


LAWS: tuple[tuple[str, Any, str, int], ...] = (
    (
        "open, writes, close, result: called in this order, and each element is accepted once",
        calls_come_in_order,
        "what open() needs anew for a second run, and what write() returns",
        1,
    ),
    (
        "cancelled at any turn of the loop, it is closed, and what it accepted was written",
        is_closed_at_every_exit,
        "close() after an open() or write() that was cancelled, and tasks of the sink's own",
        8,
    ),
    (
        "it is closed when the run fails",
        is_closed_when_the_source_breaks,
        "close(), and tasks of the sink's own",
        4,
    ),
    (
        "what it refuses fails alone",
        what_is_refused_fails_alone,
        "the entries that write() returns, one per element; `idempotent`; what a failed write leaves",
        1,
    ),
)
"""What each law promises, its check, where to look, and how many examples of others one costs."""


def check_sink(
    make_sink: Callable[[], Any],
    *,
    written: Written | None = None,
    bad: Sequence[Any] = (),
    chunks: int | None = None,
    values: Any = None,
    examples: int = 25,
    seed: int | None = None,
) -> None:
    """Check what the engine relies on in every sink, on one of your own.

    Example:
        def test_shout_is_a_sink():
            testing.check_sink(Shout, written=lambda sink: sink.lines, values=["a", "b"], bad=[None])

    The laws: open, writes, close and result are called in this order, in a second run as in the first;
    `write` returns None or one entry per element (or per member of a chunk); what is accepted was
    written, once; the sink is closed at every exit, cancelled at any turn of the loop included, and
    leaves no task behind; an element that it refuses fails alone, where it raises and says that it is
    `idempotent` by bisection, and without that together with what was in the same write.
    Acks: of queues in memory, which the checks make, in virtual time; threads and sockets of the sink
    are really waited for.
    `make_sink`: returns a new sink, with nothing written. `written`: given the sink, returns what it
    wrote; without it what arrives is not looked at. `bad`: values that it refuses, by raising (no
    outage) or by its entries. `chunks`: the size of the chunks it is given, 5 where it takes chunks
    only. `values`: a list of values to choose from, or a Hypothesis strategy for one; small whole
    numbers where it is None. `examples`: inputs per law. `seed`: for other inputs than those of every
    run.
    Raises AssertionError with the law, the smallest input that breaks it, and what to look at;
    RuntimeError inside a running loop; ImportError without Hypothesis (the extra `testing`).
    """
    __tracebackhide__ = True
    check_count("testing.check_sink(examples)", examples, 1, "leave it out for 25")
    case = SinkCase(make_sink, written, bad, chunks)
    Watched(make_sink())  # raises here for what is no sink
    strategies = import_hypothesis("check_sink").strategies
    value = strategy(values)
    for promise, check, look, cost in LAWS:
        draws = {"xs": strategies.lists(value, max_size=12)}
        if check is what_is_refused_fails_alone:
            draws["at"] = strategies.lists(strategies.integers(0, 12), min_size=1, max_size=3)
            if not bad:
                continue
        say = _saying(make_sink, promise, look)

        async def run(check: Any = check, **drawn: Any) -> None:
            await check(case, **drawn)

        search(run, draws, say=say, examples=max(2, examples // cost), seed=seed)


def _saying(
    make: Any, promise: str, look: str
) -> Callable[[Mapping[str, Any], BaseException], str]:
    def say(drawn: Mapping[str, Any], error: BaseException) -> str:
        given = ", ".join(f"{name}={value!r}" for name, value in drawn.items())
        name = getattr(make, "__name__", repr(make))
        return (
            f"the sink of {name} breaks a law: {promise}\n  with {given}:\n  "
            f"{str(error) or repr(error)}\n  look at {look}"
        )

    return say

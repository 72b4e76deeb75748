"""check_source: what the engine relies on in every source, on one of one's own."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any

from ackflow.streams.core import Stream, shown
from ackflow.streams.testing.clock import VirtualLoop, run
from ackflow.streams.testing.expecting import at_any_turn, expect, expect_values, leaving_nothing
from ackflow.streams.testing.parts import Block, Recording, ending


@dataclass(frozen=True)
class SourceCase:
    """A source, what it is to hand out, and what can be known of it."""

    make: Callable[[], Stream[Any]]
    expected: Sequence[Any]
    ordered: bool
    again: bool
    closed: Callable[[], bool] | None
    read: Callable[[], int] | None
    ahead: int
    failing: Callable[[], Stream[Any]] | None
    error: type[BaseException]

    def expect_closed(self) -> None:
        """Expect that what the source opened is closed."""
        if self.closed is not None:
            expect(self.closed(), "closed() says that something is still open")


async def hands_out_what_it_should(case: SourceCase) -> None:
    """Run the stream to its end, twice where it says that it can be."""
    stream = case.make()
    for number in range(2 if case.again else 1):
        async with leaving_nothing():
            result = await (stream | Recording())
        expect_values(f"run {number + 1}", result, case.expected, in_order=case.ordered)
        case.expect_closed()


async def can_be_looked_at(case: SourceCase) -> None:
    """Peek at any number of values."""
    for count in range(1, len(case.expected) + 2):
        async with leaving_nothing():
            seen = await case.make().peek(count)
        wanted = min(count, len(case.expected))
        expect(len(seen) == wanted, f"peek({count}) gave {len(seen)} values, not {wanted}")
        if case.ordered:
            expect_values(f"peek({count})", seen, case.expected[:count])
        case.expect_closed()


async def is_closed_at_an_early_end(case: SourceCase) -> None:
    """Take any number of values."""
    for count in range(len(case.expected) + 1):
        async with leaving_nothing():
            result = await (case.make()[:count] | Recording())
        expect(len(result) == count, f"stream[:{count}] gave {len(result)} values")
        case.expect_closed()


async def is_closed_when_cancelled(case: SourceCase) -> None:
    """Cancel at any turn of the loop."""
    await at_any_turn(lambda turn: _cancel(case, turn))


async def _cancel(case: SourceCase, turn: int) -> bool:
    """Cancel a run at a turn of the loop; say whether it had ended before."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    async with leaving_nothing():
        handle = (case.make() | Recording()).start()
        loop.at_turn(loop.turns + turn, handle._task.cancel)
        await asyncio.wait([handle._task])
    case.expect_closed()
    if handle._task.cancelled():
        return False
    handle._task.result()
    return True


async def reads_no_further_than_it_says(case: SourceCase) -> None:
    """Let the sink be busy with any of the values."""
    assert case.read is not None
    for number in range(len(case.expected)):
        before = case.read()
        async with leaving_nothing():
            handle = (case.make() | Recording(block := Block(number))).start()
            await block.wait_until_reached(handle._task)
            read = case.read() - before
            await handle.abort()
        most = number + 1 + case.ahead
        expect(read <= most, f"{read} values were read with {number + 1} handed out: not {most}")


async def errors_surface(case: SourceCase) -> None:
    """Let the source break."""
    assert case.failing is not None
    async with leaving_nothing():
        handle = (case.failing() | Recording()).start()
        error = await ending(handle._task)
    expect(
        isinstance(error, case.error), f"the run ended with {error!r}, not {case.error.__name__}"
    )
    case.expect_closed()


Law = tuple[str, Callable[[SourceCase], Coroutine[Any, Any, None]], str]

LAWS: tuple[Law, ...] = (
    (
        "it hands out what it should, in every run",
        hands_out_what_it_should,
        "what the end of a run leaves behind, and what a second one finds",
    ),
    (
        "looking shows the first values, and closes it",
        can_be_looked_at,
        "values that are handed out late, and what is opened but closed by the end only",
    ),
    (
        "it is closed when what follows ends early",
        is_closed_at_an_early_end,
        "what is opened: `try … finally`, or `async with`, around the `yield`",
    ),
    (
        "it is closed when the run is cancelled, at any turn of the loop",
        is_closed_when_cancelled,
        "awaits between opening something and the `try` that closes it; tasks of its own",
    ),
    (
        "it reads no further than it says",
        reads_no_further_than_it_says,
        "buffers, and tasks that read by themselves",
    ),
    ("its errors end the run", errors_surface, "`except` blocks that log an error and go on"),
)
"""What each law promises, its check, and where to look."""


def check_source(
    make_stream: Callable[[], Stream[Any]],
    expected: Sequence[Any],
    *,
    ordered: bool = True,
    again: bool = False,
    closed: Callable[[], bool] | None = None,
    read: Callable[[], int] | None = None,
    ahead: int = 0,
    failing: Callable[[], Stream[Any]] | None = None,
    error: type[BaseException] = Exception,
) -> None:
    """Check what the engine relies on in every source, on one of your own.

    Example:
        def test_pages_are_a_source():
            testing.check_source(
                lambda: pages(client := FakeClient([1, 2], [3])),
                expected=[1, 2, 3],
                closed=lambda: not FakeClient.open,
                failing=lambda: pages(FakeClient(error=OSError())),
                error=OSError,
            )

    The laws: it hands out what it should, twice where `again` says so; looking shows the first values;
    it is closed at every exit (end, early end, looking, error, cancelled at any turn of the loop), with
    no task and no generator left behind; it reads no further than it says; its errors end the run.
    Acks: none; every value is accepted. Runs in virtual time; threads and sockets are really waited for.
    `make_stream`: called in a running loop, returns the stream anew. `expected`: what it hands out.
    `ordered`: whether in this order. `again`: whether one stream can be run twice. `closed`: says
    whether all it opened is closed. `read`: how many values were read so far from what lies behind it,
    and `ahead` how many of them may not be handed out yet. `failing`: returns a stream that breaks,
    with an `error` of this type.
    Raises AssertionError with the law that is broken, and what to look at; TypeError where `make_stream`
    returns no stream; RuntimeError inside a running loop.
    """
    __tracebackhide__ = True
    if not callable(make_stream):
        raise TypeError(
            "testing.check_source(make_stream): must be a function that returns a stream, got "
            f"{shown(make_stream)}; lambda: streams.of(1, 2) is one"
        )
    case = SourceCase(make_stream, expected, ordered, again, closed, read, ahead, failing, error)
    for promise, check, look in LAWS:
        if (check is reads_no_further_than_it_says and read is None) or (
            check is errors_surface and failing is None
        ):
            continue
        try:
            run(check(case))
        except AssertionError as fault:
            text = f"the source breaks a law: {promise}\n  {fault}\n  look at {look}"
            raise AssertionError(text) from fault

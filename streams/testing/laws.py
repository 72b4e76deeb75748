"""The laws that every operator keeps, one function each; `operators.LAWS` says them in words."""

import asyncio
from typing import Any

from ackflow.streams.core import Stream, from_iterable, of
from ackflow.streams.memory import MemoryQueue
from ackflow.streams.memory import queue as memory_queue
from ackflow.streams.testing.cases import OperatorCase, flat
from ackflow.streams.testing.clock import VirtualClock, VirtualLoop
from ackflow.streams.testing.expecting import (
    at_any_turn,
    counted,
    expect,
    expect_among,
    expect_conserved,
    expect_values,
    leaving_nothing,
)
from ackflow.streams.testing.parts import (
    Block,
    Counting,
    Gate,
    Recording,
    Watched,
    closed_queue,
    ending,
)


async def equals_the_model(case: OperatorCase, xs: list[Any]) -> None:
    """Run on values that nothing is to be settled for."""
    async with leaving_nothing():
        result = await (of(*xs) | case.operator | Recording())
    expect_values("result", result, case.model(xs), in_order=case.ordered)


async def serves_two_streams_at_once(case: OperatorCase, xs: list[Any]) -> None:
    """Run twice at the same time, out of one operator value."""
    operator = case.operator
    async with leaving_nothing():
        pipelines = [of(*xs) | operator | Recording() for _ in range(2)]
        results = await asyncio.gather(*(pipeline.start() for pipeline in pipelines))
    for result in results:
        expect_values("result", result, case.model(xs), in_order=case.ordered)


async def settles_each_delivery_once(case: OperatorCase, xs: list[Any], credit: int) -> None:
    """Run on a queue, with the prefetch count of this number in the case's list."""
    queue = closed_queue(xs, prefetch=case.prefetches[credit])
    pipeline = queue | case.operator | Recording()
    async with leaving_nothing(queue):
        result = await pipeline
    model = case.model(xs)
    if credit == 0:
        expect_values("result", result, model, in_order=case.ordered)
    else:  # chunks flush where prefetch lets out no more
        expect_values("result", flat(result), flat(model), in_order=False)
    expect_values("given back", queue.ready, case.back(xs))
    expect_conserved(queue, xs)
    summary, told = pipeline.summary, len(queue.acked) + len(queue.requeued)
    delivered = summary.delivered - case.extra
    expect(delivered == told, f"{delivered} were delivered, {told} settled")
    expect(
        summary.skipped == case.skipped(xs), f"{summary.skipped} skipped, not {case.skipped(xs)}"
    )
    expect(not (summary.rejected or summary.stale or summary.failures), f"failures: {summary}")


async def errors_settle_their_own_messages(
    case: OperatorCase, xs: list[Any], bad: list[Any]
) -> None:
    """Have the user's function raise for the values in `bad`."""

    def picky(value: Any) -> Any:
        if value in bad:
            raise ValueError(f"bad: {value!r}")
        return value

    good, rest = [x for x in xs if x not in bad], [x for x in xs if x in bad]
    queue = closed_queue(xs, dead_letter=(dead := Recording()), prefetch=case.prefetches[0])
    pipeline = queue | case.make(picky) | Recording()
    async with leaving_nothing(queue):
        result = await pipeline
    order = case.ordered
    expect_values("result", flat(result), flat(case.model(good)), in_order=order)
    expect_values("dead letters", [each.body for each in dead.accepted], rest, in_order=False)
    expect_values("acked", queue.acked, xs, in_order=False)
    expect_values("given back", [*queue.requeued, *queue.rejected], [])
    expect(pipeline.summary.rejected == len(rest), f"{pipeline.summary.rejected} rejected")
    async with leaving_nothing():
        plain = from_iterable(xs, on_error="skip") | case.make(picky) | Recording()
        expect_values("result", flat(await plain), flat(case.model(good)), in_order=order)


async def aborting_gives_back(case: OperatorCase, xs: list[Any], number: int) -> None:
    """Abort while the sink is busy with the element of this number."""
    queue = closed_queue(xs, prefetch=case.prefetches[0])
    sink = Recording(block := Block(number))
    async with leaving_nothing(queue):
        handle = (queue | case.operator | sink).start()
        await block.wait_until_reached(handle._task)
        await handle.abort()
    expect_conserved(queue, xs)
    _expect_promises_kept(case, queue.acked, sink)


async def cancelling_gives_back(case: OperatorCase, xs: list[Any]) -> None:
    """Cancel at the first turn of the loop, at the second, and so on to the end."""
    await at_any_turn(lambda turn: _cancel(case, xs, turn))


async def _cancel(case: OperatorCase, xs: list[Any], turn: int) -> bool:
    """Cancel a run at a turn of the loop; say whether the run had ended before."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    queue: MemoryQueue[Any] = memory_queue(xs, prefetch=case.prefetches[0])
    loop.call_later(0.5, queue.close)  # until then whoever joins messages waits for more
    sink = Recording(lambda number: asyncio.sleep(1))
    async with leaving_nothing(queue):
        handle = (queue | case.operator | sink).start()
        task = asyncio.ensure_future(handle._result())
        loop.at_turn(loop.turns + turn, task.cancel)
        await asyncio.wait([task])
    expect_conserved(queue, xs)
    _expect_promises_kept(case, queue.acked, sink)
    if task.cancelled():
        return False
    task.result()
    return True


async def lost_connections_lose_nothing(
    case: OperatorCase, xs: list[Any], numbers: list[int]
) -> None:
    """Break the connection while the sink writes the elements of these numbers."""
    queue = closed_queue(xs, prefetch=case.prefetches[0])
    left = set(numbers)

    def disconnect(number: int) -> None:
        if number in left:
            left.remove(number)
            queue.disconnect()

    sink = Recording(disconnect)
    async with leaving_nothing(queue):
        await (queue | case.operator | sink)
    expect_conserved(queue, xs)
    if case.elementwise:
        expect_values("left in the queue", queue.ready, [])
        expect_among("never reached the sink", flat(case.model(xs)), flat(sink.accepted))


async def looking_settles_nothing(case: OperatorCase, xs: list[Any], number: int) -> None:
    """Look at so many elements, and no further."""
    queue = closed_queue(xs, prefetch=case.prefetches[0])
    seen = 0
    async with leaving_nothing(queue), (queue | case.operator).open() as values:
        async for _ in values:
            seen += 1
            if seen == number:
                break
    expect_conserved(queue, xs)
    # What becomes no element at all is accepted at once: there is nothing to look at.
    most = case.skipped(xs) + sum(not flat(case.model([x])) for x in xs)
    expect(len(queue.acked) <= most, f"acked: {queue.acked!r}, of which at most {most} were to be")


async def closes_its_source(case: OperatorCase, xs: list[Any], exit: str, number: int) -> None:
    """Leave by the `exit` "end", "early" (after so many), "error" (of the source) or "cancel"."""
    source = Watched(xs, OSError("the source breaks") if exit == "error" else None)
    stream: Stream[Any] = from_iterable(source) | case.operator
    sink = Recording(block := Block(number if exit == "cancel" else -1))
    async with leaving_nothing():
        handle = ((stream[:number] if exit == "early" else stream) | sink).start()
        await block.wait_until_reached(handle._task)
        if exit == "cancel":
            await handle.abort()
        error = await ending(handle._task)
    expect(source.closed == source.begun, "the source was left open")
    model = case.model(xs)
    if exit == "early":
        expect(len(sink.accepted) == min(number, len(model)), f"{sink.accepted!r} came out")
    elif exit == "end":
        expect_values("result", sink.accepted, model, in_order=case.ordered)
    else:
        expect_among("came out of nowhere", flat(sink.accepted), flat(model))
    if source.broken:
        expect(error is source.error, f"the run ended with {error!r}, not the source's error")


async def holds_no_more_than_it_says(case: OperatorCase, xs: list[Any], number: int) -> None:
    """Have the sink be busy with the run of this number for a long time."""
    source, clock = Counting(xs, gate := Gate(number)), VirtualClock()
    async with leaving_nothing():
        handle = (Stream(source) | case.operator | gate).start()
        await clock.idle()
        await clock.advance(1000)
        rest = source.out
        await handle.abort()
    bound = case.bound or 0
    says = f"the operator declares that it holds {bound}"
    expect(rest <= bound, f"{rest} messages were held while the sink was busy; {says}")
    # The message that was pulled last is on its way.
    expect(source.most <= bound + 1, f"{source.most - 1} messages were held during a pull; {says}")


def _expect_promises_kept(case: OperatorCase, acked: list[Any], sink: Recording) -> None:
    """Expect that the sink accepted what became of each message that was acked."""
    if case.elementwise:
        own = counted(flat(case.model([])))
        promised = counted(flat(case.model(acked))) - own
        missing = promised - counted(flat(sink.accepted))
        expect(not missing, f"acked, but never accepted: {', '.join(missing.elements())}")

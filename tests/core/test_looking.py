"""Looking: a stream without a sink settles nothing of itself."""

import asyncio
import gc
from contextlib import aclosing, nullcontext
from typing import Any

import pytest

from ackflow import operators as op
from ackflow import sinks, streams
from ackflow.streams import Handle, PrefetchExhausted
from ackflow.streams.core import Message
from tests.core.stages import refusing
from tests.queues import assert_all_closed, closed


async def test_a_failure_that_no_catch_takes_is_settled_and_not_shown() -> None:
    queue = closed(range(4), dead_letter=(dead := sinks.to_list()))
    async with refusing(queue, 1).open() as values:
        assert [value async for value in values] == [0, 2, 3]
    assert [letter.body for letter in dead.values] == [1]
    assert queue.ready == [0, 2, 3]
    assert_all_closed(queue)


async def test_what_ends_the_run_is_raised_when_the_values_are_through() -> None:
    def numbers() -> Any:
        yield from range(3)
        raise OSError("disk")

    seen = []
    with pytest.raises(OSError, match="disk"):
        async for value in streams.from_iterable(numbers()):
            seen.append(value)
    assert seen == [0, 1, 2]


async def test_looking_without_a_count_takes_at_least_64_messages_and_a_peek_what_it_needs() -> (
    None
):
    queue = closed(range(100))
    assert await queue.peek(5) == [0, 1, 2, 3, 4]
    assert queue._broker.prefetch == 5
    assert len(queue.requeued) == 5
    async with queue.open() as values:
        await anext(values)
        assert queue._broker.prefetch == 64


async def test_a_peek_behind_chunks_takes_whole_chunks() -> None:
    queue = closed(range(100))
    assert await (queue | op.chunk(10)).peek(2) == [list(range(10)), list(range(10, 20))]
    assert queue.ready == list(range(100))


async def test_prefetch_that_looking_has_used_up_is_an_error_that_counts() -> None:
    queue = streams.memory.queue(range(9), prefetch=4)
    with pytest.raises(
        PrefetchExhausted, match=r"looking at memory\.queue.*: 4 values were looked"
    ):
        await queue.peek(5)
    assert queue.ready == list(range(9))


async def test_messages_settled_by_hand_free_prefetch_for_more() -> None:
    queue = closed(range(9), prefetch=2)
    async for message in queue.messages():
        message.ack()
    assert queue.acked == list(range(9))
    assert_all_closed(queue)


async def test_the_members_of_a_chunk_are_settled_by_hand() -> None:
    queue = closed(range(4), dead_letter="exchange")
    async for message in (queue | op.chunk(4)).messages():
        for member in message.members:
            if member.value % 2:
                member.reject("odd")
            else:
                member.ack()
    assert sorted(queue.acked) == [0, 2]
    assert sorted(queue.rejected) == [1, 3]


async def test_messages_that_were_settled_or_whose_channel_lives_on_are_no_warning() -> None:
    queue = closed([1, 2, 3])
    async with aclosing(queue.messages()) as messages:
        async for message in messages:
            message.ack()
            if message.value == 2:
                break
    assert queue.acked == [1, 2]
    assert queue.ready == [3]


@pytest.mark.parametrize("left", [1, 3])
async def test_each_message_left_unsettled_is_counted_in_the_warning(left: int) -> None:
    queue = closed(range(5))
    seen = 0
    with pytest.warns(ResourceWarning, match=rf"{left} messages were not settled"):
        async with aclosing(queue.messages()) as messages:
            async for message in messages:
                seen += 1
                if message.value < 5 - left:
                    message.ack()
                if seen == 5:
                    break
    assert queue.acked == list(range(5 - left))
    assert queue.ready == list(range(5 - left, 5))
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_values_looked_at_are_no_warning() -> None:
    queue = closed([1, 2])
    assert [value async for value in queue] == [1, 2]
    assert queue.ready == [1, 2]


async def test_a_failure_while_looking_is_named_after_the_step_it_happened_in() -> None:
    def work(value: int) -> int:
        raise ValueError("bad")

    with pytest.raises(ValueError, match="bad") as raised:
        await (streams.of(1) | op.map(work)).peek(1)
    assert raised.value.__notes__ == ["in map(f=work), with the value 1"]


async def test_what_was_not_settled_by_hand_is_counted_however_much_was() -> None:
    queue = streams.memory.queue(range(500), prefetch=500)
    with pytest.warns(ResourceWarning, match="5 messages were not settled"):
        async with aclosing(queue.messages()) as messages:
            async for message in messages:
                number = message.value
                if number % 100:
                    message.ack()
                del message
                if number == 499:
                    break
    assert len(queue.acked) == 495


async def test_what_was_settled_by_hand_is_let_go_while_the_stream_goes_on() -> None:
    queue = closed(range(1000))
    async with aclosing(queue.messages()) as messages:
        async for message in messages:
            message.ack()
            if message.value == 999:
                break
        alive = [each for each in gc.get_objects() if isinstance(each, Message)]
    assert len(alive) <= 64


async def test_an_interrupted_cell_that_looks_says_so_and_gives_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def interrupted(looking: Any) -> Any:
        assert looking.loop is asyncio.get_running_loop()  # in which a signal is passed on
        return nullcontext(lambda: True)

    monkeypatch.setattr(Handle, "interrupts", staticmethod(interrupted))
    queue = streams.memory.queue([1])
    seen = asyncio.Event()

    async def cell() -> None:
        async for value in queue:
            assert value
            seen.set()

    task = asyncio.create_task(cell())
    await seen.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError, match="interrupted: what was not settled") as end:
        await task
    assert end.value._render_traceback_() == [str(end.value)]  # type: ignore[attr-defined]
    gc.collect()
    await asyncio.sleep(0)
    assert (queue.ready, queue.unsettled) == ([1], [])


async def test_a_program_that_cancels_a_look_gets_its_own_cancellation() -> None:
    task = asyncio.create_task(streams.memory.queue().peek(1))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError) as end:
        await task
    assert type(end.value) is asyncio.CancelledError

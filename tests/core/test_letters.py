"""Letters: what goes along with a message to a dead letter or a retry queue, and what comes of it."""

import asyncio
import re
from typing import Any

import pytest

from ackflow import operators as op
from ackflow import sinks, streams
from ackflow.streams import Reject
from ackflow.streams.core.letters import TEXT_LIMIT, cause_headers
from tests.core.brokers import Properties, RetryQueue, queue
from tests.queues import assert_all_closed, closed


def broken(value: Any) -> Any:
    raise RuntimeError("broken")


def second(state: Any) -> float:
    return 1.0


def test_the_headers_of_a_cause_say_what_where_from_and_when() -> None:
    headers = cause_headers(ValueError("no number"), "words")
    assert headers.pop("x-ackflow-time")[:2] == "20"
    assert headers == {
        "x-ackflow-error-type": "ValueError",
        "x-ackflow-error": "ValueError: no number",
        "x-ackflow-source": "words",
    }


def test_a_long_text_is_cut_to_what_a_header_frame_takes() -> None:
    said = cause_headers(ValueError("x" * 5_000), "words")["x-ackflow-error"]
    assert (len(said), TEXT_LIMIT) == (2_000, 2_000)
    assert said.startswith("ValueError: xxx")


def test_an_error_may_add_headers_of_its_own() -> None:
    class Refused(Exception):
        def headers(self) -> dict[str, Any]:
            return {"status": 400, "x-ackflow-source": "its own"}

    headers = cause_headers(Refused("bad"), "words")
    assert (headers["status"], headers["x-ackflow-source"]) == (400, "its own")
    assert headers["x-ackflow-error-type"] == "Refused"


def test_headers_of_an_error_that_are_no_method_or_mean_something_else_are_left_alone() -> None:
    class Response(Exception):
        headers = {"status": 400}  # noqa: RUF012

    class Curious(Exception):
        def headers(self, name: str) -> str:
            return name

    for error in (Response("bad"), Curious("bad")):
        assert set(cause_headers(error, "words")) == {
            "x-ackflow-error-type",
            "x-ackflow-error",
            "x-ackflow-source",
            "x-ackflow-time",
        }


async def test_a_dead_letter_is_the_delivery_with_its_cause_and_attempts() -> None:
    told = Properties({"message_id": "m1", "expiration": "5000"}, {"lang": "pt"})
    dead = sinks.to_list()
    stream, source = queue(["a"], told=told, attempts=3, wait=second, dead_letter=dead)
    pipeline = stream | op.map(broken) | sinks.to_list()
    await pipeline
    (letter,) = dead.values
    assert letter.body == "a"
    assert letter.properties == {"message_id": "m1"}, "it would expire once more"
    assert re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ", letter.headers["x-ackflow-time"])
    assert letter.headers["lang"] == "pt"
    assert letter.headers["x-ackflow-attempts"] == 3
    assert letter.headers["x-ackflow-source"] == "memory.queue"
    assert told.properties["expiration"] == "5000"
    assert source.broker.acked == ["a"]
    summary = pipeline.summary
    assert (summary.rejected, summary.dead_lettered, summary.requeued) == (1, 1, 0)


async def test_a_letter_that_skips_counts_as_taken_and_one_that_fails_keeps_its_message() -> None:
    async def skipping(letter: Any) -> None:
        raise streams.Skip("seen before")

    queued = closed(["x"], dead_letter=sinks.each(skipping))
    pipeline = queued | op.map(int) | sinks.to_list()
    await pipeline
    assert queued.acked == ["x"]
    assert pipeline.summary.dead_lettered == 1


async def test_what_goes_through_the_retry_queue_carries_its_attempts_and_its_wait() -> None:
    retry = RetryQueue()
    told = Properties({"message_id": "m1"}, {"x-ackflow-attempts": 1})
    stream, source = queue(range(4), retry, told=told, prefetch=4, wait=lambda state: 50.0)
    handle = (stream | op.map(broken) | sinks.to_list()).start()
    await asyncio.sleep(1)
    assert handle.stats().held == 1, "a quarter of prefetch is held, the others go away"
    assert [letter.body for letter in retry.letters] == [1, 2, 3]
    for letter in retry.letters:
        assert letter.properties == {"message_id": "m1", "expiration": 50.0}
        assert letter.headers == {"x-ackflow-attempts": 2}
    assert source.broker.acked == [1, 2, 3]
    summary = await handle.drain()
    assert (summary.requeued, summary.dead_lettered, summary.rejected) == (4, 0, 0)
    assert source.broker.ready == [0]
    assert retry.events == ["open", "close"]


async def test_what_the_retry_queue_does_not_take_is_held_as_before() -> None:
    retry = RetryQueue(Reject("full"))
    stream, source = queue(range(4), retry, wait=lambda state: 50.0)
    handle = (stream | op.map(broken) | sinks.to_list()).start()
    await asyncio.sleep(1)
    assert (handle.stats().held, source.broker.acked) == (4, [])
    await handle.drain()
    assert sorted(source.broker.ready) == [0, 1, 2, 3]


async def test_a_letter_taken_after_its_channel_is_gone_settles_nothing() -> None:
    taking = asyncio.Event()

    async def slow(letter: Any) -> None:
        taking.set()
        await asyncio.sleep(5)

    queued = closed(["x"], dead_letter=sinks.each(slow))
    pipeline = queued | op.map(int) | sinks.to_list()
    handle = pipeline.start()
    await taking.wait()
    queued.disconnect()
    await handle
    assert queued.acked == ["x"], "of the second time"
    assert pipeline.summary.stale == 1
    assert pipeline.summary.dead_lettered == 1


async def test_a_letter_answers_as_the_delivery_behind_it() -> None:
    seen: list[Any] = []

    class Curious:
        async def write_messages(self, messages: Any) -> None:
            for message in messages:
                account, tag = message._token
                seen.append((message.delivery.body, message.stale, list(account.roots(tag))))
                assert account.wholes({tag}) == seen[-1][2]
                account.eased()
                message.fail(ValueError("not this one"))

    sink: Any = Curious()
    stream, source = queue(["x"], open_ended=True, dead_letter=streams.core.as_sink(sink))
    handle = (stream | op.map(int) | sinks.to_list()).start()
    await asyncio.sleep(1)
    ((body, stale, roots),) = seen
    assert (body, stale, len(roots)) == ("x", False, 1)
    assert handle.stats().held == 1
    await handle.drain()
    assert source.broker.ready == ["x"]


async def test_aborting_while_a_letter_is_written_closes_its_sink() -> None:
    retry = RetryQueue()

    async def never(items: Any) -> None:
        await asyncio.Event().wait()

    retry.write = never  # type: ignore[method-assign]
    stream, source = queue(["x"], dead_letter=retry)
    handle = (stream | op.map(int) | sinks.to_list()).start()
    await asyncio.sleep(1)
    await handle.abort()
    assert retry.events == ["open", "close"]
    assert source.broker.ready == ["x"]
    assert asyncio.all_tasks() == {asyncio.current_task()}


@pytest.mark.parametrize("letter", [None, "exchange", "discard"])
async def test_without_a_sink_nothing_is_opened_for_letters(letter: Any) -> None:
    queued = closed(["1"], dead_letter=letter)
    assert await (queued | op.map(int) | sinks.to_list()) == [1]
    assert_all_closed(queued)


async def test_a_message_that_is_given_up_while_draining_goes_back_without_a_letter() -> None:
    async def work(value: str) -> str:
        await asyncio.sleep(1)
        raise ValueError("no use")

    queued = streams.memory.queue(["x"], dead_letter=(dead := sinks.to_list()))
    handle = (queued | op.map_async(work) | sinks.to_list()).start()
    await asyncio.sleep(0.5)
    await handle.drain()
    assert (queued.ready, dead.values) == (["x"], [])


@pytest.mark.parametrize("concurrency", [1, 3])
async def test_a_drain_waits_for_letters_that_are_being_written(concurrency: int) -> None:
    written: list[str] = []

    async def take(letter: Any) -> None:
        await asyncio.sleep(3)
        written.append(letter.body)

    letters = sinks.each(take, concurrency=concurrency)
    queued = streams.memory.queue(["x"], dead_letter=letters)
    handle = (queued | op.map(int) | sinks.to_list()).start()
    await asyncio.sleep(1)
    summary = await handle.drain()
    assert (written, queued.acked) == (["x"], ["x"])
    assert summary.dead_lettered == 1


async def test_a_letter_that_nobody_takes_is_written_again_after_the_longest_wait() -> None:
    times: list[float] = []

    async def take(letter: Any) -> None:
        times.append(asyncio.get_running_loop().time())
        if len(times) < 3:
            raise RuntimeError("no room")

    wait = lambda state: float(state.attempt_number)  # noqa: E731
    queued = streams.memory.queue(["x"], dead_letter=sinks.each(take), wait=wait)
    handle = (queued | op.map(int) | sinks.to_list()).start()
    await asyncio.sleep(200)
    assert times == [0, 64, 128]
    assert queued.acked == ["x"]
    await handle.drain()


async def test_a_letter_that_waits_for_nothing_but_prefetch_is_let_go() -> None:
    written: list[tuple[float, list[str]]] = []

    async def slowly(letter: Any) -> None:
        await asyncio.sleep(5)

    def store(letters: list[Any]) -> None:
        bodies = [letter.body for letter in letters]
        written.append((asyncio.get_running_loop().time(), bodies))

    dead = sinks.tee(op.chunk(10, timeout=1000.0) | sinks.each(store), sinks.each(slowly))
    stream, _ = queue(["x"], open_ended=True, prefetch=1, dead_letter=dead)
    handle = (stream | op.map(int) | sinks.to_list()).start()
    await asyncio.sleep(10)
    assert written == [(5.05, ["x"])]
    await handle.drain()

"""Faults that others have in splitting, joining and branching. Each comment names whose, and where.

docs/guarantees.md lists them all, with the tests elsewhere that hold the others.
"""

import asyncio
import copy
import itertools
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest

from ackflow import operators as op
from ackflow import sinks, streams
from ackflow.streams import Reject, Skip
from ackflow.streams.testing import FlakySink, VirtualClock, assert_settled
from tests.queues import closed

pytestmark = pytest.mark.usefixtures("virtual_clock")

REFUSED = Reject("refused")


def thirds(value: str) -> list[str]:
    return [f"{value}{index}" for index in range(3)]


def spoken(value: str) -> str:
    """Return a value as somebody who looks on would hand it on: another object, the same text."""
    return copy.deepcopy(" " + value).strip()


# Benthos 4.76 (tracked.go:56): it stops looking once each message was seen with one good part, so
# that a message is acked whose first part was stored and whose third was not.
# streamz 0.6.5 (core.py:1754): a message hangs on the last of its parts alone.
@pytest.mark.parametrize("refused", list(itertools.product([False, True], repeat=6)))
async def test_whichever_part_of_a_message_is_refused_in_a_chunk_the_message_is_not_acked(
    refused: Sequence[bool],
) -> None:
    queue = closed(["a", "b"], dead_letter="exchange")
    sink = FlakySink([{place: REFUSED for place, no in enumerate(refused) if no}])
    await (queue | op.flat_map(thirds) | op.chunk(6) | sink)
    bad = [value for value, parts in (("a", refused[:3]), ("b", refused[3:])) if any(parts)]
    good = [value for value in ("a", "b") if value not in bad]
    assert_settled(queue, acked=good, rejected=bad, in_order=False)


# Benthos 4.76 (processor.go:108; connect#1086, connect#991): who splits a batch waits until all parts
# are acked, while the one behind waits for more to fill its own batch.
async def test_parts_of_many_messages_fill_one_chunk(virtual_clock: VirtualClock) -> None:
    queue = streams.memory.queue(map(str, range(9)), prefetch=100)
    sink = FlakySink()
    run = (queue | op.flat_map(thirds) | op.chunk(27, timeout=None) | sink).start()
    await virtual_clock.idle()
    assert list(map(len, sink.calls)) == [27]
    await run.drain()


# Benthos (benthos#446, connect#1967): what was batched and then dropped was never acked, or got the
# outcome of a later batch.
async def test_a_chunk_of_which_nothing_is_left_is_acked_and_shares_no_later_outcome(
    virtual_clock: VirtualClock,
) -> None:
    queue = streams.memory.queue(["x", "x"], dead_letter="exchange")

    def judge(chunk: list[str]) -> list[Any]:
        return [Skip("no need") if value == "x" else value for value in chunk]

    run = (queue | op.chunk(2) | op.map_chunk(judge) | FlakySink([REFUSED])).start()
    await virtual_clock.advance(1)
    assert queue.acked == ["x", "x"]
    queue.put("a", "b")
    await virtual_clock.advance(1)
    await run.drain()
    assert_settled(queue, acked=["x", "x"], rejected=["a", "b"])


# Benthos 4.76 (output_broker_fan_out.go:107): each output that fails settles the message once more.
async def test_two_branches_that_fail_settle_a_message_once() -> None:
    queue = closed(["a", "b"], dead_letter="exchange")
    refusing = [FlakySink([REFUSED]) for _ in range(2)]
    await (queue | sinks.tee(*refusing, FlakySink()))
    assert sorted(queue.settlements) == [("acked", "b"), ("rejected", "a")]


# SmallRye RabbitMQ (IncomingRabbitMQMessage.java:103): of several subscribers the first to answer
# settles the message.
@pytest.mark.parametrize("slow", [0, 1, 2])
async def test_a_message_waits_for_the_branch_that_fails_last(slow: int) -> None:
    async def refuse(value: str) -> None:
        await asyncio.sleep(60)
        raise REFUSED

    queue = closed(["a"], dead_letter="exchange")
    branches: list[Any] = [FlakySink(), FlakySink()]
    branches.insert(slow, sinks.each(refuse))
    await (queue | sinks.tee(*branches))
    assert_settled(queue, rejected=["a"])


# Benthos 4.76 (output_switch.go:327): where one output fails a batch as a whole and another for some
# of it, one of the two errors is forgotten.
async def test_an_error_of_one_route_as_a_whole_and_errors_in_another_all_count() -> None:
    class Strict:
        max_items = 10

        async def write(self, items: Sequence[str]) -> None:
            raise REFUSED

    class Choosy:
        max_items = 10

        async def write(self, items: Sequence[str]) -> list[Exception | None]:
            return [REFUSED if item == "b2" else None for item in items]

    queue = closed(["a1", "b1", "a2", "b2"], dead_letter="exchange")
    await (queue | sinks.route(lambda value: value[0], {"a": Strict(), "b": Choosy()}))
    assert_settled(queue, acked=["b1"], rejected=["a1", "a2", "b2"], in_order=False)


# Redpanda Connect (PR connect#4739): acks were found by the identity of a message, and a wrapper that
# copied messages made every ack miss.
@pytest.mark.parametrize("look", [op.tap(str), op.map(spoken), op.map(str.upper)], ids=str)
async def test_equal_and_identical_values_have_deliveries_of_their_own(look: Any) -> None:
    queue = closed(["same"] * 4, dead_letter="exchange")
    await (queue | look | op.chunk(4) | FlakySink([{2: REFUSED}]))
    assert_settled(queue, acked=["same"] * 3, rejected=["same"])


# Vector 0.58 (elasticsearch/service.rs:224; PR vector#8037) and SmallRye (Messages.java:113) settle
# a whole batch alike; asyncworker 0.20.2 (consumer.py:139) requeues all of it: 63 good messages were
# processed 704 times in 4 s beside one that was no JSON.
@pytest.mark.parametrize("bad", [0, 31, 63])
@pytest.mark.parametrize("place", ["operator", "sink"])
async def test_one_bad_message_of_64_costs_the_others_nothing(
    bad: int, place: str, virtual_clock: VirtualClock
) -> None:
    def refuse(n: int, here: str) -> Exception | None:
        return OSError("failed") if (n, here) == (bad, place) else None

    def work(n: int) -> int:
        if error := refuse(n, "operator"):
            raise error
        return n

    written: Counter[int] = Counter()

    class Store:
        async def write(self, items: Sequence[Any]) -> list[Exception | None]:
            written.update(items[0])
            return [refuse(n, "sink") for n in items[0]]

    queue = streams.memory.queue(range(64))
    run = (queue | op.map(work) | op.chunk(64, timeout=0.1) | Store()).start()
    await virtual_clock.advance(4)
    assert written.pop(bad, 0) <= 4
    assert written == Counter(set(range(64)) - {bad})
    assert len(queue.acked) == 63
    await run.drain()


# Broadway 1.3.0 (batch_processor_stage.ex:78): messages that a batch's answer leaves out are logged,
# and stay unacked for as long as the channel lives.
@pytest.mark.parametrize("answer", [[], [None] * 3, [None, "what"], 2], ids=str)
async def test_an_answer_that_leaves_somebody_out_leaves_nobody_unsettled(answer: Any) -> None:
    class Forgetful:
        async def write(self, items: Sequence[Any]) -> Any:
            return answer

    queue = closed(["a", "b"], attempts=1, dead_letter="exchange")
    await (queue | op.chunk(2) | Forgetful())
    assert_settled(queue, rejected=["a", "b"])

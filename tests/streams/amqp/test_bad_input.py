"""What is too much, too slow, or unknown, on real brokers: each row has the outcome that it must give.

Wrong settings are in test_settings.py, damaged messages in tests/security/test_limits.py.
"""

import ast
import asyncio
import json
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import Executor, Future
from contextlib import ExitStack
from functools import partial
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest

from ackflow import operators as op
from ackflow import sinks, streams
from ackflow.streams import amqp
from ackflow.streams.testing import VirtualClock
from tests.queues import assert_all_closed, closed
from tests.security.test_limits import MESSAGE_ID, Written, properties
from tests.servers.fixtures import Start
from tests.servers.rabbitmq import RabbitMQ
from tests.streams.amqp.speaking import speaking
from tests.streams.amqp.tools import Collect, declare, eventually, fill, ready, unique

ROOT = Path(__file__).resolve().parents[3]
IDLE = 0.3
CLUSTER_ID = 1 << 2
MANY = 10_000


# -- many queues --------------------------------------------------------------------------------------


@pytest.mark.servers  # none of these, but half a minute: 30,000 questions and answers
async def test_ten_thousand_queues_are_one_stream_and_few_are_named() -> None:
    names = [f"words.{number}" for number in range(MANY)]
    async with speaking([]) as broker:
        source = amqp.queue(names, url=broker.url, until_idle=IDLE, prefetch=1, start_timeout=1)
        assert await (source | sinks.to_list()) == []
        assert broker.consumed == names
    assert "'words.0 and 9,999 more'" in repr(source)


async def test_the_first_of_many_queues_that_is_not_there_is_named_and_few_others(
    rabbitmq: RabbitMQ,
) -> None:
    names = [unique("absent") for _ in range(MANY)]
    source = amqp.queue(names, url=rabbitmq.url, prefetch=1, start_timeout=0.1)
    with pytest.raises(streams.SourceError, match=f"'{names[0]}' does not exist") as raised:
        await (source | sinks.to_list())
    assert len(str(raised.value)) < 500


@pytest.mark.parametrize("prefetch", [1, 65_535])
async def test_a_prefetch_is_asked_for_as_it_is(way: str, prefetch: int) -> None:
    async with speaking([b"one"]) as broker:
        source = amqp.queue("words", url=broker.url, until_idle=IDLE, prefetch=prefetch)
        assert await (source | sinks.to_list()) == [b"one"]
        assert broker.prefetches == [prefetch]


# -- sizes, and what is unknown -----------------------------------------------------------------------


async def a_full_prefetch(node: RabbitMQ, queue: str) -> None:
    """The largest prefetch is taken by the broker as it is."""
    bodies = [b"%d" % number for number in range(1000)]
    await fill(node.url, queue, bodies)
    sink = Collect()
    run = (amqp.queue(queue, url=node.url, prefetch=65_535) | sink).start()
    await eventually(lambda: len(sink.items) == len(bodies))
    columns = ("queue_name", "prefetch_count")
    told = await asyncio.to_thread(node.ctl, "list_consumers", "--formatter", "json", *columns)
    assert {"queue_name": queue, "prefetch_count": 65_535} in json.loads(told)
    await run.drain()
    assert sink.items == bodies


async def frames_of_4_kb(node: RabbitMQ, queue: str) -> None:
    """Bodies around and far beyond the size of a frame are published and consumed whole."""
    bodies = [bytes([size % 251]) * size for size in (0, 1, 4087, 4088, 4089, 8176, 1_000_000)]
    await (streams.from_iterable(bodies) | sinks.amqp.publish(node.url, routing_key=queue))
    source = amqp.queue(queue, url=node.url, prefetch=3, until_idle=IDLE)
    assert await (source | sinks.to_list()) == bodies


async def unknown_properties(node: RabbitMQ, queue: str) -> None:
    """A property that AMQP 0-9 has left to no use costs nothing, and the others are as they were."""
    flags = MESSAGE_ID | CLUSTER_ID
    await fill(node.url, queue, [b"x"], Written(properties(flags, b"\x01m" + b"\x03old")))
    source = amqp.deliveries(queue, url=node.url, prefetch=3, until_idle=IDLE)
    [delivery] = await (source | sinks.to_list())
    assert delivery.properties == {"message_id": "m"}


async def a_slow_consumer_beside_a_fast_one(node: RabbitMQ, queue: str) -> None:
    """The slow one has its prefetch and no more: the fast one gets all the others, at once."""
    bodies = [b"%d" % number for number in range(500)]
    free = asyncio.Event()
    slow, fast = Collect(lambda _: free.wait()), Collect()  # type: ignore[arg-type,return-value]
    source = partial(amqp.queue, queue, url=node.url, prefetch=10)
    runs = [(source() | slow).start(), (source() | fast).start()]
    await fill(node.url, queue, bodies)
    await eventually(lambda: len(fast.items) == len(bodies) - 10)
    assert slow.items == []
    free.set()
    await eventually(lambda: len(slow.items) == 10)
    for run in runs:
        assert (await run.drain()).reconnects == 0
    assert Counter(slow.items + fast.items) == Counter(bodies)


def cut_by_heartbeats(node: RabbitMQ) -> int:
    """Return how many connections the broker ended because it heard no heartbeats."""
    return node.process.log.read_text(errors="replace").count("missed heartbeats from client")


async def a_function_that_blocks_the_loop(node: RabbitMQ, queue: str) -> None:
    """Longer than the broker waits for a heartbeat: it cuts, and nothing is lost."""
    bodies = [b"%d" % number for number in range(50)]
    await fill(node.url, queue, bodies)
    blocked: list[bytes] = []
    cut_before = cut_by_heartbeats(node)

    def block(body: bytes) -> bytes:
        if not blocked:
            blocked.append(body)
            time.sleep(5)  # really: what is tested is a loop that does not turn
        return body

    sink = Collect()
    source = amqp.queue(queue, url=node.url, prefetch=10, heartbeat=1)
    run = (source | op.map(block) | sink).start()
    await eventually(lambda: set(sink.items) == set(bodies))
    summary = await run.drain()
    assert summary.reconnects == 1
    assert cut_by_heartbeats(node) == cut_before + 1
    assert len(sink.items) - len(bodies) <= 10


async def a_function_that_blocks_the_loop_for_less(node: RabbitMQ, queue: str) -> None:
    """For less than the broker waits for a heartbeat: nobody notices, and nothing comes twice."""
    bodies = [b"%d" % number for number in range(50)]
    await fill(node.url, queue, bodies)
    sink = Collect()

    def block(body: bytes) -> bytes:
        if body == bodies[0]:
            time.sleep(3)  # really, as above
        return body

    source = amqp.queue(queue, url=node.url, prefetch=10, heartbeat=30)
    run = (source | op.map(block) | sink).start()
    await eventually(lambda: len(sink.items) == len(bodies))
    assert (await run.drain()).reconnects == 0
    assert sink.items == bodies


ROWS: dict[str, Callable[[RabbitMQ, str], Awaitable[None]]] = {
    "prefetch 65,535": a_full_prefetch,
    "frame_max 4 kB": frames_of_4_kb,
    "properties that are unknown": unknown_properties,
    "slow beside fast": a_slow_consumer_beside_a_fast_one,
    "a blocked loop": a_function_that_blocks_the_loop,
    "a loop blocked for less": a_function_that_blocks_the_loop_for_less,
}


@pytest.fixture(scope="module")
def small_frames(start_server: Start) -> Iterator[RabbitMQ]:
    """A node whose frames hold no more than 4 kB."""
    with ExitStack() as stack:
        yield start_server(stack, lambda: RabbitMQ(settings={"frame_max": "4096"}))


@pytest.mark.parametrize("row", ROWS)
async def test_a_broker_has_the_outcome_of_its_row(
    small_frames: RabbitMQ, way: str, row: str
) -> None:
    queue = unique("row")
    await declare(small_frames.url, queue)
    await ROWS[row](small_frames, queue)
    assert await ready(small_frames.url, queue) == 0


# -- executors ----------------------------------------------------------------------------------------


class Late(Executor):
    """Answers when it is told to, and can't take a call back, as a machine that does not answer."""

    def __init__(self) -> None:
        self.calls: list[tuple[Future[Any], Any]] = []

    def submit(self, f: Callable[..., Any], /, *args: Any, **options: Any) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_running_or_notify_cancel()
        self.calls.append((future, f(*args, **options)))
        return future

    def answer(self) -> None:
        while self.calls:
            future, value = self.calls.pop(0)
            future.set_result(value)


async def test_an_executor_that_answers_an_hour_late_is_waited_for(
    virtual_clock: VirtualClock,
) -> None:
    queue, late = closed(range(6)), Late()
    run = (queue | op.map_in(late, str, concurrency=2) | (sink := sinks.to_list())).start()
    for done in (0, 2, 4):
        await virtual_clock.advance(3600)
        assert (len(queue.acked), len(late.calls)) == (done, 2)
        late.answer()
    assert await run == list("012345")
    assert_all_closed(queue)
    assert sink.values == list("012345")


@pytest.mark.parametrize(("way", "seconds"), [("drain", 25.0), ("abort", 0.0)])
async def test_an_executor_that_never_answers_is_left_behind_and_its_messages_go_back(
    virtual_clock: VirtualClock, way: str, seconds: float
) -> None:
    queue = closed(range(6))
    run = (queue | op.map_in(Late(), str, concurrency=2) | sinks.to_list()).start()
    await virtual_clock.advance(1)
    began = virtual_clock.now
    await getattr(run, way)()
    assert virtual_clock.now - began == pytest.approx(seconds, abs=1)
    assert (queue.acked, sorted(queue.requeued)) == ([], list(range(6)))


# -- clocks -------------------------------------------------------------------------------------------

WALL = {"time": {"time", "time_ns"}, "datetime": {"now", "utcnow", "today"}, "date": {"today"}}
"""What jumps when somebody sets the clock."""
CALENDAR = ROOT / "streams" / "running" / "commands" / "times.py"
"""Where people write since when: a time of day, and no duration."""


def wall_clocks(text: str) -> list[str]:
    """Return where a module reads the time of day, or takes a clock that does by its bare name."""
    return [
        f"{node.lineno}: {ast.unparse(node)}" for node in ast.walk(ast.parse(text)) if is_wall(node)
    ]


def is_wall(node: ast.AST) -> bool:
    match node:
        case ast.Attribute(value=ast.Name(owner) | ast.Attribute(attr=owner), attr=name):
            return name in WALL.get(owner, ())
        case ast.ImportFrom(module="time", names=names):
            return any(alias.name in WALL["time"] for alias in names)
        case ast.Import(names=names):
            return any(alias.name in WALL and alias.asname for alias in names)
    return False


@pytest.mark.parametrize(
    "text",
    [
        "time.time()",
        "time.time_ns()",
        "from time import time",
        "from time import monotonic, time as now",
        "import time as clock",
        "datetime.now()",
        "datetime.datetime.now()",
        "date.today()",
        "callable = time.time",
    ],
)
def test_a_module_that_reads_the_time_of_day_is_found(text: str) -> None:
    assert wall_clocks(text) == [f"1: {text.removesuffix('()').removeprefix('callable = ')}"]


@pytest.mark.parametrize(
    "text", ["time.monotonic()", "from time import monotonic", "loop.time()", "import datetime"]
)
def test_and_no_other(text: str) -> None:
    assert wall_clocks(text) == []


def test_no_duration_is_measured_by_a_clock_that_jumps() -> None:
    for folder in ("streams", "operators", "sinks"):
        for path in {*(ROOT / folder).rglob("*.py")} - {CALENDAR}:
            assert wall_clocks(path.read_text(encoding="utf-8")) == [], path


async def arrivals(clock: VirtualClock) -> list[tuple[float, list[int]]]:
    """Return what arrives when, in virtual time, where all that waits in a pipeline waits."""
    failed: list[int] = []
    arrived: list[tuple[float, list[int]]] = []
    began = clock.now

    def since() -> float:
        return round(clock.now - began, 3)

    def once(value: int) -> int:
        if value == 3 and not failed:
            failed.append(value)
            raise OSError("once")
        return value

    queue = streams.memory.queue(range(10), wait=lambda state: 7.0, until_idle=60.0)
    parts = op.map(once) | op.rate_limit(2, per=5.0) | op.chunk(4, timeout=11.0)
    await (queue | parts | sinks.each(lambda chunk: arrived.append((since(), chunk))))
    return [*arrived, (since(), [])]


async def test_a_clock_that_jumps_hours_at_every_look_changes_nothing(
    monkeypatch: pytest.MonkeyPatch, virtual_clock: VirtualClock
) -> None:
    steady = await arrivals(virtual_clock)
    hours = cycle([0, 7200, 3600, 10**9, 1])
    monkeypatch.setattr(time, "time", lambda: float(next(hours)))
    monkeypatch.setattr(time, "time_ns", lambda: next(hours) * 10**9)
    assert await arrivals(virtual_clock) == steady
    assert Counter(value for _, chunk in steady for value in chunk) == Counter(range(10))

"""Order per key across processes: shards of a consistent-hash exchange, one active consumer each."""

import asyncio
import os
import signal
import sys
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import ExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from pamqp.commands import Basic

from ackflow import sinks, streams
from ackflow.streams import amqp
from ackflow.streams.core import SourceError
from tests.servers.fixtures import Start
from tests.servers.rabbitmq import RabbitMQ
from tests.streams.amqp.tools import channel, eventually, ready, unique

PLUGIN = "rabbitmq_consistent_hash_exchange"
KEYS, EACH, SHARDS, PREFETCH = 20, 100, 6, 50
MESSAGES = [b"%d %d" % (key, number) for number in range(EACH) for key in range(KEYS)]

# Stores each body in a file that all processes share, slowly, one at a time.
PROGRAM = """
import asyncio, os, sys
from ackflow import sinks, streams

url, name, kind, path = sys.argv[1:]
log = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
number = os.environ.get("ACKFLOW_WORKER", "-")

async def store(body):
    await asyncio.sleep(0.002)
    os.write(log, body + f" {os.getpid()} {number}\\n".encode())

shards = streams.amqp.Shards(name, 6).share()
(streams.amqp.queue(shards, url=url, prefetch=50, declare=kind) | sinks.each(store)).run()
"""


@pytest.fixture(scope="module")
def hashing(start_server: Start) -> Iterator[RabbitMQ]:
    """A node with the plugin that parts messages by hash."""
    with ExitStack() as stack:
        yield start_server(stack, lambda: RabbitMQ(plugins=[PLUGIN]))


class Log:
    """What the processes have stored, in the order in which they did."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def rows(self) -> list[list[str]]:
        if not self.path.exists():
            return []
        return [line.split() for line in self.path.read_text().splitlines()]

    def longer_than(self, count: int) -> bool:
        return len(self.rows()) > count

    def whole(self) -> bool:
        return len({(key, number) for key, number, *_ in self.rows()}) == len(MESSAGES)

    def assert_in_order(self) -> None:
        """See that no message of a key was stored before one of its earlier ones had been."""
        reached: dict[str, int] = defaultdict(lambda: -1)
        for key, number, *_ in self.rows():
            assert int(number) <= reached[key] + 1, f"{number} of key {key} after {reached[key]}"
            reached[key] = max(reached[key], int(number))
        assert set(reached.values()) == {EACH - 1}

    @property
    def repeats(self) -> int:
        return len(self.rows()) - len(MESSAGES)


@asynccontextmanager
async def process(*command: str) -> AsyncIterator[asyncio.subprocess.Process]:
    nothing = asyncio.subprocess.DEVNULL
    process = await asyncio.create_subprocess_exec(
        sys.executable, *command, stdout=nothing, stderr=nothing
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
            await asyncio.wait_for(process.wait(), 30)


async def publish(
    url: str, shards: amqp.Shards, kind: Any, messages: Sequence[bytes] = MESSAGES
) -> None:
    """Declare the shards, then publish messages, each with its key, confirmed."""
    await amqp.declare(shards, url=url, declare=kind)

    def key(body: bytes) -> str:
        return body.split()[0].decode()

    published = sinks.amqp.publish(url, exchange=shards.name, routing_key=key)
    await (streams.from_iterable(messages) | published)


async def reads(node: RabbitMQ, name: str, queues: Sequence[str]) -> bool:
    """Say whether these queues of that name have consumers, as often as each is in the list."""
    listed = await asyncio.to_thread(node.ctl, "list_consumers", "queue_name")
    return sorted(line for line in listed.splitlines() if line.startswith(name)) == sorted(queues)


@pytest.mark.parametrize("kind", ["quorum", "classic"])
@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGKILL], ids=str)
async def test_order_per_key_is_kept_when_another_process_takes_over(
    hashing: RabbitMQ, tmp_path: Path, kind: str, ending: signal.Signals
) -> None:
    """Each key's messages are stored in order, through a drain without a repeat."""
    url, shards, log = hashing.url, amqp.Shards(unique("words"), SHARDS), Log(tmp_path / "log")
    half = len(MESSAGES) // 2
    await publish(url, shards, kind, MESSAGES[:half])
    command = ["-c", PROGRAM, url, shards.name, kind, str(log.path)]
    async with process(*command) as first:
        await eventually(partial(log.longer_than, 0))
        async with process(*command):
            await eventually(partial(reads, hashing, shards.name, 2 * shards.all))
            # Only now, or the first one could be done with all of them before the second is there.
            await publish(url, shards, kind, MESSAGES[half:])
            await eventually(partial(log.longer_than, half))
            first.send_signal(ending)
            await asyncio.wait_for(first.wait(), 30)
            await eventually(log.whole, within=60)
    log.assert_in_order()
    assert len({pid for _, _, pid, _ in log.rows()}) == 2
    assert log.repeats == 0 if ending is signal.SIGTERM else log.repeats <= SHARDS * PREFETCH


async def test_workers_share_the_shards_and_one_that_is_killed_goes_on_in_order(
    hashing: RabbitMQ, tmp_path: Path
) -> None:
    url, shards, log = hashing.url, amqp.Shards(unique("words"), SHARDS), Log(tmp_path / "log")
    await publish(url, shards, "quorum")
    program = ["--", sys.executable, "-c", PROGRAM, url, shards.name, "quorum", str(log.path)]
    async with process("-m", "ackflow.streams.workers", "3", *program) as runner:
        await eventually(lambda: len({worker for *_, worker in log.rows()}) == 3)
        await eventually(partial(log.longer_than, len(MESSAGES) // 4))
        killed = next(int(pid) for _, _, pid, worker in log.rows() if worker == "1")
        os.kill(killed, signal.SIGKILL)
        await eventually(log.whole, within=60)
        runner.terminate()
        assert await asyncio.wait_for(runner.wait(), 30) == 0
    log.assert_in_order()
    assert len({(key, worker) for key, _, _, worker in log.rows()}) == KEYS, "a key moved"
    assert len({pid for *_, pid, worker in log.rows() if worker == "1"}) == 2
    assert log.repeats <= 2 * PREFETCH


async def test_a_source_declares_all_shards_and_reads_its_share(hashing: RabbitMQ) -> None:
    url, shards = hashing.url, amqp.Shards(unique("words"), 5, header="user")
    run = (amqp.queue(shards.share(1, of=2), url=url, prefetch=10) | sinks.to_list()).start()
    reading = [f"{shards.name}.1", f"{shards.name}.3"]
    async with channel(url) as own:
        await eventually(partial(reads, hashing, shards.name, reading))
        for user in range(200):
            properties = Basic.Properties(headers={"user": f"user {user}"})
            await own.basic_publish(b"x", exchange=shards.name, properties=properties)
    await run.drain()
    left = {queue: await ready(url, queue) for queue in shards.all}
    # The header parts them: by the routing key, which is empty, all would lie in one shard.
    assert all(left[queue] for queue in shards.all if queue not in reading)
    assert len(await run) + sum(left.values()) == 200


async def test_a_broker_without_the_plugin_is_an_error_that_names_it(rabbitmq: RabbitMQ) -> None:
    with pytest.raises(SourceError, match=f"rabbitmq-plugins enable {PLUGIN}"):
        await amqp.declare(amqp.Shards(unique("words"), 2), url=rabbitmq.url)


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: amqp.Shards("words", 0), r"Shards\(count\): must be from 1 to 10,000, got 0"),
        (lambda: amqp.Shards("words", 10_001), r"from 1 to 10,000, got 10001"),
        (lambda: amqp.Shards("words", 4).share(4, of=4), r"from 0 to of - 1 = 3, got 4"),
        (
            lambda: amqp.Shards("words", 4).share(0, of=5),
            "5 workers for 4 shards leave some without",
        ),
        (lambda: amqp.queue(amqp.Shards("w" * 254, 4)), "1 to 255 bytes"),
        (
            lambda: amqp.queue(amqp.Shards("words", 4), declare=amqp.Declare(exchange="texts")),
            "shards have an exchange of their own, 'words'; leave out exchange='texts'",
        ),
    ],
)
def test_what_can_not_be_meant_is_a_value_error(make: Callable[[], Any], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        make()


def test_counts_are_whole_numbers() -> None:
    with pytest.raises(TypeError, match=r"Shards\(count\): must be a whole number, got '4'"):
        amqp.Shards("words", "4")  # type: ignore[arg-type]


def test_each_shard_is_in_one_share(monkeypatch: pytest.MonkeyPatch) -> None:
    shards = amqp.Shards("words", 5)
    assert shards.queues == shards.share().queues == shards.all
    shares = [shards.share(number, of=3).queues for number in range(3)]
    assert shares == [["words.0", "words.3"], ["words.1", "words.4"], ["words.2"]]
    monkeypatch.setenv("ACKFLOW_WORKER", "2")
    monkeypatch.setenv("ACKFLOW_WORKERS", "3")
    assert shards.share().queues == ["words.2"]

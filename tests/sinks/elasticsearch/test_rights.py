"""401 and 403 halt a whole pipeline, say why, cost no message, and end when they are mended."""

import asyncio
import itertools
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import pytest

from ackflow import operators as op
from ackflow import sinks, streams
from tests.servers.elasticsearch import (
    ELASTICSEARCH_8,
    ELASTICSEARCH_9,
    QUICK_START,
    Elasticsearch,
)
from tests.servers.fixtures import Start
from tests.sinks.elasticsearch.nodes import until

pytestmark = pytest.mark.servers

MAY_WRITE = ("create_index", "index", "write")
PASSWORD, OTHER = "let-me-in", "let-me-out"
SECRETS = (PASSWORD, OTHER)
_numbers = itertools.count()


@pytest.fixture(scope="module", params=[ELASTICSEARCH_9, ELASTICSEARCH_8])
def secured(start_server: Start, request: pytest.FixtureRequest) -> Iterator[Elasticsearch]:
    """A node that asks who is there."""
    with ExitStack() as stack:
        yield start_server(
            stack,
            lambda: Elasticsearch(request.param, security=True, java_options=QUICK_START),
        )


@dataclass
class Writer:
    """A user of a node with a role of its own, by its own name; and the index it is to write to."""

    server: Elasticsearch
    name: str

    def may(self, *privileges: str, where: str = "") -> None:
        """Give the user rights, in place of those before."""
        self.server.add_role(self.name, indices={self.name + where: privileges})

    async def has(self, password: str) -> None:
        """Give the user a password, in place of that before; return when the node knows it."""
        for name in ("users", "users_roles"):
            file = self.server.folder / "config" / name
            lines = file.read_text().splitlines() if file.exists() else []
            file.write_text("".join(f"{line}\n" for line in lines if self.name not in line))
        await asyncio.to_thread(self.server.add_user, self.name, password, [self.name])

    def start(self, password: str, values: Any, **settings: Any) -> "Run":
        dead = sinks.to_list()
        queue = streams.memory.queue(values, prefetch=64, dead_letter=dead)
        sink = sinks.elasticsearch.bulk(
            self.server.url,
            basic_auth=(self.name, password),
            **({"index": self.name, "id": "word"} | settings),
        )
        return Run(queue, dead, sink, (queue | op.chunk(8) | sink).start())


@dataclass
class Run:
    """A pipeline that runs."""

    queue: Any
    dead: Any
    sink: Any
    handle: Any

    async def halted(self, *words: str) -> None:
        await until(lambda: self.handle.state.startswith("halted: "))
        state = self.handle.state
        assert all(word in state for word in words), state
        assert not any(secret in state for secret in SECRETS)
        probes = self.sink.statistics.halts
        await until(lambda: self.sink.statistics.halts > probes)
        assert self.handle.state.startswith("halted: ")

    @property
    def settled(self) -> tuple[int, int, int]:
        return len(self.queue.acked), len(self.queue.rejected), len(self.queue.requeued)

    async def goes_on(self, count: int) -> None:
        """See that it goes on by itself, and that no message has paid for it."""
        await until(lambda: len(self.queue.acked) == count, 60)
        assert self.handle.state == "running"
        summary = await self.handle.drain()
        assert (summary.accepted, summary.rejected, summary.retried) == (count, 0, 0)
        assert (summary.requeued, self.dead.values, summary.failures) == (0, [], {})
        assert summary.halts >= 1


@pytest.fixture
def writer(secured: Elasticsearch) -> Writer:
    return Writer(secured, f"writer-{next(_numbers):03}")


def rows(count: int, first: int = 0) -> list[dict[str, Any]]:
    return [{"word": f"w{number}"} for number in range(first, first + count)]


async def test_a_wrong_password_halts_until_it_is_the_right_one(writer: Writer) -> None:
    writer.may(*MAY_WRITE)
    await writer.has(PASSWORD)
    run = writer.start(OTHER, rows(100))
    await run.halted("answered 401 security_exception", writer.server.url)
    await writer.has(OTHER)
    await run.goes_on(100)
    assert writer.server.count(writer.name) == 100


async def test_a_password_that_changes_in_the_middle_halts_until_it_is_back(
    writer: Writer,
) -> None:
    writer.may(*MAY_WRITE)
    await writer.has(PASSWORD)
    run = writer.start(PASSWORD, rows(100))
    await until(lambda: len(run.queue.acked) == 100)
    await writer.has(OTHER)
    run.queue.put(*rows(100, first=100))
    await run.halted("answered 401 security_exception")
    assert run.settled == (100, 0, 0)
    await writer.has(PASSWORD)
    await run.goes_on(200)
    assert writer.server.count(writer.name) == 200


async def test_a_user_who_may_not_write_halts_until_it_may(writer: Writer) -> None:
    writer.may("read")
    await writer.has(PASSWORD)
    run = writer.start(PASSWORD, rows(100))
    await run.halted("answered 403 security_exception", "is unauthorized")
    assert run.settled == (0, 0, 0)
    writer.may(*MAY_WRITE)
    await run.goes_on(100)
    assert writer.server.count(writer.name) == 100


async def test_one_index_that_may_not_be_written_to_holds_up_its_own_documents_alone(
    writer: Writer,
) -> None:
    """The node answers 200, and 403 for some documents; the others of the bulk are acked at once."""
    writer.may(*MAY_WRITE)
    await writer.has(PASSWORD)
    run = writer.start(
        PASSWORD,
        [{"word": f"w{n}", "to": "-secret" if n % 4 == 3 else ""} for n in range(8)],
        index=lambda row: f"{writer.name}{row['to']}",
    )
    await run.halted("answered 403 security_exception", "for a document")
    await until(lambda: run.settled == (6, 0, 0))
    writer.may(*MAY_WRITE, where="*")
    await run.goes_on(8)
    assert writer.server.count(f"{writer.name}-secret") == 2

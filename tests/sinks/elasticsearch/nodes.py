"""What tests on real nodes of Elasticsearch share: questions to a node, and a sink in a hurry."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import pytest

from tests.servers.elasticsearch import Elasticsearch
from tests.sinks.elasticsearch.engine import Engine, running

Make = Callable[..., Elasticsearch]

QUICK: dict[str, Any] = {"backoff": (0.01, 0.2), "halt_after": 0.5}
"""Settings of a sink that sees an outage after half a second."""


def documents(server: Elasticsearch, index: str) -> dict[str, Any]:
    """Return what an index holds, by id."""
    server.request("POST", f"/{index}/_refresh")
    found = server.request("GET", f"/{index}/_search?size=1000")
    return {hit["_id"]: hit["_source"] for hit in found["hits"]["hits"]}


async def until(condition: Callable[[], Any], seconds: float = 30) -> None:
    """Wait until a condition holds."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.02)


async def halted(engine: Engine, *words: str) -> None:
    """Wait for an outage, and see that its reason says these words."""
    try:
        await until(lambda: engine.board.is_halted)
    except TimeoutError:
        settled = len(engine.source.outcomes)
        pytest.fail(f"no outage came: {settled} documents are settled, {engine.statistics}")
    for word in words:
        assert word in engine.board.reasons[-1], engine.board.reasons


@contextmanager
def cluster(server: Elasticsearch, **settings: Any) -> Iterator[None]:
    """Have settings of the cluster, with __ for each dot, for a while."""
    named = {name.replace("__", "."): value for name, value in settings.items()}
    server.request("PUT", "/_cluster/settings", {"persistent": named})
    try:
        yield
    finally:
        server.request("PUT", "/_cluster/settings", {"persistent": dict.fromkeys(named)})


@asynccontextmanager
async def writing(server: Elasticsearch, **settings: Any) -> AsyncIterator[Engine]:
    """Open a sink whose requests are given up soon."""
    quick: dict[str, Any] = {"backoff": (0.01, 0.2), "request_timeout": 3, "server_timeout": 2}
    async with running(server.url, **(quick | settings)) as engine:
        yield engine

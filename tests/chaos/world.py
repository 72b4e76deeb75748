"""The servers, the proxies before them, and the process of the pipeline."""

import asyncio
import json
import signal
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import aiormq
import orjson
from pamqp.commands import Basic

from tests.servers.elasticsearch import Elasticsearch
from tests.servers.proxy import Proxy
from tests.servers.rabbitmq import RabbitMQ

EXIT_WITHIN = 30.0
"""Seconds a process may take after SIGTERM: a drain has 25."""
PERSISTENT = Basic.Properties(delivery_mode=2)


class World:
    """What is to be broken."""

    def __init__(
        self, rabbitmq: RabbitMQ, elasticsearch: Elasticsearch, folder: Path,
        amqp: Proxy, search: Proxy,
    ) -> None:  # fmt: skip
        self.rabbitmq = rabbitmq
        self.elasticsearch = elasticsearch
        self.folder = folder
        self.amqp = amqp
        self.search = search

    # -- the process ------------------------------------------------------------------------------

    async def start(self, settings: Mapping[str, Any]) -> asyncio.subprocess.Process:
        """Start a pipeline in a process of its own; what it prints goes into a file."""
        places = {"amqp": self.amqp.url, "elasticsearch": self.search.url, **settings}
        with (self.folder / f"{settings['scenario']}.out").open("ab") as output:
            return await asyncio.create_subprocess_exec(
                sys.executable, "-m", "tests.chaos.consumer", json.dumps(places),
                stdout=output, stderr=output,
            )  # fmt: skip

    async def end(self, process: asyncio.subprocess.Process, number: signal.Signals) -> None:
        """Send a signal and wait for the end; a drain must end in time, with exit code 0."""
        if process.returncode is None:
            process.send_signal(number)
        try:
            code = await asyncio.wait_for(process.wait(), EXIT_WITHIN)
        except TimeoutError:
            process.kill()
            raise AssertionError(f"no end within {EXIT_WITHIN:g} s of {number.name}") from None
        if number is signal.SIGTERM and code != 0:
            raise AssertionError(f"exit code {code} after {number.name}; see {self.folder}")

    def said(self, scenario: str) -> str:
        """Return what the processes of a scenario have printed."""
        path = self.folder / f"{scenario}.out"
        return path.read_text(errors="replace") if path.exists() else ""

    # -- queues, past the proxy -------------------------------------------------------------------

    async def declare(self, queue: str, arguments: Mapping[str, Any]) -> None:
        """Declare a durable queue."""
        async with await aiormq.connect(self.rabbitmq.url) as connection:
            channel = await connection.channel()
            await channel.queue_declare(queue, durable=True, arguments=dict(arguments))

    async def remember(self) -> None:
        """Have the queues outlast a killed broker."""
        await asyncio.to_thread(self.rabbitmq.remember)

    async def delete(self, queue: str) -> None:
        """Delete a queue with all that is in it."""
        async with await aiormq.connect(self.rabbitmq.url) as connection:
            channel = await connection.channel()
            await channel.queue_delete(queue)

    async def publish(self, queues: Sequence[str], numbers: Iterable[int]) -> None:
        """Publish numbered messages, to several queues in turn; return when all are confirmed."""
        async with await aiormq.connect(self.rabbitmq.url) as connection:
            channel = await connection.channel()
            batch: list[Any] = []
            for turn, n in enumerate(numbers):
                body = orjson.dumps({"n": n, "word": f"word{n}"})
                queue = queues[turn % len(queues)]
                batch.append(channel.basic_publish(body, routing_key=queue, properties=PERSISTENT))
                if len(batch) == 500:
                    await asyncio.gather(*batch)
                    batch.clear()
            await asyncio.gather(*batch)

    async def ready(self, queue: str) -> int:
        """Return how many messages wait in a queue."""
        async with await aiormq.connect(self.rabbitmq.url) as connection:
            channel = await connection.channel()
            answer = await channel.queue_declare(queue, passive=True)
            return answer.message_count or 0

    async def take(self, queue: str) -> list[bytes]:
        """Take all messages out of a queue."""
        count = await self.ready(queue)
        bodies: list[bytes] = []

        async def keep(message: Any) -> None:
            bodies.append(message.body)

        async with await aiormq.connect(self.rabbitmq.url) as connection:
            channel = await connection.channel()
            if count:
                await channel.basic_consume(queue, keep, no_ack=True)
                async with asyncio.timeout(120):
                    while len(bodies) < count:
                        await asyncio.sleep(0.05)
        return bodies

    async def documents(self, index: str) -> set[str]:
        """Return the numbers of the documents in an index."""
        return await asyncio.to_thread(self._documents, index)

    def _documents(self, index: str) -> set[str]:
        request = self.elasticsearch.request
        request("POST", f"/{index}/_refresh")
        found: set[str] = set()
        after: dict[str, Any] = {}
        while True:
            query = {"size": 10_000, "sort": ["n"], "_source": False, **after}
            hits = request("POST", f"/{index}/_search", query)["hits"]["hits"]
            if not hits:
                return found
            found |= {hit["_id"] for hit in hits}
            after = {"search_after": hits[-1]["sort"]}

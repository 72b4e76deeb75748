"""What blocks with servers take: queues with messages in them, and programs of their own."""

import asyncio
import signal
from pathlib import Path
from typing import Any
from urllib.parse import quote

from tests.documentation import programs
from tests.documentation.blocks import BROKER, ELASTICSEARCH, Block
from tests.servers.elasticsearch import Elasticsearch
from tests.servers.processes import wait_until
from tests.servers.rabbitmq import RabbitMQ
from tests.streams.amqp import tools

WITHIN = 60.0
"""Seconds that a program may take until its queues are empty, and for its drain."""


class Servers:
    """The servers of a page, and the names that its comments use."""

    def __init__(self, rabbitmq: RabbitMQ, vhost: str, elasticsearch: Elasticsearch) -> None:
        self.url = rabbitmq.url_for(vhost)
        self._rabbitmq, self._vhost, self._elasticsearch = rabbitmq, vhost, elasticsearch
        self._filled: set[str] = set()

    def names(self) -> dict[str, Any]:
        """Return what comments can call."""
        return {"fill": self.fill, "texts": self.texts, "documents": self.documents}

    def put_in(self, text: str) -> str:
        """Return code with the addresses of the real servers."""
        return text.replace(BROKER, self.url).replace(ELASTICSEARCH, self._elasticsearch.url)

    def fill(self, queue: str, *bodies: str, **arguments: Any) -> None:
        """Declare a queue and put messages into it."""
        if bodies:
            self._filled.add(queue)
        asyncio.run(tools.declare(self.url, queue, **arguments))
        asyncio.run(tools.fill(self.url, queue, [body.encode() for body in bodies]))

    def texts(self, queue: str) -> list[str]:
        """Take what is in a queue."""
        return [message.body.decode() for message in asyncio.run(tools.take(self.url, queue))]

    def documents(self, index: str) -> list[Any]:
        """Return the documents of an index, sorted by id."""
        self._elasticsearch.request("POST", f"/{quote(index)}/_refresh")
        found = self._elasticsearch.request("GET", f"/{quote(index)}/_search?size=100")
        hits = sorted(found["hits"]["hits"], key=lambda hit: hit["_id"])
        return [hit["_source"] for hit in hits]

    def forget(self) -> None:
        """Begin anew, for the next page: no queue is waited for, and no index is left."""
        self._filled.clear()
        for row in self._elasticsearch.request("GET", "/_cat/indices?format=json"):
            self._elasticsearch.request("DELETE", f"/{quote(row['index'])}")

    def run(self, block: Block, folder: Path) -> str:
        """Run a block as a program until its queues are empty; return what it printed."""
        command = programs.command(block, folder, self.put_in(block.text))
        process = programs.start(command, folder)
        try:
            emptied = wait_until(
                lambda: process.poll() is not None or self._settled(), within=WITHIN
            )
            process.send_signal(signal.SIGTERM)
            printed, complaints = process.communicate(timeout=WITHIN)
        finally:
            process.kill()
        assert emptied, f"{block.place}: its queues are not empty after {WITHIN:g} s:\n{complaints}"
        assert block.script or process.returncode == 0, f"{block.place}: {complaints}"
        return printed

    def _settled(self) -> bool:
        """Say whether all that was given is settled."""
        figures = self._rabbitmq.list_queues(self._vhost)
        return all(figures[queue] == (0, 0) for queue in self._filled)

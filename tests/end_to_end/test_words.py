"""The example on real servers: both parts in one process, and each in its own."""

import asyncio
import json
import sys
from pathlib import Path

from tests.end_to_end.tools import WITHIN, fresh, ready
from tests.servers.elasticsearch import Elasticsearch
from tests.servers.rabbitmq import RabbitMQ

WORDS = Path(__file__).parents[2] / "examples" / "words.py"
LIMIT = 3_000


async def words(*options: str) -> dict[str, float]:
    """Run the example with --json and return its counts."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(WORDS), *options, "--json", stdout=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(WITHIN):
        out, _ = await process.communicate()
    assert process.returncode == 0
    counts: dict[str, float] = json.loads(out)
    return counts


async def test_produce_in_one_process_and_index_in_another(
    rabbitmq: RabbitMQ, own_elasticsearch: Elasticsearch
) -> None:
    queue = fresh("words")
    amqp = ("--amqp", rabbitmq.url, "--queue", queue)
    produced = await words("produce", *amqp, "--limit", str(LIMIT))
    assert (produced["published"], produced["indexed"]) == (LIMIT, 0)
    assert await ready(rabbitmq, queue) == LIMIT
    indexed = await words("index", *amqp, "--elasticsearch", own_elasticsearch.url)
    assert (indexed["indexed"], indexed["acked"], indexed["rejected"]) == (LIMIT, LIMIT, 0)
    assert own_elasticsearch.count("words") == LIMIT
    assert await ready(rabbitmq, queue) == 0


async def test_both_in_one_process(rabbitmq: RabbitMQ, own_elasticsearch: Elasticsearch) -> None:
    queue = fresh("words")
    options = ("--queue", queue, "--elasticsearch", own_elasticsearch.url, "--limit", str(LIMIT))
    counts = await words("--amqp", rabbitmq.url, *options)
    assert (counts["published"], counts["indexed"], counts["acked"]) == (LIMIT, LIMIT, LIMIT)
    assert own_elasticsearch.count("words") == LIMIT
    assert await ready(rabbitmq, queue) == 0

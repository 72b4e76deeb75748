"""asyncworker 0.20.2: a consumer of bulks, and helpers.async_bulk in it.

https://async-worker.github.io/async-worker/, "AMQP"
Its clock stops with the last bulk; the acks of that one come after.
"""

import asyncio
import os
from urllib.parse import urlsplit

os.environ["ASYNCWORKER_METRICS_ROUTE_ENABLED"] = "false"  # no HTTP server beside it

from asyncworker import App
from asyncworker.connections import AMQPConnection
from asyncworker.rabbitmq import RabbitMQMessage
from asyncworker.routes import AMQPRouteOptions
from elasticsearch import AsyncElasticsearch
from elasticsearch.helpers import async_bulk

from benchmarks.contenders.actions import actions
from benchmarks.contenders.task import Stopwatch, given

task = given()
server = urlsplit(task.amqp)
app = App(
    connections=[
        AMQPConnection(
            hostname=server.hostname,
            port=server.port,
            username=server.username,
            password=server.password,
            prefetch=task.prefetch,
        )
    ]
)
client = AsyncElasticsearch(task.elasticsearch)
watch = Stopwatch()
left = task.messages


@app.amqp.consume(  # type: ignore[untyped-decorator,unused-ignore]
    [task.queue], options=AMQPRouteOptions(bulk_size=task.chunk, bulk_flush_interval=1)
)
async def index(messages: list[RabbitMQMessage]) -> None:
    """Index a bulk; asyncworker acks each of its messages."""
    global left
    await async_bulk(client, actions((m.serialized_data for m in messages), task.index))
    left -= len(messages)
    if not left:
        watch.stop()
        asyncio.get_running_loop().call_later(0.5, app.shutdown)


if __name__ == "__main__":
    with watch:
        app.run()
    watch.report()

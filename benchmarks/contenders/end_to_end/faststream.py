"""FastStream: a subscriber with acks by hand and a buffer of one's own, for want of bulks.

https://faststream.ag2.ai/latest/rabbit/ack/ and https://faststream.ag2.ai/latest/rabbit/queue/
Its clock stops with the acks of the last bulk.
"""

import asyncio

from elasticsearch import AsyncElasticsearch
from elasticsearch.helpers import async_bulk
from faststream import AckPolicy, FastStream
from faststream.rabbit import Channel, RabbitBroker, RabbitMessage, RabbitQueue

from benchmarks.contenders.actions import actions
from benchmarks.contenders.task import Stopwatch, given

task = given()
broker = RabbitBroker(task.amqp, logger=None)
app = FastStream(broker, logger=None)
client = AsyncElasticsearch(task.elasticsearch)
watch = Stopwatch()
buffer: list[RabbitMessage] = []
left = task.messages


@broker.subscriber(  # type: ignore[untyped-decorator,unused-ignore]
    RabbitQueue(task.queue, durable=True),
    channel=Channel(prefetch_count=task.prefetch),
    ack_policy=AckPolicy.MANUAL,
)
async def index(message: RabbitMessage) -> None:
    """Collect 256 messages, index them in one bulk, and ack each."""
    global buffer, left
    buffer.append(message)
    if len(buffer) < task.chunk:
        return
    chunk, buffer = buffer, []
    await async_bulk(client, actions((m.body for m in chunk), task.index))
    for indexed in chunk:
        await indexed.ack()
    left -= len(chunk)
    if not left:
        watch.stop()
        app.exit()


async def main() -> None:
    """Run until every message is indexed."""
    with watch:
        await app.run()
    await client.close()
    watch.report()


if __name__ == "__main__":
    asyncio.run(main())

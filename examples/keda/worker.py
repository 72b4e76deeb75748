"""A worker that Kubernetes starts more or fewer of: words from RabbitMQ into Elasticsearch."""

import os

import orjson

from ackflow import operators as op
from ackflow import sinks, streams

QUEUE = "words_to_index"

if __name__ == "__main__":
    pipeline = (
        streams.amqp.queue(QUEUE, url=os.environ["AMQP_URL"], declare="quorum", prefetch=512)
        | op.map(orjson.loads)
        | op.chunk(256, timeout=1.0)
        | sinks.elasticsearch.bulk(os.environ["ELASTICSEARCH_URL"], index="words", id="word")
    )
    print(pipeline.run(), flush=True)  # SIGTERM drains: within 25 s

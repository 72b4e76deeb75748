"""A pipeline in a process of its own that writes down what it does, and dies where it is asked to.

python -m tests.end_to_end.worker SETTINGS    as JSON: url, queue, log, dead, prefetch, …
"""

import json
import os
import sys
from typing import Any

from ackflow import operators as op
from ackflow import sinks, streams
from ackflow.streams import Requeue


def work(log: int, body: bytes) -> bytes:
    """Do what the body says."""
    os.write(log, b"tried " + body + b"\n")
    match body.split(b"-")[0]:
        case b"die":
            os._exit(1)
        case b"fail":
            raise RuntimeError("never")
        case b"wait":
            raise Requeue("it is held", after=3600)
    return body


def main() -> None:
    """Run the pipeline until a signal ends it."""
    settings: dict[str, Any] = json.loads(sys.argv[1])
    log = os.open(settings.pop("log"), os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    url, wait = settings.pop("url"), settings.pop("wait", 0.2)
    source = streams.amqp.queue(
        settings.pop("queue"),
        url=url,
        dead_letter=sinks.amqp.publish(url, routing_key=settings.pop("dead")),
        wait=lambda _: wait,
        consumer_timeout=None,
        **settings,
    )
    pipeline = (
        source
        | op.map(lambda body: work(log, body))
        | sinks.each(lambda body: os.write(log, b"stored " + body + b"\n"))
    )
    pipeline.run()


if __name__ == "__main__":
    main()

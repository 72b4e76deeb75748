"""The limit: Elasticsearch alone, which gets bulks made before the clock starts, 8 of them at once.

The words are taken out of the queue before, so nobody but Elasticsearch and this loop has work to do.
"""

from collections.abc import Iterator
from http.client import HTTPConnection
from selectors import EVENT_READ, DefaultSelector
from urllib.parse import urlsplit

import orjson
from pamqp import commands

from benchmarks.contenders.task import Stopwatch, Task, given
from benchmarks.contenders.wire import BODY, Wire

CONCURRENCY = 8
"""As many as ackflow's sink has under way at most."""
HEADERS = {"content-type": "application/x-ndjson"}


def words(task: Task) -> list[bytes]:
    """Take all words out of the queue, without acks."""
    bodies: list[bytes] = []
    with Wire(task.amqp) as wire:
        wire.call(commands.Basic.Consume(0, task.queue, "c", no_ack=True), "Basic.ConsumeOk")
        while len(bodies) < task.messages:
            bodies += [payload for kind, payload in wire.frames() if kind == BODY]
    return bodies


def bulks(bodies: list[bytes], size: int) -> Iterator[bytes]:
    """Yield the bodies of the requests, with the actions that ackflow's sink would send."""
    for start in range(0, len(bodies), size):
        lines = list[bytes]()
        for body in bodies[start : start + size]:
            lines += [orjson.dumps({"index": {"_id": orjson.loads(body)["word"]}}), body]
        yield b"\n".join([*lines, b""])


def send(task: Task, ready: list[bytes]) -> None:
    """Send them all, the next on each connection as soon as the one before is answered."""
    path = f"/{task.index}/_bulk?filter_path=errors,items.*.error,items.*.status"
    left = iter(ready)
    with DefaultSelector() as selector:

        def begin(connection: HTTPConnection) -> None:
            if (bulk := next(left, None)) is None:
                connection.close()
                return
            connection.request("POST", path, bulk, HEADERS)
            selector.register(connection.sock, EVENT_READ, connection)

        for _ in range(CONCURRENCY):
            begin(HTTPConnection(urlsplit(task.elasticsearch).netloc))
        while selector.get_map():
            for key, _ in selector.select():
                selector.unregister(key.fileobj)
                answered(key.data)
                begin(key.data)


def answered(connection: HTTPConnection) -> None:
    """Read an answer, and see that every document was taken."""
    answer = connection.getresponse()
    said = answer.read()
    assert answer.status == 200, said
    assert orjson.loads(said)["errors"] is False, said


def main() -> None:
    """Get ready, and send."""
    task = given()
    ready = list(bulks(words(task), task.chunk))
    with Stopwatch() as watch:
        send(task, ready)
    watch.report()


if __name__ == "__main__":
    main()

"""The limit: requests made before the clock starts, over one bare socket, one after the other."""

import socket
from urllib.parse import urlsplit

import orjson

from benchmarks.contenders.bulk import DISTINCT, documents
from benchmarks.contenders.task import Stopwatch, Task, given


def requests(task: Task) -> list[bytes]:
    """Return the requests for all distinct documents."""
    made, found = documents(DISTINCT), []
    for start in range(0, DISTINCT, task.chunk):
        lines = []
        for document in made[start : start + task.chunk]:
            action = {"index": {"_index": task.index, "_id": document["word"]}}
            lines += [orjson.dumps(action), orjson.dumps(document)]
        body = b"\n".join(lines) + b"\n"
        head = b"POST /_bulk?filter_path=errors,items.*.status HTTP/1.1\r\nHost: x\r\n"
        found.append(head + b"Content-Length: %d\r\n\r\n" % len(body) + body)
    return found


def main() -> None:
    """Send them as often as the task asks."""
    task = given()
    ready = requests(task)
    parts = urlsplit(task.elasticsearch)
    assert parts.hostname
    with socket.create_connection((parts.hostname, parts.port or 80)) as line:
        with Stopwatch() as watch:
            for number in range(task.messages // task.chunk):
                line.sendall(ready[number % len(ready)])
                while not line.recv(1 << 16).endswith(b"]}"):
                    pass
        watch.report()


if __name__ == "__main__":
    main()

"""Warming up Elasticsearch: it compiles its code while it runs, and is six times as fast then."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from urllib.parse import urlsplit

import orjson

from tests.servers.elasticsearch import Elasticsearch

SECONDS = 45.0
INDEX = "warming-up"
PATH = f"/{INDEX}/_bulk?filter_path=errors,items.*.error,items.*.status"
WRITERS = 2


def warm_up(elasticsearch: Elasticsearch) -> None:
    """Index such documents as the measures do, for so long that it becomes no faster."""
    print(f"Elasticsearch warms up for {SECONDS:.0f} s", flush=True)
    elasticsearch.request("PUT", f"/{INDEX}")
    until = time.monotonic() + SECONDS
    with ThreadPoolExecutor(WRITERS) as pool:
        writes = [
            pool.submit(_write, elasticsearch.url, str(each), until) for each in range(WRITERS)
        ]
    for write in writes:
        write.result()
    elasticsearch.request("DELETE", f"/{INDEX}")


def _write(url: str, name: str, until: float) -> None:
    connection = HTTPConnection(urlsplit(url).netloc)
    for body in _bulks(name):
        connection.request("POST", PATH, body, {"content-type": "application/x-ndjson"})
        answer = connection.getresponse()
        said = answer.read()
        if answer.status != 200:
            raise RuntimeError(f"Elasticsearch answers {answer.status}: {said[:200]!r}")
        if time.monotonic() > until:
            return


def _bulks(name: str, size: int = 256) -> Iterator[bytes]:
    number = 0
    while True:
        lines = list[bytes]()
        for _ in range(size):
            number += 1
            lines.append(orjson.dumps({"index": {"_id": f"{name}-{number}"}}))
            lines.append(orjson.dumps({"word": f"word{number}", "n": number}))
        yield b"\n".join([*lines, b""])

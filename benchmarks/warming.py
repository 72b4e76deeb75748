"""Warming up Elasticsearch: it compiles its code while it runs, and is six times as fast then."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from urllib.parse import urlsplit

import orjson

from tests.servers.elasticsearch import Elasticsearch

SECONDS = 90.0
"""A bulk of 256 becomes no faster after 70 to 85 s here; after 60 it takes 7 % longer than then."""
TURNS = 18
"""Indices that are made, filled and deleted one after the other, as those of the measures are."""
WRITERS = 2


def warm_up(elasticsearch: Elasticsearch) -> None:
    """Index such documents as the measures do, for so long that it becomes no faster."""
    print(f"Elasticsearch warms up for {SECONDS:.0f} s", flush=True)
    for turn in range(TURNS):
        index, until = f"warming-up-{turn}", time.monotonic() + SECONDS / TURNS
        elasticsearch.request("PUT", f"/{index}")
        with ThreadPoolExecutor(WRITERS) as pool:
            names = map(str, range(WRITERS))
            writes = [pool.submit(_write, elasticsearch.url, index, name, until) for name in names]
        for write in writes:
            write.result()
        elasticsearch.request("DELETE", f"/{index}")


def _write(url: str, index: str, name: str, until: float) -> None:
    connection = HTTPConnection(urlsplit(url).netloc)
    path = f"/{index}/_bulk?filter_path=errors,items.*.error,items.*.status"
    for body in _bulks(name):
        connection.request("POST", path, body, {"content-type": "application/x-ndjson"})
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

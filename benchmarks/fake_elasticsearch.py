"""A fake Elasticsearch that answers bulks as fast as Python can.

Run by itself (`python -m benchmarks.fake_elasticsearch`), it serves.

It reads whole requests, counts the documents in them by their lines, and answers with a result for each,
all of them stored, with the fields that `filter_path` asks for. It prints its address, and answers
`GET /count` with the number of documents since it was asked last.
"""

import asyncio
import subprocess
import sys
import urllib.request
from functools import cache
from types import TracebackType
from typing import Self

from benchmarks.environments import ROOT
from benchmarks.running import stay_on

WHOLE = (
    b'{"index":{"_index":"documents","_id":"word00000","_version":1,"result":"created",'
    b'"_shards":{"total":2,"successful":1,"failed":0},"_seq_no":1,"_primary_term":1,"status":201}}'
)
STATUS = b'{"index":{"status":201}}'
HEAD = (
    b"HTTP/1.1 200 OK\r\nX-elastic-product: Elasticsearch\r\n"
    b"content-type: application/vnd.elasticsearch+json;compatible-with=9\r\ncontent-length: %d\r\n\r\n"
)


@cache
def answer(documents: int, filtered: bool) -> bytes:
    """Return the answer to a bulk of so many documents."""
    results = b",".join([STATUS if filtered else WHOLE] * documents)
    took = b"" if filtered else b',"took":1'
    return _answer(b'{"errors":false%b,"items":[%b]}' % (took, results))


def _answer(body: bytes) -> bytes:
    return HEAD % len(body) + body


class Bulks(asyncio.Protocol):
    """One connection."""

    documents = 0
    """Of all connections, since somebody asked."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._head, self._left, self._lines = b"", 0, 0

    def data_received(self, data: bytes) -> None:
        if self._left:
            data = self._body(data)
        while data and not self._left:
            head, found, data = (self._head + data).partition(b"\r\n\r\n")
            if not found:
                self._head = head
                return
            self._begin(head)
            data = self._body(data)

    def _begin(self, head: bytes) -> None:
        self._head, self._request, self._lines = b"", head.split(b"\r\n", 1)[0], 0
        lowered = head.lower()
        at = lowered.find(b"content-length:")
        self._left = int(lowered[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
        if not self._left:
            self._end()

    def _body(self, data: bytes) -> bytes:
        """Take what belongs to the request; return the rest."""
        if not self._left:
            return data
        part = data[: self._left]
        self._lines += part.count(b"\n")
        self._left -= len(part)
        if not self._left:
            self._end()
        return data[len(part) :]

    def _end(self) -> None:
        if b"/_bulk" in self._request:
            documents = self._lines // 2
            Bulks.documents += documents
            self._transport.write(answer(documents, b"filter_path=" in self._request))
        elif b"/count" in self._request:
            self._transport.write(_answer(b"%d" % Bulks.documents))
            Bulks.documents = 0
        else:
            self._transport.write(
                _answer(b'{"version":{"number":"9.0.1"},"tagline":"You Know, for Search"}')
            )


async def serve() -> None:
    """Serve until the standard input ends."""
    server = await asyncio.get_running_loop().create_server(Bulks, "127.0.0.1", 0)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await asyncio.to_thread(sys.stdin.read)


class FakeElasticsearch:
    """The server in a process of its own, on a processor of its own."""

    def __init__(self, processor: int) -> None:
        self._processor = processor

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.fake_elasticsearch"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            preexec_fn=lambda: stay_on(self._processor),
        )
        assert self._process.stdout
        self.url = self._process.stdout.readline().decode().strip()
        return self

    def count(self) -> int:
        """Return the documents since the last call."""
        with urllib.request.urlopen(f"{self.url}/count", timeout=10) as found:  # noqa: S310
            return int(found.read())

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.communicate(timeout=10)


if __name__ == "__main__":
    asyncio.run(serve())

"""The server: what a bulk sink asks of it, and what its answers say."""

from collections.abc import Mapping
from typing import Any, NoReturn
from urllib.parse import quote

from ackflow.sinks.elasticsearch.answers import UNREAD, Answer, seconds
from ackflow.sinks.elasticsearch.connection import Connection
from ackflow.sinks.elasticsearch.sending import (
    NoAnswerError,
    NotSentError,
    Reply,
    Request,
    Requests,
)
from ackflow.streams.core import Unavailable

JSON = "application/vnd.elasticsearch+json; compatible-with=8"
"""Version 8 of the API, which servers 8 and 9 both speak; the client passes it on unchanged."""
LINES = "application/vnd.elasticsearch+x-ndjson; compatible-with=8"
RESULTS = "errors,items.*.status,items.*.error,items.*.failure_store"
"""What we need of an answer. Never `items.*.error` alone: successes and places would vanish."""
WITHOUT_SOURCE_SINCE = (8, 18)
PROBE_TIMEOUT = 5.0


class Server:
    """Elasticsearch, as far as a bulk sink needs it."""

    def __init__(self, connection: Connection, *, parameters: Mapping[str, str]) -> None:
        """`parameters`: those of each bulk."""
        self._connection = connection
        self._parameters = {"filter_path": RESULTS, **parameters}
        self._requests: Requests | None = None
        self._probe_path = "/"

    @property
    def name(self) -> str:
        """What to call the server in messages."""
        return f"Elasticsearch at {self._connection.name}"

    async def packed(self, payload: bytes) -> bytes:
        """Return a bulk as it is sent."""
        return await self._connection.body.packed(payload)

    async def bulk(self, packed: bytes) -> Answer:
        """Send a bulk; raise Unavailable if it was not sent, NoAnswerError if nobody knows."""
        headers = {"content-type": LINES, **self._connection.body.headers}
        # POST: clients send a PUT again when a kept-alive connection dies, and store it twice.
        return await self._request("POST", "/_bulk", self._parameters, headers, packed)

    async def probe(self) -> None:
        """Ask whether Elasticsearch is there; raise Unavailable if not."""
        try:
            answer = await self._request("GET", self._probe_path, timeout=PROBE_TIMEOUT)
            if answer.status in (404, 405) and self._probe_path == "/":
                self._probe_path = "/_cluster/health"
                answer = await self._request("GET", self._probe_path, timeout=PROBE_TIMEOUT)
        except NoAnswerError as lost:
            raise Unavailable(f"{self.name} does not answer: {lost}") from None
        self._check(answer)
        self.version = _version(answer)
        if self.version >= WITHOUT_SOURCE_SINCE:
            self._parameters["include_source_on_error"] = "false"

    def _check(self, answer: Answer) -> None:
        if 200 <= answer.status < 300 and not answer.product:
            self.halt(
                f"{self._connection.name} answers, but not as Elasticsearch: the header "
                "X-Elastic-Product is missing"
            )
        # A user that may write but not monitor gets 403 here; a busy server 429.
        there = (403, 429) + ((404, 405) if answer.product else ())
        if not 200 <= answer.status < 300 and answer.status not in there:
            self.halt(f"{self.name} answered {answer.status} {answer.cause}")

    def halt(self, reason: str) -> NoReturn:
        """Raise the outage, without the control characters that an answer may have in it."""
        words = " ".join(reason.split())
        raise Unavailable(
            "".join(one if one.isprintable() else f"\\x{ord(one):02x}" for one in words)
        )

    async def ensure(self, index: str, body: Mapping[str, Any]) -> None:
        """Create an index unless it is there."""
        import orjson

        path = f"/{quote(index, safe='')}"
        try:
            content = {"content-type": JSON}
            answer = await self._request("PUT", path, None, content, orjson.dumps(body))
        except NoAnswerError as lost:
            self.halt(f"{self.name} did not say whether it created {index!r}: {lost}")
        exists = answer.cause.type == "resource_already_exists_exception"
        if 200 <= answer.status < 300 or exists:
            return
        if answer.status == 400:
            raise ValueError(
                f"bulk(ensure=…): {self.name} refuses the index {index!r}: {answer.cause}"
            )
        self.halt(f"{self.name} did not create {index!r}: {answer.status} {answer.cause}")

    async def close(self) -> None:
        """Close what is our own."""
        requests, self._requests = self._requests, None
        if requests is not None:
            await requests.close()

    def _open(self) -> Requests:
        if self._connection.client is None:
            from ackflow.sinks.elasticsearch.nodes import Nodes

            return Nodes(self._connection)
        from ackflow.sinks.elasticsearch.client import Lent

        return Lent(self._connection.client)

    async def _request(
        self,
        method: str,
        path: str,
        parameters: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        timeout: float | None = None,
    ) -> Answer:
        if self._requests is None:
            self._requests = self._open()
        headers = {"accept": JSON, **(headers or {})}
        timeout = timeout or self._connection.request_timeout
        try:
            reply = await self._requests.send(
                Request(method, path, parameters or {}, headers, body, timeout)
            )
        except NotSentError as error:
            raise Unavailable(f"{self.name} {error}") from None
        return self._answer(reply)

    def _answer(self, reply: Reply) -> Answer:
        """Read an answer; a client that is not ours may have parsed it."""
        raw, body = b"", reply.body
        if isinstance(body, bytes | str):
            raw = body if isinstance(body, bytes) else body.encode(errors="replace")
            body = UNREAD
        if not 200 <= reply.status < 300:
            raw = self._connection.hide(raw)
        return Answer(
            status=reply.status,
            body=body,
            raw=raw,
            product=reply.headers.get("x-elastic-product") == "Elasticsearch",
            retry_after=seconds(reply.headers.get("retry-after")),
        )


def _version(answer: Answer) -> tuple[int, ...]:
    """Read the version out of the answer to `GET /`; empty where it is not said."""
    version = answer.body.get("version") if isinstance(answer.body, Mapping) else None
    number = str(version.get("number", "")) if isinstance(version, Mapping) else ""
    parts = [part for part in number.split(".")[:2] if part.isascii() and part.isdigit()]
    return tuple(int(part[:9]) for part in parts)

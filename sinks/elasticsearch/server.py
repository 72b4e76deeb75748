"""The server: requests by elasticsearch-py, and what a failure on the way says about them."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NoReturn
from urllib.parse import quote

from ackflow.sinks.elasticsearch.answers import UNREAD, Answer, seconds
from ackflow.sinks.elasticsearch.connection import Connection
from ackflow.streams.core import Unavailable

if TYPE_CHECKING:
    from elastic_transport import TransportError
    from elasticsearch import AsyncElasticsearch

JSON = "application/vnd.elasticsearch+json; compatible-with=8"
"""Version 8 of the API, which servers 8 and 9 both speak; the client passes it on unchanged."""
LINES = "application/vnd.elasticsearch+x-ndjson; compatible-with=8"
RESULTS = "errors,items.*.status,items.*.error,items.*.failure_store"
"""What we need of an answer. Never `items.*.error` alone: successes and places would vanish."""
WITHOUT_SOURCE_SINCE = (8, 18)
PROBE_TIMEOUT = 5.0


class NoAnswerError(Exception):
    """A request may have arrived, but there was no answer: nobody knows what became of it."""

    def __init__(self, reason: str, *, timeout: bool) -> None:
        super().__init__(reason)
        self.timeout = timeout


class Server:
    """Elasticsearch, as far as a bulk sink needs it."""

    def __init__(
        self, connection: Connection, *, connections: int, parameters: Mapping[str, Any]
    ) -> None:
        """`connections`: requests under way at most; `parameters`: those of each bulk."""
        self._connection = connection
        self._connections = connections
        self._parameters = {"filter_path": RESULTS, **parameters}
        self._client: AsyncElasticsearch | None = None
        self._probe_path = "/"
        self.version: tuple[int, ...] = ()
        """Of what answered the last probe, as far as it said."""

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
        # POST: aiohttp sends a PUT again when a kept-alive connection dies, and stores it twice.
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
        """Close the client, if it is our own."""
        client, self._client = self._client, None
        if client is not None and self._connection.client is None:
            await client.close()

    def _open(self) -> "AsyncElasticsearch":
        from ackflow.sinks.elasticsearch.client import adopt, make

        if self._connection.client is None:
            return make(self._connection, self._connections)
        return adopt(self._connection.client, self._connection.request_timeout)

    async def _request(
        self,
        method: str,
        path: str,
        parameters: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        timeout: float | None = None,
    ) -> Answer:
        from elastic_transport import ApiError, SerializationError, TransportError

        if self._client is None:
            self._client = self._open()
        client = self._client if timeout is None else self._client.options(request_timeout=timeout)
        try:
            response = await client.perform_request(
                method,
                path,
                params=parameters,
                headers={"accept": JSON, **(headers or {})},
                body=body,
            )
        except ApiError as error:  # also UnsupportedProductError, of answers with 2xx
            body = error.body
            return _answer(error.meta, self._connection.hide(body) if type(body) is bytes else body)
        except SerializationError as error:  # only a client not made by us reads answers itself
            return Answer(200, raw=str(error).encode(), product=False)
        except TransportError as error:
            raise self._failure(error) from None
        return _answer(response.meta, response.body)

    def _failure(self, error: "TransportError") -> Exception:
        from aiohttp import ClientConnectorError, ConnectionTimeoutError
        from elastic_transport import ConnectionTimeout, TlsError

        from ackflow.sinks.elasticsearch.client import RedirectedError

        # The transport empties error.errors when it gives up; what happened is the context.
        beneath = error.__context__
        reason = str(beneath or "") or str(error.message)
        if isinstance(error, TlsError):
            return Unavailable(f"{self.name} can't be trusted: {reason}; {_way_out(beneath)}")
        if isinstance(beneath, RedirectedError):
            return Unavailable(f"{self.name}: {reason}")
        if isinstance(beneath, ClientConnectorError | ConnectionTimeoutError):
            return Unavailable(f"{self.name} is not there: {reason}")
        return NoAnswerError(reason, timeout=isinstance(error, ConnectionTimeout))


def _way_out(beneath: BaseException | None) -> str:
    """Say what can be done about TLS, by what OpenSSL holds against it (X509_V_ERR_…)."""
    failure = getattr(beneath, "certificate_error", beneath)
    match getattr(failure, "verify_code", None):
        case None:
            return "is certificate= asked for, or no https:// spoken there?"
        case 9 | 10:
            return "the clock or the certificate has to be put right"
        case 62 | 64:
            return "the URL must name a host that the certificate is for"
    return "ca_certs= names the authority to trust"


def _answer(meta: Any, body: Any) -> Answer:
    """Read an answer; our own clients leave the parsing to us, so that nothing gets lost."""
    raw = b""
    if isinstance(body, bytes | str):
        raw = body if isinstance(body, bytes) else body.encode(errors="replace")
        body = UNREAD
    return Answer(
        status=meta.status,
        body=body,
        raw=raw,
        product=meta.headers.get("x-elastic-product") == "Elasticsearch",
        retry_after=seconds(meta.headers.get("retry-after")),
    )


def _version(answer: Answer) -> tuple[int, ...]:
    """Read the version out of the answer to `GET /`; empty where it is not said."""
    version = answer.body.get("version") if isinstance(answer.body, Mapping) else None
    number = str(version.get("number", "")) if isinstance(version, Mapping) else ""
    parts = [part for part in number.split(".")[:2] if part.isascii() and part.isdigit()]
    return tuple(int(part[:9]) for part in parts)

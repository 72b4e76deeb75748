"""FakeElasticsearch: a server on this machine whose bulk answers are scripted, item by item."""

import asyncio
import json
from collections.abc import Iterable, Mapping
from math import isinf
from types import TracebackType
from typing import TYPE_CHECKING, Any

from ackflow.streams.testing.answers import (
    BulkAnswer,
    Refusals,
    Request,
    Scripted,
    check,
    read,
)
from ackflow.streams.testing.indexing import Index, Operation, Result, error, parse

if TYPE_CHECKING:
    from ssl import SSLContext

    from aiohttp.web import AppRunner, StreamResponse
    from aiohttp.web import Request as WebRequest

__all__ = ["BulkAnswer", "FakeElasticsearch"]

JSON = "application/vnd.elasticsearch+json;compatible-with=8"
PRODUCT = {"X-Elastic-Product": "Elasticsearch", "Content-Type": JSON}


class FakeElasticsearch:
    """An HTTP server on a free port of this machine that answers bulks as Elasticsearch does.

    The n-th bulk meets the n-th entry of a script, and when that is spent all is stored. Behind it is
    an index: documents by their ids, versions, created and updated, conflicts of `create`.

    Example:
        async with testing.FakeElasticsearch([{"w7": 400}, 429, None]) as server:
            sink = sinks.elasticsearch.bulk(server.url, index="words", id="word")
            await (queue | op.chunk(256) | sink)
        server.documents         # {'um': {'word': 'um'}, …}
        server.requests[-1].ids  # ['um', …]

    An entry is None (store all), a dict of refused operations, by id or by position in the bulk, each
    with a status or (status, type, reason); a status for the bulk as a whole; a `BulkAnswer` for
    anything else (HTML, short answers, resets, slowness); or a function of the request that returns
    one of these.
    Acks: what is refused with 429 or 503 is sent again, other refusals are rejects, as in earnest.
    `refused`: operations that every bulk finds refused, by id. `version`: of Elasticsearch.
    `max_bytes`: bodies above it get 413. `ssl`: a server context; the URL is then https.
    Works in virtual time: a `Retry-After` of 17 s takes none.
    Raises TypeError for an entry that is none, RuntimeError for `url` outside `async with`.
    """

    def __init__(
        self,
        script: Iterable[Scripted] = (),
        *,
        refused: Refusals | None = None,
        version: str = "9.0.1",
        max_bytes: int = 2**30,
        ssl: "SSLContext | None" = None,
    ) -> None:
        self.requests: list[Request] = []
        """Every request that arrived, in order."""
        self.indices: dict[str, Index] = {}
        """The indices, by name."""
        self._script: list[Any] = list(map(check, script))
        self._refused: dict[Any, Any] = dict(refused or {})
        self._version = version
        self._max_bytes = max_bytes
        self._ssl = ssl
        self._runner: AppRunner | None = None

    def then(self, *script: Scripted) -> None:
        """Add entries to the script."""
        self._script += map(check, script)

    @property
    def url(self) -> str:
        """Where it listens, as in http://127.0.0.1:40123."""
        if self._runner is None or not self._runner.addresses:
            raise RuntimeError("FakeElasticsearch.url: use it within `async with`")
        port = self._runner.addresses[0][1]
        return f"https://localhost:{port}" if self._ssl else f"http://127.0.0.1:{port}"

    @property
    def documents(self) -> dict[str, Any]:
        """What is stored, by id, in all indices."""
        return {
            key: each for index in self.indices.values() for key, each in index.documents.items()
        }

    @property
    def bulks(self) -> list[Request]:
        """The requests that were bulks."""
        return [request for request in self.requests if request.operations]

    async def __aenter__(self) -> "FakeElasticsearch":
        from aiohttp import web

        application = web.Application(client_max_size=self._max_bytes)
        application.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(application, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0, ssl_context=self._ssl).start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        runner, self._runner = self._runner, None
        assert runner is not None
        await runner.cleanup()

    # -- answering --------------------------------------------------------------------------------

    async def _handle(self, request: "WebRequest") -> "StreamResponse":
        body = await request.read()
        bulk = request.path.endswith("/_bulk")
        try:
            operations = parse(body) if bulk else []
        except (ValueError, StopIteration) as fault:
            return _respond(400, error(400, "illegal_argument_exception", str(fault)))
        now = asyncio.get_running_loop().time()
        taken = Request(
            request.method, request.path, request.query, request.headers, body, now, operations
        )
        self.requests.append(taken)
        if not bulk:
            return _respond(*self._look_up(taken))
        entry = self._script.pop(0) if self._script else None
        return await self._answer(request, read(entry, taken), taken)

    async def _answer(
        self, request: "WebRequest", answer: BulkAnswer, taken: Request
    ) -> "StreamResponse":
        if answer.after:
            await (asyncio.Event().wait() if isinf(answer.after) else asyncio.sleep(answer.after))
        results = self._results(answer, taken) if answer.does else []
        body = answer.body
        if body is None and answer.status == 200:
            shown = [_filtered(result, taken) for result in results[: answer.results]]
            flawed = any("error" in next(iter(result.values())) for result in results)
            body = {"errors": flawed, "items": shown}
        elif body is None:
            body = error(answer.status)
        response = _respond(answer.status, body, answer.headers)
        return response if answer.cut is None else await _cut(request, response, answer.cut)

    def _results(self, answer: BulkAnswer, taken: Request) -> list[Result]:
        always = BulkAnswer(refused=self._refused)
        return [
            answer.refusal(position, operation)
            or always.refusal(-1, operation)
            or self._index(operation, taken).do(operation)
            for position, operation in enumerate(taken.operations)
        ]

    def _index(self, operation: Operation, taken: Request) -> Index:
        name = operation.metadata.get("_index") or taken.path.split("/")[1]
        return self.indices.setdefault(name, Index())

    def _look_up(self, taken: Request) -> tuple[int, Any]:
        """Answer what is no bulk: what it is, what it holds, and that an index be there."""
        match [part for part in taken.path.split("/") if part]:
            case []:
                return 200, {"version": {"number": self._version}, "tagline": "You Know, for Tests"}
            case [name] if taken.method == "PUT":
                if name in self.indices:
                    return 400, error(400, "resource_already_exists_exception")
                self.indices[name] = Index()
                return 200, {"acknowledged": True, "index": name}
            case [name, "_count"] if name in self.indices:
                return 200, {"count": len(self.indices[name].documents)}
            case [name, "_doc", key] if name in self.indices:
                found = key in self.indices[name].documents
                source = {"_source": self.indices[name].documents[key]} if found else {}
                return 200 if found else 404, {"_id": key, "found": found, **source}
        return 404, error(404, "resource_not_found_exception", taken.path)


def _filtered(result: Result, taken: Request) -> Result:
    """Leave of a result what the request's filter_path lets through."""
    ((name, fields),) = result.items()
    paths = [path.split(".") for path in taken.query.get("filter_path", "").split(",")]
    wanted = {path[2] for path in paths if len(path) > 2 and path[0] == "items"}
    if not wanted or "*" in wanted:
        return result
    return {name: {key: value for key, value in fields.items() if key in wanted}}


def _respond(status: int, body: Any, headers: Mapping[str, str] | None = None) -> "StreamResponse":
    from aiohttp import web

    if isinstance(body, str):
        given = {"Content-Type": "text/html", **(headers or {})}
        return web.Response(status=status, body=body.encode(), headers=given)
    text = json.dumps(body, separators=(",", ":"))
    return web.Response(status=status, body=text.encode(), headers={**PRODUCT, **(headers or {})})


async def _cut(request: "WebRequest", response: Any, size: int) -> "StreamResponse":
    """Send so many bytes of a response, then reset the connection."""
    from aiohttp import web

    assert request.transport is not None
    if size:
        length = {"Content-Length": str(len(response.body) + size + 1)}
        part = web.StreamResponse(status=response.status, headers={**response.headers, **length})
        await part.prepare(request)
        await part.write(response.body[:size])
    request.transport.abort()
    return web.Response()

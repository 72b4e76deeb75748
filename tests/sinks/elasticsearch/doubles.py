"""A source that notes how its messages are settled, and a client with an Elasticsearch in memory."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence, Set
from dataclasses import dataclass, field
from typing import Any, NoReturn, TypeVar

from aiohttp import ClientConnectorError
from aiohttp.client_reqrep import ConnectionKey
from elastic_transport import (
    ApiError,
    ApiResponseMeta,
    ConnectionError,
    ConnectionTimeout,
    HttpHeaders,
    NodeConfig,
    ObjectApiResponse,
)

from ackflow.streams.core import Delivery, Joined, Message, Reject, Requeue, Session
from ackflow.streams.core.outcome import Kind, Outcome
from ackflow.streams.testing import run
from ackflow.streams.testing.indexing import parse

T = TypeVar("T")


# -- time -------------------------------------------------------------------------------------------


def virtually(test: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run an async function in virtual time."""
    return run(test())


def now() -> float:
    return asyncio.get_running_loop().time()


# -- the source -------------------------------------------------------------------------------------


@dataclass
class Source:
    """Hands out chunks; `outcomes` has what became of each value, by its position."""

    outcomes: dict[int, Outcome] = field(default_factory=dict)
    times: dict[int, float] = field(default_factory=dict)
    closed: bool = False
    _session: Session = field(default_factory=Session)
    _made: int = 0

    def chunk(self, *values: Any) -> Message[Any]:
        tokens = [(self, self._made + at) for at in range(len(values))]
        self._made += len(values)
        return Message(list(values), (Joined(tokens), 0), self._session, "sink", places=True)

    def settle(self, tags: Sequence[int], outcome: Outcome) -> None:
        for tag in tags:
            assert tag not in self.outcomes, f"{tag} was settled twice"
            self.outcomes[tag] = outcome
            self.times[tag] = now()

    def judge(self, error: Exception) -> Outcome:
        if isinstance(error, Requeue):
            return Outcome(Kind.REQUEUE, error, error.after)
        if isinstance(error, Reject):
            return Outcome(Kind.REJECT, error)
        return Outcome(Kind.REQUEUE, error, attempt=True)

    def eased(self) -> None:
        """Nobody waits for it."""

    def wholes(self, tags: Set[int]) -> Sequence[Any]:
        return ()

    def roots(self, tag: int) -> Iterator[Any]:
        yield (self, tag)

    def delivery(self, tag: int) -> Delivery | None:
        return None

    def of(self, kind: Kind) -> list[int]:
        return sorted(tag for tag, outcome in self.outcomes.items() if outcome.kind is kind)

    @property
    def accepted(self) -> list[int]:
        return self.of(Kind.ACCEPTED)

    @property
    def rejected(self) -> list[int]:
        return self.of(Kind.REJECT)

    @property
    def requeued(self) -> list[int]:
        return self.of(Kind.REQUEUE)

    def cause(self, tag: int) -> Any:
        return self.outcomes[tag].cause


# -- the server -------------------------------------------------------------------------------------

Item = dict[str, Any]


@dataclass
class Bulk:
    """One bulk that arrived: its operations as (name, metadata, document)."""

    operations: Sequence[tuple[str, Item, Any]]
    size: int
    at: float

    @property
    def ids(self) -> list[Any]:
        return [metadata.get("_id") for _, metadata, _ in self.operations]


Behaviour = Callable[[Bulk], Any]


class Elasticsearch:
    """A client with a server behind it: the n-th bulk meets the n-th behaviour, then all is well.

    A behaviour returns an answer (a status and body, or the items), None to store, or raises.
    """

    def __init__(self, latency: float = 0.01) -> None:
        self.behaviours: list[Behaviour] = []
        self.latency = latency
        self.store: dict[Any, Any] = {}
        self.bulks: list[Bulk] = []
        self.requests: list[tuple[str, str, dict[str, Any]]] = []
        self.probe: Callable[[], Any] = lambda: (200, {"version": {"number": "9.0.1"}})
        self.closed = False
        self.under_way = 0
        self.most_under_way = 0

    def then(self, *behaviours: Behaviour) -> None:
        self.behaviours += behaviours

    def options(self, **options: Any) -> Elasticsearch:
        return self

    async def close(self) -> None:
        self.closed = True

    async def perform_request(
        self, method: str, path: str, *, params: Any = None, headers: Any = None, body: Any = None
    ) -> Any:
        self.requests.append((method, path, {"params": params, "headers": headers, "body": body}))
        if path != "/_bulk":
            answer = self.probe()
            if isinstance(answer, Awaitable):
                answer = await answer
            return respond(*answer)
        bulk = Bulk(parse(body), len(body), now())
        self.bulks.append(bulk)
        self.under_way += 1
        self.most_under_way = max(self.under_way, self.most_under_way)
        try:
            return await self._bulk(bulk)
        finally:
            self.under_way -= 1

    async def _bulk(self, bulk: Bulk) -> Any:
        behaviour = self.behaviours.pop(0) if self.behaviours else None
        await asyncio.sleep(self.latency)
        answer = behaviour(bulk) if behaviour else None
        if isinstance(answer, Awaitable):
            answer = await answer
        if answer is None:
            answer = [self.stored(operation) for operation in bulk.operations]
        if isinstance(answer, list):
            flawed = any("error" in next(iter(item.values())) for item in answer)
            answer = (200, {"errors": flawed, "items": answer})
        return respond(*answer)

    def refuses(self, status: int, kind: str, *ids: Any) -> Behaviour:
        """Return a behaviour that refuses some ids, without any all, and stores the others."""

        def behave(bulk: Bulk) -> Any:
            return [
                refused(operation[0], status, kind)
                if not ids or operation[1].get("_id") in ids
                else self.stored(operation)
                for operation in bulk.operations
            ]

        return behave

    def stored(self, operation: tuple[str, Item, Any]) -> Item:
        """Do one operation; return its result."""
        name, metadata, document = operation
        key = metadata.get("_id", len(self.store))
        if name == "delete":
            return {name: {"status": 404 if self.store.pop(key, None) is None else 200}}
        known = key in self.store
        if name == "create" and known:
            return refused(name, 409, "version_conflict_engine_exception")
        if name == "update":
            if not known and not document.get("doc_as_upsert"):
                return refused(name, 404, "document_missing_exception")
            self.store[key] = {**self.store.get(key, {}), **document["doc"]}
        else:
            self.store[key] = document
        return {name: {"status": 200 if known else 201}}


def refused(name: str, status: int, kind: str, reason: str = "because") -> Item:
    """Return the result of an operation that failed."""
    return {name: {"status": status, "error": {"type": kind, "reason": reason}}}


def respond(status: int, body: Any, headers: dict[str, str] | None = None) -> Any:
    """Return or raise what elasticsearch-py would."""
    given = {"x-elastic-product": "Elasticsearch"} | (headers or {})
    meta = ApiResponseMeta(
        status=status,
        http_version="1.1",
        headers=HttpHeaders(given),
        duration=0.0,
        node=NodeConfig("http", "localhost", 9200),
    )
    if not 200 <= status < 300:
        raise ApiError("error", meta, body)
    return ObjectApiResponse(body=body, meta=meta)


def answering(
    status: int, kind: str = "", reason: str = "because", headers: dict[str, str] | None = None
) -> Behaviour:
    """Return a behaviour that answers a bulk as a whole."""
    body = {"error": {"type": kind, "reason": reason}, "status": status}
    return lambda _bulk: (status, body, headers)


def fail(error: Exception, cause: Exception) -> NoReturn:
    """Raise as the client does: what happened is in the context of the error, and nowhere else."""
    try:
        raise cause
    except Exception:
        raise error from None


def resetting(_bulk: Any = None) -> Any:
    """Break the connection before anything is stored."""
    fail(ConnectionError("reset by peer"), ConnectionResetError("reset by peer"))


def silent(seconds: float) -> Behaviour:
    """Return a behaviour that lets a request run into its timeout, before anything is stored."""

    async def time_out() -> Any:
        await asyncio.sleep(seconds)
        fail(ConnectionTimeout("Connection timed out during request"), TimeoutError())

    return lambda _bulk: time_out()


def nobody_there(_bulk: Any = None) -> Any:
    """Refuse the connection."""
    key: Any = ConnectionKey("localhost", 9200, False, True, None, None, None)
    cause = ClientConnectorError(key, OSError(111, "Connection refused"))
    fail(ConnectionError(str(cause)), cause)

"""BulkAnswer: what a fake Elasticsearch answers to one bulk, as a test says it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from ackflow.streams.core import shown
from ackflow.streams.testing.indexing import Operation, Result, error

Refusal: TypeAlias = int | tuple[int, str] | tuple[int, str, str]
"""A status, its error's type, its reason; what is left out is what Elasticsearch says mostly."""
Refusals: TypeAlias = Mapping[Any, Refusal]
"""Which operations are refused, by id (str) or by position in the bulk (int)."""


@dataclass(frozen=True, slots=True)
class Request:
    """A request that arrived."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    at: float
    """When it arrived, in the loop's time."""
    operations: Sequence[Operation] = ()
    """What is in it, where it is a bulk."""

    @property
    def ids(self) -> list[Any]:
        """The ids of its operations, in order; None where Elasticsearch is to make one."""
        return [operation.id for operation in self.operations]


@dataclass(frozen=True, slots=True)
class BulkAnswer:
    """What a fake Elasticsearch answers to one bulk.

    Example:
        BulkAnswer(502, "<html>Bad Gateway</html>")  # of a proxy; nothing is stored
        BulkAnswer(429, headers={"Retry-After": "17"})
        BulkAnswer(refused={"w7": (400, "document_parsing_exception", "no date")})
        BulkAnswer(results=1)                        # a short answer: one result of many
        BulkAnswer(cut=0)                            # the connection breaks, nothing is stored
        BulkAnswer(cut=32, stores=True)              # all is stored, half of the answer comes
        BulkAnswer(after=90.0)                       # a slow one; float("inf") is none

    `status` and `body`: the answer as a whole: a dict goes out as JSON, a text as HTML, None as the
    error of the status, and with status 200 as the results of the operations. `headers` are added, and
    may replace. `refused`: operations refused, by id or position. `results`: how many results it has
    at most. `cut`: bytes after which the connection is reset. `after`: seconds until it answers.
    `stores`: whether the operations are done; None where the answer as a whole tells.
    """

    status: int = 200
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    refused: Refusals = field(default_factory=dict)
    results: int | None = None
    cut: int | None = None
    after: float = 0.0
    stores: bool | None = None

    @property
    def does(self) -> bool:
        """Whether the operations of the bulk are done."""
        if self.stores is None:
            return self.status == 200 and self.body is None and self.cut is None
        return self.stores

    def refusal(self, position: int, operation: Operation) -> Result | None:
        """Return the result of an operation that is refused, None for the others."""
        refused: Mapping[Any, Refusal] = self.refused
        said = refused.get(position, refused.get(operation.id))
        if said is None:
            return None
        status, *rest = (said,) if isinstance(said, int) else said
        return {operation.name: {"_id": operation.id, **error(status, *rest)}}


Plain: TypeAlias = int | Refusals | BulkAnswer | None
Scripted: TypeAlias = Plain | Callable[[Request], Plain]
"""An entry of a script."""


def read(entry: Any, request: Request) -> BulkAnswer:
    """Return the answer that an entry of a script stands for."""
    if callable(entry):
        return read(entry(request), request)
    if isinstance(entry, BulkAnswer):
        return entry
    if isinstance(entry, Mapping):
        return BulkAnswer(refused=entry)
    return BulkAnswer() if entry is None else BulkAnswer(entry)


def check(entry: Any) -> Any:
    """Return an entry of a script; raise TypeError for what is none."""
    whole = isinstance(entry, int) and not isinstance(entry, bool) and 100 <= entry <= 599
    if entry is None or whole or callable(entry) or isinstance(entry, BulkAnswer | Mapping):
        return entry
    raise TypeError(
        "testing.FakeElasticsearch(script): must hold None, statuses, dicts of refused operations by "
        f"id or position, BulkAnswers, and functions of the request, got {shown(entry)}; "
        "None is a bulk all of which is stored"
    )

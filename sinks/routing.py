"""route: every element to the sink that its key names."""

import inspect
from collections.abc import Callable, Hashable, Mapping
from typing import Any, TypeVar

from ackflow.sinks.several import Several, a_sink, close_all
from ackflow.streams.core import Branches, Run, Session, Sink, Token, call_function, label, shown

A = TypeVar("A")


class Route(Several):
    """Writes every element to the sink its key names."""

    def __init__(
        self,
        key: Callable[[Any], Hashable],
        routes: Mapping[Hashable, Sink[Any, Any]],
        default: Sink[Any, Any] | None,
    ) -> None:
        self.key = key
        self.routes = routes
        self.default = default
        everything = [*routes.values(), *([] if default is None else [default])]
        super().__init__("route", everything)

    @property
    def shown_settings(self) -> dict[str, Any]:
        return {"key": self.key}

    @property
    def shown_branches(self) -> Branches:
        ways = [(label(key), sink) for key, sink in self.routes.items()]
        return ways if self.default is None else [*ways, ("default", self.default)]

    def writer(self, session: Session, places: int) -> Any:
        return RouteWriter(self, session, places)


class RouteWriter:
    """Sorts runs by key."""

    def __init__(self, route: Route, session: Session, places: int) -> None:
        self._route = route
        self._session = session
        self._writers = {key: sink.writer(session, places) for key, sink in route.routes.items()}
        default = route.default
        self._default = None if default is None else default.writer(session, places)
        self._all = [*self._writers.values(), *([self._default] if self._default else [])]

    async def open(self) -> None:
        """Open every sink."""
        for writer in self._all:
            await writer.open()

    async def put(self, run: Run[Any]) -> None:
        """Write each element where its key says; one without a way fails by itself."""
        if run.error is not None:
            self._session.failed(run, "route")
            return
        parts: dict[int, tuple[Any, list[Any], list[Token]]] = {}
        for value, token in zip(run.values, run.tokens, strict=True):
            try:
                writer = self._writer(value)
            except Exception as error:
                self._session.failed(Run([value], [token], error), "route")
                continue
            _, values, tokens = parts.setdefault(id(writer), (writer, [], []))
            values.append(value)
            tokens.append(token)
        for writer, values, tokens in parts.values():
            await writer.put(Run(values, tokens))

    def _writer(self, value: Any) -> Any:
        key = call_function("sinks.route(key)", self._route.key, value)
        writer = self._writers.get(key, self._default)
        if writer is None:
            raise LookupError(
                f"sinks.route(key, routes): no route for the key {shown(key)}; there are "
                f"{sorted(map(repr, self._writers))}; default= takes the rest"
            )
        return writer

    async def finish(self) -> None:
        """Wait until everything is written."""
        for writer in self._all:
            await writer.finish()

    async def close(self) -> None:
        """Close every sink."""
        await close_all(self._all)

    def result(self) -> dict[Any, Any]:
        """Return the sinks' results by key; the default's under None."""
        results = {key: writer.result() for key, writer in self._writers.items()}
        return results if self._default is None else {**results, None: self._default.result()}


def route(
    key: Callable[[A], Hashable], routes: Mapping[Any, Any], default: Any = None
) -> Sink[A, dict[Any, Any]]:
    """Write every element to the sink that `key(element)` names.

    Example:
        sinks.route(lambda doc: doc["language"], {"pt": portuguese, "en": english}, default=other)

    The result is a dict of the sinks' own results by key.
    Acks: those of the sink it went to. A key without a route, and without `default`, is a failure of
    that element (LookupError, hence for good).
    Raises TypeError or ValueError, where it is written, for settings that can't be meant.
    """
    if not callable(key):
        raise TypeError(
            f"sinks.route(key): must be a function of one element, got {shown(key)}; "
            "give the function itself, not what it returns"
        )
    if inspect.iscoroutinefunction(key):
        raise TypeError(
            f"sinks.route(key): must be an ordinary function, got the coroutine function {shown(key)}; "
            "use op.map_async before"
        )
    if not isinstance(routes, Mapping) or not routes:
        raise ValueError(
            f"sinks.route(routes): must map at least one key to a sink, got {shown(routes)}; "
            "a single sink needs no route"
        )
    if default is not None and None in routes:
        raise ValueError(
            "sinks.route(routes): must have no key None beside a default, whose result is under "
            f"None, got {shown(routes)}; name the elements without a key otherwise"
        )
    table = {name: a_sink("sinks.route(routes)", sink) for name, sink in routes.items()}
    other = None if default is None else a_sink("sinks.route(default)", default)
    return Route(key, table, other)

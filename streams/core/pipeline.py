"""Pipeline: a stream and the sink it ends in, ready to run."""

from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from ackflow.streams.core.errors import shown
from ackflow.streams.core.handle import Handle
from ackflow.streams.core.pictured import Pictured
from ackflow.streams.core.settings import check_count, check_seconds
from ackflow.streams.core.stage import bounded_demand
from ackflow.streams.core.summary import Summary

if TYPE_CHECKING:
    from ackflow.streams.core.observer import Observer
    from ackflow.streams.core.sink import Sink
    from ackflow.streams.core.stream import Stream

R_co = TypeVar("R_co", covariant=True)


class Pipeline(Pictured, Generic[R_co]):
    """A stream and the sink it ends in.

    Example:
        pipeline.run()                       # a script: SIGINT and SIGTERM drain
        summary = await pipeline             # Jupyter, or any running loop

    The result is the sink's: a Summary for sinks that write, the list for `to_list`. The Summary of
    the last run is always at `pipeline.summary`.

    """

    runner: Callable[..., Any] | None = None
    """Runs a pipeline in a script; ackflow.streams.running puts itself here."""

    measure = False
    """Whether runs measure their stages where `start` is not told."""

    def __init__(self, stream: "Stream[Any]", sink: "Sink[Any, R_co]") -> None:
        self.stream = stream
        self.sink = sink
        self.summary = Summary()
        self._running: Handle[R_co] | None = None
        if sink.chunks and not stream.shape:
            raise TypeError(
                f"{sink.name} takes chunks, but {stream!r} hands out single values; "
                "put op.chunk(256, timeout=1.0) before it"
            )
        for source, path in stream.paths((sink,)):
            bounded_demand(source, path)

    def start(
        self,
        *,
        limit: int | None = None,
        timeout: float | None = None,
        measure: bool | None = None,
        tracing: "Observer | None" = None,
    ) -> "Handle[R_co]":
        """Begin a run in the running loop, and return its handle.

        `limit`: source messages after which the run ends; `timeout`: seconds after which it drains.
        `measure`: have `handle.stages` tell what each stage does (unless `Pipeline.measure` is set, it
        does not); this costs some time for each run of messages, not for each message.
        `tracing`: a `streams.running.Tracing`, which makes spans of it.
        Awaiting it raises TimeoutError where that drain is not done after 25 s, since a sink is away.
        """
        if self._running is not None and not self._running.done:
            raise RuntimeError(
                "pipeline.start(): this pipeline is running; drain it first, or build a second one"
            )
        if limit is not None:
            check_count("pipeline.run(limit)", limit, 1, "leave it out to run to the stream's end")
        check_seconds("pipeline.run(timeout)", timeout)
        if measure is None:
            measure = Pipeline.measure
        if tracing is not None and not hasattr(tracing, "taken"):
            raise TypeError(
                f"pipeline.start(tracing): must be a Tracing, got {shown(tracing)}; "
                "streams.running.Tracing() is one"
            )
        self._running = Handle(self, limit, timeout, measure, tracing)
        return self._running

    def __await__(self) -> Generator[Any, Any, R_co]:
        return self.start().__await__()

    def run(self, **options: Any) -> R_co:
        """Run in a script until the stream ends, or SIGINT or SIGTERM drain it.

        `limit=` and `timeout=` as for `start`. `status`: "127.0.0.1:9600", or a
        `streams.running.Status`, where the run shows itself over HTTP (nowhere). `progress=True`: on
        stderr, with a summary at the end; needs the extra `progress`. `tracing`: True, or a
        `streams.running.Tracing`, which makes OpenTelemetry spans of it; needs the extra `tracing`.
        Exits with 0 after a drain by signal, 1 after an error, 130 after a second SIGINT.
        """
        if Pipeline.runner is None:
            raise RuntimeError("pipeline.run(): import ackflow.streams first")
        result: R_co = Pipeline.runner(self, **options)
        return result

    def __repr__(self) -> str:
        return f"{self.stream!r} | {self.sink!r}"

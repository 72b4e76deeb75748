"""Metrics: runs of pipelines in a registry of prometheus-client; needs the extra `metrics`."""

import asyncio
from collections.abc import Iterator
from typing import Any

from ackflow.streams.core import Figure, Handle, shown
from ackflow.streams.running.figures import figures_of

try:
    from prometheus_client import registry
    from prometheus_client.metrics_core import Metric
except ImportError:
    raise ImportError(
        "ackflow.streams.running.metrics: needs the package prometheus-client: "
        "pip install 'ackflow[metrics]'; the status page shows metrics without it"
    ) from None

ANSWER_WITHIN = 5.0
"""Seconds in which a loop answers a scrape in another thread: half of what Prometheus waits."""


class Collector(registry.Collector):
    """Shows runs in a registry of your own, beside your own metrics.

    Example:
        handle = pipeline.start()
        REGISTRY.register(metrics.Collector(handle))
        REGISTRY.register(metrics.Collector(words=first.start(), mails=second.start()))   # instead

    Whatever is named has its name as the label `pipeline`. Several runs in one registry are one
    collector. Nothing is computed before a scrape, which may come in any thread.
    Raises TypeError for what is no handle, ImportError without the extra `metrics`.
    """

    def __init__(self, handle: Handle[Any] | None = None, /, **named: Handle[Any]) -> None:
        self._runs = {**({} if handle is None else {"": handle}), **named}
        for run in self._runs.values():
            if not isinstance(run, Handle):
                raise TypeError(
                    f"metrics.Collector(handle): must be a handle, got {shown(run)}; "
                    "pipeline.start() returns one"
                )

    def describe(self) -> Iterator[Metric]:
        """Name what is collected, so that a registry refuses a second collector."""
        return self.collect()

    def collect(self) -> Iterator[Metric]:
        """Return what is known now."""
        for figure in self._figures():
            metric = Metric(figure.name.removesuffix("_total"), figure.help, figure.kind)
            for series, labels, value in figure.series():
                metric.add_sample(series, dict(labels), value)
            yield metric

    def _figures(self) -> list[Figure]:
        """Look at the runs where they may be looked at: in their loop, while that turns."""
        loops = {run.loop for run in self._runs.values() if run.loop.is_running()}
        elsewhere = [loop for loop in loops if loop is not _running_loop()]
        if len(loops) > 1:
            raise RuntimeError(
                "metrics.Collector(**runs): runs of one collector must be in one loop; "
                "give those of each loop a registry of their own"
            )
        if not elsewhere:
            return figures_of(self._runs)
        return asyncio.run_coroutine_threadsafe(self._look(), elsewhere[0]).result(ANSWER_WITHIN)

    async def _look(self) -> list[Figure]:
        return figures_of(self._runs)


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None

"""A real Prometheus scrapes a run, and answers what the dashboard asks."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from ackflow import operators as op
from ackflow import sinks, streams
from ackflow.streams.core import Reject
from ackflow.streams.running import Status, Tally
from tests.running.watched import showing
from tests.servers.prometheus import Prometheus

BOARD: dict[str, Any] = json.loads(
    (Path(__file__).parents[2] / "streams/running/commands/dashboard.json").read_text("utf-8")
)
WITHIN = 60.0
"""Seconds after which no answer is waited for any more."""
MakePrometheus = Callable[[str], Prometheus]


def queries() -> list[str]:
    """What the dashboard's panels ask, with all jobs and pipelines chosen, over ten seconds."""
    asked = [target["expr"] for panel in BOARD["panels"] for target in panel["targets"]]
    variables = {"$job": ".*", "$pipeline": ".*", "$__rate_interval": "10s", "$__range": "10s"}
    for name, value in variables.items():
        asked = [expression.replace(name, value) for expression in asked]
    return asked


class Judge:
    """Rejects a seventh of what comes, and fails at a few the first time."""

    def __init__(self) -> None:
        self._failed: set[int] = set()

    def __call__(self, value: int) -> int:
        if value % 7 == 3:
            raise Reject("not wanted")
        if value % 70 == 5 and value not in self._failed:
            self._failed.add(value)
            raise RuntimeError("not there yet")
        return value


async def store(value: int) -> None:
    await asyncio.sleep(0.001)


@asynccontextmanager
async def scraped(make_prometheus: MakePrometheus) -> AsyncIterator[Prometheus]:
    """A Prometheus that scrapes a run which goes on, some of whose messages fail."""
    queue = streams.memory.queue(history=False, dead_letter="discard")
    pipeline = queue | op.map(Judge()) | op.chunk(4, timeout=0.1) | op.unchunk() | sinks.each(store)
    async with showing(Status("127.0.0.1:0", name="words")) as shown:
        handle = pipeline.start(measure=True, tracing=Tally())
        shown.board.show(handle)
        filling = asyncio.create_task(fill(queue))
        try:
            yield await asyncio.to_thread(make_prometheus, f"127.0.0.1:{shown.board.port}")
        finally:
            filling.cancel()
            await handle.abort()


async def fill(queue: Any) -> None:
    """Put messages, 200 a second, until cancelled."""
    number = 0
    while True:
        queue.put(*range(number, number := number + 20))
        await asyncio.sleep(0.1)


async def answer(prometheus: Prometheus, expression: str) -> list[Any]:
    data = await asyncio.to_thread(prometheus.ask, "query", query=expression)
    found: list[Any] = data["result"]
    return found


async def test_prometheus_takes_every_line_of_a_scrape_and_the_dashboards_variables_find_it(
    make_prometheus: MakePrometheus,
) -> None:
    async with scraped(make_prometheus) as prometheus, asyncio.timeout(WITHIN):
        while not await answer(prometheus, "up == 1"):
            await asyncio.sleep(0.2)
        (target,) = (await asyncio.to_thread(prometheus.ask, "targets"))["activeTargets"]
        assert (target["health"], target["lastError"]) == ("up", "")
        labels = {"match[]": "ackflow_running"}
        for variable, value in (("job", "ackflow"), ("pipeline", "words")):
            found = await asyncio.to_thread(prometheus.ask, f"label/{variable}/values", **labels)
            assert found == [value]


async def test_prometheus_answers_what_the_dashboard_asks(make_prometheus: MakePrometheus) -> None:
    asked = queries()
    async with scraped(make_prometheus) as prometheus, asyncio.timeout(WITHIN):
        while True:
            answers = {expression: await answer(prometheus, expression) for expression in asked}
            unanswered = {expression for expression, found in answers.items() if not found}
            if all("ackflow_elasticsearch_" in expression for expression in unanswered):
                break
            await asyncio.sleep(1)
    assert len(unanswered) < len(asked) / 2
    (rate,) = next(found for asked, found in answers.items() if "deliveries_total" in asked)
    assert float(rate["value"][1]) > 0

"""Metrics: what their names, types and labels are, in text and in a registry of prometheus-client."""

import asyncio
import json
import re
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.parser import text_string_to_metric_families

from ackflow import operators as op
from ackflow import sinks, streams
from ackflow.sinks.elasticsearch import BulkStatistics
from ackflow.streams import Reject, Requeue, Sink, Skip, Summary, testing
from ackflow.streams.core import Figure, Handle, printable
from ackflow.streams.running import Tally, metrics
from ackflow.streams.running.figures import figures_of, place, text
from ackflow.streams.running.status import Status
from tests.core.test_observer import HERE, Recorder
from tests.queues import closed
from tests.running.watched import Store, held_up, running, showing
from tests.streams.amqp.tools import eventually

DASHBOARD = Path(__file__).parents[2] / "examples/grafana/dashboard.json"

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def samples(families: Iterable[Any]) -> Samples:
    found: Samples = {}
    for family in families:
        for sample in family.samples:
            key = (sample.name, tuple(sorted(sample.labels.items())))
            assert key not in found, "two samples of one series"
            found[key] = sample.value
    return found


def parsed(exposition: str) -> Samples:
    return samples(text_string_to_metric_families(exposition))


async def troubled() -> Handle[Any]:
    """A run in which everything happens that is counted."""

    def judge(value: int) -> int:
        match value % 4:
            case 1:
                raise Skip("odd")
            case 2:
                raise Reject("even")
            case 3:
                raise LookupError("nothing there")
        return value

    queue = streams.memory.queue(range(8), dead_letter=sinks.to_list())
    queue.close()
    handle = (queue | op.map(judge) | op.chunk(2) | sinks.to_list()).start(
        measure=True, tracing=Tally()
    )
    await handle
    return handle


async def test_what_a_run_counts_is_told_by_outcome_reason_type_and_stage() -> None:
    handle = await troubled()
    found = parsed(text(figures_of({"": handle})))
    expected = {"accepted": 2, "skipped": 2, "rejected": 4, "requeued": 0}
    for outcome, count in expected.items():
        assert found["ackflow_settlements_total", (("outcome", outcome),)] == count
    for kind in ("Reject", "LookupError"):
        rejected = (("outcome", "rejected"), ("type", kind))
        assert found["ackflow_settled_failures_total", rejected] == 2
    assert found["ackflow_deliveries_total", ()] == 8
    assert found["ackflow_dead_letters_total", ()] == 4
    assert found["ackflow_flushes_total", (("reason", "size"),)] == 1
    for kind in ("Reject", "LookupError"):
        assert found["ackflow_failures_total", (("stage", "map(judge)"), ("type", kind))] == 2
    assert found["ackflow_running", ()] == found["ackflow_in_flight_deliveries", ()] == 0


async def test_settlements_have_the_cause_of_the_last_failure_and_of_none_that_was_overcome() -> (
    None
):
    failures = {"a": [OSError(), OSError()], "b": [OSError(), KeyError()], "c": [OSError()]}
    tally = Tally()
    queue = streams.memory.queue("abc", attempts=5, wait=lambda state: 0, dead_letter="discard")

    def flaky(value: str) -> str:
        if failures[value]:
            raise failures[value].pop(0)
        return value

    stuck = Store()
    pipeline = queue | op.map(flaky) | op.filter(lambda v: v == "a") | sinks.each(stuck)
    handle = pipeline.start(tracing=tally)
    await eventually(lambda: handle.stats().acked == 1 and handle.stats().rejected == 1)
    await stuck.begun.wait()
    assert [len(causes) for causes in tally._causes.values()] == [1]
    stuck.may_end.set()
    await handle.drain()
    assert tally.settled_for == {("rejected", "KeyError"): 1}
    assert tally.retried_for == {"OSError": 4}
    found = parsed(text(figures_of({"": handle})))
    assert found["ackflow_settlements_total", (("outcome", "accepted"),)] == 1
    assert found["ackflow_retried_failures_total", (("type", "OSError"),)] == 4


async def test_what_a_drain_gives_back_after_a_failure_has_its_cause() -> None:
    tally = Tally()
    queue = streams.memory.queue(["x", "1", "2"], wait=lambda state: 1000)
    store = Store()

    def flaky(value: str) -> str:
        if value == "x":
            raise OSError("flaky")
        return value

    handle = (queue | op.map(flaky) | sinks.each(store)).start(tracing=tally)
    await store.begun.wait()
    handle.stop()
    store.may_end.set()
    await handle.drain()
    assert (handle.stats().requeued, handle.stats().accepted) == (2, 1)
    assert tally.settled_for == {("requeued", "OSError"): 1}
    assert tally._causes == {}


async def test_writes_are_counted_and_timed_by_sink_those_that_raise_too() -> None:
    tally = Tally()
    queue = closed(range(5), wait=lambda state: 0)
    failures = [OSError("flaky")]

    def store(chunk: list[int]) -> None:
        if failures:
            raise failures.pop()

    both = sinks.tee(op.chunk(3) | sinks.each(store), sinks.to_list())
    handle = (queue | both).start(tracing=tally)
    await handle
    found = parsed(text(figures_of({"": handle})))
    told = {
        name: {dict(labels)["sink"]: value}
        for (name, labels), value in found.items()
        if "writ" in name and ("sink", "each") in labels
    }
    assert told.pop("ackflow_write_seconds_total")["each"] > 0
    assert told["ackflow_writes_total"] == {"each": 3}
    assert told["ackflow_written_messages_total"] == {"each": 8}
    assert found["ackflow_writes_total", (("sink", "to_list"),)] >= 1


async def test_who_is_behind_a_tally_hears_all_that_it_hears() -> None:
    async def where(value: int) -> object:
        if value == 2:
            raise Reject("bad")
        return HERE.get()

    found = []
    for tallied in (False, True):
        heard = Recorder()
        calls = closed([1, 2, 3], dead_letter="discard") | op.map_async(where) | sinks.to_list()
        places = await calls.start(tracing=Tally(heard) if tallied else heard)
        found.append((places, sorted(heard.heard), heard.writes))
    assert found[0] == found[1]
    assert found[0][0] == [1, 3]
    assert ("ended",) in found[0][1]


def test_a_run_with_a_status_page_tells_causes_and_still_traces() -> None:
    heard: list[str] = []

    class Hearing(Tally):
        def taken(self, epoch: Any, tags: Any) -> None:
            heard.append("taken")

        def headers(self, token: Any) -> dict[str, str]:
            return {"trace": "1"}

    sent: list[Any] = []

    class Sending:
        async def write_messages(self, messages: Any) -> None:
            sent.extend(message.trace_headers for message in messages)
            [message.ack() for message in messages]

    pipeline = closed(["1", "x"], dead_letter="discard") | op.map(int) | Sending()
    tracing: Any = Hearing()
    pipeline.run(status=Status("127.0.0.1:0"), tracing=tracing)
    assert heard
    assert sent == [{"trace": "1"}]
    assert tracing.settled_for == {("rejected", "ValueError"): 1}
    assert tracing.writes["sink"].count == 1
    assert pipeline._running.observer.settled_for == tracing.settled_for


async def test_what_stages_do_is_told_where_it_is_measured() -> None:
    handle = await troubled()
    found = parsed(text(figures_of({"": handle})))
    told = {
        name.removeprefix("ackflow_stage_"): {dict(labels)["stage"]: value}
        for (name, labels), value in found.items()
        if name.startswith("ackflow_stage_") and ("stage", "chunk") in labels
    }
    assert told.pop("waited_seconds")["chunk"] >= 0
    assert told == {"in_total": {"chunk": 2}, "out_total": {"chunk": 1}, "in_flight": {"chunk": 0}}
    assert found["ackflow_stage_out_total", (("stage", "memory.queue"),)] == 8
    assert found["ackflow_stage_in_total", (("stage", "map(judge)"),)] == 8
    assert ("ackflow_stage_in_total", (("stage", "memory.queue"),)) not in found
    store = Store()
    async with running(held_up(store)) as handle:
        await store.begun.wait()
        found = parsed(text(figures_of({"": handle})))
    assert found["ackflow_stage_in_flight", (("stage", "memory.queue"),)] == 2
    async with running(held_up(Store()), measure=False) as handle:
        assert "ackflow_stage_in_total{" not in text(figures_of({"": handle}))


async def test_failures_of_one_type_are_counted_in_each_stage() -> None:
    queue = streams.memory.queue(["1", "x", "-1"], dead_letter="discard")
    queue.close()

    def root(value: int) -> int:
        if value < 0:
            raise ValueError(value)
        return value

    handle = (queue | op.map(int) | op.map(root) | sinks.to_list()).start()
    await handle
    found = parsed(text(figures_of({"": handle})))
    for stage in ("map(int)", "map(root)"):
        assert found["ackflow_failures_total", (("stage", stage), ("type", "ValueError"))] == 1


async def test_stages_that_are_named_alike_are_counted_together() -> None:
    """Two samples of one series would cost the whole scrape."""
    queue = streams.memory.queue(["1", "x", "0"], dead_letter="discard")
    queue.close()

    def root(base: int, value: int) -> int:
        if value < base:
            raise ValueError(value)
        return value

    handle = (
        queue | op.map(partial(int, base=2)) | op.map(partial(root, 1)) | sinks.to_list()
    ).start()
    await handle
    found = parsed(text(figures_of({"": handle})))
    assert found["ackflow_failures_total", (("stage", "map"), ("type", "ValueError"))] == 2


async def test_retries_held_stale_and_reconnects_are_told() -> None:
    tried: list[int] = []

    def once(value: int) -> int:
        tried.append(value)
        if tried.count(value) == 1:
            raise Requeue(after=0.001)
        return value

    queue = streams.memory.queue([1, 2])
    queue.close()
    handle = (queue | op.map(once) | sinks.to_list()).start()
    await handle
    assert parsed(text(figures_of({"": handle})))["ackflow_retries_total", ()] == 2

    store = Store()
    pipeline = held_up(store)
    async with running(pipeline) as handle:
        await store.begun.wait()
        pipeline.stream.disconnect()
        await eventually(lambda: handle.stats().reconnects)
        store.may_end.set()
        await eventually(lambda: handle.stats().accepted == 2)
        found = parsed(text(figures_of({"": handle})))
    assert found["ackflow_stale_settlements_total", ()] == 1
    assert found["ackflow_reconnects_total", ()] == found["ackflow_halts_total", ()] == 1


async def test_a_bulk_sink_tells_what_it_counts_and_so_do_the_branches_of_a_tee() -> None:
    async with testing.FakeElasticsearch([429]) as server:
        bulk = sinks.elasticsearch.bulk(server.url, index="words", id="word", backoff=(0.001, 0.01))
        queue = streams.memory.queue([{"word": word} for word in "abcd"])
        queue.close()
        handle = (queue | op.chunk(4) | sinks.tee(bulk, sinks.to_list())).start()
        await handle
    found = parsed(text(figures_of({"words": handle})))
    own = (("branch", "0"), ("pipeline", "words"))
    assert (
        found["ackflow_elasticsearch_documents_total", (own[0], ("outcome", "indexed"), own[1])]
        == 4
    )
    for status in ("200", "429"):
        assert found["ackflow_elasticsearch_bulks_total", (*own, ("status", status))] == 1
    assert found["ackflow_elasticsearch_sent_bytes_total", own] > 0


async def test_a_sink_of_ones_own_may_tell_what_it_counts() -> None:
    class Own:
        async def write(self, items: Any) -> None:
            pass

        def figures(self) -> list[Figure]:
            return [
                Figure("shop_orders_total", "counter", "Orders\nstored.", [({"new": "yes"}, 3)])
            ]

    handle = (streams.of(1) | Own()).start()
    await handle
    exposition = text(figures_of({"shop": handle}))
    assert "# HELP shop_orders_total Orders\\nstored.\n" in exposition
    assert parsed(exposition)["shop_orders_total", (("new", "yes"), ("pipeline", "shop"))] == 3


async def test_branches_within_branches_are_told_apart() -> None:
    class Counting(Sink[int, Summary]):
        def __init__(self, count: int) -> None:
            self.count = count

        async def write(self, items: Any) -> None:
            """Takes all."""

        def figures(self) -> list[Figure]:
            return [Figure("writes", "gauge", "Writes.", [({}, self.count)])]

    inner = sinks.route(lambda value: value, {1: Counting(2)}, default=Counting(3))
    sink = sinks.tee(Counting(1), inner, sinks.optional(Counting(4)), op.map(str) | Counting(5))
    handle = (streams.of(1) | sink).start()
    await handle
    found = parsed(text(figures_of({"": handle})))
    told = {labels[0][1]: value for (name, labels), value in found.items() if name == "writes"}
    assert told == {"0": 1, "1.0": 2, "1.1": 3, "2.0": 4}


@given(st.text().map(lambda label: printable(label, 200)), st.floats(allow_nan=False))
def test_any_label_and_any_value_come_back_from_the_text(label: str, value: float) -> None:
    figure = Figure(
        "any_value", "gauge", "Any\\value\n.", [({"label": label, "other": "x"}, value)]
    )
    found = parsed(text([figure]))
    assert found == {("any_value", (("label", label), ("other", "x"))): value}


@pytest.mark.parametrize(
    ("stage", "named"),
    [
        ("map(f=int)", "map(int)"),
        ("filter(f=<lambda>)", "filter(<lambda>)"),
        ("map_async(f=store, concurrency=8, ordered=True)", "map_async(store)"),
        ("map(f=functools.partial(<function look at 0x7f>, 'secret'))", "map"),
        ("distinct(key='secret')", "distinct"),
        ("elasticsearch.bulk (2)", "elasticsearch.bulk"),
        ("amqp queue words", "amqp queue words"),
        ("map | filter", "map | filter"),
    ],
)
def test_a_stage_is_named_without_its_settings(stage: str, named: str) -> None:
    assert place(stage) == named


# -- prometheus-client ----------------------------------------------------------------------------


async def test_a_registry_and_the_text_tell_the_same() -> None:
    first, second = await troubled(), await troubled()
    collector = metrics.Collector(words=first, mails=second)
    registry = CollectorRegistry()
    registry.register(collector)
    assert samples(registry.collect()) == parsed(
        text(figures_of({"words": first, "mails": second}))
    )
    with pytest.raises(ValueError, match="Duplicated"):
        registry.register(metrics.Collector(first))


async def test_a_scrape_in_another_thread_looks_at_the_run_in_its_own_loop() -> None:
    store = Store()
    registry = CollectorRegistry()
    async with running(held_up(store)) as handle:
        await store.begun.wait()
        registry.register(metrics.Collector(handle))
        server, thread = start_http_server(0, "127.0.0.1", registry)
        try:
            url = f"http://127.0.0.1:{server.server_port}/metrics"
            exposition = await asyncio.to_thread(
                lambda: urllib.request.urlopen(url).read().decode()
            )
        finally:
            await asyncio.to_thread(server.shutdown)
            server.server_close()
            thread.join()
        assert parsed(exposition)["ackflow_in_flight_deliveries", ()] == 2
    assert samples(registry.collect())["ackflow_running", ()] == 0


def test_a_run_whose_loop_is_over_is_still_told() -> None:
    handles: list[Handle[Any]] = []
    asyncio.run(keep(handles))
    found: list[Samples] = []
    thread = threading.Thread(
        target=lambda: found.append(samples(metrics.Collector(handles[0]).collect()))
    )
    thread.start()
    thread.join()
    assert found[0]["ackflow_deliveries_total", ()] == 8


async def keep(handles: list[Handle[Any]]) -> None:
    handles.append(await troubled())


async def test_runs_of_two_loops_need_two_registries() -> None:
    there: list[Handle[Any]] = []
    begun, over = threading.Event(), threading.Event()

    async def elsewhere() -> None:
        async with running(held_up(Store())) as handle:
            there.append(handle)
            begun.set()
            await asyncio.to_thread(over.wait)

    thread = threading.Thread(target=lambda: asyncio.run(elsewhere()))
    thread.start()
    await asyncio.to_thread(begun.wait)
    try:
        async with running(held_up(Store())) as here:
            with pytest.raises(RuntimeError, match="a registry of their own"):
                list(metrics.Collector(here=here, there=there[0]).collect())
            assert samples(metrics.Collector(there[0]).collect())["ackflow_running", ()] == 1
    finally:
        over.set()
        thread.join()


def test_what_is_no_handle_is_refused() -> None:
    pipeline: Any = streams.of(1) | sinks.to_list()
    with pytest.raises(TypeError, match=r"pipeline\.start\(\) returns one"):
        metrics.Collector(pipeline)


def test_without_the_extra_the_error_names_it_and_the_page_has_metrics_still() -> None:
    code = """
import asyncio, sys
sys.modules["prometheus_client"] = None
from ackflow.streams import running
from ackflow.streams.running.figures import figures_of, text
from ackflow import sinks, streams
async def main():
    handle = (streams.of(1) | sinks.to_list()).start()
    await handle
    return text(figures_of({"": handle}))
assert "ackflow_deliveries_total" in asyncio.run(main())
running.metrics
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert run.returncode == 1
    assert "pip install 'ackflow[metrics]'" in run.stderr


def test_neither_is_imported_before_it_is_asked_for() -> None:
    code = "import sys; from ackflow import streams; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    unasked = {
        f"ackflow.streams.running.{name}"
        for name in ("status", "page", "guard", "figures", "tally")
    }
    assert not {*unasked, "prometheus_client"} & set(run.stdout.split())


# -- documentation and the dashboard -----------------------------------------------------------------


async def test_every_metric_of_the_dashboard_exists_and_the_dashboard_shows_every_metric() -> None:
    handle = await troubled()
    known = {figure.name for figure in (*figures_of({"": handle}), *BulkStatistics().figures())}
    board = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    expressions = [target["expr"] for panel in board["panels"] for target in panel["targets"]]
    queries = [variable["definition"] for variable in board["templating"]["list"][1:]]
    named = set(re.findall(r"ackflow_\w+", " ".join([*expressions, *queries])))
    assert named <= known
    assert known - named <= {"ackflow_elasticsearch_bisects_total"}


async def test_the_documentation_names_every_metric_and_no_other() -> None:
    handle = await troubled()
    known = {figure.name for figure in (*figures_of({"": handle}), *BulkStatistics().figures())}
    page = (DASHBOARD.parents[2] / "docs/monitoring.md").read_text(encoding="utf-8")
    table = page.partition("<!-- metrics: begin -->")[2].partition("<!-- metrics: end -->")[0]
    assert set(re.findall(r"`(ackflow_\w+)`", table)) == known
    assert set(re.findall(r"ackflow_\w+", page)) <= known


async def test_the_labels_the_dashboard_groups_by_exist() -> None:
    async with showing() as shown:
        shown.board.show(await troubled())
        exposition = (await shown.ask("/metrics")).text
    known = set(re.findall(r'(\w+)="', exposition)) | {"pipeline", "status"}
    by = re.findall(r"by \(([^)]*)\)", DASHBOARD.read_text(encoding="utf-8"))
    assert {label for labels in by for label in labels.split(", ")} <= known

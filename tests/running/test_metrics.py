"""Metrics: what their names, types and labels are, in text and in a registry of prometheus-client."""

import asyncio
import json
import re
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Callable, Iterable
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
from ackflow.streams.core import Distribution, Figure, Handle, printable
from ackflow.streams.running import Tally, metrics
from ackflow.streams.running.figures import figures_of, text
from ackflow.streams.running.naming import Names, place
from ackflow.streams.running.status import Status
from ackflow.streams.running.tally import Counts
from tests.core.test_observer import HERE, Recorder
from tests.queues import closed
from tests.running.watched import Store, held_up, running, showing
from tests.streams.amqp.tools import eventually

ROOT = Path(__file__).parents[2]
DASHBOARD = ROOT / "streams/running/commands/dashboard.json"

QUEUE = (("source", "memory.queue"),)
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


async def troubled(figures: Callable[[], Iterable[Figure]] = tuple) -> Handle[Any]:
    """A run in which everything happens that is counted; `figures`: what its sink counts beside."""

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
    sink = sinks.to_list()
    sink.figures = figures
    handle = (queue | op.map(judge) | op.chunk(2) | sink).start(measure=True, tracing=Tally())
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
    assert found["ackflow_running", ()] == found["ackflow_in_flight_deliveries", QUEUE] == 0


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
    each = (("sink", "each"),)
    assert found["ackflow_write_seconds_count", each] == 3
    assert found["ackflow_write_seconds_sum", each] > 0
    assert found["ackflow_write_seconds_bucket", (("le", "60.0"), *each)] == 3
    assert found["ackflow_written_messages_sum", each] == 8
    sizes = {"1.0": 0, "4.0": 3, "16.0": 3, "+Inf": 3}
    for bound, count in sizes.items():
        assert found["ackflow_written_messages_bucket", (("le", bound), *each)] == count
    assert found["ackflow_write_seconds_count", (("sink", "to_list"),)] >= 1


def test_a_value_is_counted_up_to_its_bound_and_what_is_above_all_of_them_too() -> None:
    counts = Counts((0.1, 1.0))
    for value in (0.1, 0.2, 1.0, 7.0):
        counts.add(value)
    assert counts.read() == Distribution((0.1, 1.0), (1, 2, 1), 8.3)
    with pytest.raises(
        ValueError, match="one more than bounds, for what is above them, got 1 for 1"
    ):
        Distribution((0.1,), (1,), 0.0)


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
    assert sum(tracing.writes["sink"].seconds.counts) == 1
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


async def test_stages_that_are_named_alike_have_a_number() -> None:
    """Two samples of one series would cost the whole scrape."""
    queue = streams.memory.queue(["1", "x", "0"], dead_letter="discard")
    queue.close()

    def root(base: int, value: int) -> int:
        if value < base:
            raise ValueError(value)
        return value

    steps = op.pipe(op.map(partial(int, base=2)), op.map(partial(root, 1)))
    handle = (queue | steps | sinks.to_list()).start(measure=True)
    await handle
    found = parsed(text(figures_of({"": handle})))
    for stage, left in (("map", 2), ("map (2)", 1)):
        assert found["ackflow_failures_total", (("stage", stage), ("type", "ValueError"))] == 1
        assert found["ackflow_stage_out_total", (("stage", stage),)] == left


async def test_sources_are_told_apart_whether_stages_are_measured_or_not() -> None:
    first, second = streams.memory.queue("ab"), streams.memory.queue("c")
    for measure in (True, False):
        store = Store()
        pipeline = first | op.merge(second) | op.map_async(store, concurrency=3) | sinks.to_list()
        async with running(pipeline, measure=measure) as handle:
            await eventually(lambda handle=handle: handle.in_flight == 3)
            found = parsed(text(figures_of({"": handle})))
        told = {
            dict(labels)["source"]: value
            for (name, labels), value in found.items()
            if name == "ackflow_in_flight_deliveries"
        }
        assert told == {"memory.queue": 2, "memory.queue (2)": 1}
        assert found["ackflow_oldest_unacked_seconds", (("source", "memory.queue (2)"),)] > 0
        if measure:
            assert found["ackflow_stage_out_total", (("stage", "memory.queue"),)] == 2
            assert found["ackflow_stage_out_total", (("stage", "memory.queue (2)"),)] == 1


def test_sources_of_one_kind_are_named_after_their_queues_and_a_single_one_is_not() -> None:
    words, mails = streams.amqp.queue("words"), streams.amqp.queue("mails")
    both = Names(words | op.merge(streams.of(1) | op.merge(mails)) | sinks.to_list())
    assert both.sources == ["amqp.queue(words)", "of", "amqp.queue(mails)"]
    assert Names(words | sinks.to_list()).sources == ["amqp.queue"]
    twice = Names(words | op.merge(streams.amqp.queue("words")) | sinks.to_list())
    assert twice.sources == ["amqp.queue(words)", "amqp.queue(words) (2)"]


def test_of_many_stages_of_one_name_no_series_is_made_for_each() -> None:
    stream: Any = streams.of(1)
    for _ in range(500):
        stream = stream | op.map(int)
    assert set(Names(stream | sinks.to_list()).stages) == {"of", "map(int)", "to_list"}


async def test_a_failure_is_told_of_the_stage_it_happened_in_where_two_show_the_same() -> None:
    values = streams.from_iterable(["x"], on_error="skip")
    handle = (values | op.map(lambda v: v) | op.map(lambda v: int(v)) | sinks.to_list()).start()
    await handle
    found = parsed(text(figures_of({"": handle})))
    labels = (("stage", "map(<lambda>) (2)"), ("type", "ValueError"))
    assert found["ackflow_failures_total", labels] == 1


async def test_sources_that_come_and_go_within_a_stage_are_one_series() -> None:
    store = Store()
    inner = op.switch_map(lambda value: streams.memory.queue([value]))
    async with running(streams.of(1) | inner | sinks.each(store)) as handle:
        await store.begun.wait()
        found = parsed(text(figures_of({"": handle})))
    assert found["ackflow_in_flight_deliveries", (("source", "of"),)] >= 0


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
        assert parsed(exposition)["ackflow_in_flight_deliveries", QUEUE] == 2
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


def everything(handle: Handle[Any]) -> list[Figure]:
    return [*figures_of({"": handle}), *BulkStatistics().figures()]


def all_names(handle: Handle[Any]) -> set[str]:
    return {figure.name for figure in everything(handle)}


def all_series(handle: Handle[Any]) -> set[str]:
    """What a scrape may have: a histogram's own name is none of it."""
    found: set[str] = set()
    for figure in everything(handle):
        parts = ("_bucket", "_sum", "_count") if figure.kind == "histogram" else ("",)
        found |= {figure.name + part for part in parts}
    return found


async def test_every_metric_of_the_dashboard_exists_and_the_dashboard_shows_every_metric() -> None:
    handle = await troubled()
    known = all_series(handle)
    board = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    expressions = [target["expr"] for panel in board["panels"] for target in panel["targets"]]
    queries = [variable["definition"] for variable in board["templating"]["list"][1:]]
    named = set(re.findall(r"ackflow_\w+", " ".join([*expressions, *queries])))
    assert named <= known
    shown = {re.sub("_(bucket|sum|count)$", "", name) for name in named}
    assert all_names(handle) - shown <= {"ackflow_elasticsearch_bisects_total"}


async def test_the_documentation_names_every_metric_and_no_other() -> None:
    handle = await troubled()
    page = (ROOT / "docs/monitoring.md").read_text(encoding="utf-8")
    table = page.partition("<!-- metrics: begin -->")[2].partition("<!-- metrics: end -->")[0]
    assert set(re.findall(r"`(ackflow_\w+)`", table)) == all_names(handle)
    assert set(re.findall(r"ackflow_\w+", page)) <= all_series(handle) | all_names(handle)


Labels = dict[str, dict[str, set[str]]]
SELECTOR = re.compile(r"(ackflow_\w+)(?:\{([^}]*)\})?")
CONDITION = re.compile(r'(\w+)(=~|!~|!=|=)"([^"]*)"')


async def scraped() -> Labels:
    """What labels each series has, and with which values, in a scrape of a run with all of it."""
    bulk = BulkStatistics(indexed=1, requeued=1)
    bulk.rejected["mapper_parsing_exception"] += 1
    bulk.bulks[200] += 1
    async with showing(Status("127.0.0.1:0", name="words")) as shown:
        handle = await troubled(figures=bulk.figures)
        handle.observer.retried_for["OSError"] += 1  # type: ignore[union-attr]
        shown.board.show(handle)
        exposition = (await shown.ask("/metrics")).text
    found: Labels = {}
    for name, labels in parsed(exposition):
        for label, value in labels:
            found.setdefault(name, {}).setdefault(label, set()).add(value)
    return found


def faults(target: dict[str, Any], known: Labels) -> list[str]:
    """Say what a query asks for that no scrape has; `job` and `instance` are Prometheus' own."""
    expression, found = target["expr"], []
    selectors = SELECTOR.findall(expression)
    grouped = {
        label for by in re.findall(r"by \(([^)]*)\)", expression) for label in by.split(", ")
    }
    for metric, conditions in selectors:
        labels = known.get(metric, {})
        if not labels:
            found.append(f"no {metric}")
        for label, operator, value in CONDITION.findall(conditions):
            values = labels.get(label, set())
            if label != "job" and not values:
                found.append(f"no {label} of {metric}")
            if operator == "=" and value not in values:
                found.append(f"no {label}={value} of {metric}")
        found += [f"no {label} of {metric}" for label in grouped - {"job"} if label not in labels]
    shown = set(re.findall(r"\{\{(\w+)\}\}", target.get("legendFormat", "")))
    return found + [f"no {label} in the answer" for label in shown - grouped]


async def test_each_query_of_the_dashboard_asks_for_labels_and_values_that_its_metric_has() -> None:
    known = await scraped()
    board = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    for panel in board["panels"]:
        for target in panel["targets"]:
            assert faults(target, known) == [], panel["title"]


@pytest.mark.parametrize(
    ("expression", "legend", "fault"),
    [
        ('ackflow_settlements_total{outcome="rejektd"}', "", "no outcome=rejektd of"),
        ('ackflow_deliveries_total{outcome="rejected"}', "", "no outcome of ackflow_deliveries"),
        ("sum by (stage) (ackflow_write_seconds_sum)", "", "no stage of ackflow_write_seconds"),
        ("sum by (le, sink) (ackflow_write_seconds_sum)", "", "no le of ackflow_write_seconds"),
        ("sum(ackflow_write_seconds)", "", "no ackflow_write_seconds"),
        ("sum(ackflow_running)", "{{pipeline}}", "no pipeline in the answer"),
    ],
)
async def test_a_query_that_no_scrape_answers_is_noticed(
    expression: str, legend: str, fault: str
) -> None:
    found = faults({"expr": expression, "legendFormat": legend}, await scraped())
    assert any(each.startswith(fault) for each in found), found

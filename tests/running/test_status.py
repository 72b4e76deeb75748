"""The status page: what it says, to whom, and that it comes and goes with the run."""

import asyncio
import re
import signal
import socket
from base64 import b64encode
from collections.abc import Callable
from functools import partial
from hashlib import sha256
from html import unescape
from typing import Any
from xml.etree import ElementTree

import aiohttp
import pytest

from ackflow import operators as op
from ackflow import sinks, streams
from ackflow.streams import Skip, SourceError, Unavailable
from ackflow.streams.core import Figure
from ackflow.streams.running import Status
from tests.running.watched import Answer, Shown, Store, held_up, running, showing
from tests.servers.processes import free_port
from tests.streams.amqp.tools import eventually

PATHS = ("/", "/healthz", "/readyz", "/metrics")
SECRET = "s3cret-t0ken"
BODY = "the-body-of-a-message"


SVG = "{http://www.w3.org/2000/svg}"


def pictures(page: Answer) -> tuple[ElementTree.Element, ElementTree.Element]:
    """Return the graph of the page and the rate over time, which have to be whole."""
    graph, rate = re.findall(r"<svg.*?</svg>", page.text, re.DOTALL)
    return ElementTree.fromstring(graph), ElementTree.fromstring(rate)


def words(part: ElementTree.Element) -> list[str]:
    return ["".join(text.itertext()) for text in part.iter(f"{SVG}text")]


def boxes(graph: ElementTree.Element) -> list[tuple[list[str], dict[str, str]]]:
    """Return the boxes of a graph: what each is called, and its figures."""
    found = []
    for box in graph.iter(f"{SVG}g"):
        if box.get("class") in ("source", "operator", "sink"):
            said = words(box)
            figures = [text for text in box.iter(f"{SVG}text") if text.get("text-anchor") == "end"]
            names = len(said) - 2 * len(figures)
            found.append(
                (said[:names], dict(zip(said[names::2], said[names + 1 :: 2], strict=True)))
            )
    return found


# -- what it says ---------------------------------------------------------------------------------


async def test_the_page_and_the_metrics_show_what_the_run_counts() -> None:
    store = Store()
    status = Status("127.0.0.1:0", name="words")
    async with showing(status) as shown, running(held_up(store)) as handle:
        shown.board.show(handle)
        await store.begun.wait()
        page, metrics = await shown.ask("/"), await shown.ask("/metrics")
    assert "<title>words: ready</title>" in page.text
    assert "ackflow_deliveries_total" in page.text
    assert 'ackflow_deliveries_total{pipeline="words"} 2.0\n' in metrics.text
    assert (
        'ackflow_in_flight_deliveries{pipeline="words",source="memory.queue"} 2.0\n' in metrics.text
    )
    assert 'ackflow_settlements_total{outcome="accepted",pipeline="words"} 0.0\n' in metrics.text
    age = re.search(
        r'ackflow_oldest_unacked_seconds{pipeline="words",source="memory.queue"} (\S+)',
        metrics.text,
    )
    assert age is not None
    assert float(age[1]) > 0


async def test_the_page_renews_itself_without_a_script_too_and_needs_nothing_from_outside() -> None:
    async with showing() as shown, running(streams.memory.queue() | sinks.count()) as handle:
        shown.board.show(handle)
        page = await shown.ask("/")
    assert '<noscript><meta http-equiv="refresh" content="5"></noscript>' in page.text
    text = page.text.replace("http://www.w3.org/2000/svg", "")  # a name, which nobody fetches
    assert not re.search(r"\bsrc=|@import|url\(|https?://|\bon\w+=|style=", text)


async def test_the_graph_is_of_boxes_with_what_each_stage_has_done() -> None:
    store = Store()
    queue = streams.memory.queue(["1", "2", "three"], dead_letter="discard")
    pipeline = (
        queue
        | op.map(int)
        | op.merge(streams.memory.queue(["4"]))
        | sinks.each(store, concurrency=2)
    )
    async with showing() as shown, running(pipeline) as handle:
        shown.board.show(handle)
        await store.begun.wait()
        await eventually(lambda: handle.stats().rejected and handle.stages[-2].taken == 3)
        graph, rate = pictures(await shown.ask("/"))
    found = boxes(graph)
    assert [names for names, _ in found] == [
        ["memory.queue"],
        ["map", "int"],
        ["memory.queue"],
        ["merge"],
        ["each"],
    ]
    assert len(list(graph.iter(f"{SVG}path"))) == 8  # four lines, four arrows
    first, mapped, second, merged, sink = (figures for _, figures in found)
    assert list(first) == ["out", "/ s", "in flight", "oldest", "errors"]
    assert list(mapped) == list(merged) == list(sink) == ["in", "out", "/ s", "in flight", "errors"]
    assert (first["out"], first["in flight"], second["out"], second["in flight"]) == (*"3211",)
    assert (mapped["in"], mapped["out"], mapped["errors"], merged["in"]) == (*"3213",)
    assert (sink["out"], sink["in flight"], sink["errors"]) == (*"020",)
    (red,) = [text for text in graph.iter(f"{SVG}text") if text.get("class") == "e"]
    assert red.text == "1"
    assert "1 × ValueError in map(int)" in words(rate)
    assert "○ map(f=int)  in 3, out 2, " in str(graph.findtext(f"{SVG}desc"))


async def test_each_box_has_the_figures_of_its_own_stage_however_streams_hang_together() -> None:
    names = [f"n{number}" for number in range(7)]
    steps = [op.map(make_named(name)) for name in names]
    one, other = streams.of(1), streams.memory.queue([2, 3])
    both = one | steps[0] | op.merge(other | steps[1], streams.of(4) | steps[2]) | steps[3]
    pipeline = both | op.concat(streams.of(5) | steps[4]) | steps[5] | op.merge(other | steps[6])
    async with showing() as shown, running(pipeline | sinks.to_list()) as handle:
        shown.board.show(handle)
        await eventually(lambda: handle.stats().accepted == 4)
        told = {stage.name: stage.given for stage in handle.stages}
        graph, _ = pictures(await shown.ask("/"))
    drawn = {names[1]: figures for names, figures in boxes(graph) if len(names) > 1}
    assert {name: int(figures["out"]) for name, figures in drawn.items()} == {
        name: told[f"map(f={name})"] for name in names
    }
    assert len({told[f"map(f={name})"] for name in names}) > 2


def make_named(name: str) -> Any:
    def function(value: Any) -> Any:
        return value

    function.__name__ = name
    return function


class Secretive:
    """A function and a sink of somebody's own that say a secret when they are shown."""

    def __call__(self, value: Any) -> Any:
        return value

    def __repr__(self) -> str:
        return f"<{SECRET}>"

    async def write(self, items: Any) -> None: ...


async def test_the_graph_shows_stages_by_their_functions_and_no_other_setting() -> None:
    queue = streams.memory.queue([SECRET], dead_letter="discard", attempts=1)
    tee = sinks.tee(op.map(Secretive()) | sinks.count(), sinks.optional(sinks.each(print)))
    route = sinks.route(len, {SECRET: Secretive(), 1: tee}, default=Secretive())
    split = op.partition(Secretive(), op.map(partial(print, SECRET)))
    pipeline = queue | op.map(int) | op.chunk(7, timeout=3.0) | op.unchunk() | split | route
    async with showing() as shown, running(pipeline) as handle:
        shown.board.show(handle)
        await eventually(lambda: handle.stats().rejected)
        graph, rate = pictures(page := await shown.ask("/"))
    assert SECRET not in page.text
    said = "".join(graph.itertext())
    assert not re.search("prefetch|timeout|strict|up to|size|default|each key", said)
    assert [names for names, _ in boxes(graph)] == [
        ["memory.queue"],
        ["map", "int"],
        ["chunk"],
        ["unchunk"],
        ["partition.key"],
        ["partition"],
        ["map"],
        ["route"],
        ["Secretive"],
        ["tee"],
        ["map"],
        ["count"],
        ["optional"],
        ["each", "print"],
        ["Secretive"],
    ]
    assert "running" in words(rate)
    labels = [word for word in words(graph) if word.isdecimal()]
    assert {"0", "1", "2"} <= set(labels)


async def test_a_run_that_is_not_measured_has_its_graph_without_figures() -> None:
    pipeline = streams.memory.queue(["a"]) | op.map(str) | sinks.to_list()
    async with showing() as shown, running(pipeline, measure=False) as handle:
        shown.board.show(handle)
        graph, rate = pictures(await shown.ask("/"))
    assert boxes(graph) == [(["memory.queue"], {}), (["map", "str"], {}), (["to_list"], {})]
    assert "settled a second, over time" in words(rate)


def test_run_measures_for_the_graph_unless_it_is_told_not_to() -> None:
    for status, measured in ((Status("127.0.0.1:0"), 2), (Status("127.0.0.1:0", measure=False), 0)):
        pipeline = streams.of(1) | sinks.count()
        pipeline.run(status=status)
        assert len(pipeline.summary.stages) == measured


async def test_of_thousands_of_stages_the_page_shows_some() -> None:
    pipeline: Any = streams.memory.queue()
    for _ in range(3000):
        pipeline |= op.map(str)
    async with showing() as shown, running(pipeline | sinks.count()) as handle:
        shown.board.show(handle)
        page = await shown.ask("/")
    graph, _ = pictures(page)
    assert "… 2,979 more" in words(graph)
    assert len(boxes(graph)) == 23
    assert len(page.text) < 80_000


async def test_of_thousands_of_queues_the_page_shows_some() -> None:
    queues = [streams.memory.queue([str(number)]) for number in range(2000)]
    async with (
        showing() as shown,
        running(queues[0] | op.merge(*queues[1:]) | sinks.count()) as handle,
    ):
        shown.board.show(handle)
        page = await shown.ask("/")
    graph, _ = pictures(page)
    assert any(re.fullmatch(r"… 1,9\d\d more", word) for word in words(graph))
    assert len(page.text) < 80_000


async def test_what_the_browser_may_run_and_style_is_what_the_page_brings_alone() -> None:
    async with showing() as shown, running(streams.memory.queue() | sinks.count()) as handle:
        shown.board.show(handle)
        page = await shown.ask("/")
    policy = page.headers["Content-Security-Policy"]
    for tag in ("style", "script"):
        (text,) = re.findall(rf"<{tag}[^>]*>(.*?)</{tag}>", page.text, re.DOTALL)
        digest = b64encode(sha256(text.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'; " in policy
    assert "connect-src 'self'" in policy
    assert "unsafe" not in policy


@pytest.mark.parametrize("path", [*PATHS, "/elsewhere"])
async def test_every_answer_has_the_headers_that_keep_browsers_from_harm(path: str) -> None:
    async with showing() as shown:
        answers = [
            await shown.ask(path),
            await shown.ask(path, "POST"),
            await shown.ask(path, Host="x"),
        ]
    for answer in answers:
        assert answer.headers["Content-Security-Policy"].startswith(
            "default-src 'none'; style-src 'sha"
        )
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["X-Frame-Options"] == "DENY"
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["Server"] == "ackflow"
        assert not [name for name in answer.headers if name.lower().startswith("access-control")]


async def test_get_and_head_alone_are_answered_and_paths_that_are_not_there_are_named() -> None:
    async with showing() as shown:
        for method in ("POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE"):
            answer = await shown.ask("/", method)
            assert (answer.status, answer.headers["Allow"]) == (405, "GET, HEAD")
        head = await shown.ask("/", "HEAD")
        assert (head.status, head.text) == (200, "")
        assert int(head.headers["Content-Length"]) > 1000
        missing = await shown.ask("/metrics/")
        assert (missing.status, "/healthz" in missing.text) == (404, True)
        assert (await shown.ask("/metrics?format=x")).status == 200


async def test_names_do_not_break_out_of_the_page_or_of_labels() -> None:
    name = "<script>alert(1)</script>\"'&\n\r\\\x1b[2J\ud800🐇"
    error: Any = type('Bad"\n<b>{}', (Exception,), {})
    store = Store(error("no"))
    nasty: Any = type("</text></svg><b>'&]]>", (Secretive,), {})()
    status = Status("127.0.0.1:0", name=name)
    queue = streams.memory.queue(["a", "b"], attempts=1, dead_letter="discard")
    pipeline = queue | op.map(make_named("<b>")) | sinks.tee(sinks.each(store), nasty)
    async with showing(status) as shown, running(pipeline) as handle:
        shown.board.show(handle)
        await eventually(lambda: handle.stats().rejected == 2)
        page, metrics = await shown.ask("/"), await shown.ask("/metrics")
    assert page.text.count("<script") == 1
    assert "<script>alert" not in page.text
    assert "<b>" not in page.text
    assert '<script>alert(1)</script>"' in unescape(page.text)
    graph, _ = pictures(page)
    assert [names for names, _ in boxes(graph)][1::2] == [["map", "<b>"], ["each"]]
    assert boxes(graph)[-1][0] == ["</text></svg><b>'&]]>"]
    lines = metrics.text.splitlines()
    assert all(re.fullmatch(r"# (HELP|TYPE) \w+ .+|\w+{.*} \S+", line) for line in lines)
    (failures,) = [line for line in lines if line.startswith("ackflow_failures_total{")]
    assert r'type="Bad\"\\n<b>{}"' in failures
    assert "🐇" in failures


@pytest.mark.parametrize(
    "error", [ValueError(BODY), Unavailable(f"{BODY} {SECRET}"), RuntimeError(SECRET), Skip(BODY)]
)
async def test_nothing_it_says_holds_a_body_or_a_secret(error: Exception) -> None:
    def look(token: str, value: object) -> object:
        if isinstance(error, RuntimeError):
            raise error
        return value

    store = Store(error)
    queue = streams.memory.queue([BODY], dead_letter="discard", attempts=1)
    pipeline = queue | op.map(partial(look, SECRET)) | sinks.each(store)
    async with showing() as shown, running(pipeline) as handle:
        shown.board.show(handle)
        await eventually(lambda: handle.halts or handle.stats().acked or handle.stats().rejected)
        said = await shown.everything()
    assert BODY not in said
    assert SECRET not in said


# -- whether it is ready --------------------------------------------------------------------------


async def readiness(shown: Shown) -> tuple[int, str]:
    answer = await shown.ask("/readyz")
    assert (await shown.ask("/healthz")).text == "ok\n"
    page = await shown.ask("/")
    assert ("not ready" in page.text) == (answer.status == 503)
    assert all(reason in page.text for reason in answer.text.splitlines())
    return answer.status, answer.text


async def test_it_is_not_ready_before_all_is_open() -> None:
    async with showing() as shown:
        assert await readiness(shown) == (503, "starting\n")
        queue = streams.memory.queue(["a"])
        queue.fail(SourceError("away"), times=10_000)
        async with running(queue | sinks.to_list()) as handle:
            shown.board.show(handle)
            assert await readiness(shown) == (503, "starting\n")


async def test_it_is_ready_while_it_runs_not_in_a_drain_and_not_after_the_end() -> None:
    store = Store()
    async with showing() as shown:
        async with running(held_up(store)) as handle:
            shown.board.show(handle)
            await store.begun.wait()
            assert await readiness(shown) == (200, "ready\n")
            handle.stop()
            assert await readiness(shown) == (503, "draining\n")
        assert await readiness(shown) == (503, "done\n")


async def test_it_is_not_ready_while_a_sink_is_halted() -> None:
    store = Store(ConnectionError("nobody there"))
    async with showing() as shown, running(held_up(store)) as handle:
        shown.board.show(handle)
        await eventually(lambda: handle.halts)
        assert await readiness(shown) == (503, "halted: each\n")
        assert "ackflow_halted_parts{} 1.0" in (await shown.ask("/metrics")).text
        store.error = None
        await eventually(lambda: not handle.halts or store.may_end.set())
        assert await readiness(shown) == (200, "ready\n")


@pytest.mark.parametrize(
    ("grace", "expected"),
    [(1000.0, (200, "ready\n")), (1e-9, (503, "no connection: memory.queue\n"))],
)
async def test_a_lost_connection_makes_it_not_ready_past_its_grace(
    grace: float, expected: tuple[int, str]
) -> None:
    store = Store()
    pipeline: Any = held_up(store)
    async with showing(Status("127.0.0.1:0", grace=grace)) as shown, running(pipeline) as handle:
        shown.board.show(handle)
        await store.begun.wait()
        pipeline.stream.fail(SourceError("away"), times=10_000)
        pipeline.stream.disconnect()
        await eventually(lambda: handle.halts)
        assert [halt.source for halt in handle.halts] == [True]
        assert await readiness(shown) == expected


@pytest.mark.parametrize(
    ("bound", "expected"),
    [
        (None, (200, "ready\n")),
        (1000.0, (200, "ready\n")),
        (1e-9, (503, "a delivery is unsettled for more than 1e-09 s\n")),
    ],
)
async def test_a_delivery_that_stays_unsettled_makes_it_not_ready(
    bound: float | None, expected: tuple[int, str]
) -> None:
    store = Store()
    status = Status("127.0.0.1:0", oldest_unacked=bound)
    async with showing(status) as shown, running(held_up(store)) as handle:
        shown.board.show(handle)
        await store.begun.wait()
        assert await readiness(shown) == expected


# -- to whom --------------------------------------------------------------------------------------

ANSWERED: list[dict[str, str]] = [
    {},
    {"Host": "localhost:1"},
    {"Host": "LOCALHOST"},
    {"Host": "[::1]:9600"},
    {"Host": "10.0.0.7:9600"},
    {"Host": "words.internal"},
    {"Host": "localhost:9600", "Origin": "http://localhost:9600"},
    {"Host": "words.internal", "Origin": "https://words.internal"},
    {"Sec_Fetch_Site": "none", "Sec_Fetch_Mode": "navigate"},
    {"Sec_Fetch_Site": "same-origin", "Sec_Fetch_Mode": "no-cors"},
    {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "navigate"},
]
REFUSED: list[dict[str, str]] = [
    {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "navigate", "Sec_Fetch_Dest": "iframe"},
    {"Host": "evil.example"},
    {"Host": "evil.example:9600"},
    {"Host": "localhost.evil.example"},
    {"Host": "localhost@evil.example"},
    {"Host": "evil.example#localhost"},
    {"Host": "127.0.0.1.evil.example"},
    {"Host": "localhost:99999999"},
    {"Host": "localhost:x"},
    {"Host": "[::1"},
    {"Host": ""},
    {"Origin": "http://evil.example"},
    {"Origin": "null"},
    {"Origin": ""},
    {"Host": "localhost:9600", "Origin": "http://localhost:3000"},
    {"Host": "localhost:9600", "Origin": "http://localhost"},
    {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "no-cors"},
    {"Sec_Fetch_Site": "same-site", "Sec_Fetch_Mode": "cors"},
]


@pytest.mark.parametrize("path", PATHS)
async def test_a_foreign_page_gets_nothing(path: str) -> None:
    async with showing(Status("127.0.0.1:0", name="mine", hosts=["words.internal"])) as shown:
        for headers in REFUSED:
            answer = await shown.ask(path, **headers)
            assert answer.status == 403, headers
            assert "mine" not in answer.text
        for headers in ANSWERED:
            assert (await shown.ask(path, **headers)).status != 403, headers


@pytest.mark.parametrize(
    "request_",
    [b"GET / HTTP/1.0\r\n\r\n", b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: evil\r\n\r\n"],
)
async def test_a_request_with_no_host_or_with_two_gets_nothing(request_: bytes) -> None:
    async with showing() as shown:
        reader, writer = await asyncio.open_connection("127.0.0.1", shown.board.port)
        writer.write(request_)
        first = await reader.readline()
        writer.close()
    assert re.match(rb"HTTP/1.[01] (400|403) ", first)


def test_an_address_that_others_reach_has_to_be_asked_for_outright() -> None:
    for address in ("0.0.0.0:9600", "[::]:9600", "10.0.0.7:9600", "words.internal:9600"):
        with pytest.raises(ValueError, match="public=True"):
            Status(address)
        assert Status(address, public=True).port == 9600
    assert Status("[::1]:9600").host == "::1"


async def test_an_address_that_others_reach_is_warned_about_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with showing(Status("0.0.0.0:0", public=True)) as shown:
        await shown.ask("/")
        await shown.ask("/")
    (warning,) = [record for record in caplog.records if record.levelname == "WARNING"]
    assert "can be reached by others, and has no password" in warning.getMessage()


@pytest.mark.parametrize(
    ("make", "kind", "match"),
    [
        (lambda: Status("9600"), ValueError, "host:port"),
        (lambda: Status(9600), ValueError, "host:port"),  # type: ignore[arg-type]
        (lambda: Status("localhost"), ValueError, "host:port"),
        (lambda: Status("localhost:70000"), ValueError, "host:port"),
        (lambda: Status(":9600"), ValueError, "host:port"),
        (lambda: Status("http://localhost:9600/"), ValueError, "host:port"),
        (lambda: Status("me@localhost:9600"), ValueError, "host:port"),
        (lambda: Status("localhost:1", public=1), TypeError, "public"),  # type: ignore[arg-type]
        (lambda: Status("localhost:1", hosts="words"), TypeError, "hosts"),
        (lambda: Status("localhost:1", hosts=[1]), TypeError, "hosts"),  # type: ignore[list-item]
        (lambda: Status("localhost:1", name=1), TypeError, "name"),  # type: ignore[arg-type]
        (lambda: Status("localhost:1", oldest_unacked=0), ValueError, "oldest_unacked"),
        (lambda: Status("localhost:1", grace=-1), ValueError, "grace"),
    ],
)
def test_settings_that_cannot_be_meant_are_refused(
    make: Callable[[], object], kind: type[Exception], match: str
) -> None:
    with pytest.raises(kind, match=match):
        make()


# -- with the run ---------------------------------------------------------------------------------


def test_a_run_listens_until_it_is_over_and_no_longer() -> None:
    port, said = free_port(), []

    async def look(value: int) -> None:
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"http://127.0.0.1:{port}/readyz") as response,
        ):
            said.append((response.status, await response.text()))

    queue = streams.memory.queue([1])
    (queue | sinks.each(look)).run(status=f"127.0.0.1:{port}", limit=1)
    assert said == [(200, "ready\n")]
    with pytest.raises(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port)):
        pass


def test_it_shows_the_drain_that_a_signal_begins() -> None:
    port, said = free_port(), []

    async def look(value: int) -> None:
        signal.raise_signal(signal.SIGTERM)
        await asyncio.sleep(0)
        async with aiohttp.ClientSession() as session:
            while not said or said[-1] == "ready\n":
                async with session.get(f"http://127.0.0.1:{port}/readyz") as response:
                    said.append(await response.text())

    queue = streams.memory.queue([1, 2, 3])
    (queue | sinks.each(look)).run(status=f"127.0.0.1:{port}")
    assert said[-1] == "draining\n"
    assert (queue.acked, queue.ready) == ([1], [2, 3])


def test_a_port_that_is_taken_is_an_error_before_anything_is_consumed() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        queue, connections = streams.memory.queue([1]), []
        queue.watch(lambda: connections.append(1))
        with pytest.raises(OSError, match=rf"status.*127\.0\.0\.1:{port}: .*in use.*another port"):
            (queue | sinks.to_list()).run(status=f"127.0.0.1:{port}")
    assert not connections
    assert (queue.ready, queue.untouched) == ([1], True)


async def test_pipelines_of_one_process_have_a_page_each() -> None:
    one, other = Store(), Store()
    async with (
        showing() as first,
        showing() as second,
        running(held_up(one)) as left,
        running(held_up(other, 1, 2, 3)) as right,
    ):
        first.board.show(left)
        second.board.show(right)
        await one.begun.wait()
        await other.begun.wait()
        assert "ackflow_deliveries_total{} 2.0" in (await first.ask("/metrics")).text
        assert "ackflow_deliveries_total{} 3.0" in (await second.ask("/metrics")).text


async def test_who_only_stays_connected_does_not_hold_up_the_end() -> None:
    async with asyncio.timeout(30):
        async with showing() as shown:
            await shown.ask("/")
            _, idle = await asyncio.open_connection("127.0.0.1", shown.board.port)
            reader, half = await asyncio.open_connection("127.0.0.1", shown.board.port)
            half.write(b"GET / HTTP/1.1\r\nHost: loc")
            await half.drain()
        assert await reader.read() == b""
    for writer in (idle, half):
        writer.close()


async def test_who_does_not_read_the_answer_does_not_hold_up_the_end() -> None:
    class Much:
        async def write(self, items: Any) -> None:
            """Takes all."""

        def figures(self) -> list[Figure]:
            return [
                Figure("much", "gauge", "Much.", [({"n": f"{n:0199}"}, n) for n in range(40_000)])
            ]

    async with asyncio.timeout(30):
        async with showing() as shown, running(streams.memory.queue([1]) | Much()) as handle:
            shown.board.show(handle)
            reader, writer = await asyncio.open_connection("127.0.0.1", shown.board.port, limit=1)
            writer.write(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert await reader.read(1) == b"H"
    writer.close()

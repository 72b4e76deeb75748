"""Graphs: streams, operators, sinks and pipelines, as text, mermaid and SVG."""

import re
import subprocess
import sys
import typing
import unicodedata
from collections.abc import AsyncIterator, Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from textwrap import dedent
from typing import Any, ClassVar, Self, TypeVar
from xml.etree import ElementTree

import aiostream
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ackflow import operators as op
from ackflow import sinks, streams
from ackflow.streams.core import Operator, Pictured, Sink
from ackflow.streams.core.pictured import in_words
from ackflow.streams.graphs import Fork, Graph, Node
from tests.cases import CASES
from tests.picture import PAGE, PICTURE, page, picture
from tests.security.leaks import PASSWORD, USER, Leaks

SVG = "{http://www.w3.org/2000/svg}"


def book(order: Any) -> Any:
    return order


class Own:
    """A sink of somebody's own, without a base class, whose password is its own affair."""

    settings: ClassVar = {"password": PASSWORD}

    async def write(self, items: Sequence[Any]) -> None: ...


class Based(Sink[Any, Any]):
    name = "based"
    settings: ClassVar = {"password": PASSWORD}
    branches = (PASSWORD,)


class Silent:
    """A function of somebody's own that can't be shown."""

    def __call__(self, value: Any) -> Any:
        return value

    def __repr__(self) -> str:
        raise RuntimeError("no")


class Named:
    def __init__(self, name: str) -> None:
        self.__name__ = self.name = name

    def __call__(self, value: Any) -> Any:
        return value

    def __repr__(self) -> str:
        return self.name

    async def write(self, items: Sequence[Any]) -> None: ...


def nodes(graph: Graph) -> list[Node]:
    found: list[Node] = []
    todo = list(reversed(graph.chain))
    while todo:
        part = todo.pop()
        if isinstance(part, Fork):
            todo += [p for b in reversed(part.branches) for p in reversed(b.chain)]
        else:
            found.append(part)
    return found


def parsed(svg: str) -> ElementTree.Element:
    return ElementTree.fromstring(svg)


def words(svg: str) -> list[str]:
    """Return the texts of a picture that are seen, not its tooltips."""
    return ["".join(text.itertext()) for text in parsed(svg).iter(f"{SVG}text")]


# -- what is drawn ------------------------------------------------------------------------------

TEXTS: dict[str, tuple[Any, str]] = {
    "pipeline": (
        streams.of(1, 2) | op.map(book) | op.chunk(256) | op.chunk(10) | sinks.each(print),
        """
        ● of(values=2)  → int
        ○ map(f=book)
        ○ chunk(size=256, timeout=1.0)  → up to 256
        ○ chunk(size=10, timeout=1.0)  → up to 10 × 256
        ■ each(f=print)
        """,
    ),
    "stream": (
        streams.of(1) | op.chunk(3) | op.unchunk(),
        """
        ● of(values=1)  → int
        ○ chunk(size=3, timeout=1.0)  → up to 3
        ○ unchunk()  → single
        """,
    ),
    "operator": (op.map(book) | op.filter(bool), "○ map(f=book)\n○ filter(f=bool)"),
    "nothing": (op.pipe(), ""),
    "sink": (sinks.each(book), "■ each(f=book)"),
    "operators and a sink": (op.map(book) | sinks.count(), "○ map(f=book)\n■ count()"),
    "more of them": (
        op.map(book) | (op.skip(1) | (op.take(2) | Own())),
        "○ map(f=book)\n○ skip(n=1)\n○ take(n=2)\n■ Own()",
    ),
    "own sinks": (streams.of(1) | Own(), "● of(values=1)  → int\n■ Own()"),
    "a function of streams": (op.map(book) | (lambda s: s), "○ map(f=book)\n■ function()"),
    "partials": (op.map(partial(book, 1)), "○ map(f=partial(book))"),
    "merge": (
        streams.of(1) | op.map(book) | op.merge(streams.of(2, 3), streams.of()) | sinks.to_list(),
        """
        ┌─ ● of(values=1)  → int
        │  ○ map(f=book)
        ├─ ● of(values=2)  → int
        ├─ ● of(values=0)
        ○ merge()
        ■ to_list()
        """,
    ),
    "concat": (
        streams.of(1) + streams.of(2),
        "┌─ ● of(values=1)  → int\n├─ ● of(values=1)  → int\n○ concat()",
    ),
    "zip without a stream": (
        op.map(book) | op.zip(streams.of(2)) | op.take(1),
        "┌─ ○ map(f=book)\n├─ ● of(values=1)  → int\n○ zip()\n○ take(n=1)",
    ),
    "zip at the beginning": (op.zip(streams.of(2)), "┌─ ● of(values=1)  → int\n○ zip()"),
    "broadcast": (
        op.broadcast(op.filter(bool), op.map(book) | op.chunk(10)) | op.take(1),
        """
        ○ broadcast()
        ├─ ○ filter(f=bool)
        ├─ ○ map(f=book)
        │  ○ chunk(size=10, timeout=1.0)
        ○ take(n=1)
        """,
    ),
    "partition": (
        op.partition(book, op.map(book)) | sinks.count(),
        """
        ○ partition.key(f=book)
        ○ partition(strict=False, keys=100, idle=60.0)
        ├─ each key:
        │  ○ map(f=book)
        ■ count()
        """,
    ),
    "sinks of sinks": (
        streams.of(1)
        | sinks.tee(
            op.chunk(2) | sinks.each(print),
            sinks.route(book, {"pt": sinks.to_list()}, default=sinks.optional(sinks.count())),
            sinks.count(),
        ),
        """
        ● of(values=1)  → int
        ■ tee()
        ├─ ○ chunk(size=2, timeout=1.0)  → up to 2
        │  ■ each(f=print)
        ├─ ■ route(key=book)
        │  ├─ 'pt':
        │  │  ■ to_list()
        │  └─ default:
        │     ■ optional()
        │     └─ ■ count()
        └─ ■ count()
        """,
    ),
    "lifted": (op.lift(aiostream.stream.spaceout, 0.1), "○ lift(spaceout)(0.1)"),
    "retried": (op.retry(sinks.each(book)), "■ retry(each)(f=book)"),
    "two branches are both drawn": (
        sinks.tee(sinks.route(book, {1: sinks.first()}), sinks.to_list()),
        "■ tee()\n├─ ■ route(key=book)\n│  └─ 1:\n│     ■ first()\n└─ ■ to_list()",
    ),
}


@pytest.mark.parametrize("name", TEXTS)
def test_a_graph_as_text(name: str) -> None:
    part, expected = TEXTS[name]
    assert streams.graph(part).text(80) == dedent(expected).strip()


class Order:
    @classmethod
    def read(cls, body: bytes) -> Self:
        return cls()


def parse(body: bytes) -> dict[str, typing.Any]:
    return {}


async def order(document: dict[str, Any]) -> "shop.Order | None":  # type: ignore[name-defined]  # noqa: F821
    return None


def odd(value: Any) -> Any:
    return value


def orders(document: Any) -> list[Order]:
    return []


def pages(document: Any) -> Generator[tuple[int, list[str]], None, bool]:
    yield (1, [])
    return True


async def readings(sensor: Any) -> AsyncIterator[float | None]:
    yield None


def pair(document: Any) -> tuple[int, str]:
    return (1, "")


odd.__annotations__["return"] = Silent()
T = TypeVar("T")


def same(value: T) -> T:
    return value


@pytest.mark.parametrize(
    ("operator", "expected"),
    [
        (op.map(parse), "dict[str, Any]"),
        (op.map_async(order), "Order | None"),
        (op.map_in(ThreadPoolExecutor, parse), "dict[str, Any]"),
        (op.map(Order), "Order"),
        (op.map(Order.read), "Order"),
        (op.map(partial(parse)), "dict[str, Any]"),
        (op.map(int), "int"),
        (op.map(lambda value: value), ""),
        (op.map(book), ""),
        (op.map(same), ""),
        (op.map(orjson.loads), ""),
        (op.map(odd), ""),
        (op.filter(bool), ""),
        (op.flat_map(parse), ""),
        (op.flat_map(orders), "Order"),
        (op.flat_map(pages), "tuple[int, list[str]]"),
        (op.switch_map(readings), "float | None"),
        (op.flat_map(str), "str"),
        (op.flat_map(pair), ""),
    ],
)
def test_what_a_function_says_that_it_returns_stands_behind_its_stage(
    operator: Any, expected: str
) -> None:
    graph = streams.graph(streams.from_iterable(iter([1])) | operator | sinks.count())
    (node,) = [node for node in nodes(graph) if node.kind == "operator"]
    assert node.carries == expected
    assert (expected in words(graph.svg())) is bool(expected)
    assert (f"  → {expected}" in graph.text(200)) is bool(expected)


async def rows() -> AsyncIterator[list[Order]]:
    yield []


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (streams.amqp.queue("words"), "bytes"),
        (streams.amqp.deliveries("words"), "Delivery"),
        (streams.of(1, 2), "int"),
        (streams.of(1, "two"), ""),
        (streams.of(), ""),
        (streams.from_iterable(["a", "b"]), "str"),
        (streams.from_iterable(iter(["a"])), ""),
        (streams.from_lists(rows, name="rows"), "Order"),
        (streams.files.lines("words.txt"), "str"),
        (streams.http.lines("http://localhost/"), "str"),
        (streams.every(1), "int"),
        (streams.memory.queue(["a"]), ""),
    ],
)
def test_what_a_source_hands_out_stands_behind_it(source: Any, expected: str) -> None:
    (node,) = [node for node in nodes(streams.graph(source)) if node.kind == "source"]
    assert node.carries == expected


@pytest.mark.parametrize("name", TEXTS)
def test_every_stage_is_drawn_once_in_every_picture(name: str) -> None:
    graph = streams.graph(TEXTS[name][0])
    named = sorted(node.name for node in nodes(graph) if node.name)
    text, svg, mermaid = graph.text(200), graph.svg(), graph.mermaid()
    assert sorted(re.findall(r"[●○■] ([\w.()]*?)(?=\()", text)) == sorted(
        name.split("(")[0] for name in named
    )
    titles = [t for t in parsed(svg).iter(f"{SVG}text") if t.get("font-weight") == "600"]
    assert sorted("".join(t.itertext()) for t in titles) == named
    boxes = re.findall(r'^    n\d+[\[(]+"(?:([\w.()#;]+)[<"])?', mermaid, re.MULTILINE)
    assert sorted(box.replace("#95;", "_") for box in boxes if box) == named


def test_mermaid_joins_what_flows_together_and_labels_what_parts() -> None:
    pipeline = (
        streams.of(1) | op.merge(streams.of(2)) | op.chunk(2) | op.partition(book, op.take(1))
    )
    assert streams.graph(pipeline).mermaid("down") == (
        "flowchart TB\n"
        '    n0(["of<br/>values=1"])\n'
        '    n1(["of<br/>values=1"])\n'
        '    n2["merge"]\n'
        '    n0 -->|"int"| n2\n'
        '    n1 -->|"int"| n2\n'
        '    n3["chunk<br/>size=2<br/>timeout=1.0"]\n'
        "    n2 --> n3\n"
        '    n4["partition.key<br/>f=book"]\n'
        '    n3 -->|"up to 2"| n4\n'
        '    n5["partition<br/>strict=False<br/>keys=100<br/>idle=60.0"]\n'
        "    n4 --> n5\n"
        '    n6["take<br/>n=1"]\n'
        '    n5 -->|"each key"| n6\n'
        '    n7((" "))\n'
        "    n6 --> n7\n"
        '    n8((" "))\n'
        "    n7 --> n8\n"
    )


@pytest.mark.parametrize("name", CASES)
def test_every_operator_shows_itself(name: str) -> None:
    operator = CASES[name].make(book)
    graph = streams.graph(operator)
    assert [node.name for node in nodes(graph) if node.kind == "operator"]
    assert not re.search(r" raise \w+Error", graph.text(200))
    parsed(graph.svg())


# -- in Jupyter ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", TEXTS)
def test_streams_operators_sinks_and_pipelines_show_themselves(name: str) -> None:
    part: Any = TEXTS[name][0]
    bundle = part._repr_mimebundle_(include=None, exclude=None)
    assert bundle == {
        "image/svg+xml": streams.graph(part).svg(),
        "text/plain": streams.graph(part).text(80),
    }
    assert bundle == streams.graph(part)._repr_mimebundle_()


def test_without_anything_that_draws_there_are_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Pictured, "picture", staticmethod(in_words))
    assert op.take(1)._repr_mimebundle_() == {"text/plain": "take(n=1)"}


def test_what_is_none_of_them_is_refused() -> None:
    with pytest.raises(
        TypeError, match="must be a stream, operator, sink or pipeline, got <built-in"
    ):
        streams.graph(print)


def test_nothing_that_draws_is_imported_before_something_is_drawn() -> None:
    code = "import sys; from ackflow import operators, sinks, streams; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not [name for name in run.stdout.split() if name.startswith("ackflow.streams.graphs")]


# -- names of all kinds -------------------------------------------------------------------------

NASTY = [
    '</text><script>alert("1")</script>',
    '"]\n    click n0 "javascript:alert(1)"',
    "`**bold**` #quot; &lt; --> ;",
    "]]>",
    "'\"&<>",
    "a\r\nb\tc\x00\x1b[2J\x85\u2028\u202e",
    "\ud800\ufffe\uffff",
    "😀 é 漢字 e\u0301",
    "x" * 5_000,
    "",
]
names = st.sampled_from(NASTY) | st.text(
    st.sampled_from("\n\r\0\"'`;#<>&[](){}|-\\") | st.characters()
)


@given(name=names, width=st.integers(1, 120))
def test_no_name_breaks_out(name: str, width: int) -> None:
    thing = Named(name)

    async def own(messages: Any) -> Any:
        yield

    own.__name__ = name
    made: Any = op.operator(holds=1)(own)()
    pipeline = streams.of(1) | op.map(thing) | made | sinks.route(thing, {name: thing})
    graph = streams.graph(pipeline)
    svg, mermaid, text = graph.svg(), graph.mermaid(), graph.text(width)
    assert {e.tag.removeprefix(SVG) for e in parsed(svg).iter()} == ELEMENTS
    svg.encode()
    assert len(mermaid.split("\n")) == 1 + 5 + 4 + 1
    for line in mermaid.split("\n")[1:-1]:
        assert re.fullmatch(LINE, line), line
    assert len(text.split("\n")) <= 16
    assert all(line.isprintable() for line in text.split("\n"))
    assert all(columns(line) <= max(width, 24) for line in text.split("\n"))


ELEMENTS = {"svg", "title", "desc", "style", "g", "path", "rect", "text", "tspan"}
LABEL = r"(?:[^\"#;<>`&\n]|#\d+;|<br/>)*"
LINE = rf'    n\d+(?:[\[(]+"{LABEL}"[\])]+| -->(?:\|"{LABEL}"\|)? n\d+)'


def columns(line: str) -> int:
    return sum(
        0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1
        for c in line
    )


@pytest.mark.parametrize("direction", ["right", "down"])
def test_a_long_name_is_cut_and_whole_in_the_tooltip(direction: Any) -> None:
    thing = Named("a" * 90)
    svg = streams.graph(op.map(thing)).svg(direction)
    assert words(svg) == ["map", "a" * 32 + "…"]
    assert f"map(f={'a' * 90})" in [t.text for t in parsed(svg).iter(f"{SVG}title")]


def test_settings_beyond_the_fourth_are_counted() -> None:
    @op.operator(holds=1)
    async def many(messages: Any, a: int, b: int, c: int, d: int, e: int) -> Any:
        yield

    assert words(streams.graph(many(1, 2, 3, 4, 5)).svg()) == ["many", "a1", "b2", "c3", "… 2 more"]


@pytest.mark.parametrize(
    ("make", "shown"),
    [
        (lambda: op.map(Silent()), "map(f=<Silent"),
        (lambda: op.scan(book, Silent()), "scan(f=book, initial=<Silent"),
        (lambda: op.scan(book, [1] * 10**6), "scan(f=book, initial=[1, 1, 1, 1, 1, 1, ...])"),
        (lambda: op.scan(book, 10**5000), "scan(f=book, initial=<int, whose repr raises"),
        (lambda: op.scan(book, [book, int]), "scan(f=book, initial=[book, int])"),
        (lambda: streams.of(1) | Broken(), "Broken(settings raise ZeroDivisionError)"),
    ],
)
def test_settings_that_cannot_be_shown_are_survived(make: Callable[[], Any], shown: str) -> None:
    graph = streams.graph(make())
    assert shown in [str(n)[: len(shown)] for n in nodes(graph)]
    parsed(graph.svg())


class Broken(Sink[Any, Any]):
    name = "Broken"

    @property
    def shown_settings(self) -> Any:
        raise ZeroDivisionError


# -- many ---------------------------------------------------------------------------------------


def nested(depth: int) -> Any:
    operator: Any = op.take(1)
    for _ in range(depth):
        operator = op.broadcast(operator, operator)
    return operator


MANY: list[tuple[str, Callable[[], Any], str | None]] = [
    ("queues", lambda: streams.of(1) | op.merge(*[streams.of(i) for i in range(2_000)]), "1,990"),
    ("stages", lambda: op.pipe(*[op.map(book)] * 5_000), "4,979"),
    ("stages of a stream", lambda: streams.of(1) | op.pipe(*[op.map(book)] * 1_000), None),
    ("branches", lambda: sinks.tee(*[op.take(1) | sinks.count()] * 3_000), "5,978"),
    ("broadcasts", lambda: nested(10), None),
    ("broadcasts in broadcasts", lambda: nested(13), None),
    ("too many to count", lambda: Operator(*op.map(book).stages * 30_000), "over 10,000"),
]


@pytest.mark.parametrize(("make", "more"), [m[1:] for m in MANY], ids=[m[0] for m in MANY])
def test_thousands_of_stages_make_a_small_picture(make: Any, more: str | None) -> None:
    part = make()
    graph = streams.graph(part)
    svg, mermaid, text = graph.svg(), graph.mermaid(), graph.text(80)
    assert len(svg) < 60_000
    assert len(mermaid.split("\n")) < 150
    assert len(text.split("\n")) < 80
    assert "more" in text
    assert "more" in " ".join(words(svg))
    assert more is None or f"… {more} more" in text


def test_a_graph_of_as_many_stages_as_fit_is_whole() -> None:
    assert "more" not in streams.graph(op.pipe(*[op.map(book)] * 40)).text()
    assert "… 20 more" in streams.graph(op.pipe(*[op.map(book)] * 41)).text()


# -- pictures -----------------------------------------------------------------------------------

WIDE = streams.of(1) | op.pipe(*[op.map_async(book, concurrency=3)] * 9) | sinks.count()


@pytest.mark.parametrize(
    ("part", "direction", "wide"),
    [
        (TEXTS["pipeline"][0], None, True),
        (TEXTS["pipeline"][0], "down", False),
        (WIDE, None, False),
        (WIDE, "right", True),
        (sinks.tee(*[sinks.each(book)] * 20), None, False),
        (op.merge(*[streams.of(1)] * 30) | op.pipe(*[op.map_async(book)] * 7), None, False),
    ],
)
def test_what_is_long_goes_down(part: Any, direction: Any, wide: bool) -> None:
    svg = parsed(streams.graph(part).svg(direction))
    assert (float(svg.get("width", 0)) > float(svg.get("height", 0))) is wide


@pytest.mark.parametrize("direction", ["right", "down"])
@pytest.mark.parametrize("name", [name for name in TEXTS if name != "nothing"])
def test_cards_lie_beside_each_other_and_within_the_picture(name: str, direction: Any) -> None:
    svg = parsed(streams.graph(TEXTS[name][0]).svg(direction))
    found: list[tuple[float, float, float, float]] = []
    for group in svg.iter(f"{SVG}g"):
        card = group.find(f"{SVG}rect[@class='c']")
        if card is not None:
            x, y = map(float, re.findall(r"[\d.]+", group.get("transform", "")))
            found.append((x, y, x + float(card.get("width", 0)), y + float(card.get("height", 0))))
    assert len(found) == len([n for n in nodes(streams.graph(TEXTS[name][0])) if n.name])
    for at, (left, top, right, bottom) in enumerate(found):
        assert 0 <= left < right <= float(svg.get("width", 0)) - 16 + 0.1
        assert 0 <= top < bottom <= float(svg.get("height", 0)) - 16 + 0.1
        for left2, top2, right2, bottom2 in found[:at]:
            assert right <= left2 or right2 <= left or bottom <= top2 or bottom2 <= top


def test_what_flows_together_ends_side_by_side_and_chains_are_straight() -> None:
    svg = parsed(streams.graph(TEXTS["merge"][0]).svg("right"))
    found = []
    for group in svg.iter(f"{SVG}g"):
        card = group.find(f"{SVG}rect[@class='c']")
        if card is not None:
            x, y = map(float, re.findall(r"[\d.]+", group.get("transform", "")))
            width, height = float(card.get("width", 0)), float(card.get("height", 0))
            found.append((round(x + width), round(y + height / 2)))
    first, mapped, second, third, merged, end = found
    assert mapped[0] == second[0] == third[0]
    assert (first[1], merged[1]) == (mapped[1], end[1])
    assert merged[1] == pytest.approx((mapped[1] + third[1]) / 2, abs=1)


def test_a_picture_needs_nothing_else_and_says_what_it_is() -> None:
    svg = streams.graph(TEXTS["sinks of sinks"][0]).svg()
    assert not re.search(r"href|url\(|@import|@font-face|\bid=", svg)
    assert svg.count("http") == svg.count('xmlns="http://www.w3.org/2000/svg"') == 1
    root = parsed(svg)
    assert root.get("role") == "img"
    first, second, *_ = root
    assert (first.tag, second.tag) == (f"{SVG}title", f"{SVG}desc")
    assert (
        first.text
        == root.get("aria-label")
        == "of → tee → chunk → each → route → " + ("to_list → optional → count → count")
    )
    assert "■ route(key=book)" in (second.text or "")
    assert "prefers-color-scheme:dark" in svg


def test_text_takes_the_width_of_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    graph = streams.graph(TEXTS["pipeline"][0])
    monkeypatch.setenv("COLUMNS", "40")
    assert str(graph) == graph.text(40)
    assert graph.text(40).split("\n")[2:6] == [
        "○ chunk",
        "    size=256",
        "    timeout=1.0",
        "    → up to 256",
    ]


def test_the_picture_in_the_documentation_is_current() -> None:
    assert PICTURE.read_text(encoding="utf-8") == picture()
    assert PAGE.read_text(encoding="utf-8") == page(PAGE.read_text(encoding="utf-8"))


# -- secrets ------------------------------------------------------------------------------------


def test_no_password_is_in_any_picture() -> None:
    from urllib.parse import quote

    account = f"{USER}:{quote(PASSWORD, safe='')}"
    leaks = Leaks(PASSWORD)
    bulk: dict[str, Any] = {"index": "words", "id": "word", "basic_auth": (USER, PASSWORD)}
    for part in [
        streams.amqp.queue("words", url=f"amqp://{account}@host/"),
        streams.amqp.deliveries("words", url=[f"amqp://{account}@{host}/" for host in "ab"]),
        streams.http.lines(f"http://{account}@host/words"),
        op.merge(streams.amqp.queue("words", url=f"amqp://{account}@host/")),
        sinks.tee(sinks.amqp.publish(f"amqp://{account}@host/", routing_key="q"), Own()),
        sinks.elasticsearch.bulk("http://host:9200", **bulk),
        sinks.elasticsearch.bulk(f"http://{account}@host:9200", index="words", id="word"),
        streams.of(1) | Based(),
        streams.of(1) | Own(),
    ]:
        graph = streams.graph(part)
        leaks.show(graph.text(), graph.text(200), graph.svg(), graph.mermaid(), graph, graph.chain)
        leaks.show(*part._repr_mimebundle_().values())
    leaks.check()

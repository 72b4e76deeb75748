"""check_operator, check_sink and check_source: good parts pass, and each broken one names its law."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import aclosing, suppress
from typing import Any

import pytest
from hypothesis import strategies as st

from ackflow import operators as op
from ackflow import sinks, streams
from ackflow.streams import Message
from ackflow.streams.core import ACCEPTED, NOBODY, Context, Operator, Run, Stage, settle
from ackflow.streams.testing import check_operator, check_sink, check_source, run
from ackflow.streams.testing.expecting import leaving_nothing

Function = Callable[[Any], Any]


def breaks(law: str, check: Callable[..., None], *given: Any, **options: Any) -> str:
    """Expect a check to find a law broken; return what it says."""
    with pytest.raises(AssertionError) as raised:
        check(*given, **options)
    text = str(raised.value)
    assert f"breaks a law: {law}" in text, text
    assert "look at" in text
    return text


# -- operators --------------------------------------------------------------------------------------


@op.operator(holds=0)
async def halved(messages: AsyncIterator[Message[int]], f: Function) -> AsyncIterator[Message[int]]:
    async for message in messages:
        try:
            value = f(message.value)
        except ValueError as error:
            message.fail(error)
        else:
            yield message.with_value(value // 2)


def test_an_operator_that_keeps_the_laws_passes() -> None:
    check_operator(lambda f: halved(f), model=lambda xs: [x // 2 for x in xs])
    check_operator(op.chunk(3), model=lambda xs: [xs[i : i + 3] for i in range(0, len(xs), 3)])
    check_operator(op.map(str.upper), lambda xs: [x.upper() for x in xs], values=["a", "b"])
    check_operator(op.map(len), lambda xs: [*map(len, xs)], values=st.text(), examples=5, seed=7)


class Broken(Stage):
    """A stage that hands on what it gets, but for what a test breaks."""

    name = "broken"

    async def runs(
        self, context: Context, *inputs: AsyncIterator[Run[Any]]
    ) -> AsyncGenerator[Run[Any]]:
        upstream: Any = inputs[0]
        async with aclosing(upstream):
            async for run in upstream:
                async with aclosing(self.hand_on(run)) as parts:
                    async for part in parts:
                        yield part

    async def hand_on(self, run: Run[Any]) -> AsyncGenerator[Run[Any]]:
        yield run


def whole(xs: list[Any]) -> list[Any]:
    return xs


class LosesOne(Broken):
    async def hand_on(self, run: Run[Any]) -> AsyncGenerator[Run[Any]]:
        yield run.part(0, 3)


class DropsUnsettled(Broken):
    async def hand_on(self, run: Run[Any]) -> AsyncGenerator[Run[Any]]:
        keep = [position for position, value in enumerate(run.values) if value % 2]
        if keep:
            yield Run([run.values[n] for n in keep], [run.tokens[n] for n in keep])


class SettlesEarly(Broken):
    async def hand_on(self, run: Run[Any]) -> AsyncGenerator[Run[Any]]:
        settle(run.tokens, ACCEPTED)
        yield Run(run.values, [(NOBODY, 0)] * len(run))


class SettlesOnCancel(Broken):
    async def hand_on(self, run: Run[Any]) -> AsyncGenerator[Run[Any]]:
        try:
            await asyncio.sleep(1)
        except asyncio.CancelledError:
            settle(run.tokens, ACCEPTED)
            raise
        yield run


class HasState(Broken):
    def __init__(self) -> None:
        self.seen = 0

    async def hand_on(self, run: Run[Any]) -> AsyncGenerator[Run[Any]]:
        self.seen += 1
        yield run if self.seen == 1 else Run([0] * len(run), run.tokens)


class LeavesOpen(Broken):
    async def runs(
        self, context: Context, *inputs: AsyncIterator[Run[Any]]
    ) -> AsyncGenerator[Run[Any]]:
        async for each in inputs[0]:
            yield each


def understated() -> Operator[Any, Any]:
    operator = op.chunk(4)
    operator.stages[0].holds = 1
    return operator


@pytest.mark.parametrize(
    ("make", "model", "law"),
    [
        (LosesOne, whole, "without tracking, what comes out is what the list model says"),
        (DropsUnsettled, lambda xs: [x for x in xs if x % 2], "each delivery is settled once"),
        (SettlesEarly, whole, "each delivery is settled once|aborting gives back"),
        (SettlesOnCancel, whole, "cancelled at any turn of the loop"),
        (LeavesOpen, whole, "aborting gives back|cancelled|looking settles|the source is closed"),
        (HasState, whole, "without tracking|one operator value serves two streams"),
        (understated, lambda xs: chunks(xs, 4), "it holds no more messages than it says"),
    ],
)
def test_a_broken_operator_names_its_law(
    make: Callable[[], Any], model: Callable[[list[Any]], list[Any]], law: str
) -> None:
    made = make()
    operator = Operator[Any, Any](made) if isinstance(made, Stage) else made
    with pytest.raises(AssertionError, match=f"breaks a law: ({law})") as raised:
        check_operator(operator, model)
    for text in (repr(operator), "with xs=[", "look at"):
        assert text in str(raised.value)


def test_an_operator_that_fails_the_whole_run_for_one_value_is_found() -> None:
    def make(f: Function) -> Any:
        return op.chunk(2) | op.map(lambda chunk: [f(x) for x in chunk])

    text = breaks("an error in a user's function", check_operator, make, lambda xs: chunks(xs))
    assert "bad=[" in text


def chunks(xs: Sequence[Any], size: int = 2) -> list[list[Any]]:
    return [list(xs[i : i + size]) for i in range(0, len(xs), size)]


def test_a_generator_that_only_the_collector_would_close_is_told() -> None:
    async def values() -> AsyncIterator[int]:
        yield 1

    async def main() -> None:
        async with leaving_nothing():
            left = values()
            await anext(left)

    with pytest.raises(AssertionError, match=r"async generators not closed: .*values"):
        run(main())


async def test_checks_are_for_plain_functions() -> None:
    with pytest.raises(RuntimeError, match="call it from a plain `def test_…`"):
        check_operator(op.map(str), lambda xs: [*map(str, xs)])


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: check_operator(3, whole), TypeError, "must be an operator, or a function"),
        (lambda: check_operator(op.tap(str), whole, examples=0), ValueError, "from 1 up, got 0"),
        (lambda: check_sink(sinks.count, examples=0), ValueError, "from 1 up, got 0"),
        (lambda: check_sink(lambda: 3), TypeError, "a sink must have an async write"),
        (
            lambda: check_sink(lambda: sinks.tee(sinks.count(), sinks.count())),
            TypeError,
            "a writer of its own",
        ),
        (lambda: check_source(streams.of(1), [1]), TypeError, "must be a function that returns"),  # type: ignore[arg-type]
    ],
)
def test_what_cannot_be_checked_says_what_can(
    call: Callable[[], None], error: type[Exception], text: str
) -> None:
    with pytest.raises(error, match=text):
        call()


# -- sinks ------------------------------------------------------------------------------------------


class Shout:
    """A good sink: single elements, three writes in flight."""

    concurrency = 3

    def __init__(self) -> None:
        self.lines: list[Any] = []

    async def open(self) -> None:
        await asyncio.sleep(0.1)

    async def write(self, items: Sequence[Any]) -> Any:
        await asyncio.sleep(0.1)
        if None in items:
            raise ValueError("None can't be shouted")
        self.lines += items

    async def close(self) -> None:
        await asyncio.sleep(0.1)

    def result(self) -> int:
        return len(self.lines)


class Bulk(Shout):
    """A good sink of chunks, which tells of each member."""

    concurrency = 1

    async def write(self, items: Sequence[Any]) -> Any:
        (chunk,) = items
        self.lines += [item for item in chunk if item is not None]
        return [ValueError("no") if item is None else None for item in chunk]


class All(Bulk):
    """A good sink of chunks, all of which is written or nothing."""

    idempotent = True

    async def write(self, items: Sequence[Any]) -> Any:
        (chunk,) = items
        if None in chunk:
            raise ValueError("no")
        self.lines += chunk


@pytest.mark.parametrize(("make", "size"), [(Shout, None), (Bulk, 3), (All, 4)])
def test_a_good_sink_passes(make: Any, size: int | None) -> None:
    check_sink(make, written=lambda sink: sink.lines, bad=[None], chunks=size)


def test_our_own_sinks_pass() -> None:
    check_sink(sinks.to_list)
    check_sink(lambda: sinks.each(str, concurrency=2))


class AcceptsUnwritten(Shout):
    async def write(self, items: Sequence[Any]) -> Any:
        self.lines += items[1:]


class LeavesTask(Shout):
    async def close(self) -> None:
        self.task = asyncio.create_task(asyncio.sleep(10), name="left")


class AnswersWrong(Shout):
    async def write(self, items: Sequence[Any]) -> Any:
        self.lines += items
        return [None, None]


class AnswersNonsense(Shout):
    async def write(self, items: Sequence[Any]) -> Any:
        self.lines += items
        return [0]


class OpensOnce(Shout):
    used = False

    async def open(self) -> None:
        if self.used:
            raise RuntimeError("opened twice")
        self.used = True


class ClosesOnlyWhatIsOpen(Shout):
    async def open(self) -> None:
        await asyncio.sleep(0.1)
        self.file = object()

    async def close(self) -> None:
        del self.file


class BlamesAll(Bulk):
    idempotent = True

    async def write(self, items: Sequence[Any]) -> Any:
        (chunk,) = items
        if None in chunk:
            return [ValueError("no")] * len(chunk)
        self.lines += chunk
        return None


ORDER = "open, writes, close, result"


@pytest.mark.parametrize(
    ("make", "size", "law", "fault"),
    [
        (AcceptsUnwritten, None, ORDER, "- 0"),
        (LeavesTask, None, ORDER, "tasks left behind: left"),
        (AnswersWrong, None, ORDER, "returned [None, None]: it must be None, or a list"),
        (AnswersNonsense, None, ORDER, "returned 0 for an element: an entry must be None or an"),
        (OpensOnce, None, ORDER, "opened twice"),
        (
            ClosesOnlyWhatIsOpen,
            None,
            "cancelled at any turn of the loop",
            "of the loop: AttributeError",
        ),
        (BlamesAll, 4, "what it refuses fails alone", "dead letters that nothing was wrong with"),
    ],
)
def test_a_broken_sink_names_its_law(make: Any, size: int | None, law: str, fault: str) -> None:
    options: dict[str, Any] = {"written": lambda sink: sink.lines, "bad": [None], "chunks": size}
    text = breaks(law, check_sink, make, **options)
    assert text.startswith(f"the sink of {make.__name__} breaks")
    assert fault in text


# -- sources ----------------------------------------------------------------------------------------


class Pages:
    """What lies behind a source: pages of values, opened and closed."""

    def __init__(self, *pages: list[int], error: Exception | None = None) -> None:
        self.pages = pages
        self.error = error
        self.open = 0
        self.read = 0

    def stream(self) -> streams.Stream[int]:
        return streams.from_lists(self.lists, name="pages")

    async def lists(self) -> AsyncIterator[list[int]]:
        self.open += 1
        try:
            for page in self.pages:
                await asyncio.sleep(0.1)
                self.read += len(page)
                yield page
            if self.error is not None:
                raise self.error
        finally:
            self.open -= 1


def test_a_good_source_passes() -> None:
    pages, broken = Pages([1, 2], [3]), Pages([1], error=OSError("gone"))
    check_source(
        pages.stream,
        [1, 2, 3],
        again=True,
        closed=lambda: pages.open == broken.open == 0,
        read=lambda: pages.read,
        ahead=2,
        failing=broken.stream,
        error=OSError,
    )


def test_our_own_sources_pass() -> None:
    check_source(lambda: streams.of(1, 2, 3), [1, 2, 3], again=True)
    check_source(lambda: streams.memory.queue([1, 2], until_idle=1.0), [1, 2])
    check_source(lambda: streams.from_iterable({1, 2}), [2, 1], ordered=False)


class OpensEarly(Pages):
    async def lists(self) -> AsyncIterator[list[int]]:
        self.open += 1
        await asyncio.sleep(0.1)
        async for page in super().lists():
            yield page
        self.open -= 1


class Swallows(Pages):
    async def lists(self) -> AsyncIterator[list[int]]:
        pages: Any = super().lists()
        async with aclosing(pages):
            with suppress(OSError):
                async for page in pages:
                    yield page


class EndsOnce(Pages):
    async def lists(self) -> AsyncIterator[list[int]]:
        pages, self.pages = self.pages, ()
        for page in pages:
            yield page


@pytest.mark.parametrize(
    ("kind", "law", "options"),
    [
        (Pages, "it hands out what it should", {"expected": [1, 2]}),
        (Pages, "it reads no further than it says", {"ahead": 1}),
        (EndsOnce, "it hands out what it should", {"again": True}),
        (OpensEarly, "(looking shows|it is closed when)", {}),
        (Swallows, "its errors end the run", {}),
    ],
)
def test_a_broken_source_names_its_law(
    kind: type[Pages], law: str, options: dict[str, Any]
) -> None:
    made: list[Pages] = []

    def make(**settings: Any) -> streams.Stream[int]:
        made.append(kind([1, 2, 3], [4], **settings))
        return made[-1].stream()

    given: dict[str, Any] = {
        "expected": [1, 2, 3, 4],
        "closed": lambda: all(pages.open == 0 for pages in made),
        "read": lambda: sum(pages.read for pages in made),
        "ahead": 3,
        "failing": lambda: make(error=OSError("gone")),
        "error": OSError,
    }
    with pytest.raises(AssertionError, match=f"the source breaks a law: {law}"):
        check_source(make, **(given | options))

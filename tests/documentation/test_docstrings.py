"""Every example in a docstring of the public names runs, and is what its comments say."""

import asyncio
import doctest
import inspect
import sys
from collections.abc import AsyncIterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from textwrap import dedent
from types import SimpleNamespace
from typing import Any

import aiostream
import orjson
import pytest
import tenacity

from ackflow import operators as op
from ackflow import sinks, streams
from ackflow.streams import running, testing
from ackflow.streams.running import metrics
from tests.cases import halved
from tests.documentation.cells import Cells
from tests.documentation.docstrings import EXAMPLE, as_code
from tests.documentation.public import public
from tests.streams.testing.test_checks import Shout

NOT_RUN = {
    "streams.amqp.declare": "it takes a broker; tests/streams/amqp/test_topology.py runs it",
    "streams.amqp.Shards": "it takes a broker with a plugin; tests/streams/amqp/test_sharding.py",
    "streams.dask.Copies": "it takes a cluster; tests/streams/test_dask.py",
    "streams.Pipeline": "its two lines are of a script, and of a running loop",
    "streams.testing.VirtualClock.hold": "it takes a test; tests/streams/testing/test_clock.py",
    "streams.testing.run": "the decorator of Hypothesis takes a module; tests/test_laws.py",
    "streams.testing.check_source": "it takes a client of pages; docs/testing.md runs one",
}
"""Why an example is not run."""
RAISES = {"streams.Reject", "streams.Requeue", "streams.Skip", "streams.Unavailable"}
URL = "amqp://guest@127.0.0.1:1/"
"""Where nobody listens: examples that name a broker are composed and not run."""


def examples() -> dict[str, tuple[str, Any]]:
    """Return every example, with what it is of."""
    found: dict[str, tuple[str, Any]] = {}
    for name, thing in public():
        match = EXAMPLE.search((inspect.getdoc(thing) or "") + "\n")
        if match and thing not in [known for _, known in found.values()]:
            found[name] = dedent(match["code"]).strip("\n") + "\n", thing
    return found


def closed(*values: Any) -> streams.memory.MemoryQueue[Any]:
    queue = streams.memory.queue(values)
    queue.close()
    return queue


async def call(value: Any) -> Any:
    return value


async def several(value: Any) -> AsyncIterator[Any]:
    yield value


OWN: dict[str, Any] = {
    "sinks.to_queue": lambda: {"url": "http://127.0.0.1:1/"},
    "sinks.optional": lambda: {"store": sinks.to_list()},
    "sinks.tee": lambda: {"url": "http://127.0.0.1:1"},
    "streams.amqp.Shards.share": lambda: {"words": streams.amqp.Shards("words", 8)},
    "streams.from_queue": lambda: {"queue": asyncio.Queue()},
    "streams.memory.MemoryQueue.put": lambda: {"queue": streams.memory.queue()},
    "streams.running.Progress": lambda: {
        name: closed("a") | sinks.count() for name in ("first", "second")
    },
}
"""What one example alone takes for granted."""


def given(name: str) -> dict[str, Any]:
    """Return what examples take for granted, by the names they use."""
    stream_names = "documents exchange_rates first images orders pages prices second settings"
    stream_names += " stream texts urls words"
    modules = (aiostream, asyncio, metrics, op, orjson, running, sinks, streams, tenacity, testing)
    return {
        **{name: streams.of("a", "b") for name in stream_names.split()},
        **dict.fromkeys(("alert", "book", "call", "draw", "fetch", "show", "store"), call),
        **dict.fromkeys(("notify", "parse", "price", "embed", "thumbnail", "work"), len),
        **{name: sinks.to_list() for name in ("english", "log", "other", "portuguese")},
        **{module.__name__.rpartition(".")[2]: module for module in modules},
        **{each.__name__: each for each in (Path, ProcessPoolExecutor, streams.Reject)},
        **{each.__name__: each for each in (streams.SourceError, streams.Summary, halved, Shout)},
        "op": op,
        "bulk": sinks.elasticsearch.bulk,
        "measure": call,
        "model": SimpleNamespace(predict=list),
        "pipeline": closed("a") | sinks.count(),
        "queue": closed("a", "b"),
        "readings": several,
        "url": URL,
        **OWN.get(name, dict)(),
    }


@pytest.mark.parametrize("name", [name for name in examples() if name not in NOT_RUN])
def test_an_example_runs(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    code, thing = examples()[name]
    names = {**vars(sys.modules[getattr(thing, "__module__", "builtins")]), **given(name)}
    if code.startswith(">>>"):
        runner = doctest.DocTestRunner()
        runner.run(doctest.DocTestParser().get_doctest(code, names, name, None, None))
        assert runner.summarize(verbose=False).failed == 0
        return
    with asyncio.Runner(loop_factory=testing.VirtualLoop) as loop:
        cells = Cells(loop, names)
        if name in RAISES:
            with pytest.raises(thing):
                cells.run(code.replace("…", "op.map(len)"), name)
        else:
            cells.run(code.replace("…", "op.map(len)"), name)


def test_examples_that_are_not_run_are_there() -> None:
    assert set(NOT_RUN) <= set(examples())
    assert len(examples()) > 90


def test_an_example_is_shown_as_code() -> None:
    shown = as_code("Do it.\n\nExample:\n    do(1)\n\n    do(2)\n\nAcks: passes.\n`f`: a function.")
    assert shown == (
        "Do it.\n\n**Example**\n\n```python\ndo(1)\n\ndo(2)\n```\n\n\n"
        "**Acks:** passes.\n\n`f`: a function."
    )
    assert "```pycon\n>>> 1" in as_code("It.\n\nExample:\n    >>> 1\n    1\n")

"""The run that the documentation's screenshots show, and how each of them would look of a fixed run.

A look is what our own code makes of fixed figures: it changes when the code draws differently, and with
nothing else. docs/pictures/screenshots.txt keeps the hash of each look, and of the picture.
"""

import asyncio
from hashlib import sha256
from io import StringIO
from pathlib import Path
from typing import Any

from rich.console import Console

from ackflow import operators as op
from ackflow import sinks, streams
from ackflow.streams import testing
from ackflow.streams.core import Figure, StageCount
from ackflow.streams.graphs.flow import Flow
from ackflow.streams.graphs.panel import Line, Panel
from ackflow.streams.running.page import SCRIPT, drawn, page
from ackflow.streams.running.table import Size, Tables
from tests.browser import lab

PICTURES = Path(__file__).parents[2] / "docs" / "pictures"
HASHES = PICTURES / "screenshots.txt"
PIPELINE = """\
async def store(numbers):
    await asyncio.sleep(0.03)

def odd(number):
    return number % 2

bodies = [str(n) if n % 4_000 != 1_999 else "no number" for n in range(40_000)]
orders = streams.memory.queue(bodies, prefetch=512, dead_letter="exchange")
numbers = op.map(int) | op.filter(odd) | op.chunk(64)
pipeline = orders | numbers | sinks.each(store, concurrency=2)
"""
SHOW = "pipeline"
FOLLOW = "handle = pipeline.start()\nhandle"
COUNT, COLUMNS = 40_000, 80
"""Of deliveries; of the terminal."""


def pipeline() -> Any:
    """Return the pipeline that is shown."""
    names: dict[str, Any] = {}
    exec(lab.SETUP + PIPELINE, names)
    return names["pipeline"]


def panel() -> Panel:
    """Return a run at a time."""
    lines = (
        Line(StageCount("memory.queue(prefetch=512)", "source", 9, 9, 3, 0, 0.0, 1.5), 1234.0),
        Line(StageCount("map(f=int)", "operator", 9, 8, 0, 1, 0.0), 0.5),
        Line(StageCount("each(f=store)", "sink", 8, 5, 3, 0, 0.0), 2.0),
    )
    notes = ("flushed by size 1", "1 × ValueError in map(f=int)")
    return Panel("running", 61.0, "9 delivered, 5 accepted", lines, ((1.0, 2.0), (3.0, 1.0)), notes)


def site() -> str:
    """Return the status page of a run at a time."""
    figures = [Figure("orders_total", "counter", "Orders.", [({"kind": "new"}, 1234)])]
    parts = streams.memory.queue(prefetch=512) | op.map(int) | sinks.each(print)
    graph = Flow(parts, str).graph(panel().lines)
    return page("orders", figures, ["halted: each(store)"], drawn(graph, panel()))


def lines(tables: Tables, handle: Any) -> Console:
    """Draw a run as on a terminal."""
    console = Console(record=True, width=COLUMNS, file=StringIO(), force_terminal=True)
    console.print(tables.draw({"": handle}, Size(COLUMNS, 24)))
    return console


async def _terminal() -> str:
    queue = streams.memory.queue(["1", "2", "x"], dead_letter="discard")
    handle = (queue | op.map(int) | sinks.count()).start(measure=True, limit=3)
    await handle
    return lines(Tables(), handle).export_text(styles=True)


def looks() -> dict[str, str]:
    """Return what each picture shows of fixed figures, with the scene it is taken of."""
    with asyncio.Runner(loop_factory=testing.VirtualLoop) as runner:
        terminal = runner.run(_terminal())
    shown = {
        "jupyter-graph.png": SHOW + streams.graph(pipeline()).svg(),
        "jupyter.png": FOLLOW + panel().svg(),
        "status.png": site().replace(SCRIPT, ""),
        "progress.svg": terminal,
    }
    return {name: PIPELINE + look for name, look in shown.items()}


def hashes() -> str:
    """Return the lines of a picture each: its name, its look, and itself."""
    return "".join(
        f"{name} {_hash(look.encode())} {_hash((PICTURES / name).read_bytes())}\n"
        for name, look in looks().items()
    )


def _hash(content: bytes) -> str:
    return sha256(content).hexdigest()[:32]

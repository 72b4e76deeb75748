"""A run that shows itself: in place, at a bounded rate, to its end, whatever its stages are called."""

import asyncio
import subprocess
import sys
from typing import Any
from xml.etree import ElementTree

import pytest

from ackflow import operators as op
from ackflow import sinks, streams
from ackflow.streams import live
from ackflow.streams.core import StageCount
from ackflow.streams.graphs.panel import ROWS, Line, Panel
from ackflow.streams.graphs.watching import POINTS, History, Watch
from ackflow.streams.testing import VirtualClock

pytestmark = pytest.mark.usefixtures("virtual_clock")


class Page:
    """What a notebook was sent."""

    def __init__(self, error: Exception | None = None) -> None:
        self.texts: list[str] = []
        self.times: list[float] = []
        self.updates: list[bool] = []
        self.ids: set[str] = set()
        self._error = error

    def put(self, bundle: dict[str, Any], name: str, again: bool) -> None:
        if again and self._error is not None:
            raise self._error
        self.texts.append(bundle["text/plain"])
        self.times.append(asyncio.get_running_loop().time())
        self.updates.append(again)
        self.ids.add(name)


async def pause(value: Any) -> Any:
    await asyncio.sleep(0.1)
    return value


def slow(count: int = 100) -> Any:
    queue = streams.memory.queue(range(count), prefetch=16)
    queue.close()
    return queue | op.map(str) | sinks.each(pause)


def running(pipeline: Any, page: Page) -> tuple[Any, live.Live]:
    handle = pipeline.start(measure=True)
    return handle, live.Live(handle, page.put)


async def test_it_shows_itself_in_one_place_twice_a_second_and_then_its_end() -> None:
    handle, shown = running(slow(), page := Page())
    shown.show()
    await handle
    await asyncio.sleep(60)
    assert page.updates == [False, *[True] * 21]
    assert page.ids == {shown.id}
    assert page.times[:4] == pytest.approx([0.0, 0.5, 1.0, 1.5])
    assert page.texts[-1].startswith("done · ")
    assert "100 accepted" in page.texts[-1]


async def test_a_stage_shows_what_came_what_left_and_what_is_inside() -> None:
    handle, shown = running(slow(), page := Page())
    shown.show()
    await asyncio.sleep(5.02)
    queue, step, sink = (line.split()[1:] for line in page.texts[-1].splitlines()[2:])
    assert queue[0] == step[0] == step[1] == sink[0] == "61"
    assert int(queue[2]) == 61 - int(sink[1]) == 12
    assert queue[3:] == ["1.5", "s"]
    await handle.abort()


async def test_a_cell_that_runs_again_leaves_no_second_updater() -> None:
    handle, shown = running(slow(), page := Page())
    shown.show()
    shown.show()
    await asyncio.sleep(1.1)
    assert page.updates == [False, False, True, True]
    await handle.abort()


async def test_a_run_that_is_over_shows_its_end_and_sets_no_timer() -> None:
    handle, shown = running(slow(1), page := Page())
    await handle
    shown.show()
    await asyncio.sleep(60)
    assert (page.updates, page.texts[0][:4]) == ([False], "done")


async def test_where_nothing_happens_a_picture_comes_every_five_seconds(
    virtual_clock: VirtualClock,
) -> None:
    handle, shown = running(streams.memory.queue() | sinks.to_list(), page := Page())
    shown.show()
    await asyncio.sleep(60.1)
    assert len(page.times) == 13
    await handle.abort()
    assert page.texts[-1].startswith("done")


async def test_an_old_run_shows_itself_less_often() -> None:
    handle, shown = running(slow(100_000), page := Page())
    shown.show()
    await asyncio.sleep(700)
    last = page.times[-10:]
    assert (last[-1] - last[0]) / 9 == pytest.approx(live.SELDOM)
    await handle.abort()


async def test_who_can_not_be_shown_it_is_no_reason_to_end_the_run(
    caplog: pytest.LogCaptureFixture,
) -> None:
    handle, shown = running(slow(), page := Page(OSError("s3cret: the socket is closed")))
    shown.show()
    assert (await handle).accepted == 100
    assert page.updates == [False]
    assert 1 <= len([r for r in caplog.records if "any more: OSError" in r.getMessage()]) <= 2
    assert "s3cret" not in caplog.text


async def test_the_rate_over_time_is_bounded_and_covers_the_whole_run() -> None:
    history = History()
    for second in range(1, 100_000):
        history.add(second / 2, second * 5)
    rates = history.rates()
    assert len(rates) <= POINTS
    assert rates[-1][0] == 99_999 / 2
    assert {round(rate, 6) for _, rate in rates} == {10.0}


async def test_what_failed_is_told_without_a_word_of_the_error() -> None:
    queue = streams.memory.queue(["s3cret"], dead_letter="exchange")
    queue.close()
    handle, shown = running(queue | op.map(int) | op.chunk(2) | sinks.to_list(), page := Page())
    await handle
    shown.show()
    assert "1 × ValueError in map(f=int)" in page.texts[0]
    assert "s3cret" not in page.texts[0]


async def test_without_measured_stages_there_are_the_counts() -> None:
    handle = (streams.of(1, 2) | sinks.to_list()).start(measure=False)
    await handle
    panel = Watch(handle).panel()
    assert panel.text().startswith("done · 0.0 s · 2 delivered, 2 accepted")
    assert ElementTree.fromstring(panel.svg()) is not None


NAMES = {
    "HTML": "<script>alert(1)</script>",
    "quotes": "\"'`&",
    "a newline": "one\ntwo\r\u2028three",
    "an emoji": "🦆" * 200,
    "escapes": "\x00\x1b[31mred",
    "a surrogate": "\ud800",
}


@pytest.mark.parametrize("name", NAMES)
async def test_a_name_breaks_out_of_nothing(name: str) -> None:
    stage = StageCount(NAMES[name], NAMES[name], 1, 1, 1, 1, 0.0)
    panel = Panel(NAMES[name], 1.0, NAMES[name], (Line(stage, 1.0),), ((1.0, 1.0),), (NAMES[name],))
    root = ElementTree.fromstring(panel.svg())
    assert {each.tag.rpartition("}")[2] for each in root.iter()} <= {
        *("svg", "title", "style", "rect", "text", "path", "g")
    }
    assert len(panel.text().splitlines()) == 4
    panel.svg().encode()


async def test_of_thousands_of_stages_the_first_and_the_last_are_shown() -> None:
    lines = tuple(Line(StageCount(f"s{n}", "operator", n, n, 0, 0, 0.0), 0.0) for n in range(5000))
    panel = Panel("running", 1.0, "", lines, ())
    assert len(panel.text().splitlines()) == ROWS + 3
    assert "… 4,970 more stages" in panel.svg()
    assert len(panel.svg()) < 40_000


def test_a_kernel_of_jupyter_measures_and_a_script_does_not() -> None:
    code = "from ackflow import streams; print(streams.Pipeline.measure, streams.Handle.interrupts)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.startswith("False <function unnoted")

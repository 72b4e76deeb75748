"""pipeline.run(progress=True): real programs on terminals of several kinds, and without one."""

import asyncio
import subprocess
import sys
import textwrap
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from ackflow import operators as op
from ackflow import sinks, streams
from ackflow.streams import Pipeline, running
from ackflow.streams.graphs.pace import Pace
from ackflow.streams.running import progress
from ackflow.streams.running.table import Size, Tables, head, short
from ackflow.streams.testing import VirtualClock
from tests.running.terminal import on_terminal

PROGRAM = """
import asyncio, logging
logging.basicConfig(level="INFO", format="%(levelname)s %(message)s")
from ackflow import operators as op, sinks, streams

async def store(value):
    await asyncio.sleep(0.005)
    if value % 50 == 7:
        logging.warning("logged %d", value)
        print("printed", value)
    if value == 99:
        raise ValueError("no\\x1b[2Jgood\\nat all")
    return value

store.__name__ = {name!r}
pipeline = (
    streams.from_iterable(range({count}), on_error="skip")
    | op.filter(lambda value: value % 2)
    | op.map_async(store, concurrency=8)
    | op.chunk(10)
    | sinks.count()
)
pipeline.run(progress=True{options})
"""


@pytest.fixture
def program(tmp_path: Path) -> Any:
    def write(name: str = "store", count: int = 600, options: str = "") -> Path:
        path = tmp_path / "program.py"
        text = PROGRAM.format(name=name, count=count, options=options)
        path.write_text(textwrap.dedent(text), encoding="utf-8")
        return path

    return write


def test_a_terminal_shows_a_line_for_each_stage_and_a_summary(program: Any) -> None:
    screen = on_terminal(program(), 100)
    assert screen.code == 0, screen
    text = str(screen)
    assert "done" in text
    assert "600 of 600 (100%) settled" in text
    table = [line.split() for line in screen.lines if line.startswith("map_async(store)")]
    ((_, taken, given, rate, inside, failed),) = table
    assert (taken, given, inside, failed) == ("300", "299", "0", "1")
    assert int(rate.replace(",", "")) > 0
    assert "stage" in text
    assert "600 delivered, 299 accepted, 300 skipped, 1 rejected" in text
    assert "slowest: map_async(f=store, concurrency=8), waited for" in text
    assert "1 × ValueError in map_async(f=store, concurrency=8), first: ValueError: no" in text


def test_what_is_printed_and_logged_meanwhile_stands_above_whole(program: Any) -> None:
    screen = on_terminal(program(), 80)
    expected = [
        line
        for value in range(7, 600, 100)
        for line in (f"WARNING logged {value}", f"printed {value}")
    ]
    expected += [f"WARNING logged {value}" for value in range(57, 600, 100)]
    for line in expected:
        assert screen.lines.count(line) == 1, (line, screen.lines)
    last = max(map(screen.lines.index, expected))
    assert next(at for at, line in enumerate(screen.lines) if line.startswith("stage")) > last


def test_forty_columns_are_enough(program: Any) -> None:
    screen = on_terminal(program(count=3000), 40)
    assert screen.code == 0, screen
    (row,) = [line for line in screen.lines if line.startswith("map_async(")]
    assert row.split()[1:] != []
    assert "1.5k" in row
    assert all(len(line) <= 40 for line in screen.lines)


NASTY = {
    "newlines": "a\nb",
    "escapes": "\x1b[2J\x1b[31mred",
    "markup": "[red]x[/nothing]",
    "emoji": "👍👩‍👩‍👧",
    "right to left": "\u202eabc",
    "long": "x" * 5000,
}


@pytest.mark.parametrize("kind", NASTY)
def test_names_break_nothing(kind: str) -> None:
    def function(value: int) -> int:
        return value

    function.__name__ = NASTY[kind]

    async def run() -> Any:
        handle = (streams.of(1) | op.map(function) | sinks.to_list()).start(measure=True)
        await handle
        return handle

    handle = asyncio.run(run())
    console = Console(width=40, force_terminal=False, record=True, file=StringIO())
    console.print(Tables().draw({NASTY[kind]: handle}, Size(40, 24)))
    lines = console.export_text().splitlines()
    assert [line.split()[0] for line in lines[-3:]] == [
        "of",
        next(line.split()[0] for line in lines if line.startswith("map")),
        "to_list",
    ]
    assert all(line.isprintable() for line in lines)
    assert "\n" not in head(NASTY[kind], handle, 1.0)
    assert all(line.isprintable() for line in str(handle.stats()).splitlines())


def test_no_colour_where_none_is_wanted(program: Any) -> None:
    coloured = on_terminal(program(), 80)
    assert b"\x1b[31m" in coloured.raw, "a failure is red"
    plain = on_terminal(program(), 80, NO_COLOR="1")
    assert b"\x1b[3" not in plain.raw.replace(b"\x1b[38", b"\x1b[3")
    assert "600 of 600" in str(plain)


def test_a_dumb_terminal_gets_lines_and_no_picture(program: Any) -> None:
    screen = on_terminal(program(), 80, TERM="dumb")
    assert screen.code == 0
    assert b"\x1b" not in screen.raw
    assert "600 delivered" in str(screen)


def test_a_signal_drains_and_the_picture_ends(program: Any) -> None:
    screen = on_terminal(program(count=1_000_000), 80, interrupt_at="printed 107")
    assert screen.code == 0, screen
    text = str(screen)
    assert text.count("draining; once more to abort") == 1
    assert "done, " in text
    assert "Traceback" not in text
    assert text.index("done, ") < text.index("delivered, ") < text.index("slowest: ")
    assert screen.raw.rstrip().endswith(b"at all"), "nothing is drawn behind the summary"
    assert screen.raw.rfind(b"\x1b[?25h") > screen.raw.rfind(b"\x1b[?25l"), "a cursor is shown"


def test_the_display_ends_before_an_error_is_shown(program: Any, tmp_path: Path) -> None:
    path = tmp_path / "failing.py"
    path.write_text(
        "from ackflow import operators as op, sinks, streams\n"
        "(streams.of('1', 'x') | op.map(int) | sinks.to_list()).run(progress=True)\n"
    )
    screen = on_terminal(path, 100)
    assert screen.code == 1
    text = str(screen)
    assert text.index("2 of 2") < text.index("2 delivered") < text.index("Traceback")


def test_what_goes_into_a_pipe_is_lines_and_stays_out_of_standard_output(program: Any) -> None:
    done = subprocess.run(
        [sys.executable, program()], capture_output=True, text=True, check=True, timeout=60
    )
    assert "\x1b" not in done.stderr + done.stdout
    printed = [value for value in range(600) if value % 50 == 7 and value % 2]
    assert done.stdout.splitlines() == [f"printed {value}" for value in printed]
    assert "600 delivered" in done.stderr


def test_a_reader_that_has_gone_does_not_end_the_run(program: Any) -> None:
    command = f"{sys.executable} {program()} 2>&1 >/dev/null | head -1"
    script = f"set -o pipefail; {command}"
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


class Lines:
    """Stands for standard error where that is no terminal."""

    def __init__(self) -> None:
        self.text = ""

    def isatty(self) -> bool:
        return False

    def write(self, text: str) -> None:
        self.text += text

    def flush(self) -> None:
        pass


async def test_without_a_terminal_there_is_a_line_every_ten_seconds(
    monkeypatch: Any, virtual_clock: VirtualClock
) -> None:
    out = Lines()
    monkeypatch.setattr(sys, "stderr", out)

    async def slow(value: int) -> None:
        await asyncio.sleep(1)

    async with running.Progress() as display:
        pipeline = streams.of(*range(25)) | sinks.each(slow)
        display.show(words=(handle := pipeline.start(measure=True)))
        await handle
    assert out.text.splitlines()[:2] == [
        "words: running, 10 s, 9 of 25 (36%) settled, 1/s, 6 in flight, 0 failed",
        "words: running, 20 s, 19 of 25 (76%) settled, 1/s, 6 in flight, 0 failed",
    ]
    assert out.text.splitlines()[2].startswith("words: 25 delivered, 25 accepted in 25.0 s")
    assert len(out.text.splitlines()) == 4


async def test_of_hundreds_of_stages_the_ends_are_on_the_screen() -> None:
    stream: Any = streams.of(1)
    for _ in range(150):
        stream = stream | op.map(str)
    handle = (stream | sinks.to_list()).start(measure=True)
    await handle
    console = Console(width=60, record=True, file=StringIO())
    console.print(Tables().draw({"": handle}, Size(60, 24)))
    lines = console.export_text().splitlines()
    assert len(lines) < 24
    assert any("more" in line for line in lines)
    assert lines[-1].startswith("to_list")


async def test_what_is_no_run_is_refused() -> None:
    with pytest.raises(TypeError, match=r"progress\.show\(handle\): must be a handle, got 'run'"):
        running.Progress().show("run")  # type: ignore[arg-type]


@pytest.mark.parametrize("value", ["yes", 1, None])
def test_progress_is_on_or_off(value: Any) -> None:
    with pytest.raises((TypeError, ValueError), match=r"pipeline\.run\(progress\)"):
        (streams.of(1) | sinks.to_list()).run(progress=value)


def test_without_rich_the_way_out_is_said_before_anything_is_consumed() -> None:
    code = (
        "import sys; sys.modules['rich'] = None; sys.modules['rich.console'] = None\n"
        "from ackflow import sinks, streams\n"
        "queue = streams.memory.queue([1])\n"
        "try: (queue | sinks.to_list()).run(progress=True, limit=1)\n"
        "except ImportError as error: print(error, queue.ready)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "pip install 'ackflow[progress]'" in done.stdout
    assert done.stdout.rstrip().endswith("[1]")


def test_a_run_without_progress_does_not_import_rich() -> None:
    code = (
        "import sys; from ackflow import sinks, streams\n"
        "(streams.of(1) | sinks.to_list()).run(); print('rich' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("False\n", "")


def test_numbers_are_short_and_paces_forget() -> None:
    assert {len(short(10**power - 1)) <= 4 for power in range(1, 12)} == {True}
    pace = Pace()
    rates = [pace.at(second, min(second, 10) * 10) for second in range(30)]
    assert (rates[10], rates[-1]) == (10, 0)


def test_the_result_is_the_sinks_with_progress_too(monkeypatch: Any) -> None:
    monkeypatch.setattr(sys, "stderr", out := Lines())
    pipeline: Pipeline[Any] = streams.of(1, 2) | sinks.to_list()
    assert pipeline.run(progress=True) == [1, 2]
    assert out.text.startswith("2 delivered, 2 accepted")
    assert progress.PLAIN == 10

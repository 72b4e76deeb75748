"""pipeline.run() in a script of its own: signals and exit codes."""

import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from ackflow import sinks, streams
from tests.running.patience import patience

PROGRAM = """
import asyncio, sys
from ackflow import operators as op, sinks, streams

queue = streams.memory.queue(range(1000), prefetch=100)
done = []

async def store(value):
    print("begun", value, flush=True)
    await asyncio.sleep({seconds})
    done.append(value)

pipeline = queue | sinks.each(store)
try:
    print(pipeline.run(), flush=True)
finally:
    print("acked", len(queue.acked), "done", len(done), "left", len(queue.ready), flush=True)
"""


@pytest.fixture
def script(tmp_path: Path) -> Iterator["Script"]:
    script = Script(tmp_path)
    yield script
    if script.process is not None and script.process.poll() is None:
        script.process.kill()
        script.process.wait()


class Script:
    """A program with a pipeline, in a process of its own."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "program.py"
        self.process: subprocess.Popen[str] | None = None

    def start(self, text: str) -> None:
        self.path.write_text(textwrap.dedent(text), encoding="utf-8")
        self.process = subprocess.Popen(
            [sys.executable, str(self.path)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def wait_for_line(self, wanted: str) -> str:
        assert self.process is not None
        assert self.process.stdout is not None
        with patience(self.process):
            for line in self.process.stdout:
                if wanted in line:
                    return line
        raise AssertionError(f"no line with {wanted!r}: {self.process.communicate()[1]}")

    def signal(self, number: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def finish(self) -> tuple[int, str, str]:
        assert self.process is not None
        out, err = self.process.communicate(timeout=30)
        return self.process.returncode, out, err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_drains_and_exits_with_0(script: Script, number: signal.Signals) -> None:
    script.start(PROGRAM.format(seconds=0.05))
    script.wait_for_line("begun 3")
    script.signal(number)
    code, out, err = script.finish()
    assert code == 0, err
    assert "draining" in err
    assert "Traceback" not in err
    last = out.splitlines()[-1].split()
    acked, done, left = int(last[1]), int(last[3]), int(last[5])
    assert acked == done
    assert acked + left == 1000


def test_a_second_signal_aborts_with_130_and_leaves_the_rest_with_the_broker(
    script: Script,
) -> None:
    script.start(PROGRAM.format(seconds=1000))
    script.wait_for_line("begun 0")
    script.signal(signal.SIGINT)
    assert script.process is not None
    assert script.process.stderr is not None
    with patience(script.process):
        assert "draining" in script.process.stderr.readline()
    script.signal(signal.SIGINT)
    code, out, err = script.finish()
    assert code == 130, err
    assert "Traceback" not in err
    assert out.splitlines()[-1] == "acked 0 done 0 left 1000"


def test_an_error_exits_with_1_and_names_stage_and_value(script: Script) -> None:
    script.start(
        """
        from ackflow import operators as op, sinks, streams
        (streams.of("1", "x") | op.map(int) | sinks.to_list()).run()
        """
    )
    code, _, err = script.finish()
    assert code == 1
    assert "ValueError: invalid literal for int()" in err
    assert "in map(f=int), with the value 'x'" in err


async def test_run_inside_a_running_loop_says_what_to_write() -> None:
    with pytest.raises(RuntimeError, match="write `await pipeline`"):
        (streams.of(1) | sinks.to_list()).run()


def test_run_passes_limit_and_timeout_on() -> None:
    queue = streams.memory.queue(range(10))
    assert (queue | sinks.to_list()).run(limit=3) == [0, 1, 2]
    with pytest.raises(ValueError, match=r"run\(limit\)"):
        (queue | sinks.to_list()).run(limit=0)
    with pytest.raises(TypeError, match="limits"):
        (queue | sinks.to_list()).run(limits=3)

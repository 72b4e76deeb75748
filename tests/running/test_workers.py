"""The runner of several processes: with real processes, that are heard through their output."""

import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from ackflow.streams import workers
from tests.running.patience import patience

SAY = """
import os

def say(text):
    os.write(1, f"{text}\\n".encode())  # at once and in one piece, beside what others say
"""
DRAINING = """
import asyncio, os
from ackflow import sinks, streams

queue = streams.memory.queue(range(1000), prefetch=100)
done = []

async def store(value):
    if not done:
        say(f"begun {{os.environ['ACKFLOW_WORKER']}} {{os.environ['ACKFLOW_WORKERS']}}")
    await asyncio.sleep({seconds})
    done.append(value)

(queue | sinks.each(store)).run()
say("lost" if len(queue.acked) != len(done) else "drained")
"""


class Runner:
    """A runner in a process of its own, whose lines are read as they come."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "program.py"
        self.lines: list[str] = []
        self._process: subprocess.Popen[str] | None = None

    def start(self, program: str, count: int, *options: str) -> None:
        self.path.write_text(SAY + textwrap.dedent(program), encoding="utf-8")
        self.run([*options, str(count), "--", sys.executable, str(self.path)])

    def run(self, arguments: list[str]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "ackflow.streams.workers", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    @property
    def process(self) -> "subprocess.Popen[str]":
        assert self._process is not None
        return self._process

    def read(self, wanted: str, times: int = 1) -> list[str]:
        """Read until so many lines hold the text; return these."""
        found: list[str] = []
        assert self.process.stdout is not None
        with patience(self.process):
            while len(found) < times:
                line = self.process.stdout.readline()
                assert line, f"no {times} lines with {wanted!r}: {self.lines}"
                self.lines.append(line.strip())
                if wanted in line:
                    found.append(line.strip())
        return found

    def finish(self) -> tuple[int, list[str]]:
        """Return the exit code, and all lines, once every process that could write has ended."""
        out, _ = self.process.communicate(timeout=60)
        self.lines += out.splitlines()
        return self.process.returncode, self.lines

    def close(self) -> None:
        """End it, and with it what it has started: the second signal kills within seconds."""
        if self._process is None:
            return
        for _ in range(2):
            self._process.terminate()
        try:
            self._process.communicate(timeout=15)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.communicate()


@pytest.fixture
def runner(tmp_path: Path) -> Iterator[Runner]:
    runner = Runner(tmp_path)
    yield runner
    runner.close()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_one_signal_drains_all_and_each_knew_its_number(
    runner: Runner, number: signal.Signals
) -> None:
    runner.start(DRAINING.format(seconds=0.01), 3)
    assert sorted(runner.read("begun", 3)) == ["begun 0 3", "begun 1 3", "begun 2 3"]
    runner.process.send_signal(number)
    code, lines = runner.finish()
    assert code == 0, lines
    assert lines.count("drained") == 3


def test_a_second_signal_aborts(runner: Runner) -> None:
    runner.start(DRAINING.format(seconds=1000), 2)
    runner.read("begun", 2)
    runner.process.send_signal(signal.SIGTERM)
    # The runner's own word, and that of each pipeline.
    runner.read("draining; once more to abort", 3)
    runner.process.send_signal(signal.SIGTERM)
    code, lines = runner.finish()
    assert code == 130, lines
    assert "drained" not in lines


def test_what_survives_an_abort_is_killed(runner: Runner) -> None:
    runner.start(
        """
        import signal, sys
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: say("no"))
        say("deaf")
        while True:
            signal.pause()
        """,
        2,
    )
    runner.read("deaf", 2)
    for _ in range(2):
        runner.process.send_signal(signal.SIGINT)
        runner.read("no", 2)
    assert runner.finish()[0] == 130


def test_one_that_dies_is_started_again_and_one_that_ends_well_is_not(
    runner: Runner, tmp_path: Path
) -> None:
    runner.start(
        f"""
        import os, signal
        from pathlib import Path
        number, mark = os.environ["ACKFLOW_WORKER"], Path({str(tmp_path)!r}, "mark")
        say(f"began {{number}}")
        if number == "1" and not mark.exists():
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        """,
        2,
    )
    code, lines = runner.finish()
    assert code == 0
    assert lines.count("began 0") == 1
    assert lines.count("began 1") == 2
    assert sum("worker 1 ended with -9; another one starts in" in line for line in lines) == 1


def test_one_that_dies_too_often_drains_the_others_and_the_exit_code_tells(runner: Runner) -> None:
    dying = 'import os\nif os.environ["ACKFLOW_WORKER"] == "1":\n    os._exit(3)\n'
    runner.start(dying + DRAINING.format(seconds=0.01), 2, "--restarts", "1")
    code, lines = runner.finish()
    assert code == 1, lines
    assert "workers: worker 1 ended with 3, 2 times in a row; draining all" in lines
    assert "lost" not in lines


def test_what_a_dead_worker_had_started_ends_with_it(runner: Runner) -> None:
    """A pool of processes, for one, does not notice that its parent was killed."""
    runner.start(
        """
        import os, signal, subprocess, sys
        child = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"])
        os.kill(os.getpid(), signal.SIGKILL)
        """,
        1,
        "--restarts",
        "0",
    )
    # The child has the runner's output open: reading ends when the child does.
    assert runner.finish()[0] == 1


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells children of a parent's end")
def test_workers_drain_when_their_runner_is_killed(runner: Runner) -> None:
    runner.start(DRAINING.format(seconds=0.01), 2)
    runner.read("begun", 2)
    runner.process.kill()
    code, lines = runner.finish()
    assert code == -signal.SIGKILL
    assert lines.count("drained") == 2


def test_a_command_that_is_not_there_is_an_error_with_the_code_of_a_shell(runner: Runner) -> None:
    runner.run(["2", "--", "no-such-command"])
    code, lines = runner.finish()
    assert code == 127
    assert lines[0] == "workers: 'no-such-command' can't be started: No such file or directory"


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["0", "--", "true"], "must be a whole number from 1 up, got '0'"),
        (["many", "--", "true"], "must be a whole number from 1 up, got 'many'"),
        (["2"], "required: command"),
        (["--restarts", "-1", "2", "--", "true"], "--restarts"),
    ],
)
def test_what_can_not_be_meant_is_said_and_exits_with_2(
    arguments: list[str], text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as raised:
        workers.main(arguments)
    assert raised.value.code == 2
    assert text in capsys.readouterr().err

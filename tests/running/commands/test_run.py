"""`ackflow run` and `ackflow graph`: options, processes of their own, signals."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ackflow.streams.running.commands.problems import Code
from ackflow.streams.running.commands.reloading import changed, snapshot
from tests.running.commands.conftest import Shell
from tests.running.patience import patience

COMMAND = [sys.executable, "-m", "ackflow.streams.running.commands"]
ENDLESS = """
    import asyncio, os
    from ackflow import sinks, streams

    def say(text):
        os.write(1, f"{text}\\n".encode())

    async def store(value):
        say(f"VERSION {value} of {os.environ.get('ACKFLOW_WORKER')}")
        await asyncio.sleep(0.01)

    queue = streams.memory.queue(range(100_000), prefetch=10)
    pipeline = queue | sinks.each(store)
"""
COUNTED = """
    from ackflow import sinks, streams
    queue = streams.memory.queue(range(100), prefetch=10)
    pipeline = queue | sinks.count()
"""


class Process:
    """A command in a process of its own, whose lines are read as they come."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None

    def start(self, *arguments: str) -> None:
        self._process = subprocess.Popen(
            [*COMMAND, *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )

    @property
    def process(self) -> "subprocess.Popen[str]":
        assert self._process is not None
        return self._process

    def wait_for(self, *texts: str) -> None:
        assert self.process.stdout is not None
        missing, seen = set(texts), ""
        with patience(self.process):
            for line in self.process.stdout:
                seen += line
                missing = {text for text in missing if text not in line}
                if not missing:
                    return
        raise AssertionError(f"no lines with {missing}: {seen}")

    def end(self, number: int) -> tuple[int, str]:
        self.process.send_signal(number)
        rest, _ = self.process.communicate(timeout=30)
        return self.process.returncode, rest


@pytest.fixture
def process(shell: Shell) -> Iterator[Process]:
    found = Process()
    yield found
    if found._process is not None:
        found.process.kill()
        found.process.communicate()


def test_a_limit_ends_a_run_well(shell: Shell) -> None:
    shell.write("counted.py", COUNTED)
    result = shell.run("run", "counted:pipeline", "--limit", "7")
    assert result.exit_code == Code.WELL
    assert ", 7 accepted" in result.stdout


def test_progress_shows_the_stages_and_a_summary_once(shell: Shell) -> None:
    shell.write("counted.py", COUNTED)
    result = subprocess.run(
        [*COMMAND, "run", "counted:pipeline", "--limit=7", "--progress"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stdout == ""
    assert result.stderr.count("7 accepted") == 1


def test_a_timeout_drains_and_ends_well(shell: Shell) -> None:
    shell.write("counted.py", COUNTED)
    result = shell.run("run", "counted:pipeline", "--timeout", "0.1")
    assert result.exit_code == Code.WELL
    assert result.stdout.startswith("100 delivered")


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (["--limit", "0"], "0 is not in the range x>=1"),
        (["--timeout", "0"], "0.0 is not in the range x>0"),
        (["--timeout", "soon"], "'soon' is not a valid float"),
        (["--processes", "0"], "0 is not in the range x>=1"),
        (["--processes", "2", "--reload"], "--reload runs one process"),
        (["--processes", "2", "--progress"], "--progress shows one process"),
        (["--restarts", "2"], "--restarts is about the processes of --processes"),
        (["--public"], "--public is about the address of --status"),
        (["--status", "9600"], "--status: must be host:port"),
        (["--status", "0.0.0.0:9600"], "and --public takes any other"),
        (["--processes", "2", "--status", "x"], "--status: must be host:port"),
        (["--processes", "3", "--status", "127.0.0.1:65534"], "3 ports from 65534 up go beyond"),
        (["--speed", "9"], "No such option"),
    ],
)
def test_options_that_can_not_be_meant_are_refused_with_2(
    shell: Shell, options: list[str], text: str
) -> None:
    shell.write("counted.py", COUNTED)
    result = shell.run("run", "counted:pipeline", *options)
    assert result.exit_code == Code.WRONG
    assert text in result.stderr
    assert "Traceback" not in result.stderr


def test_a_port_that_is_taken_is_one_line(shell: Shell) -> None:
    shell.write("counted.py", COUNTED)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        result = shell.run("run", "counted:pipeline", "--status", address, "--limit", "1")
    assert result.exit_code == Code.FAILED
    assert f"can't listen at {address}" in result.stderr
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize("number", [0, 1])
def test_a_port_that_is_taken_for_one_of_several_is_one_line_and_not_tried_again(
    process: Process, shell: Shell, number: int
) -> None:
    shell.write("counted.py", COUNTED)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        first = taken.getsockname()[1] - number
        process.start("run", "counted:pipeline", "--processes=2", f"--status=127.0.0.1:{first}")
        process.wait_for("can't listen at 127.0.0.1:")
        out, _ = process.process.communicate(timeout=30)
    assert process.process.returncode == Code.FAILED
    assert out == ""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_drains_and_ends_with_0(process: Process, shell: Shell, number: int) -> None:
    shell.write("endless.py", ENDLESS)
    process.start("run", "endless:pipeline")
    process.wait_for("VERSION 3 of None")
    code, rest = process.end(number)
    assert code == Code.WELL
    assert "draining" in rest
    assert " accepted" in rest


def test_several_processes_run_and_one_signal_drains_them_all(
    process: Process, shell: Shell
) -> None:
    shell.write("endless.py", ENDLESS)
    process.start("run", "endless:pipeline", "--processes", "2")
    process.wait_for("VERSION 3 of", "of 0", "of 1")
    code, rest = process.end(signal.SIGTERM)
    assert code == Code.WELL
    assert "workers: draining" in rest


def test_what_no_process_could_run_is_said_once_and_not_tried_again(
    process: Process, shell: Shell
) -> None:
    shell.write("endless.py", ENDLESS)
    process.start("run", "endless:other", "--processes", "3")
    out, _ = process.process.communicate(timeout=30)
    assert process.process.returncode == Code.WRONG
    assert out.count("module endless has no other") == 1
    assert "another one starts" not in out


def test_a_change_of_the_code_drains_and_starts_anew(process: Process, shell: Shell) -> None:
    path = shell.write("endless.py", ENDLESS)
    process.start("run", "endless:pipeline", "--reload", "--log", "info")
    process.wait_for("VERSION 3")
    path.write_text(path.read_text().replace("VERSION", "CHANGED"))
    process.wait_for("endless.py changed; starting anew")
    process.wait_for(" accepted")
    process.wait_for("CHANGED 3")
    path.write_text("x = (")
    process.wait_for("SyntaxError")
    process.wait_for("ended with exit code 2; waiting for a change")
    shell.write("endless.py", ENDLESS)
    process.wait_for("VERSION 3")
    code, rest = process.end(signal.SIGINT)
    assert code == Code.WELL
    assert " accepted" in rest


def test_a_change_of_as_many_bytes_within_the_same_second_is_run(
    process: Process, shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
    second = 1_800_000_000 * 10**9
    path = shell.write("endless.py", ENDLESS)
    os.utime(path, ns=(second, second))
    process.start("run", "endless:pipeline", "--reload")
    process.wait_for("VERSION 3")
    later = shell.write("later.txt", ENDLESS.replace("VERSION", "CHANGED"))
    os.utime(later, ns=(second, second + 1))
    later.replace(path)
    process.wait_for("CHANGED 3")


def test_reloading_looks_at_python_files_outside_of_environments(tmp_path: Path) -> None:
    for name in ("a.py", "b/c.py", ".hidden/d.py", "env/e.py", "b/__pycache__/f.py", "b/g.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True, parents=True)
        (tmp_path / name).write_text("1")
    (tmp_path / "env" / "pyvenv.cfg").write_text("")
    before = snapshot(str(tmp_path))
    assert sorted(before) == [str(tmp_path / "a.py"), str(tmp_path / "b" / "c.py")]
    (tmp_path / "a.py").write_text("12")
    (tmp_path / "b" / "c.py").unlink()
    assert changed(before, snapshot(str(tmp_path))) == "a.py, c.py"


@pytest.mark.parametrize(
    ("options", "begins"),
    [([], "● of("), (["--format=mermaid"], "flowchart"), (["--format=svg"], "<svg")],
)
def test_a_graph_is_drawn_in_each_format(shell: Shell, options: list[str], begins: str) -> None:
    shell.write("part.py", "from ackflow import streams\nstream = streams.of(1)")
    result = shell.run("graph", "part:stream", *options)
    assert result.exit_code == Code.WELL
    assert result.stdout.startswith(begins)


def test_a_graph_goes_into_a_file_whose_name_says_how(shell: Shell) -> None:
    shell.write("part.py", "from ackflow import streams\nstream = streams.of(1)\nnumber = 7")
    assert shell.run("graph", "part:stream", "-o", "part.svg").exit_code == Code.WELL
    assert (shell.folder / "part.svg").read_text(encoding="utf-8").startswith("<svg")
    assert shell.run("graph", "part:stream", "-o", "part.mmd").exit_code == Code.WELL
    assert (shell.folder / "part.mmd").read_text(encoding="utf-8").startswith("flowchart")
    refused = shell.run("graph", "part:stream", "-o", "no/part.svg")
    assert refused.exit_code == Code.WRONG
    assert refused.stderr == "ackflow: no/part.svg can't be written: No such file or directory\n"
    assert "part:number has no stages: 7" in shell.run("graph", "part:number").stderr


def test_a_terminal_that_lacks_a_character_gets_an_escape(shell: Shell) -> None:
    shell.write("part.py", "from ackflow import streams\nstream = streams.of(1)")
    result = subprocess.run(
        [*COMMAND, "graph", "part:stream"],
        env={**os.environ, "PYTHONIOENCODING": "latin-1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (result.returncode, result.stdout) == (Code.WELL, "\\u25cf of(values=1)  \\u2192 int\n")


@pytest.mark.parametrize("name", ["bash", "zsh", "fish"])
def test_shells_are_told_how_to_complete(shell: Shell, name: str) -> None:
    result = shell.run("completion", name)
    assert result.exit_code == Code.WELL
    assert f"_ACKFLOW_COMPLETE={name}_complete" in result.stdout


def test_commands_complete(shell: Shell) -> None:
    words = {"_ACKFLOW_COMPLETE": "bash_complete", "COMP_WORDS": "ackflow re", "COMP_CWORD": "1"}
    result = subprocess.run(
        COMMAND, env={**os.environ, **words}, capture_output=True, text=True, check=True
    )
    assert result.stdout == "plain,replay\n"

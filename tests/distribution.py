"""The built packages as a user gets them: `python -m tests.distribution dist`, which `make dist` calls.

The wheel goes into a fresh environment, away from this repository, and a first pipeline runs there.
"""

import subprocess
import sys
import tarfile
import tempfile
import venv
from pathlib import Path

FIRST = """\
from ackflow import operators as op, sinks, streams

queue = streams.memory.queue(["1", "x", "3"], dead_letter="exchange")
queue.close()
pipeline = queue | op.map(int) | sinks.count()
"""
IN_SDIST = (
    *("pyproject.toml", "README.md", "LICENSE", "streams/py.typed", "streams/core/ledger.py"),
    "streams/running/commands/dashboard.json",
)


class Environment:
    """A fresh environment and an empty folder to work in."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._bin = folder / "venv" / "bin"
        venv.create(folder / "venv", with_pip=True)

    def run(self, *command: str) -> str:
        """Run one of its programs, which has to end well; return what it prints."""
        program, *arguments = command
        done = subprocess.run(
            [str(self._bin / program), *arguments],
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise SystemExit(f"{' '.join(command)}: {done.returncode}\n{done.stdout}{done.stderr}")
        return done.stdout


def check_sdist(archive: Path) -> None:
    """See that the sdist holds what a build needs."""
    with tarfile.open(archive) as opened:
        names = {name.partition("/")[2] for name in opened.getnames()}
    if missing := [name for name in IN_SDIST if name not in names]:
        raise SystemExit(f"{archive.name} lacks {', '.join(missing)}")


def try_wheel(wheel: Path, folder: Path) -> None:
    """Install the wheel, and do with it what a newcomer does first."""
    fresh = Environment(folder)
    fresh.run("pip", "install", "--quiet", "--disable-pip-version-check", str(wheel))
    (folder / "first.py").write_text(FIRST, encoding="utf-8")
    expect("2 accepted, 1 rejected", fresh.run("ackflow", "run", "first:pipeline"))
    expect("map(f=int)", fresh.run("ackflow", "graph", "first:pipeline"))
    expect('"title": "ackflow"', fresh.run("ackflow", "dashboard"))
    expect('pip install "ackflow[gzip]"', fresh.run("ackflow", "doctor"))
    expect("ok", fresh.run("python", "-c", "from ackflow.streams import amqp, http; print('ok')"))
    fresh.run("pip", "check")


def expect(text: str, printed: str) -> None:
    """End where a text was not printed."""
    if text not in printed:
        raise SystemExit(f"expected {text!r}, got:\n{printed}")


def main(folder: Path) -> None:
    """Check the one wheel and the one sdist in a folder."""
    (wheel,), (sdist,) = folder.glob("*.whl"), folder.glob("*.tar.gz")
    check_sdist(sdist)
    with tempfile.TemporaryDirectory() as work:
        try_wheel(wheel.resolve(), Path(work))
    print(f"{wheel.name} installs and runs; {sdist.name} is whole")


if __name__ == "__main__":
    main(Path(sys.argv[1]))

"""An environment of its own for each contender, with exactly what its file in `pins` says.

Made when first needed, in `.benchmarks`; a changed file makes a new one. ackflow's contenders run in
the project's environment.
"""

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
PINS = Path(__file__).with_name("pins")
FOLDER = ROOT / ".benchmarks"


class EnvironmentMissing(Exception):
    """The packages of a contender can't be had here."""


def pinned(name: str) -> dict[str, str]:
    """Return the version of each package of an environment."""
    lines = (PINS / f"{name}.txt").read_text(encoding="utf-8").split()
    return dict(line.split("==") for line in lines)


def python(name: str | None) -> str:
    """Return the Python that has the packages of `pins/NAME.txt`; without a name, the project's."""
    if name is None:
        return sys.executable
    pins = PINS / f"{name}.txt"
    mark = hashlib.sha256(pins.read_bytes() + sys.version.encode()).hexdigest()[:8]
    folder = FOLDER / f"{name}-{mark}"
    if not (folder / "complete").exists():
        _make(name, folder, pins)
    return str(folder / "bin" / "python")


def _make(name: str, folder: Path, pins: Path) -> None:
    print(f"making the environment of {name} in {folder.relative_to(ROOT)}", flush=True)
    shutil.rmtree(folder, ignore_errors=True)
    own = str(folder / "bin" / "python")
    for command in (
        [sys.executable, "-m", "venv", str(folder)],
        [own, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", str(pins)],
    ):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise EnvironmentMissing(f"{name}: {' '.join(command)} failed:\n{done.stderr}")
    (folder / "complete").touch()

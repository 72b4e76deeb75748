"""The types: what users write passes mypy and pyright, and what does not fit is refused by both."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from ackflow import operators, sinks

HERE = Path(__file__).parent
CODE = [file for file in sorted(HERE.glob("*.py")) if not file.name.startswith("test_")]
PROJECT = HERE.parents[1] / "pyproject.toml"
PACKAGES = Path(operators.__file__).parents[2]


def run(tmp_path: Path, *command: str) -> subprocess.CompletedProcess[str]:
    path = {} if PACKAGES.name == "site-packages" else {"MYPYPATH": str(PACKAGES)}
    environment = {"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin", "HOME": str(Path.home())}
    return subprocess.run(
        [sys.executable, "-m", *command],
        cwd=tmp_path,
        env=environment | path,
        capture_output=True,
        text=True,
        check=False,
    )


def written(tmp_path: Path) -> list[str]:
    """Put the user code where a user would have it, away from the library's own settings."""
    for file in CODE:
        (tmp_path / file.name).write_text(file.read_text())
    return [file.name for file in CODE]


def test_mypy_strict_accepts_what_fits_and_refuses_what_does_not(tmp_path: Path) -> None:
    done = run(tmp_path, "mypy", "--config-file", str(PROJECT), *written(tmp_path))
    assert "Success" in done.stdout, done.stdout + done.stderr


def test_pyright_strict_accepts_what_fits_and_refuses_what_does_not(tmp_path: Path) -> None:
    written(tmp_path)
    settings = {
        "include": ["."],
        "extraPaths": [str(PACKAGES)],
        "typeCheckingMode": "strict",
        "pythonVersion": "3.11",
    }
    (tmp_path / "pyrightconfig.json").write_text(json.dumps(settings))
    done = run(tmp_path, "pyright", "--pythonpath", sys.executable)
    assert "0 errors" in done.stdout, done.stdout + done.stderr


def test_every_wrong_pipeline_is_marked() -> None:
    lines = (HERE / "refused.py").read_text().splitlines()
    written = lines[lines.index('texts: Stream[str] = streams.memory.queue(["a"])') + 1 :]
    assert all(line.endswith("# type: ignore") for line in written if line[:1] not in ("", "#"))


CALLS = [
    *(f"op.{name}(" for name in operators.__all__),
    *(f"sinks.{name}(" for name in sinks.__all__ if name not in sinks.DRIVERS),
]


@pytest.mark.parametrize("call", CALLS)
def test_every_operator_and_sink_is_in_what_is_accepted(call: str) -> None:
    accepted = "".join(file.read_text() for file in CODE if file.name.startswith("accepted"))
    assert call in accepted

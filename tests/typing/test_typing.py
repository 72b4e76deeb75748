"""The types: what users write passes mypy and pyright, and what does not fit is refused by both."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from ackflow import operators

HERE = Path(__file__).parent
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


@pytest.mark.parametrize("name", ["accepted.py", "lambdas.py", "refused.py"])
def test_mypy_strict_accepts_what_fits_and_refuses_what_does_not(name: str, tmp_path: Path) -> None:
    file = tmp_path / name
    file.write_text((HERE / name).read_text())
    done = run(tmp_path, "mypy", "--config-file", str(PROJECT), str(file))
    assert "Success" in done.stdout, done.stdout + done.stderr


def test_pyright_strict_accepts_what_fits_and_refuses_what_does_not(tmp_path: Path) -> None:
    for name in ("accepted.py", "refused.py"):
        (tmp_path / name).write_text((HERE / name).read_text())
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
    assert all(line.endswith("# type: ignore") for line in written if line)

"""The pytest plugin, in projects of users: each test runs pytest in a folder of its own."""

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
TEST = """
import asyncio

import pytest


@pytest.mark.asyncio
async def test_an_hour_takes_no_time(virtual_clock):
    await asyncio.sleep(3600)
    await virtual_clock.advance(1)
    assert virtual_clock.now == 3601


@pytest.mark.usefixtures("virtual_clock")
class TestAll:
    @pytest.mark.asyncio
    async def test_a_class_runs_in_virtual_time(self):
        assert asyncio.get_running_loop().time() == 0


@pytest.mark.asyncio
@pytest.mark.parametrize("number", [1, 2])
async def test_parameters_stay(virtual_clock, number):
    assert virtual_clock.now == 0


@pytest.mark.asyncio
async def test_others_run_in_real_time():
    assert type(asyncio.get_running_loop()).__name__ != "VirtualLoop"


def test_plain_functions_may_ask_too(virtual_clock):
    pass
"""


def project(
    folder: Path, text: str, *options: str, ini: str = ""
) -> subprocess.CompletedProcess[str]:
    """Run pytest on one test file in a project of its own, in which the kit is a plugin."""
    (folder / "pytest.ini").write_text(f"[pytest]\n{ini}\n")
    (folder / "test_it.py").write_text(text)
    site = folder / "site"
    install(site)
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-v", *options]
    paths = [str(site), os.environ.get("PYTHONPATH", "")]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, paths))}
    return subprocess.run(
        command, capture_output=True, text=True, check=False, cwd=folder, env=environment
    )


def install(site: Path) -> None:
    """Make the entry points of pyproject.toml known, as an installation of the wheel does."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    points = settings["project"]["entry-points"]["pytest11"]
    home = site / "ackflow_as_installed-1.dist-info"
    home.mkdir(parents=True)
    (home / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: ackflow-as-installed\nVersion: 1\n"
    )
    lines = [f"{name} = {value}" for name, value in points.items()]
    (home / "entry_points.txt").write_text("\n".join(["[pytest11]", *lines, ""]))


@pytest.mark.parametrize("mode", ["auto", "strict"])
def test_tests_that_ask_for_the_clock_run_in_virtual_time(tmp_path: Path, mode: str) -> None:
    ini = f"asyncio_mode = {mode}\nasyncio_default_fixture_loop_scope = function"
    result = project(tmp_path, TEST, "-W", "error", ini=ini)
    assert "6 passed" in result.stdout, result.stdout
    assert "test_an_hour_takes_no_time PASSED" in result.stdout  # its name is as it was


def test_fixtures_and_hypothesis_run_on_the_loop_of_the_test(tmp_path: Path) -> None:
    text = """
import asyncio

import pytest
from hypothesis import given, settings, strategies as st


@pytest.fixture
async def loop():
    yield asyncio.get_running_loop()
    await asyncio.sleep(100)


async def test_a_fixture(virtual_clock, loop):
    assert loop is asyncio.get_running_loop()


@settings(max_examples=3)
@given(number=st.integers())
async def test_hypothesis(virtual_clock, number):
    await asyncio.sleep(100)
"""
    result = project(tmp_path, text, ini="asyncio_mode = auto")
    assert "2 passed" in result.stdout, result.stdout


def test_loops_of_a_users_own_hook_and_scopes_stay_as_they_are(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(
        """
import asyncio


class Own(asyncio.SelectorEventLoop):
    pass


def pytest_asyncio_loop_factories(config, item):
    return {"one": Own, "two": Own}
"""
    )
    text = """
import asyncio

import pytest

seen = []


@pytest.mark.asyncio(loop_scope="module")
async def test_own():
    seen.append(asyncio.get_running_loop())
    assert type(seen[-1]).__name__ == "Own"


@pytest.mark.asyncio(loop_scope="module")
async def test_virtual(virtual_clock):
    assert virtual_clock.now == 0


async def test_function(virtual_clock):
    assert virtual_clock.now == 0
"""
    result = project(tmp_path, text, ini="asyncio_mode = auto")
    assert "4 passed" in result.stdout, result.stdout
    assert "test_own[one] PASSED" in result.stdout


def test_in_strict_mode_a_test_without_its_mark_is_told_so(tmp_path: Path) -> None:
    text = "async def test_it(virtual_clock): pass"
    result = project(tmp_path, text, ini="asyncio_mode = strict")
    assert "1 failed" in result.stdout or "1 error" in result.stdout, result.stdout
    assert "does not run on the virtual loop" in result.stdout
    assert "@pytest.mark.asyncio" in result.stdout


@pytest.mark.parametrize("absent", [["-p", "no:asyncio"], ["-p", "no:asyncio", "-p", "no:anyio"]])
def test_without_pytest_asyncio_plain_tests_run_and_async_ones_are_told(
    tmp_path: Path, absent: list[str]
) -> None:
    text = """
from ackflow.streams import testing


def test_plain():
    async def main():
        return testing.VirtualClock().now

    assert testing.run(main()) == 0


async def test_async(virtual_clock):
    pass
"""
    result = project(tmp_path, text, *absent)
    assert "1 passed" in result.stdout, result.stdout
    assert "needs pytest-asyncio 1.4 or later" in result.stdout


def test_what_does_not_use_the_kit_does_not_import_it(tmp_path: Path) -> None:
    text = """
import sys


def test_it():
    kit = "ackflow.streams.testing"
    heavy = {"aiohttp", f"{kit}.clock", f"{kit}.laws", f"{kit}.searching"}
    assert sorted(heavy & set(sys.modules)) == []


async def test_real():
    pass
"""
    result = project(tmp_path, text, ini="asyncio_mode = auto")
    assert "2 passed" in result.stdout, result.stdout


def test_importing_streams_does_not_import_the_kit() -> None:
    code = "import sys; from ackflow import streams; print(*sys.modules)"
    command = [sys.executable, "-c", code]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "ackflow.streams.testing" not in result.stdout.split()

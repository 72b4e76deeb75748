"""Judging: runs the tests on one mutant, in a process of its own that holds it in memory alone.

The process is forked from one that has imported pytest and Hypothesis but nothing of ackflow, which
takes a second off each mutant; no file is changed.
"""

import importlib
import importlib.abc
import importlib.util
import json
import os
import random
import re
import resource
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field
from math import ceil
from pathlib import Path
from types import ModuleType
from typing import Any

import aiostream  # noqa: F401 - imported here, once, and not in every fork
import coverage
import hypothesis
import pytest
import pytest_asyncio.plugin  # noqa: F401

from tests.mutation.mutants import SETTINGS, Mutant

MEMORY = 3 * 1024**3
"""Bytes a mutant may take: one that never ends is to fail, not the machine."""
BUSY = 25
"""Times what a mutant may compute it may take in all: the machine may have others to serve."""
LEAST, TIMES = 4.0, 5
"""A test may compute for so many seconds, and so many times what it takes without a mutant: one that
goes round in circles ends soon, by SIGPROF."""
OURS = 70
"""The exit code of a process that judged nothing."""
OPTIONS = ["-x", "-q", "-p", "no:cacheprovider", "-m", "not servers"]
OPTIONS += ["-p", "no:anyio"]  # not ours, and slow to start
# What is imported before the fork is not rewritten for assertions; it has none of ours.
OPTIONS += ["-W", "ignore:Module already imported:pytest.PytestAssertRewriteWarning"]
FEW = hypothesis.settings(
    derandomize=True,
    database=None,
    deadline=None,
    phases=(hypothesis.Phase.explicit, hypothesis.Phase.generate),
)
"""A failing example is not made smaller: that it fails is all we ask."""
EXAMPLES = 10
"""At most so many examples of each property; the suite itself tries more."""
SETTINGS_OF = "_hypothesis_internal_use_settings"
"""Where Hypothesis keeps a test's own settings, which go before those of a profile."""


class Unjudged(Exception):
    """What judges a mutant failed itself, as it may where memory runs short."""


@dataclass
class Verdict:
    """What the tests said: `killer` is the test that failed first, None where all passed."""

    killer: str | None
    seconds: float = 0.0
    durations: dict[str, float] = field(default_factory=dict)
    """Seconds that each test took."""
    lines: dict[str, dict[str, list[str]]] = field(default_factory=dict)
    """Which tests came by each line of each module, where that was asked for."""


@dataclass
class Order:
    """Which tests run, all or `only` some, and which first: those that killed most, the module's own,
    the quickest."""

    own: str = ""
    kills: Counter[str] = field(default_factory=Counter)
    durations: dict[str, float] = field(default_factory=dict)
    only: set[str] | None = None

    def rank(self, test: str) -> tuple[float, ...]:
        kills, own = self.kills[test], test.startswith(self.own)
        return (-kills, not own, self.durations.get(test, 0.0))


class Mutated(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Imports one module of ackflow from a source in memory."""

    def __init__(self, path: str, source: str) -> None:
        self.name = "ackflow." + ".".join(Path(path).with_suffix("").parts)
        self.path = path
        self.source = source

    def find_spec(self, fullname: str, path: Any, target: Any = None) -> Any:
        if fullname == self.name:
            return importlib.util.spec_from_loader(fullname, self, origin=self.path)
        return None

    def exec_module(self, module: ModuleType) -> None:
        exec(compile(self.source, self.path, "exec"), module.__dict__)


def tried(test: str) -> bool:
    """Say whether a test is tried: of the laws, those of a few rows."""
    law = re.search(r"test_laws\.py::test_the_law_is_kept\[(.*?):", test)
    return law is None or law[1] in SETTINGS["rows"]


class Reporter:
    """Puts the tests in order, and keeps which one failed first and how long each took."""

    def __init__(self, order: Order, tracing: coverage.Coverage | None) -> None:
        self.order = order
        self.tracing = tracing
        self.killer: str | None = None
        self.durations: dict[str, float] = {}

    def pytest_collection_modifyitems(self, items: list[Any]) -> None:
        only = self.order.only
        items[:] = [
            item for item in items if tried(item.nodeid) and (only is None or item.nodeid in only)
        ]
        items.sort(key=lambda item: self.order.rank(item.nodeid))
        for function in {getattr(item, "obj", None) for item in items}:
            told = getattr(function, SETTINGS_OF, None)
            if told is not None and self.tracing is None:
                few = hypothesis.settings(told, max_examples=min(told.max_examples, EXAMPLES))
                setattr(function, SETTINGS_OF, few)

    def pytest_collectreport(self, report: Any) -> None:
        if report.failed:
            self.killer = self.killer or f"collecting {report.nodeid}"

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        if self.tracing is not None:
            self.tracing.switch_context(nodeid)
        else:
            limit = LEAST + TIMES * self.order.durations.get(nodeid, 0.0)
            signal.setitimer(signal.ITIMER_PROF, limit)

    def pytest_runtest_logfinish(self) -> None:
        signal.setitimer(signal.ITIMER_PROF, 0.0)

    def pytest_runtest_logreport(self, report: Any) -> None:
        self.durations[report.nodeid] = self.durations.get(report.nodeid, 0.0) + report.duration
        if report.failed:
            self.killer = self.killer or report.nodeid


def judge(mutant: Mutant | None, tests: Sequence[str], order: Order, limit: float) -> Verdict:
    """Run tests on a mutant, or on none to see which tests come by which lines.

    `limit`: seconds of computing after which a mutant counts as killed; one that waits for ever
    instead has `BUSY` times as many.
    """
    began = time.monotonic()
    with tempfile.NamedTemporaryFile("r", encoding="utf-8") as said:
        child = os.fork()
        if not child:
            _run(mutant, tests, order, said.name, limit)
        status = _status(child, began + BUSY * limit)
        if text := said.read():
            return Verdict(**json.loads(text))
    if status == OURS:
        raise Unjudged(f"judging {mutant and mutant.name} failed by itself; nothing is known of it")
    killer = "the time ran out" if status is None else f"the process ended with {status}"
    return Verdict(killer, time.monotonic() - began)


def _status(child: int, deadline: float) -> int | None:
    """Wait for a child and return its exit code; kill it at the deadline and return None."""
    while time.monotonic() < deadline:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.01)
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return None


def _run(
    mutant: Mutant | None, tests: Sequence[str], order: Order, said: str, limit: float
) -> None:
    """Be the child: run pytest and write down what it said."""
    try:
        os.setpgid(0, 0)
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        resource.setrlimit(resource.RLIMIT_CPU, (ceil(limit), ceil(limit) + 1))
        nowhere = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(nowhere, stream)
        sys.dont_write_bytecode = False
        verdict = _mutated(mutant, tests, order) if mutant else _pytest(tests, order, tracing=True)
        Path(said).write_text(json.dumps(asdict(verdict)), encoding="utf-8")
        os._exit(0)
    finally:
        os._exit(OURS)


def _mutated(mutant: Mutant, tests: Sequence[str], order: Order) -> Verdict:
    """Import the mutant, before pytest would import the module it is of, and run the tests."""
    changed = Mutated(mutant.path, mutant.source)
    sys.meta_path.insert(0, changed)
    try:
        module = importlib.import_module(changed.name)
    except Exception as error:
        return Verdict(f"importing it: {type(error).__name__}")
    assert module.__loader__ is changed
    return _pytest(tests, order, tracing=False)


def _pytest(tests: Sequence[str], order: Order, *, tracing: bool) -> Verdict:
    random.seed(0)
    hypothesis.settings.register_profile("mutation", FEW)
    hypothesis.settings.load_profile("mutation")
    tracer = coverage.Coverage(data_file=None, config_file=False) if tracing else None
    reporter, began = Reporter(order, tracer), time.monotonic()
    with tracer.collect() if tracer is not None else nullcontext():
        code = pytest.main([*OPTIONS, *tests], plugins=[reporter])
    killer = reporter.killer
    if code != pytest.ExitCode.OK and killer is None:
        killer = f"pytest: {pytest.ExitCode(code).name}"
    lines = {} if tracer is None else covered(tracer.get_data())
    return Verdict(killer, time.monotonic() - began, reporter.durations, lines)


def covered(data: coverage.CoverageData) -> dict[str, dict[str, list[str]]]:
    """Return the tests that came by each line of each module under the current folder."""
    here = Path.cwd().resolve()
    return {
        str(Path(file).relative_to(here)): {
            str(line): tests for line, tests in data.contexts_by_lineno(file).items()
        }
        for file in data.measured_files()
        if Path(file).is_relative_to(here / "streams" / "core")
    }

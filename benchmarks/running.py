"""Running one contender in a process of its own."""

import json
import os
import subprocess
from dataclasses import asdict, dataclass
from typing import Any

from benchmarks.contenders.task import Task
from benchmarks.environments import ROOT, python

Taken = dict[str, Any]
"""What a contender printed: `seconds`, `cpu`, and what more its measure needs."""


@dataclass(frozen=True)
class Contender:
    """A program of `contenders`, and the environment it runs in."""

    module: str
    title: str
    pins: str | None = None

    @property
    def name(self) -> str:
        """The program's own name."""
        return self.module.rpartition(".")[2]


class ContenderFailed(Exception):
    """A contender ended with an error, or did not do its work."""


def run(contender: Contender, task: Task, *, processor: int | None = None, within: float) -> Taken:
    """Run a contender, on one processor where it is given, and return what it printed."""
    command = [python(contender.pins), "-m", f"benchmarks.contenders.{contender.module}"]
    try:
        result = subprocess.run(
            command,
            cwd=ROOT,
            env={**os.environ, "BENCHMARK_TASK": json.dumps(asdict(task))},
            preexec_fn=None if processor is None else lambda: stay_on(processor),
            capture_output=True,
            text=True,
            check=False,
            timeout=within,
        )
    except subprocess.TimeoutExpired as error:
        raise ContenderFailed(f"{contender.module}: not done after {error.timeout:.0f} s") from None
    if result.returncode:
        raise ContenderFailed(f"{contender.module} failed:\n{result.stdout}\n{result.stderr}")
    taken: Taken = json.loads(result.stdout.splitlines()[-1])
    return {**taken, "messages": task.messages}


def stay_on(processor: int) -> None:
    """Bind this process to one processor, where the system can."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {processor})

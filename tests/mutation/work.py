"""Work: what one process of a mutation run does, in its copy of the tree."""

import json
import os
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

from tests.mutation.judging import Order, Verdict, judge
from tests.mutation.mutants import SETTINGS, Mutant, mutants
from tests.mutation.results import Result, append, explanations, load

LEAST, TIMES = 4.0, 5
"""A mutant is given this many seconds, and this many times what its tests take without it."""


def main(order: str) -> None:
    """Judge one process's part of the mutants until the time is over."""
    told = json.loads(order)
    os.nice(10)
    baseline = judge(None, SETTINGS["tests"], Order(), 900)
    if baseline.killer is not None:
        sys.exit(f"the tests fail without any mutant: {baseline.killer}")
    known = {} if told["recheck"] else explanations()
    done = load(Path(told["results"]), told["tree"])
    for path in told["paths"]:
        todo = [
            mutant
            for mutant in mutants(path)[told["part"] :: told["jobs"]]
            if mutant.key not in done and (mutant.path, mutant.name) not in known
        ]
        if not _module(path, todo, baseline, told):
            return


def _module(path: str, todo: list[Mutant], baseline: Verdict, told: dict[str, Any]) -> bool:
    """Judge the mutants of a module; False where the time is over."""
    kills: Counter[str] = Counter()
    own = f"tests/core/test_{Path(path).stem}.py"
    for mutant in todo:
        if time.time() > told["deadline"]:
            return False
        only = coming_by(mutant, baseline)
        order = Order(own, kills, baseline.durations, only)
        verdict = _verdict(mutant, order)
        result = Result(mutant.key, verdict.killer, round(verdict.seconds, 2), told["tree"])
        append(Path(told["results"]), result)
        if verdict.killer is None:
            print(f"survived  {path}:{mutant.line}  {mutant.name}", flush=True)
        else:
            kills[verdict.killer] += 1
    return True


def _verdict(mutant: Mutant, order: Order) -> Verdict:
    """Judge by the module's own tests, and where they pass by all that come by what was changed."""
    every = order.durations if order.only is None else order.only
    own = {test for test in every if test.startswith(order.own)}
    verdict = Verdict(None)
    for tests in (own, set(every) - own):
        if tests and verdict.killer is None:
            files = sorted({test.split("::")[0] for test in tests})
            seconds = sum(order.durations.get(test, 0.0) for test in tests)
            verdict = judge(mutant, files, order, LEAST + TIMES * seconds)
    return verdict


def coming_by(mutant: Mutant, baseline: Verdict) -> set[str] | None:
    """Return the tests that come by what was changed; None for all, where it is run on import."""
    lines = baseline.lines.get(mutant.path, {})
    first, last = mutant.span
    tests = {test for line in range(first, last + 1) for test in lines.get(str(line), ())}
    return None if "" in tests else tests


if __name__ == "__main__":
    main(sys.argv[1])

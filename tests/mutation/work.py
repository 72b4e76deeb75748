"""Work: what one process of a mutation run does, in its copy of the tree."""

import gc
import json
import os
import pickle
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

from tests.mutation.judging import Order, Unjudged, Verdict, judge
from tests.mutation.mutants import SETTINGS, Mutant, kept_mutants
from tests.mutation.results import RESULTS, Result, append, explanations, load

LONGEST = 3600.0
"""The tests are given this many seconds where nothing is changed and their lines are traced."""
LIKELY = 5
"""Of the tests that have killed others of a module so many are tried first."""
LEAST, TIMES = 8.0, 5
"""A mutant is given this many seconds, and this many times what its tests take without it."""


def main(order: str) -> None:
    """Judge the mutants of the modules that no other process judges until the time is over."""
    told = json.loads(order)
    os.nice(10)
    kept = Path(told["kept"])
    baseline = without_mutants(kept / "baseline.pickle", told["tree"])
    gc.freeze()  # what is forked from here looks for no garbage in it, and so copies none of it
    known = {} if told["recheck"] else explanations()
    done = load(kept / RESULTS, told["tree"])
    for path in told["paths"]:
        if not claimed(path):
            continue
        todo = [
            mutant
            for mutant in kept_mutants(path, kept)
            if mutant.key not in done
            and (mutant.path, mutant.name) not in known
            and not unchanged(mutant, told["since"])
        ]
        if not _module(path, todo, baseline, told):
            return


def unchanged(mutant: Mutant, since: str | None) -> bool:
    """Say whether the definition a mutant is in stands word for word in the module as it was then."""
    if since is None or not (old := Path(since) / mutant.path).exists():
        return False
    first, last = mutant.body
    lines = Path(mutant.path).read_text(encoding="utf-8").splitlines(keepends=True)
    return "".join(lines[first - 1 : last]) in old.read_text(encoding="utf-8")


def claimed(path: str) -> bool:
    """Say whether a module is left to this process, of several that share this copy of the tree."""
    try:
        Path(path).with_suffix(".claimed").touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


def without_mutants(kept: Path, tree: str) -> Verdict:
    """Return what the tests say of the tree as it is; they are run once, and it is kept."""
    if kept.exists():
        with kept.open("rb") as file:
            if pickle.load(file) == tree:
                verdict: Verdict = pickle.load(file)
                return verdict
    verdict = judge(None, SETTINGS["tests"], Order(), LONGEST)
    if verdict.killer is not None:
        sys.exit(f"the tests fail without any mutant: {verdict.killer}")
    kept.write_bytes(pickle.dumps(tree) + pickle.dumps(verdict))
    return verdict


def _module(path: str, todo: list[Mutant], baseline: Verdict, told: dict[str, Any]) -> bool:
    """Judge the mutants of a module; False where the time is over."""
    kills = Counter[str]()
    own = f"tests/core/test_{Path(path).stem}.py"
    for mutant in todo:
        if time.time() > told["deadline"]:
            return False
        only = coming_by(mutant, baseline)
        order = Order(own, kills, baseline.durations, only)
        try:
            verdict = _verdict(mutant, order)
        except Unjudged as error:
            print(f"{error}; the next run tries again", flush=True)
            continue
        result = Result(mutant.key, verdict.killer, round(verdict.seconds, 2), told["tree"])
        append(Path(told["kept"]) / RESULTS, result)
        if verdict.killer is None:
            print(f"survived  {path}:{mutant.line}  {mutant.name}", flush=True)
        else:
            kills[verdict.killer] += 1
    return True


def _verdict(mutant: Mutant, order: Order) -> Verdict:
    """Judge by the module's own tests and those that killed most of it so far, which are quick to
    collect; where they pass by all others that come by what was changed."""
    every = set(order.durations if order.only is None else order.only)
    likely = {test for test, _ in order.kills.most_common(LIKELY)}
    first = {test for test in every if test.startswith(order.own) or test in likely}
    verdict = Verdict(None)
    for tests in (first, every - first):
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

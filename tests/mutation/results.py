"""Results: what became of mutants, kept in a file from run to run, and what explains survivors."""

import hashlib
import json
import tomllib
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.mutation.mutants import HERE, Mutant

RESULTS = "results.jsonl"
"""Where results are, in the folder where things are kept from run to run."""
KILLS = HERE / "kills.json"
"""What noticed each change, by module and test: a new clone goes on from there."""
FOLDERS = ("streams", "operators", "sinks", "tests")


@dataclass(frozen=True)
class Result:
    """What became of one mutant; `tree` tells of which version of the whole tree that holds."""

    key: str
    killer: str | None
    seconds: float
    tree: str


def digest(root: Path) -> str:
    """Return what changes whenever a module or a test does."""
    total = hashlib.sha256()
    for folder in FOLDERS:
        for path in sorted((root / folder).rglob("*.py")):
            total.update(path.read_bytes())
    return total.hexdigest()[:16]


def append(path: Path, result: Result) -> None:
    """Keep a result; several processes may do so at once."""
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(asdict(result)) + "\n")


def load(path: Path, tree: str) -> dict[str, Result]:
    """Return the results that still hold: kills, and survivals of this very tree."""
    found: dict[str, Result] = {}
    if path.exists():
        for line in path.read_text(encoding="utf-8").splitlines():
            result = Result(**json.loads(line))
            if result.killer is not None or result.tree == tree:
                found[result.key] = result
            else:
                found.pop(result.key, None)
    return found


def begin(path: Path) -> None:
    """Put what noticed changes in earlier runs into a file of results that is not there yet."""
    if path.exists() or not KILLS.exists():
        return
    for module, kills in json.loads(KILLS.read_text(encoding="utf-8")).items():
        for test, digests in kills.items():
            for digest in digests.split():
                append(path, Result(f"{module}:{digest}", test, 0.0, ""))


def write(mutants: Iterable[Mutant], results: dict[str, Result]) -> None:
    """Write down what noticed which of these mutants; what is known of other modules stays."""
    kills: dict[str, dict[str, list[str]]] = {}
    for mutant in mutants:
        result = results.get(mutant.key)
        if result is not None and result.killer is not None:
            digest = mutant.key.removeprefix(f"{mutant.path}:")
            kills.setdefault(mutant.path, {}).setdefault(result.killer, []).append(digest)
    known = json.loads(KILLS.read_text(encoding="utf-8")) if KILLS.exists() else {}
    for path, tests in kills.items():
        known[path] = {test: " ".join(sorted(set(tests[test]))) for test in sorted(tests)}
    KILLS.write_text(json.dumps(known, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def explanations() -> dict[tuple[str, str], str]:
    """Return the reason for each survivor that survivors.toml names."""
    text = (HERE / "survivors.toml").read_text(encoding="utf-8")
    return {
        (group["file"], change): group["reason"]
        for group in tomllib.loads(text).get("equivalent", [])
        for change in group["changes"]
    }


def table(mutants: Iterable[Mutant], results: dict[str, Result]) -> tuple[str, list[Mutant]]:
    """Return the table of the run, and the survivors that nothing explains."""
    known = explanations()
    lines = [
        f"{'module':32} {'mutants':>8} {'killed':>8} {'survived':>8} {'explained':>9} {'open':>6}"
    ]
    counts: dict[str, list[int]] = {}
    unexplained: list[Mutant] = []
    for mutant in mutants:
        result = results.get(mutant.key)
        explained = (mutant.path, mutant.name) in known
        killed = result is not None and result.killer is not None
        survived = not killed and (explained or result is not None)
        row = counts.setdefault(mutant.path, [0] * 5)
        marks = (True, killed, survived, survived and explained, not (killed or survived))
        counts[mutant.path] = [n + mark for n, mark in zip(row, marks, strict=True)]
        if survived and not explained:
            unexplained.append(mutant)
    total = [sum(column) for column in zip(*counts.values(), strict=True)]
    for name, row in [*counts.items(), ("all", total)]:
        lines.append(f"{name:32} {row[0]:8} {row[1]:8} {row[2]:8} {row[3]:9} {row[4]:6}")
    return "\n".join(lines), unexplained

"""The mutation run: `python -m tests.mutation`; README.md says what it does."""

import argparse
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
KEPT = ROOT / ".mutation"
"""Where results are kept from run to run."""


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutation", description=__doc__)
    parser.add_argument("modules", nargs="*", help="files of streams/core; all of them by default")
    parser.add_argument(
        "--minutes", type=float, default=240, help="end after so long; run again to go on"
    )
    parser.add_argument("--jobs", type=int, default=1, help="modules at a time")
    parser.add_argument("--since", help="a commit: only definitions that have changed since then")
    parser.add_argument("--recheck", action="store_true", help="judge explained survivors too")
    parser.add_argument("--fresh", action="store_true", help="forget earlier results")
    parser.add_argument("--write", action="store_true", help="write the kills into kills.json")
    return parser.parse_args()


def copy_tree(target: Path) -> None:
    """Copy the tree, with the folders where `import ackflow` finds them before the installed ones."""
    ignored = shutil.ignore_patterns("__pycache__")
    for folder in ("streams", "operators", "sinks", "tests", "examples"):
        shutil.copytree(ROOT / folder, target / folder, ignore=ignored)
    shutil.copy(ROOT / "pyproject.toml", target)
    (target / "ackflow").mkdir()
    for folder in ("streams", "operators", "sinks"):
        (target / "ackflow" / folder).symlink_to(target / folder)


def sources(commit: str, target: Path) -> str:
    """Put the core as it was at a commit into a folder."""
    target.mkdir()
    archive = subprocess.run(
        ["git", "archive", commit, "streams/core"], cwd=ROOT, check=True, stdout=subprocess.PIPE
    )
    subprocess.run(["tar", "x", "-C", str(target)], input=archive.stdout, check=True)
    return str(target)


def main() -> int:
    """Judge the mutants, print the table, and return 1 for a survivor that nothing explains."""
    options = arguments()
    if importlib.util.find_spec("cosmic_ray") is None:
        sys.exit(
            "tests.mutation needs cosmic-ray: .venv/bin/python -m pip install 'cosmic-ray>=8.7'"
        )
    os.environ["PYTHONHASHSEED"] = "0"  # sets have the same order each time
    if options.fresh:
        shutil.rmtree(KEPT, ignore_errors=True)
    KEPT.mkdir(exist_ok=True)
    (KEPT / ".gitignore").write_text("*\n", encoding="utf-8")
    modules = [str(Path(module).resolve().relative_to(ROOT)) for module in options.modules]
    with tempfile.TemporaryDirectory(prefix="ackflow-mutation-") as folder:
        copy_tree(Path(folder))
        os.chdir(folder)
        return run(options, modules or sorted(map(str, Path("streams/core").glob("*.py"))))


def run(options: argparse.Namespace, modules: list[str]) -> int:
    """Start the processes that judge, and report."""
    from tests.mutation.mutants import kept_mutants
    from tests.mutation.results import RESULTS, begin, digest, load, table, write

    tree = digest(Path())
    if not options.fresh:
        begin(KEPT / RESULTS)
    told = {
        "paths": [],
        "deadline": time.time() + 60 * options.minutes,
        "kept": str(KEPT),
        "recheck": options.recheck,
        "since": options.since and sources(options.since, Path("since")),
        "tree": tree,
    }
    command = [sys.executable, "-m", "tests.mutation.work"]
    # One that judges nothing runs the tests without a mutant, which the others need.
    if subprocess.run([*command, json.dumps(told)]).returncode:
        return 2
    processes = [
        subprocess.Popen([*command, json.dumps({**told, "paths": modules})])
        for _ in range(options.jobs)
    ]
    if max(process.wait() for process in processes):
        return 2
    found = [mutant for path in modules for mutant in kept_mutants(path, KEPT)]
    results = load(KEPT / RESULTS, tree)
    lines, unexplained = table(found, results)
    print(lines)
    if options.write:
        write(found, results)
    for mutant in unexplained:
        print(f"unexplained  {mutant.path}:{mutant.line}  {mutant.name}")
    return 1 if unexplained else 0


if __name__ == "__main__":
    sys.exit(main())

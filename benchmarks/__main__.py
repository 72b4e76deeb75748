"""Run the benchmarks on servers of their own.

python -m benchmarks                             all of them, about 55 minutes
python -m benchmarks --measure consume           one of them
python -m benchmarks --tiny                      only to see that each contender runs
python -m benchmarks.poison                      what bad messages cost
"""

import argparse
import json
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from benchmarks.measures import MEASURES
from benchmarks.requirements import judged
from benchmarks.results import results
from benchmarks.rounds import Effort, Round, rounds
from benchmarks.worlds import Servers

RESULTS = Path(__file__).with_name("results.json")


def measured(names: Sequence[str], effort: Effort) -> dict[str, Any]:
    """Run measures; return what goes into results.json."""
    found: dict[str, list[Round]] = {}
    with ExitStack() as stack:
        servers = Servers(stack, warm=not effort.tiny)
        for measure in MEASURES:
            if measure.name in names:
                found[measure.name] = rounds(measure, servers, effort)
        versions = servers.versions()
    return results(found, {"rounds": effort.rounds, "seconds": effort.seconds}, versions)


def show(rows: Sequence[Sequence[str]]) -> None:
    """Print a table."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        print(
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        )


def options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=__doc__,
        formatter_class=argparse.RawTextHelpFormatter,
    )
    names = [measure.name for measure in MEASURES]
    parser.add_argument("--measure", choices=names, action="append", help="leave it out for all")
    parser.add_argument("--rounds", type=int, default=Effort.rounds)
    parser.add_argument(
        "--seconds",
        type=float,
        default=Effort.seconds,
        help="of work for the fastest, in each round",
    )
    parser.add_argument("--tiny", action="store_true", help="one round of next to no work")
    parser.add_argument("--write", action="store_true", help="keep the results beside this file")
    given = parser.parse_args()
    if given.write and (given.measure or given.tiny):
        parser.error("--write keeps a whole run: leave out --measure and --tiny")
    given.measure = given.measure or names
    return given


def main() -> None:
    """Run, print, and keep the results where asked to."""
    given = options()
    effort = Effort(given.rounds, given.seconds, given.tiny)
    found = measured(given.measure, effort)
    show(judged(found, found["spreads"]))
    if given.write:
        text = json.dumps(found, indent=2, ensure_ascii=False)
        RESULTS.write_text(text + "\n", encoding="utf-8")
        print(f"written to {RESULTS}")


if __name__ == "__main__":
    main()

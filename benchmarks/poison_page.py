"""The part of docs/guarantees.md that is made from poison.json: `python -m benchmarks.poison_page`."""

import json
from typing import Any

from benchmarks.environments import ROOT
from benchmarks.poison import BOUNDS, KINDS, NONE, RESULTS
from benchmarks.tables import spread, table, where

PAGE = ROOT / "docs" / "guarantees.md"
PLACE = "<!-- poison: made by python -m benchmarks.poison_page -->"


def filled(page: str) -> str:
    """Return a page with what poison.json says between the two marks."""
    before, _, after = page.split(PLACE)
    found = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else None
    return f"{before}{PLACE}\n\n{text(found)}\n{PLACE}{after}"


def text(found: dict[str, Any] | None) -> str:
    """Return what is to be said about a result, or where there is none yet."""
    if found is None:
        return "Not measured yet: `python -m benchmarks.poison --write`, on an idle machine.\n"
    kinds = found["kinds"]
    rows = [["bad messages", "messages/s", "of the throughput without", "asked for"]]
    for kind in KINDS:
        low, high = kinds[kind]["ratio_spread"]
        ratio = f"{kinds[kind]['ratio']:.2f} ({spread(low, high, '.2f')})"
        rows.append(
            [
                kind,
                f"{kinds[kind]['messages_per_second']:,} ({spread(*kinds[kind]['spread'])})",
                "1" if kind == NONE else ratio,
                f"{BOUNDS[kind]}" if kind in BOUNDS else "–",
            ]
        )
    return (
        f"{where(found)}; {found['messages']:,} messages, medians of {found['rounds']} rounds. "
        f"Of the further attempts, {found['by_retry_queue']:.0%} or more came by the retry queue.\n\n"
        + table(rows)
    )


if __name__ == "__main__":
    PAGE.write_text(filled(PAGE.read_text(encoding="utf-8")), encoding="utf-8")

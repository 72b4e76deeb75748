"""The part of docs/performance.md that says what grows how."""

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from benchmarks.growth import LATENCY_SECONDS, TABLES, Table
from benchmarks.plots import log_log
from benchmarks.rounds import Effort
from benchmarks.tables import PROVISIONAL, spread, table, where

UNITS = {"per_second": "messages per second", "seconds": "seconds", "p50": "seconds"}
LINEAR = 1.15
"""How many times as much the dearest further message may cost as the cheapest, from row to row."""
FLAT = 1.1
"""How many times as large the highest peak of memory may be as the lowest."""


def growth(found: Mapping[str, Any], least: float, plots: dict[str, str]) -> list[str]:
    """Return all of it; put the plots where they belong."""
    settings = found["settings"]
    short_of = settings["rounds"] < Effort.rounds or settings["seconds"] < least
    return [
        "# What grows how\n",
        f"{PROVISIONAL if short_of else ''}ackflow alone, one thing growing at a time. "
        f"{where(found)}; rounds: {settings['rounds']}, each with at least {settings['seconds']:g} s "
        "of work at each point, but where the number of messages is what grows, and for latency, "
        f"which is that of the messages of {LATENCY_SECONDS} s. Peak is the most memory that the "
        "process ever had, imports and what was made ready before the clock started included.\n",
        *(grown(each, found["tables"][each.name], plots) for each in TABLES),
    ]


def grown(each: Table, rows: Sequence[Mapping[str, Any]], plots: dict[str, str]) -> str:
    """Return the table and the plot of one thing that grows."""
    name = f"plots/growth-{each.name}.svg"
    shown = ("p50", "p99") if each.shows == "p50" else (each.shows,)
    series = [(one, [(row["grows"], row[one]) for row in rows]) for one in shown]
    plots[name] = log_log(f"{each.name}: {each.what}", each.grows, UNITS[each.shows], series)
    head = [each.grows, "messages", "seconds", "messages/s", "spread"]
    head += ["client CPU, µs each", "peak MB", "spread"]
    late = [one for one in ("p50", "p99") if one in rows[0]]
    body = [
        [*_row(row), *(cell for one in late for cell in _milliseconds(row, one))] for row in rows
    ]
    head += [cell for one in late for cell in (f"{one}, ms", "spread")]
    title = f"## By {each.grows}\n\n{each.what[0].upper()}{each.what[1:]}.\n"
    said = [linear(rows)] if each.name == "messages" else []
    # Where the messages are what grows, they are told once.
    first = 1 if each.grows == "messages" else 0
    cells = [row[first:] for row in (head, *body)]
    return "\n".join([title, *said, f"![{each.name}]({name})\n", table(cells)])


def _row(row: Mapping[str, Any]) -> list[str]:
    spreads = row["spreads"]
    lowest, highest = spreads["peak"]
    return [
        f"{row['grows']:,}",
        f"{row['messages']:,}",
        f"{row['seconds']:.2f}",
        f"{row['per_second']:,}",
        spread(*spreads["per_second"]),
        f"{row['cpu_us']:.3g}",
        f"{row['peak'] / 1e6:.0f}",
        spread(lowest / 1e6, highest / 1e6, ".0f"),
    ]


def _milliseconds(row: Mapping[str, Any], name: str) -> tuple[str, str]:
    low, high = row["spreads"][name]
    return f"{row[name] * 1000:.2f}", spread(low * 1000, high * 1000, ".2f")


def linear(rows: Sequence[Mapping[str, Any]]) -> str:
    """Say whether time is linear in the number of messages, and memory flat, by the figures.

    Time is linear where each further message costs the same, however many there were: that leaves out
    what start and end take, which is a large part of the time of few.
    """
    each = [
        (after["seconds"] - before["seconds"]) / (after["messages"] - before["messages"])
        for before, after in pairwise(rows)
    ]
    dearer = max(each) / min(each) if min(each) > 0 else math.inf
    peaks = [row["peak"] for row in rows]
    more = max(peaks) / min(peaks)
    time = "linear" if dearer <= LINEAR else "**NOT linear**"
    memory = "flat" if more <= FLAT else "**NOT flat**"
    costs = ", ".join(f"{seconds * 1e6:.2f}" for seconds in each)
    return (
        f"Time is {time}: from row to row a further message costs {costs} µs, the dearest "
        f"{dearer:.2f} times the cheapest (up to {LINEAR} is called linear). Memory is {memory}: "
        f"from {rows[0]['messages']:,} to {rows[-1]['messages']:,} messages the highest peak is "
        f"{more:.2f} times the lowest (up to {FLAT} is called flat).\n"
    )

"""From rounds to figures: medians and spreads, and on what machine they were measured."""

import os
import platform
import statistics
import subprocess
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks.environments import PINS, ROOT, pinned
from benchmarks.measures import MEASURES, OURS, Measure
from benchmarks.rounds import Round
from benchmarks.running import Taken

VERSIONS = (
    "aio-pika",
    "aiohttp",
    "aiormq",
    "aiostream",
    "elasticsearch",
    "opentelemetry-sdk",
    "orjson",
    "pamqp",
)
"""Of the project's environment."""


def figures(measure: Measure, found: Sequence[Round]) -> dict[str, list[float]]:
    """Return the figures of results.json that come out of a measure, one for each round."""
    ratios = {
        key: [_rate(each[OURS]) / _rate(each[other]) for each in found]
        for key, other in measure.ratios.items()
    }
    own = {key: [_own(each[OURS], name) for each in found] for key, name in measure.own.items()}
    return ratios | own


def _rate(taken: Taken) -> float:
    return float(taken["messages"] / taken["seconds"])


def _own(taken: Taken, name: str) -> float:
    return float(taken["cpu"] / taken["messages"] * 1e6 if name == "cpu_us" else taken[name])


def contenders(measure: Measure, found: Sequence[Round]) -> dict[str, Any]:
    """Return what each contender took: medians, and the slowest and the fastest round."""
    return {
        each.name: _contender([one[each.name] for one in found if each.name in one])
        for each in measure.contenders
    }


def _contender(taken: Sequence[Taken]) -> dict[str, Any]:
    rates = [_rate(each) for each in taken]
    result: dict[str, Any] = {
        "per_second": round(statistics.median(rates)),
        "spread": [round(min(rates)), round(max(rates))],
        "cpu_us": round(statistics.median(_own(each, "cpu_us") for each in taken), 2),
        "seconds": [round(each["seconds"], 2) for each in taken],
    }
    if "bytes" in taken[0]:
        held = [each["bytes"] for each in taken]
        result["bytes"] = round(statistics.median(held))
        result["bytes_spread"] = [round(min(held)), round(max(held))]
    return result


def results(
    found: Mapping[str, Sequence[Round]],
    settings: Mapping[str, Any],
    servers: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Return what goes into results.json; `servers` are the versions of those that took part."""
    medians: dict[str, float] = {}
    spreads: dict[str, tuple[float, float]] = {}
    for measure in (each for each in MEASURES if each.name in found):
        for key, values in figures(measure, found[measure.name]).items():
            medians[key] = _short(statistics.median(values))
            spreads[key] = (_short(min(values)), _short(max(values)))
    return {
        **medians,
        "spreads": spreads,
        "measures": {
            measure.name: {
                "messages": found[measure.name][0][OURS]["messages"],
                "rounds": len(found[measure.name]),
                "contenders": contenders(measure, found[measure.name]),
            }
            for measure in MEASURES
            if measure.name in found
        },
        "settings": dict(settings),
        **circumstances(servers),
    }


def _short(value: float) -> float:
    """Round to three digits, of which the third is noise."""
    return float(f"{value:.3g}")


def circumstances(servers: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Return the machine, the versions of all packages and of the servers given, and the commit."""
    return {
        "machine": {
            "processors": os.cpu_count(),
            "processor": _processor(),
            "system": platform.platform(terse=True),
            "python": platform.python_version(),
        },
        "versions": {
            "project": {name: version(name) for name in VERSIONS},
            **{pins.stem: pinned(pins.stem) for pins in sorted(PINS.glob("*.txt"))},
            **({"servers": dict(servers)} if servers else {}),
        },
        "commit": _commit(),
    }


def _processor() -> str:
    lines = Path("/proc/cpuinfo")
    if not lines.exists():
        return platform.processor()
    names = [line for line in lines.read_text().splitlines() if line.startswith("model name")]
    return names[0].partition(":")[2].strip() if names else platform.machine()


def _commit() -> str:
    """Return the commit, with a + where files differ from it."""
    command = ["git", "describe", "--always", "--abbrev=40", "--dirty=+"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"

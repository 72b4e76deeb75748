"""What every part of the page begins with: a table in Markdown, and where something was measured."""

from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.rounds import Effort

PROVISIONAL = "**Provisional: shorter or fewer rounds than a figure needs.** "


def table(rows: Sequence[Sequence[str]]) -> str:
    """Return a table in Markdown; the first row is its head."""
    lines = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([lines[0], f"|{'---|' * len(rows[0])}", *lines[1:]]) + "\n"


def where(found: Mapping[str, Any]) -> str:
    """Say at what commit, on what and with what servers it was measured."""
    machine = found["machine"]
    servers = found.get("versions", {}).get("servers", {})
    names = ", ".join(f"{name} {version}" for name, version in servers.items())
    return (
        f"Measured at commit {found['commit'][:12]} on {machine['processors']} processors "
        f"({machine['processor']}), {machine['system']}, Python {machine['python']}"
        + (f"; {names}" if names else "")
    )


def circumstances(found: Mapping[str, Any], least: float) -> str:
    """Say where and with what it was measured."""
    settings = found["settings"]
    short_of = settings["rounds"] < Effort.rounds or settings["seconds"] < least
    return (
        f"{PROVISIONAL if short_of else ''}{where(found)}; rounds: {settings['rounds']}, each with "
        f"at least {settings['seconds']:g} s of work for the fastest contender.\n"
    )


def spread(low: float, high: float, form: str = ",") -> str:
    """Write the lowest and the highest round."""
    return f"{low:{form}} to {high:{form}}"

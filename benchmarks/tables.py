"""What every part of the page begins with: a table in Markdown, and where something was measured."""

from collections.abc import Mapping, Sequence
from typing import Any


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


def spread(low: float, high: float, form: str = ",") -> str:
    """Write the lowest and the highest round."""
    return f"{low:{form}} to {high:{form}}"

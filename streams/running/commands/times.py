"""Times on a command line: a moment, or how long ago."""

import re
from datetime import UTC, datetime, timedelta

import click

UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
"""Seconds of what may follow a number."""


def moment(text: str) -> datetime:
    """Return the moment that a text means; without a zone it is UTC, as in dead letters.

    Example:
        >>> print(moment("2026-02-01T12:00"), moment("2h") < moment("1h"))
        2026-02-01 12:00:00+00:00 True

    Raises click.BadParameter for what is no time.
    """
    try:
        if found := re.fullmatch(r"([0-9]{1,9})([smhd])", text):
            return datetime.now(UTC) - timedelta(seconds=int(found[1]) * UNITS[found[2]])
        found_at = datetime.fromisoformat(text)
    except (ValueError, OverflowError):
        raise click.BadParameter(
            f"{text!r} is no time; 2026-02-01T12:00Z is one, and 2h is two hours ago"
        ) from None
    return found_at if found_at.tzinfo else found_at.replace(tzinfo=UTC)

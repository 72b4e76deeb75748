"""Settings, checked where they are written.

Each error names the call, the rule, the value, and the way out: `call: must …, got …; …`.
"""

import sys
from math import inf

from ackflow.streams.core.errors import shown

LONGEST = sys.float_info.max
"""The most seconds that are a number; a whole number may be larger, and has no place in a timer."""


def check_count(call: str, count: object, least: int, instead: str) -> None:
    """Raise ValueError unless `count` is a whole number from `least` up; `instead` is the way out."""
    if not is_count(count, least):
        raise ValueError(
            f"{call}: must be a whole number from {least} up, got {shown(count)}; {instead}"
        )


def is_count(count: object, least: int) -> bool:
    """Say whether it is a whole number from `least` up."""
    return isinstance(count, int) and not isinstance(count, bool) and count >= least


def check_seconds(call: str, seconds: object) -> None:
    """Raise ValueError unless `seconds` is a number above 0, or None for no limit."""
    endless = isinstance(seconds, float) and seconds == inf
    if seconds is not None and not (endless or is_duration(seconds)):
        raise ValueError(
            f"{call}: must be seconds above 0, got {shown(seconds)}; None sets no limit"
        )


def check_duration(call: str, seconds: object, instead: str) -> None:
    """Raise ValueError unless `seconds` is a finite number above 0; `instead` is the way out."""
    if not is_duration(seconds):
        raise ValueError(
            f"{call}: must be a finite number of seconds above 0, got {shown(seconds)}; {instead}"
        )


def is_duration(seconds: object) -> bool:
    """Say whether it is a number of seconds above 0 that a timer can be set to."""
    number = isinstance(seconds, int | float) and not isinstance(seconds, bool)
    return number and 0 < seconds <= LONGEST  # type: ignore[operator]


def check_flag(call: str, flag: object) -> None:
    """Raise TypeError unless `flag` is True or False."""
    if not isinstance(flag, bool):
        raise TypeError(
            f"{call}: must be True or False, got {shown(flag)}; bool(…) makes one of it"
        )

"""Map, filter and chunk(256) over 10^6 integers, as often as the task asks."""

CHUNK = 256


def increased(number: int) -> int:
    """What is mapped."""
    return number + 1


def even(number: int) -> bool:
    """What is filtered."""
    return number % 2 == 0

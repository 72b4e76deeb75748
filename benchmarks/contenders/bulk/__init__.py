"""Documents of 299 bytes, in bulks of 256, into a fake Elasticsearch on another processor."""

from typing import Any

DISTINCT = 8192
"""Documents that are made; then they come again."""
SIZE = 299


def documents(count: int) -> list[dict[str, Any]]:
    """Return so many documents, ready before the clock starts."""
    text = "x" * (SIZE - len('{"word":"word00000","n":10000,"text":""}'))
    made = [
        {"word": f"word{number:05}", "n": 10_000 + number, "text": text}
        for number in range(DISTINCT)
    ]
    return (made * (count // DISTINCT + 1))[:count]

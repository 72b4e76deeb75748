"""The picture and the text of docs/seeing.md, made from a real pipeline: `python -m tests.picture`."""

import re
from pathlib import Path
from typing import Any

import orjson

from ackflow import operators as op
from ackflow import sinks, streams

DOCS = Path(__file__).parent.parent / "docs"
PICTURE, PAGE = DOCS / "pictures/pipeline.svg", DOCS / "seeing.md"


def has_word(document: Any) -> bool:
    return bool(document["word"])


def alert(document: Any) -> None:
    print(document)


def pipeline() -> Any:
    """Return the pipeline that is shown."""
    words = streams.amqp.queue("words", prefetch=512)
    names = streams.http.lines("https://example.org/names")
    bulk = sinks.elasticsearch.bulk("http://localhost:9200", index="words", id="word")
    rare = op.filter(has_word) | sinks.each(alert)
    return words | op.merge(names) | op.map(orjson.loads) | sinks.tee(op.chunk(256) | bulk, rare)


def page(old: str) -> str:
    """Return the page with the text of the graph."""
    text = streams.graph(pipeline()).text(80)
    return re.sub(r"```text\n.*?\n```", lambda _: f"```text\n{text}\n```", old, flags=re.DOTALL)


def picture() -> str:
    return streams.graph(pipeline()).svg() + "\n"


if __name__ == "__main__":
    PICTURE.write_text(picture(), encoding="utf-8")
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")

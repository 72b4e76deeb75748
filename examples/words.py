"""Words into a search index: an HTTP server -> a queue -> chunks of 256 -> SQLite or Elasticsearch.

    python examples/words.py                    all of it in this process, into words.db
    python examples/words.py --amqp amqp://guest:guest@localhost/ --elasticsearch http://localhost:9200

`produce` fills the queue and `index` empties it; without either word both run side by side.
"""

import argparse
import asyncio
import contextlib
import json
import sys
from time import monotonic
from typing import Any
from zlib import crc32

import orjson
from words_support import drained_by_signals, search, serving

from ackflow import operators as op
from ackflow import sinks, streams

IDLE = 5.0
"""Seconds without a message after which `index`, running alone, has done its work."""

Handle = streams.Handle[Any]


def produce(url: str, queue: streams.Sink[Any, Any]) -> streams.Pipeline[Any]:
    """Bring the lines of a word list into a queue."""
    return streams.http.lines(url) | op.filter(str.strip) | op.map(message) | queue


def message(line: str) -> bytes:
    """Make a message of a line: a word, or a word, a tab and its frequency."""
    word, _, frequency = line.partition("\t")
    number = int(frequency) if frequency.isdecimal() else 0
    # Not orjson: while its result waits in a queue it takes 4 kB, however short it is (3.13).
    return json.dumps({"word": word, "frequency": number}, ensure_ascii=False).encode()


def index(queue: streams.Stream[bytes], store: streams.Sink[Any, Any]) -> streams.Pipeline[Any]:
    """Bring the messages of a queue into an index; each is acked when its word is stored."""
    pipeline: streams.Pipeline[Any]
    pipeline = queue | op.map(orjson.loads) | op.chunk(256, timeout=1.0) | store
    return pipeline


def choose_store(options: argparse.Namespace) -> streams.Sink[Any, Any]:
    """Choose what words are stored in; one that comes twice is there once all the same."""
    if options.elasticsearch:
        return sinks.elasticsearch.bulk(options.elasticsearch, index="words", id="word")
    return sinks.sqlite.insert(options.database, table="words", key="word", full_text="word")


def choose_queue(
    options: argparse.Namespace,
) -> tuple[streams.Stream[bytes], streams.Sink[Any, Any]]:
    """Choose a queue, or several: what reads them, and what writes each word to one of them."""
    names: list[str] = options.queue

    def pick(body: bytes) -> str:
        return names[crc32(body) % len(names)]

    if options.amqp:
        idle = IDLE if options.part == "index" else None
        source = streams.amqp.queue(
            names, url=options.amqp, prefetch=512, declare="quorum", until_idle=idle
        )
        return source, sinks.amqp.publish(options.amqp, routing_key=pick)
    queues: dict[str, streams.memory.MemoryQueue[bytes]] = {
        name: streams.memory.queue(prefetch=512) for name in names
    }
    first, *others = queues.values()
    if not others:
        return first, sinks.to_queue(first)
    return first | op.merge(*others), sinks.route(
        pick, {n: sinks.to_queue(queues[n]) for n in queues}
    )


async def run(options: argparse.Namespace) -> dict[str, float]:
    """Run what was asked for; return what became of the words."""
    source, sink = choose_queue(options)
    if options.amqp:
        # What is published to a queue that is not there would be refused.
        await streams.amqp.declare(options.queue, url=options.amqp)
    handles: dict[str, Handle] = {}
    async with contextlib.AsyncExitStack() as stack:
        url, total = options.words, options.limit
        if options.part != "index":
            if url is None:
                url, total = await stack.enter_async_context(serving(options.limit))
            handles["published"] = produce(url, sink).start(limit=total, measure=True)
        if options.part != "produce":
            limit = options.limit if options.part else None
            indexing = index(source, choose_store(options))
            handles["indexed"] = indexing.start(limit=limit, measure=True)
        began = monotonic()
        await stack.enter_async_context(drained_by_signals(handles))
        if not options.json:
            progress = await stack.enter_async_context(streams.running.Progress())
            progress.show(**handles)
        async with asyncio.TaskGroup() as group:
            for handle in handles.values():
                group.create_task(until_done(handle))
            if not options.part:
                group.create_task(until_settled(**handles))
        return count(handles, monotonic() - began)


async def until_done(handle: Handle) -> None:
    """Wait for the end of a run; raise what ended it."""
    await handle


async def until_settled(published: Handle, indexed: Handle) -> None:
    """End the second run when all that the first one published is settled."""
    with contextlib.suppress(Exception):  # until_done raises it
        await published
    wanted = published.stats().accepted
    while not indexed.done and indexed.stats().acked + indexed.stats().rejected < wanted:  # noqa: ASYNC110
        await asyncio.sleep(0.05)
    indexed.stop()


def count(handles: dict[str, Handle], seconds: float) -> dict[str, float]:
    """Count what became of the words."""
    published, indexed = (
        handles[name].stats() if name in handles else streams.Summary()
        for name in ("published", "indexed")
    )
    return {
        "published": published.accepted,
        "indexed": indexed.accepted,
        "acked": indexed.acked,
        "rejected": indexed.rejected,
        "requeued": indexed.requeued,
        "seconds": round(seconds, 3),
    }


def main() -> None:
    """Read the command line, run, and tell what became of the words."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("part", nargs="?", choices=["produce", "index"], help="default: both")
    add = parser.add_argument
    add("--words", metavar="URL", help="a list, one word a line (default: Portuguese, served here)")
    add("--limit", type=int, metavar="N", help="words at most")
    add("--queue", action="append", metavar="NAME", help="may be given more than once")
    add("--amqp", metavar="URL", help="a RabbitMQ broker (default: queues in memory)")
    add("--elasticsearch", metavar="URL", help="where to index (default: SQLite)")
    add("--database", default="words.db", metavar="PATH", help="SQLite's file (default: words.db)")
    add("--search", default="abaca*", metavar="TEXT", help="what to look for at the end")
    add("--json", action="store_true", help="print nothing but the counts, as one line")
    options = parser.parse_args()
    options.queue = options.queue or ["words_to_index"]
    if options.part and not options.amqp:
        parser.error(f"{options.part} alone needs --amqp: a queue in memory ends with its process")
    try:
        counts = asyncio.run(run(options))
    except* (streams.AckflowError, OSError) as errors:
        sys.exit("\n".join(f"words: {error}" for error in errors.exceptions))
    if options.json:
        print(json.dumps(counts))
        return
    print(", ".join(f"{number:,} {name}" for name, number in counts.items()))
    if options.part != "produce":
        print(f"{options.search}:", *asyncio.run(search(options)), sep="\n  ")


if __name__ == "__main__":
    main()

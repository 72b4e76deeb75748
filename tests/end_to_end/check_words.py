"""After the example has run on real servers: Elasticsearch holds every word, the queue is empty.

python -m tests.end_to_end.check_words 416782
"""

import asyncio
import json
import os
import sys
from urllib.request import Request, urlopen

import aio_pika


def indexed(url: str) -> int:
    """Return how many words Elasticsearch itself counts."""
    urlopen(Request(f"{url}/words/_refresh", method="POST")).close()
    with urlopen(f"{url}/words/_count") as answer:
        count: int = json.load(answer)["count"]
        return count


async def waiting(url: str) -> int:
    """Return how many messages are left in the queue."""
    async with await aio_pika.connect(url) as connection:
        channel = await connection.channel()
        queue = await channel.declare_queue("words_to_index", passive=True)
        return queue.declaration_result.message_count or 0


def main() -> None:
    """Exit with an error that says what is wrong."""
    words = int(sys.argv[1])
    found = indexed(os.environ["ACKFLOW_ELASTICSEARCH_URL"])
    left = asyncio.run(waiting(os.environ["ACKFLOW_AMQP_URL"]))
    if (found, left) != (words, 0):
        raise SystemExit(f"words: {found} of {words} indexed, {left} left in the queue")
    print(f"Elasticsearch counts {found} words, the queue is empty")


if __name__ == "__main__":
    main()

"""elasticsearch-py's `helpers.async_streaming_bulk`.

https://elasticsearch-py.readthedocs.io/en/stable/async.html#bulk-and-streaming-bulk
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from elasticsearch import AsyncElasticsearch
from elasticsearch.helpers import async_streaming_bulk

from benchmarks.contenders.bulk import documents
from benchmarks.contenders.task import Stopwatch, given


async def actions(made: list[dict[str, Any]], index: str) -> AsyncIterator[dict[str, Any]]:
    """Yield the actions that index the documents."""
    for document in made:
        yield {"_index": index, "_id": document["word"], "_source": document}


async def main() -> None:
    """Index every document."""
    task, stored = given(), 0
    made = documents(task.messages)
    client = AsyncElasticsearch(task.elasticsearch)
    with Stopwatch() as watch:
        results = async_streaming_bulk(client, actions(made, task.index), chunk_size=task.chunk)
        async for ok, _ in results:
            stored += ok
    await client.close()
    assert stored == task.messages
    watch.report()


if __name__ == "__main__":
    asyncio.run(main())

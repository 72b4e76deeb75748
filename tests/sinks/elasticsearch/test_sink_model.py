"""Whatever goes wrong: each document is settled once, and the last one of each id stays."""

import asyncio
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.sinks.elasticsearch.doubles import (
    Behaviour,
    Bulk,
    Elasticsearch,
    answering,
    nobody_there,
    refused,
    resetting,
    virtually,
)
from tests.sinks.elasticsearch.engine import running

chunks = st.lists(st.sampled_from("abcde"), min_size=1, max_size=6)
plans = st.lists(
    st.tuples(chunks, st.sampled_from([0.0, 0.001, 0.02, 1.0])), min_size=1, max_size=8
)


def behaviours(server: Elasticsearch) -> st.SearchStrategy[Behaviour]:
    """Everything that may go wrong with a bulk, with or without being stored."""

    def some(flags: list[bool], status: int, kind: str) -> Behaviour:
        # Documents of one id share a shard, and so their fate, except on conflicts.
        def behave(bulk: Bulk) -> Any:
            bad = {id for id, flag in zip("abcde", flags, strict=True) if flag}
            return [
                refused("index", status, kind)
                if operation[1]["_id"] in bad
                else server.stored(operation)
                for operation in bulk.operations
            ]

        return behave

    def scattered(flags: list[bool]) -> Behaviour:
        def behave(bulk: Bulk) -> Any:
            return [
                refused("index", 429, "busy") if flag else server.stored(operation)
                for operation, flag in zip(
                    bulk.operations, flags * len(bulk.operations), strict=False
                )
            ]

        return behave

    def lost(bulk: Bulk) -> Any:
        for operation in bulk.operations:
            server.stored(operation)
        return resetting(bulk)

    items = st.sampled_from(
        [
            (429, "es_rejected_execution_exception"),
            (503, "unavailable_shards_exception"),
            (403, "security_exception"),
            (403, "cluster_block_exception"),
        ]
    )
    five = st.lists(st.booleans(), min_size=5, max_size=5)
    whole = st.sampled_from(
        [
            answering(429),
            answering(502),
            answering(401, "security_exception"),
            nobody_there,
            resetting,
            lost,
            lambda bulk: (413, None, None) if len(bulk.ids) > 2 else None,
        ]
    )
    return st.one_of(
        st.just(lambda _: None),
        whole,
        st.builds(lambda flags, item: some(flags, *item), five, items),
        st.builds(scattered, five),
    )


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data(), plans, st.sampled_from([1, 3, 8]), st.sampled_from([100, 10**6]))
def test_each_document_is_settled_once_and_the_last_of_each_id_stays(
    data: st.DataObject, plan: list[tuple[list[str], float]], concurrency: int, max_bytes: int
) -> None:
    server = Elasticsearch()
    server.then(*data.draw(st.lists(behaviours(server), max_size=25)))
    last: dict[str, int] = {}

    async def main() -> None:
        async with running(server, concurrency=concurrency, max_bytes=max_bytes) as engine:
            writes = []
            for ids, pause in plan:
                documents = []
                for id in ids:
                    last[id] = last.get(id, 0) + 1
                    documents.append({"word": id, "n": last[id]})
                writes.append(engine.start(*documents))
                await asyncio.sleep(pause)
            await asyncio.gather(*writes)
            total = sum(len(ids) for ids, _ in plan)
            assert engine.source.accepted == list(range(total))
            assert engine.statistics.indexed == total
            assert not engine.sink._running.fence._held_up  # type: ignore[union-attr]
            await asyncio.sleep(1)
            assert not engine.sink._running.fence._lined_up  # type: ignore[union-attr]

    virtually(main)
    assert {id: document["n"] for id, document in server.store.items()} == last

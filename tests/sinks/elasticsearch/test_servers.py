"""The sink against the real thing: Elasticsearch 9 and 8."""

import asyncio
from collections import Counter
from contextlib import AsyncExitStack
from itertools import cycle
from typing import Any, ClassVar

import pytest
from elasticsearch import ApiError, AsyncElasticsearch

from ackflow.sinks.elasticsearch.server import JSON
from tests.servers.elasticsearch import ELASTICSEARCH_8, ELASTICSEARCH_9, Elasticsearch
from tests.sinks.elasticsearch.engine import running, words
from tests.sinks.elasticsearch.nodes import Make, documents, halted, until, writing

pytestmark = pytest.mark.servers

MAPPING = {"mappings": {"properties": {"n": {"type": "long"}}}}


async def test_a_document_that_the_mapping_refuses_is_rejected_and_the_other_255_are_stored(
    server: Elasticsearch, index: str
) -> None:
    async with running(server.url, index=index, ensure=MAPPING) as engine:
        chunk = [{"word": f"w{n}", "n": n} for n in range(256)]
        chunk[77]["n"] = "seventy-seven"
        await engine.write(*chunk)
        assert engine.source.rejected == [77]
        assert len(engine.source.accepted) == 255
        error = engine.source.cause(77)
        assert (error.status, error.error_type) == (400, "document_parsing_exception")
        assert "failed to parse field [n]" in error.headers()["es.error.reason"]
        assert "For input string" in error.headers()["es.caused_by"]
        assert engine.statistics.created == 255
    assert server.count(index) == 255


async def test_each_operation_does_what_it_says(server: Elasticsearch, index: str) -> None:
    operations: dict[str, Any] = {"index": index, "op": lambda document: document["op"]}
    async with running(server.url, **operations) as engine:
        await engine.write({"word": "a", "op": "create"}, {"word": "b", "op": "index"})
        await engine.write(
            {"word": "a", "op": "create", "n": 1},
            {"word": "b", "op": "index", "n": 2},
            {"word": "c", "op": "delete"},
            {"word": "d", "op": "update"},
        )
        assert (engine.source.accepted, engine.source.rejected) == ([0, 1, 2, 3, 4], [5])
        assert engine.source.cause(5).error_type == "document_missing_exception"
        await engine.write({"word": "b", "op": "update", "m": 3}, {"word": "a", "op": "delete"})
        counted = engine.statistics
        assert (counted.duplicates, counted.missing, counted.created) == (1, 1, 2)
    assert documents(server, index) == {"b": {"word": "b", "op": "update", "n": 2, "m": 3}}


async def test_an_update_may_write_what_is_not_there(server: Elasticsearch, index: str) -> None:
    async with running(server.url, index=index, op="update", upsert=True) as engine:
        await engine.write(b'{"word":"a","n":1}', {"word": "a", "m": 2})
        assert engine.source.accepted == [0, 1]
    assert documents(server, index) == {"a": {"word": "a", "n": 1, "m": 2}}


async def test_the_higher_version_stays(server: Elasticsearch, index: str) -> None:
    async with running(server.url, index=index, version="n") as engine:
        await engine.write(*({"word": "a", "n": n} for n in (3, 5, 4)))
        await engine.write({"word": "a", "n": 2})
        assert engine.source.accepted == [0, 1, 2, 3]
        assert engine.statistics.stale == 2
    assert documents(server, index) == {"a": {"word": "a", "n": 5}}


async def test_a_write_on_a_condition_that_no_longer_holds_is_rejected(
    server: Elasticsearch, index: str
) -> None:
    condition: dict[str, Any] = {"if_seq_no": "n", "if_primary_term": lambda _: 1}
    server.request("PUT", f"/{index}/_doc/a", {"word": "a"})
    async with running(server.url, index=index, **condition) as engine:
        await engine.write({"word": "a", "n": 0})
        await engine.write({"word": "a", "n": 0})
        assert (engine.source.accepted, engine.source.rejected) == ([0], [1])


async def test_ids_with_anything_in_them_arrive_as_they_are(
    server: Elasticsearch, index: str
) -> None:
    names = ['"', "\n", '"}}\n{"delete":{"_index":"x"}}', "é🦆\u2028", "a/b?c#d", "\0", "x" * 512]
    async with running(server.url, index=index) as engine:
        await engine.write(*words(*names, "y" * 513))
        assert (engine.source.accepted, engine.source.rejected) == (list(range(7)), [7])
    assert set(documents(server, index)) == set(names)


async def test_json_is_passed_through_and_what_is_none_is_rejected_alone(
    server: Elasticsearch, index: str
) -> None:
    good: list[Any] = [b'{"n":1}', b'{\n "n": 2\n}', '{"n":3}', {"n": 4}]
    bad = [b"{]", b'{"n":NaN}', b'{"n":"\xff"}', b"{} {}", b'{"n":1', b"abc", b"[1]", b" "]
    async with running(server.url, index=index, id=None) as engine:
        await engine.write(*good, *bad)
        assert engine.source.accepted == [0, 1, 2, 3]
        assert engine.source.rejected == list(range(4, 12))
        assert engine.board.reasons == []
    assert sorted(found["n"] for found in documents(server, index).values()) == [1, 2, 3, 4]


async def test_index_routing_and_pipeline_come_from_the_value(
    server: Elasticsearch, index: str
) -> None:
    settings: dict[str, Any] = {
        "index": lambda document: f"{index}{document['where']}",
        "routing": lambda document: document["word"],
        "pipeline": lambda document: "no-such-pipeline" if document["word"] == "c" else None,
    }
    try:
        async with running(server.url, **settings) as engine:
            await engine.write(
                {"word": "a", "where": ""},
                {"word": "b", "where": "-other"},
                {"word": "c", "where": ""},
                {"word": "d", "where": "/"},
            )
            assert (engine.source.accepted, engine.source.rejected) == ([0, 1], [2, 3])
            assert engine.source.cause(2).error_type == "illegal_argument_exception"
            assert engine.source.cause(3).error_type == "invalid_index_name_exception"
        assert set(documents(server, index)) == {"a"}
        assert set(documents(server, f"{index}-other")) == {"b"}
    finally:
        server.request("DELETE", f"/{index}-other?ignore_unavailable=true")


async def test_a_malformed_update_is_found_among_good_ones(
    server: Elasticsearch, index: str
) -> None:
    async with running(server.url, index=index, op="update", upsert=True) as engine:
        chunk = words(*(f"w{n}" for n in range(20)))
        # Elasticsearch answers the whole bulk with 400 for a "doc" that is a number.
        encode = engine.sink._running.encoder._encode_one  # type: ignore[union-attr]

        def break_one(value: Any) -> Any:
            key, line = encode(value)
            return key, line.replace(b'{"doc":{"word":"w7"}', b'{"doc":7')

        engine.sink._running.encoder._encode_one = break_one  # type: ignore[union-attr,method-assign]
        await engine.write(*chunk)
        assert engine.source.rejected == [7]
        assert len(engine.source.accepted) == 19
        assert engine.source.cause(7).status == 400
        assert engine.statistics.bisects > 0


async def test_bulks_with_gzip_are_stored_and_judged_alike(
    server: Elasticsearch, index: str
) -> None:
    async with running(server.url, index=index, refresh=True, compress=True) as engine:
        await engine.write(*words("água", "b"), {"word": "c", "n": 2**70})
        assert (engine.source.accepted, engine.source.rejected) == ([0, 1], [2])
    assert server.count(index) == 2


async def test_the_sink_of_another_clients_maker_works_too(
    server: Elasticsearch, index: str
) -> None:
    async with AsyncElasticsearch(server.url) as client:
        async with running(client, index=index, refresh=True) as engine:
            await engine.write(*words("a", "b"), {"word": "a", "n": 2**70})
            assert (engine.source.accepted, engine.source.rejected) == ([0, 1], [2])
            assert engine.statistics.created == 2
        await client.perform_request(  # it is still open
            "GET", "/_cluster/health", headers={"accept": JSON}
        )


# -- nodes of one's own -------------------------------------------------------------------------


class Watching(AsyncElasticsearch):
    """A client that counts what it is answered: for bulks as a whole, and for single documents."""

    seen: ClassVar[Counter[tuple[str, int]]] = Counter()

    async def perform_request(self, *words: Any, **given: Any) -> Any:
        try:
            answer = await super().perform_request(*words, **given)
        except ApiError as error:
            self.seen["bulk", error.meta.status] += 1
            raise
        for item in answer.body.get("items", ()):
            self.seen["document", next(iter(item.values()))["status"]] += 1
        return answer


@pytest.mark.parametrize("version", [ELASTICSEARCH_9, ELASTICSEARCH_8])
async def test_full_queues_are_waited_for_and_nothing_is_lost(
    make_elasticsearch: Make, version: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Watching, "seen", Counter())
    server = make_elasticsearch(
        version,
        settings={
            "thread_pool.write.queue_size": 1,
            "thread_pool.write.size": 1,
            "indexing_pressure.memory.limit": "64kb",
        },
    )
    shards = {"settings": {"number_of_shards": 6, "number_of_replicas": 0}}
    settings: dict[str, Any] = {"index": "words", "id": "word", "ensure": shards}
    rounds = 0
    settings |= {"backoff": (0.01, 0.2), "concurrency": 8}
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(Watching(server.url))
        sinks = [running(client, **settings) for _ in range(8)]  # one alone would spare the server
        engines = [await stack.enter_async_context(sink) for sink in sinks]
        while {("bulk", 429), ("document", 429)} - Watching.seen.keys():
            rounds += 1
            chunks = [words(*(f"w{rounds}-{c}-{n}" for n in range(50))) for c in range(40)]
            writes = zip(cycle(engines), chunks)
            await asyncio.gather(*(engine.write(*chunk) for engine, chunk in writes))
            assert rounds < 20
        assert sum(len(engine.source.accepted) for engine in engines) == 2000 * rounds
        assert sum(len(engine.source.outcomes) for engine in engines) == 2000 * rounds
        assert sum(engine.statistics.retries for engine in engines) > 0
        assert [engine.board.reasons for engine in engines] == [[]] * len(engines)
    assert server.count("words") == 2000 * rounds


@pytest.mark.parametrize("version", [ELASTICSEARCH_9, ELASTICSEARCH_8])
async def test_a_bulk_above_the_servers_limit_is_split(
    make_elasticsearch: Make, version: str
) -> None:
    server = make_elasticsearch(version, settings={"http.max_content_length": "128kb"})
    async with writing(server) as engine:
        await engine.write(*({"word": f"w{n}", "text": "x" * 2000} for n in range(300)))
        assert len(engine.source.accepted) == 300
        assert engine.statistics.bisects > 0
        before = engine.statistics.bisects
        await engine.write(*({"word": f"v{n}", "text": "x" * 2000} for n in range(300)))
        assert engine.statistics.bisects == before
        await engine.write({"word": "large", "text": "x" * 200_000}, {"word": "small"})
        assert engine.source.rejected == [600]
    assert server.count("words") == 601


@pytest.mark.parametrize("version", [ELASTICSEARCH_9, ELASTICSEARCH_8])
async def test_a_server_that_is_down_in_the_middle_or_at_the_start_is_waited_for(
    make_elasticsearch: Make, version: str
) -> None:
    server = make_elasticsearch(version)
    async with writing(server) as engine:
        await engine.write(*words("before"))
        await asyncio.to_thread(server.kill)
        writes = [engine.start(*words(f"a{n}", f"b{n}")) for n in range(4)]
        await until(lambda: engine.board.is_halted)
        assert server.url in engine.board.reasons[0]
        await asyncio.sleep(1)
        assert len(engine.source.outcomes) == 1
        starting = asyncio.create_task(asyncio.to_thread(server.start))
        async with writing(server) as another:
            assert another.board.reasons
            await another.write(*words("another"))
            assert another.source.accepted == [0]
        await asyncio.wait_for(asyncio.gather(starting, *writes), 60)
        assert len(engine.source.accepted) == 9
        assert not engine.board.is_halted
    assert server.count("words") == 10


async def test_a_killed_server_stores_every_accepted_document_once(
    own_elasticsearch: Elasticsearch,
) -> None:
    server = own_elasticsearch
    shards = {"settings": {"number_of_replicas": 0}}
    async with writing(server, ensure=shards, op="create") as engine:
        writes = [engine.start(*words(*(f"w{c}-{n}" for n in range(200)))) for c in range(100)]
        await until(lambda: len(engine.source.accepted) > 2000)
        await asyncio.to_thread(server.kill)
        assert len(engine.source.accepted) < 20_000
        await asyncio.to_thread(server.start)
        await asyncio.wait_for(asyncio.gather(*writes), 90)
        assert len(engine.source.accepted) == 20_000
    assert server.count("words") == 20_000


async def test_a_frozen_server_is_an_outage_and_thaws_without_duplicates(
    own_elasticsearch: Elasticsearch,
) -> None:
    server = own_elasticsearch
    async with writing(server, op="create") as engine:
        await engine.write(*words("before"))
        server.pause()
        try:
            writes = [engine.start(*words(f"a{n}", f"b{n}")) for n in range(4)]
            await halted(engine, "not answer")
        finally:
            server.resume()
        await asyncio.wait_for(asyncio.gather(*writes), 60)
        assert len(engine.source.accepted) == 9
    assert server.count("words") == 9

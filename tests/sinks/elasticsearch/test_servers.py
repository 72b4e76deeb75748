"""The sink against the real thing: Elasticsearch 9 and 8."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from ackflow.sinks.elasticsearch.server import JSON
from tests.servers.elasticsearch import ELASTICSEARCH_8, ELASTICSEARCH_9, Elasticsearch
from tests.sinks.elasticsearch.engine import Engine, running, words

pytestmark = pytest.mark.servers

Make = Callable[..., Elasticsearch]
MAPPING = {"mappings": {"properties": {"n": {"type": "long"}}}}
_numbers = itertools.count()


@pytest.fixture(params=["elasticsearch", "elasticsearch8"])
def server(request: pytest.FixtureRequest) -> Elasticsearch:
    found: Elasticsearch = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def index(server: Elasticsearch) -> Iterator[str]:
    """The name of an index that is not there yet."""
    name = f"words-{next(_numbers)}"
    yield name
    server.request("PUT", "/_cluster/settings", {"persistent": {"action.*": None}})
    server.request("DELETE", f"/{name}?ignore_unavailable=true")


def documents(server: Elasticsearch, index: str) -> dict[str, Any]:
    server.request("POST", f"/{index}/_refresh")
    found = server.request("GET", f"/{index}/_search?size=1000")
    return {hit["_id"]: hit["_source"] for hit in found["hits"]["hits"]}


async def until(condition: Callable[[], Any], seconds: float = 30) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.02)


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


async def test_a_missing_index_halts_until_it_is_there(server: Elasticsearch, index: str) -> None:
    settings = {"persistent": {"action.auto_create_index": "false"}}
    server.request("PUT", "/_cluster/settings", settings)
    async with running(server.url, index=index) as engine:
        write = engine.start(*words("a"))
        await until(lambda: engine.board.is_halted)
        assert "404 index_not_found_exception" in engine.board.reasons[0]
        server.request("PUT", f"/{index}")
        await asyncio.wait_for(write, 30)
        assert engine.source.accepted == [0]


async def test_a_blocked_index_is_waited_for(server: Elasticsearch, index: str) -> None:
    server.request("PUT", f"/{index}", {"settings": {"index.blocks.write": True}})
    settings: dict[str, Any] = {"backoff": (0.01, 0.2), "halt_after": 0.5}
    async with running(server.url, index=index, **settings) as engine:
        write = engine.start(*words("a", "b"))
        await until(lambda: engine.board.is_halted)
        assert "403 cluster_block_exception" in engine.board.reasons[0]
        server.request("PUT", f"/{index}/_settings", {"index.blocks.write": None})
        await asyncio.wait_for(write, 30)
        assert engine.source.accepted == [0, 1]


async def test_a_disk_above_the_flood_stage_is_waited_for(
    server: Elasticsearch, index: str
) -> None:
    server.request("PUT", f"/{index}", {"settings": {"index.blocks.read_only_allow_delete": True}})
    settings: dict[str, Any] = {"backoff": (0.01, 0.2), "halt_after": 0.5}
    async with running(server.url, index=index, **settings) as engine:
        write = engine.start(*words("a"))
        await until(lambda: engine.board.is_halted)
        assert "429 cluster_block_exception" in engine.board.reasons[0]
        lifted = {"index.blocks.read_only_allow_delete": None}
        server.request("PUT", f"/{index}/_settings", lifted)
        await asyncio.wait_for(write, 30)
        assert engine.source.accepted == [0]


async def test_a_shard_that_is_nowhere_gives_the_message_back_to_the_queue(
    server: Elasticsearch, index: str
) -> None:
    nowhere = {"settings": {"index.routing.allocation.require.name": "nobody"}}
    server.request("PUT", f"/{index}?wait_for_active_shards=0", nowhere)
    settings: dict[str, Any] = {"server_timeout": 0.1, "backoff": (0.01, 0.1), "retry_for": 1}
    async with running(server.url, index=index, **settings) as engine:
        await engine.write(*words("a"))
        assert engine.source.requeued == [0]
        assert "503 unavailable_shards_exception" in str(engine.source.cause(0))


async def test_a_closed_index_rejects_or_halts_as_told(server: Elasticsearch, index: str) -> None:
    server.request("PUT", f"/{index}")
    server.request("POST", f"/{index}/_close")
    async with running(server.url, index=index) as engine:
        await engine.write(*words("a"))
        assert engine.source.cause(0).error_type == "index_closed_exception"
    decisions: Any = {"index_closed_exception": "halt"}
    async with running(server.url, index=index, decisions=decisions) as engine:
        write = engine.start(*words("a"))
        await until(lambda: engine.board.is_halted)
        server.request("POST", f"/{index}/_open?wait_for_active_shards=1")
        await asyncio.wait_for(write, 30)
        assert engine.source.accepted == [0]


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


async def test_the_sink_of_another_clients_maker_works_too(
    server: Elasticsearch, index: str
) -> None:
    from elasticsearch import AsyncElasticsearch

    async with AsyncElasticsearch(server.url) as client:
        async with running(client, index=index, refresh=True) as engine:
            await engine.write(*words("a", "b"), {"word": "a", "n": 2**70})
            assert (engine.source.accepted, engine.source.rejected) == ([0, 1], [2])
            assert engine.statistics.created == 2
        await client.perform_request(  # it is still open
            "GET", "/_cluster/health", headers={"accept": JSON}
        )


# -- nodes of one's own -------------------------------------------------------------------------


@asynccontextmanager
async def writing(server: Elasticsearch, **settings: Any) -> AsyncIterator[Engine]:
    quick: dict[str, Any] = {"backoff": (0.01, 0.2), "request_timeout": 3, "server_timeout": 2}
    async with running(server.url, **(quick | settings)) as engine:
        yield engine


@pytest.mark.parametrize("version", [ELASTICSEARCH_9, ELASTICSEARCH_8])
async def test_full_queues_are_waited_for_and_nothing_is_lost(
    make_elasticsearch: Make, version: str
) -> None:
    server = make_elasticsearch(
        version,
        settings={
            "thread_pool.write.queue_size": 1,
            "thread_pool.write.size": 1,
            "indexing_pressure.memory.limit": "16kb",
        },
    )
    shards = {"settings": {"number_of_shards": 6, "number_of_replicas": 0}}
    async with writing(server, ensure=shards, concurrency=8) as engine:
        chunks = [words(*(f"w{c}-{n}" for n in range(50))) for c in range(40)]
        await asyncio.gather(*(engine.write(*chunk) for chunk in chunks))
        assert len(engine.source.accepted) == 2000
        assert engine.statistics.retries > 0
    assert server.count("words") == 2000


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


async def test_a_server_that_is_down_in_the_middle_or_at_the_start_is_waited_for(
    own_elasticsearch: Elasticsearch,
) -> None:
    server = own_elasticsearch
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
            await until(lambda: engine.board.is_halted)
            assert "not answer" in engine.board.reasons[0]
        finally:
            server.resume()
        await asyncio.wait_for(asyncio.gather(*writes), 60)
        assert len(engine.source.accepted) == 9
    assert server.count("words") == 9


@pytest.mark.parametrize("version", [ELASTICSEARCH_9, ELASTICSEARCH_8])
async def test_credentials_and_rights_halt_until_they_are_mended(
    make_elasticsearch: Make, version: str
) -> None:
    server = make_elasticsearch(version, security=True)
    server.add_role("writer", indices={"words": ["create_index", "index", "write"]})
    server.add_user("writer", "let-me-in", ["writer"])
    async with writing(server, basic_auth=("writer", "let-me-in")) as engine:
        await engine.write(*words("a"))
        assert engine.source.accepted == [0]
    url = server.url.replace("//", "//writer:let-me-in@")
    async with running(url, index=lambda d: d["index"]) as engine:
        write = engine.start({"word": "b", "index": "words"}, {"word": "c", "index": "secret"})
        await until(lambda: engine.board.is_halted)
        assert "403 security_exception" in engine.board.reasons[0]
        assert engine.source.accepted == [0]
        assert not any("let-me-in" in reason for reason in engine.board.reasons)
        write.cancel()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(1), running(server.url.replace("//", "//writer:wrong@")):
            pass

"""What real nodes say of single documents, and of bulks that hold one they can't take."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from tests.servers.elasticsearch import Elasticsearch
from tests.servers.proxy import Proxy
from tests.sinks.elasticsearch.engine import running, words
from tests.sinks.elasticsearch.nodes import QUICK, cluster, documents, halted, until

pytestmark = pytest.mark.servers

LONG = {"properties": {"n": {"type": "long"}}}


# -- documents that are refused alone -----------------------------------------------------------


@pytest.mark.parametrize(
    ("made", "bad", "kind", "reason"),
    [
        (
            {"mappings": {"dynamic": "strict", "properties": {"word": {"type": "text"}}}},
            {"word": "bad", "m": 1},
            "strict_dynamic_mapping_exception",
            "dynamic introduction of [m]",
        ),
        (
            {"settings": {"index.mapping.total_fields.limit": 2}},
            {"word": "bad", "m": 1, "n": 2},
            "document_parsing_exception",
            "Limit of total fields [2]",
        ),
        ({"mappings": LONG}, {"word": "bad", "n": "x"}, "document_parsing_exception", "field [n]"),
        ({"mappings": LONG}, {"word": "bad", "n": {"m": 1}}, "document_parsing_exception", "[n]"),
    ],
    ids=["strict", "field limit", "type", "object"],
)
async def test_a_document_that_does_not_fit_the_index_is_rejected_alone(
    server: Elasticsearch, index: str, made: Any, bad: Any, kind: str, reason: str
) -> None:
    server.request("PUT", f"/{index}", made)
    async with running(server.url, index=index) as engine:
        await engine.write({"word": "a"}, bad, {"word": "b"})
        assert (engine.source.accepted, engine.source.rejected) == ([0, 2], [1])
        error = engine.source.cause(1)
        assert (error.status, error.error_type, error.attempts) == (400, kind, 1)
        assert reason in f"{error.reason} {error.caused_by}"
    assert set(documents(server, index)) == {"a", "b"}


async def test_a_document_without_the_routing_it_needs_is_rejected_alone(
    server: Elasticsearch, index: str
) -> None:
    server.request("PUT", f"/{index}", {"mappings": {"_routing": {"required": True}}})
    settings: dict[str, Any] = {"index": index, "routing": lambda document: document.get("by")}
    async with running(server.url, **settings) as engine:
        await engine.write({"word": "a", "by": "x"}, {"word": "b"})
        assert (engine.source.accepted, engine.source.rejected) == ([0], [1])
        assert engine.source.cause(1).error_type == "routing_missing_exception"


async def test_an_alias_that_does_not_say_where_to_write_is_a_refusal(
    server: Elasticsearch, index: str
) -> None:
    alias = {"aliases": {f"{index}-alias": {}}}
    server.request("PUT", f"/{index}", alias)
    server.request("PUT", f"/{index}-other", alias)
    try:
        async with running(server.url, index=lambda document: document["to"]) as engine:
            await engine.write({"word": "a", "to": index}, {"word": "b", "to": f"{index}-alias"})
            assert (engine.source.accepted, engine.source.rejected) == ([0], [1])
            error = engine.source.cause(1)
            assert error.error_type == "illegal_argument_exception"
            assert "no write index is defined for alias" in error.reason
    finally:
        server.request("DELETE", f"/{index}-other")


@pytest.fixture
def stream(server: Elasticsearch, index: str) -> str:
    """The name of a data stream, which this build of Elasticsearch has no request to delete."""
    name = f"stream-{index}"
    template = {"index_patterns": [name], "data_stream": {}, "template": {"mappings": LONG}}
    server.request("PUT", f"/_index_template/{name}", template)
    return name


async def test_a_data_stream_takes_what_is_created_and_refuses_the_rest(
    server: Elasticsearch, stream: str
) -> None:
    moment = {"@timestamp": "2026-01-01T00:00:00Z"}
    chunk: list[dict[str, Any]] = [
        {"op": "create", "n": 1, **moment},
        {"op": "index", "n": 2, **moment},
        {"op": "create", "n": 3},
        {"op": "create", "n": "four", **moment},
        {"op": "create", "n": 5, **moment},
    ]
    settings: dict[str, Any] = {"id": lambda document: str(document["n"])}
    settings |= {"op": lambda document: document["op"], "index": stream}
    async with running(server.url, **settings) as engine:
        await engine.write(*chunk)
        assert (engine.source.accepted, engine.source.rejected) == ([0, 4], [1, 2, 3])
        causes = [engine.source.cause(at) for at in (1, 2, 3)]
        assert "only write ops with an op_type of create" in causes[0].reason
        assert "[@timestamp] is missing" in f"{causes[1].reason} {causes[1].caused_by}"
        assert causes[2].error_type == "document_parsing_exception"
        await engine.write(chunk[0])
        assert engine.statistics.duplicates == 1
    assert server.count(stream) == 2


async def test_too_many_shards_can_be_made_an_outage(server: Elasticsearch, index: str) -> None:
    decisions: Any = {"validation_exception": "halt"}
    with cluster(server, cluster__max_shards_per_node=1):
        async with running(server.url, index=index) as engine:
            await engine.write(*words("a"))
            assert engine.source.cause(0).error_type == "validation_exception"
        async with running(server.url, index=index, decisions=decisions) as engine:
            write = engine.start(*words("a"))
            await halted(engine, "400 validation_exception", "maximum normal shards open")
            server.request(
                "PUT", "/_cluster/settings", {"persistent": {"cluster.max_shards_per_node": None}}
            )
            await asyncio.wait_for(write, 30)
            assert engine.source.accepted == [0]


# -- operations, versions and conflicts ---------------------------------------------------------


async def test_an_update_that_changes_nothing_is_accepted(
    server: Elasticsearch, index: str
) -> None:
    async with running(server.url, index=index, op="update", upsert=True) as engine:
        await engine.write(*words("a"))
        await engine.write(*words("a"))
        assert engine.source.accepted == [0, 1]
        assert engine.statistics.created == 1
    assert server.request("GET", f"/{index}/_doc/a")["_version"] == 1


async def test_an_update_of_what_is_missing_is_rejected_or_accepted_as_told(
    server: Elasticsearch, index: str
) -> None:
    server.request("PUT", f"/{index}")
    async with running(server.url, index=index, op="update") as engine:
        await engine.write(*words("a"))
        error = engine.source.cause(0)
        assert (error.status, error.error_type) == (404, "document_missing_exception")
    decisions: Any = {"document_missing_exception": "accept"}
    async with running(server.url, index=index, op="update", decisions=decisions) as engine:
        await engine.write(*words("a"))
        assert engine.source.accepted == [0]
        assert engine.statistics.overruled == 1
    assert server.count(index) == 0


async def test_external_gte_writes_the_same_version_again_and_no_older_one(
    server: Elasticsearch, index: str
) -> None:
    settings: dict[str, Any] = {"version": "n", "version_type": "external_gte"}
    async with running(server.url, index=index, **settings) as engine:
        await engine.write({"word": "a", "n": 5, "m": 1})
        await engine.write({"word": "a", "n": 5, "m": 2})
        await engine.write({"word": "a", "n": 4, "m": 3})
        assert engine.source.accepted == [0, 1, 2]
        assert engine.statistics.stale == 1
    assert documents(server, index) == {"a": {"word": "a", "n": 5, "m": 2}}


async def test_an_older_delete_does_not_undo_a_newer_write(
    server: Elasticsearch, index: str
) -> None:
    settings: dict[str, Any] = {"version": "n", "op": lambda document: document["op"]}
    async with running(server.url, index=index, **settings) as engine:
        await engine.write({"word": "a", "n": 5, "op": "index"})
        await engine.write({"word": "a", "n": 4, "op": "delete"})
        assert engine.source.accepted == [0, 1]
        assert engine.statistics.stale == 1
    assert set(documents(server, index)) == {"a"}


async def test_updates_that_get_into_each_others_way_are_all_made_in_the_end(
    server: Elasticsearch, index: str
) -> None:
    """Without order and without the server's own retries two bulks for one document conflict."""
    settings: dict[str, Any] = {"op": "update", "upsert": True, "retry_on_conflict": 0}
    settings |= {"ordering": "none", "backoff": (0.01, 0.5), "index": index}
    server.request("PUT", f"/{index}")
    async with running(server.url, **settings) as engine:
        await engine.write(*words("a"))
        made = 0
        while not engine.statistics.retries and made < 200:
            writes = [
                engine.write({"word": "a", f"f{made + n}": n}, *words(*"bcdefg")) for n in range(4)
            ]
            await asyncio.gather(*writes)
            made += 4
        assert engine.source.rejected == []
        assert len(engine.source.accepted) == 1 + 7 * made
        assert engine.statistics.retries
    assert len(documents(server, index)["a"]) == 1 + made


# -- bulks that hold one --------------------------------------------------------------------------


@pytest.fixture
def pipeline(server: Elasticsearch) -> Iterator[str]:
    """The name of a pipeline that does nothing: the node then reads documents before it has results."""
    server.request("PUT", "/_ingest/pipeline/nothing", {"processors": []})
    yield "nothing"
    server.request("DELETE", "/_ingest/pipeline/nothing")


async def test_what_a_pipeline_can_not_read_costs_that_document_alone(
    server: Elasticsearch, index: str, pipeline: str
) -> None:
    """https://github.com/elastic/elasticsearch/issues/138703: the node answers the bulk with 400."""
    chunk = [b'{"n":%d}' % n for n in range(64)]
    chunk[5] = chunk[40] = b'{"n":'
    settings: dict[str, Any] = {"index": index, "id": None, "pipeline": pipeline}
    async with running(server.url, **settings) as engine:
        await engine.write(*chunk)
        assert engine.source.rejected == [5, 40]
        assert len(engine.source.accepted) == 62
        assert engine.statistics.bulks[400] > 0
        assert engine.source.cause(5).status == 400
        await engine.write(b'{"n":')
        assert engine.source.rejected == [5, 40, 64]
        assert engine.board.reasons == []
    assert server.count(index) == 62


async def test_a_pipeline_that_can_read_nothing_at_all_is_an_outage(
    server: Elasticsearch, index: str, pipeline: str
) -> None:
    settings: dict[str, Any] = {"index": index, "id": None, "pipeline": pipeline}
    async with running(server.url, **settings) as engine:
        write = engine.start(*[b'{"n":'] * 8)
        await halted(engine, "refuses every document of a bulk alike: 400")
        assert engine.source.outcomes == {}
        write.cancel()


# -- bulks without an answer ----------------------------------------------------------------------


async def test_bulks_whose_answers_get_lost_are_written_once_and_accepted(
    server: Elasticsearch, index: str
) -> None:
    decisions: Any = {"version_conflict_engine_exception": "reject"}
    settings: dict[str, Any] = {"index": index, "op": "create", "decisions": decisions, **QUICK}
    async with Proxy(server.url) as proxy, running(proxy.url, **settings) as engine:
        # Late enough that a cut finds bulks that the server has and we don't know of.
        proxy.latency = 0.02
        chunks = [words(*(f"w{c}-{n}" for n in range(20))) for c in range(100)]
        writing = asyncio.gather(*(engine.write(*chunk) for chunk in chunks))
        for number in range(1, 6):
            await until(lambda n=number: len(engine.source.accepted) > n * 250)  # type: ignore[misc]
            proxy.cut()
        await asyncio.wait_for(writing, 60)
        assert len(engine.source.accepted) == 2000
        assert engine.source.rejected == []
        assert engine.statistics.retries > 0
    assert server.count(index) == 2000


async def test_documents_that_get_lost_on_the_way_are_sent_again(
    server: Elasticsearch, index: str
) -> None:
    async with Proxy(server.url) as proxy, running(proxy.url, index=index, **QUICK) as engine:
        for number in range(10):
            proxy.halve()
            await asyncio.wait_for(engine.write(*words(*(f"w{number}-{n}" for n in range(50)))), 30)
        assert len(engine.source.accepted) == 500
    assert server.count(index) == 500


async def test_an_answer_that_is_none_is_asked_for_again(server: Elasticsearch, index: str) -> None:
    async with Proxy(server.url) as proxy, running(proxy.url, index=index, **QUICK) as engine:
        await engine.write(*words("a"))
        proxy.corrupt()
        await asyncio.wait_for(engine.write(*words("b", "c")), 30)
        assert engine.source.accepted == [0, 1, 2]
        assert engine.statistics.retries >= 2
    assert set(documents(server, index)) == {"a", "b", "c"}

"""What no document is to blame for, on real nodes: they halt, reject nothing, and end by themselves."""

import asyncio
from typing import Any, ClassVar

import pytest
from elasticsearch import AsyncElasticsearch

from ackflow.sinks.elasticsearch import bulk
from ackflow.streams.core import Unavailable
from tests.servers.elasticsearch import ELASTICSEARCH_8, ELASTICSEARCH_9, Elasticsearch
from tests.sinks.elasticsearch.engine import Engine, running, words
from tests.sinks.elasticsearch.nodes import QUICK, Make, cluster, documents, halted, until

pytestmark = pytest.mark.servers

NOWHERE = "index.routing.allocation.require.name"


async def resumed(engine: Engine, write: "asyncio.Task[None]") -> None:
    """Wait for a write to end, and see that the outage is over and has cost nothing."""
    await asyncio.wait_for(write, 30)
    assert len(engine.source.accepted) == len(engine.source.outcomes)
    assert not engine.board.is_halted


# -- indices that are not there -----------------------------------------------------------------


async def test_a_missing_index_halts_until_it_is_there(server: Elasticsearch, index: str) -> None:
    with cluster(server, action__auto_create_index="false"):
        async with running(server.url, index=index) as engine:
            write = engine.start(*words("a", "b"))
            await halted(engine, "404 index_not_found_exception")
            server.request("PUT", f"/{index}")
            await resumed(engine, write)
    assert set(documents(server, index)) == {"a", "b"}


async def test_a_missing_alias_halts_until_it_is_there(server: Elasticsearch, index: str) -> None:
    settings: dict[str, Any] = {"index": f"{index}-alias", "require_alias": True}
    server.request("PUT", f"/{index}")
    async with running(server.url, **settings) as engine:
        write = engine.start(*words("a"))
        await halted(engine, "404 index_not_found_exception", "is not an alias")
        server.request("PUT", f"/{index}/_alias/{index}-alias")
        await resumed(engine, write)
    assert set(documents(server, index)) == {"a"}


async def test_an_index_that_is_not_there_is_a_documents_own_fault_where_told_so(
    server: Elasticsearch, index: str
) -> None:
    settings: dict[str, Any] = {
        "index": lambda document: f"{index}{document['to']}",
        "decisions": {"index_not_found_exception": "reject"},
    }
    with cluster(server, action__auto_create_index=f"{index},-*"):
        async with running(server.url, **settings) as engine:
            await engine.write({"word": "a", "to": ""}, {"word": "b", "to": "-gone"})
            assert (engine.source.accepted, engine.source.rejected) == ([0], [1])
            assert engine.source.cause(1).error_type == "index_not_found_exception"
            assert engine.board.reasons == []


async def test_a_closed_index_rejects_or_halts_as_told(server: Elasticsearch, index: str) -> None:
    server.request("PUT", f"/{index}")
    server.request("POST", f"/{index}/_close")
    async with running(server.url, index=index) as engine:
        await engine.write(*words("a"))
        assert engine.source.cause(0).error_type == "index_closed_exception"
    decisions: Any = {"index_closed_exception": "halt"}
    async with running(server.url, index=index, decisions=decisions) as engine:
        write = engine.start(*words("a"))
        await halted(engine, "400 index_closed_exception")
        server.request("POST", f"/{index}/_open?wait_for_active_shards=1")
        await resumed(engine, write)


# -- memory -------------------------------------------------------------------------------------


async def test_a_circuit_breaker_is_waited_for(elasticsearch8: Elasticsearch) -> None:
    """Version 9 takes bulks piece by piece, and has the indexing pressure say no instead."""
    server, word = elasticsearch8, "x" * 5_000
    limit = cluster(server, network__breaker__inflight_requests__limit="4kb")
    async with running(server.url, index="broken", id="n", backoff=(0.01, 0.2)) as engine:
        with limit:
            write = engine.start({"n": 1, "word": word})
            await until(lambda: engine.statistics.bulks.get(429))
            assert engine.source.outcomes == {}
        await resumed(engine, write)
    assert documents(server, "broken") == {"1": {"n": 1, "word": word}}
    server.request("DELETE", "/broken")


# -- blocks -------------------------------------------------------------------------------------


@pytest.mark.parametrize("block", ["write", "read_only", "metadata"])
async def test_a_blocked_index_is_waited_for(server: Elasticsearch, index: str, block: str) -> None:
    """A new field needs a change of the mapping, which a block of metadata forbids."""
    server.request("PUT", f"/{index}", {"settings": {f"index.blocks.{block}": True}})
    async with running(server.url, index=index, **QUICK) as engine:
        write = engine.start(*words("a", "b"))
        await halted(engine, "403 cluster_block_exception")
        server.request("PUT", f"/{index}/_settings", {f"index.blocks.{block}": None})
        await resumed(engine, write)
    assert set(documents(server, index)) == {"a", "b"}


@pytest.mark.parametrize("block", ["read_only", "read_only_allow_delete"])
async def test_a_cluster_that_may_only_be_read_is_waited_for(
    server: Elasticsearch, index: str, block: str
) -> None:
    server.request("PUT", f"/{index}")
    async with running(server.url, index=index) as engine:
        await engine.write(*words("a"))
        with cluster(server, **{f"cluster__blocks__{block}": True}):
            write = engine.start(*words("b", "c"))
            await halted(engine, "403 cluster_block_exception", "cluster read-only")
            assert engine.statistics.bulks[403] > 0
        await resumed(engine, write)
    assert set(documents(server, index)) == {"a", "b", "c"}


async def test_a_disk_above_the_flood_stage_is_waited_for(
    server: Elasticsearch, index: str
) -> None:
    """The node itself blocks its indices, and lets go of them when there is room again."""
    disk = "cluster__routing__allocation__disk__"
    marks = dict.fromkeys(
        (f"{disk}watermark__low", f"{disk}watermark__high", f"{disk}watermark__flood_stage"),
        "1000tb",
    )
    marks |= {f"{disk}threshold_enabled": True, "cluster__info__update__interval": "10s"}
    block = f"/{index}/_settings/index.blocks.read_only_allow_delete"
    server.request("PUT", f"/{index}")
    async with running(server.url, index=index, **QUICK) as engine:
        with cluster(server, **marks):
            await until(lambda: server.request("GET", block), 60)
            write = engine.start(*words("a", "b"))
            await halted(engine, "429 cluster_block_exception", "flood-stage")
            assert engine.source.outcomes == {}
        with cluster(server, cluster__info__update__interval="10s"):
            await asyncio.wait_for(write, 60)
        assert engine.source.accepted == [0, 1]
        await until(lambda: not server.request("GET", "/_all/_settings/*read_only_allow_delete"))


# -- shards that are not there ------------------------------------------------------------------


async def test_a_shard_that_is_nowhere_is_waited_for(server: Elasticsearch, index: str) -> None:
    server.request("PUT", f"/{index}?wait_for_active_shards=0", {"settings": {NOWHERE: "nobody"}})
    async with running(server.url, index=index, server_timeout=0.1, **QUICK) as engine:
        write = engine.start(*words("a"))
        await halted(engine, "503 unavailable_shards_exception")
        server.request("PUT", f"/{index}/_settings", {NOWHERE: None})
        await resumed(engine, write)


async def test_a_shard_that_is_nowhere_for_long_gives_the_message_back_to_the_queue(
    server: Elasticsearch, index: str
) -> None:
    server.request("PUT", f"/{index}?wait_for_active_shards=0", {"settings": {NOWHERE: "nobody"}})
    settings: dict[str, Any] = {"server_timeout": 0.1, "backoff": (0.01, 0.1), "retry_for": 1}
    async with running(server.url, index=index, **settings) as engine:
        await engine.write(*words("a"))
        assert engine.source.requeued == [0]
        assert "503 unavailable_shards_exception" in str(engine.source.cause(0))


@pytest.mark.parametrize("version", [ELASTICSEARCH_9, ELASTICSEARCH_8])
async def test_a_cluster_that_is_not_complete_yet_is_waited_for(
    make_elasticsearch: Make, version: str
) -> None:
    """For some seconds after its start this node waits for another one and answers 503."""
    server = make_elasticsearch(version)
    async with running(server.url, server_timeout=0.2, **QUICK) as engine:
        await engine.write(*words("before"))
        await asyncio.to_thread(server.stop)
        with (server.folder / "config" / "elasticsearch.yml").open("a") as settings:
            settings.write("gateway.expected_data_nodes: 2\ngateway.recover_after_time: 12s\n")
        starting = asyncio.create_task(asyncio.to_thread(server.start))
        write = engine.start(*words("a", "b"))
        await until(lambda: any("answered 503" in each for each in engine.board.reasons), 60)
        assert len(engine.source.outcomes) == 1
        await asyncio.wait_for(asyncio.gather(starting, write), 60)
        assert engine.source.accepted == [0, 1, 2]
    assert server.count("words") == 3


# -- wrong settings -----------------------------------------------------------------------------


class Meddling(AsyncElasticsearch):
    """A client of somebody's that changes what is sent, as long as `change` says how."""

    change: ClassVar[dict[str, dict[str, str]]] = {}

    async def perform_request(self, method: str, path: str, **given: Any) -> Any:  # type: ignore[override]
        if path == "/_bulk":
            for name, values in self.change.items():
                given[name] = {**given[name], **values}
        return await super().perform_request(method, path, **given)


@pytest.mark.parametrize(
    ("change", "words_of_it"),
    [
        ({"params": {"nonsense": "1"}}, ["400 illegal_argument_exception", "unrecognized"]),
        (
            {"headers": {"content-type": "application/vnd.elasticsearch+json; compatible-with=4"}},
            ["400 media_type_header_exception"],
        ),
        (
            {"headers": {"accept": "*/*", "content-type": "text/plain"}},
            ["406", "not supported"],
        ),
    ],
    ids=["parameter", "version", "media type"],
)
async def test_a_request_that_the_server_does_not_understand_halts(
    server: Elasticsearch,
    index: str,
    monkeypatch: pytest.MonkeyPatch,
    change: dict[str, dict[str, str]],
    words_of_it: list[str],
) -> None:
    monkeypatch.setattr(Meddling, "change", change)
    async with Meddling(server.url) as client, running(client, index=index) as engine:
        write = engine.start(*words("a", "b"))
        await halted(engine, *words_of_it)
        assert engine.source.outcomes == {}
        monkeypatch.setattr(Meddling, "change", {})
        await resumed(engine, write)


async def test_a_path_where_nothing_is_halts_at_the_start(server: Elasticsearch) -> None:
    sink = bulk(f"{server.url}/not/here", index="words", id="word")
    with pytest.raises(Unavailable, match="answered 400 no handler found for uri"):
        await sink.open()
    await sink.close()

"""The fake Elasticsearch: what it answers and stores, asked by aiohttp and by our own sink."""

import json
from collections.abc import Sequence
from typing import Any

import aiohttp
import pytest

from ackflow import operators as op
from ackflow import sinks
from ackflow.streams.testing import BulkAnswer, FakeElasticsearch, VirtualClock, assert_settled
from tests.queues import closed

Line = dict[str, Any]


async def bulk(server: FakeElasticsearch, *lines: Line, path: str = "/_bulk") -> tuple[int, Any]:
    body = "".join(json.dumps(line) + "\n" for line in lines)
    async with (
        aiohttp.ClientSession() as session,
        session.post(server.url + path, data=body.encode()) as response,
    ):
        return response.status, await response.json(content_type=None)


async def get(server: FakeElasticsearch, path: str, method: str = "GET") -> tuple[int, Any]:
    async with (
        aiohttp.ClientSession() as session,
        session.request(method, server.url + path) as response,
    ):
        return response.status, await response.json(content_type=None)


def index(key: str, name: str = "index", **metadata: Any) -> Line:
    return {name: {"_index": "words", "_id": key, **metadata}}


def statuses(answer: Any) -> list[int]:
    return [next(iter(item.values()))["status"] for item in answer[1]["items"]]


async def test_operations_are_done_as_elasticsearch_does_them() -> None:
    async with FakeElasticsearch() as server:
        first = await bulk(server, index("a"), {"n": 1}, index("b", "create"), {"n": 1})
        assert statuses(first) == [201, 201]
        second = await bulk(
            server,
            *(index("a"), {"n": 2}),
            *(index("b", "create"), {"n": 2}),
            *(index("a", "update"), {"doc": {"m": 3}}),
            *(index("c", "update"), {"doc": {"m": 3}}),
            *(index("d", "update"), {"doc": {"m": 3}, "doc_as_upsert": True}),
            *(index("e", "update"), {"doc": {}, "upsert": {"new": True}}),
            index("b", "delete"),
            index("z", "delete"),
        )
        assert statuses(second) == [200, 409, 200, 404, 201, 201, 200, 404]
        assert second[1]["errors"] is True
        conflict = second[1]["items"][1]["create"]["error"]
        assert conflict["type"] == "version_conflict_engine_exception"
        assert server.documents == {"a": {"n": 2, "m": 3}, "d": {"m": 3}, "e": {"new": True}}
        assert server.indices["words"].versions["a"] == 3


async def test_an_older_external_version_is_a_conflict() -> None:
    async with FakeElasticsearch() as server:
        newer, older = (index("a", version=v, version_type="external") for v in (5, 4))
        assert statuses(await bulk(server, newer, {"n": 5}, older, {"n": 4})) == [201, 409]
        assert server.documents == {"a": {"n": 5}}


async def test_the_index_may_stand_in_the_path_and_ids_may_be_left_to_the_server() -> None:
    async with FakeElasticsearch() as server:
        await bulk(server, {"index": {}}, {"n": 1}, {"index": {}}, {"n": 2}, path="/logs/_bulk")
        assert list(server.documents.values()) == [{"n": 1}, {"n": 2}]
        assert await get(server, "/logs/_count") == (200, {"count": 2})
        (key, _) = server.documents
        assert (await get(server, f"/logs/_doc/{key}"))[1]["_source"] == {"n": 1}
        assert (await get(server, "/logs/_doc/none"))[0] == 404
        assert (await get(server, "/none/_count"))[0] == 404


async def test_items_are_refused_by_id_and_by_position() -> None:
    script: Sequence[Any] = [{"b": 400, 2: (429, "busy_exception", "later")}]
    async with FakeElasticsearch(script, refused={"c": 403}) as server:
        lines = [line for key in "abcd" for line in (index(key), {"n": 1})]
        status, answer = await bulk(server, *lines)
        assert (status, statuses((status, answer))) == (200, [201, 400, 429, 201])
        fault = answer["items"][2]["index"]
        assert fault["error"] == {"type": "busy_exception", "reason": "later"}
        assert statuses(await bulk(server, *lines)) == [200, 201, 403, 200]
        assert list(server.documents) == ["a", "d", "b"]


@pytest.mark.parametrize(
    ("entry", "status", "text", "stored"),
    [
        (None, 201, "", True),
        (429, 429, "es_rejected_execution_exception", False),
        (BulkAnswer(503, headers={"Retry-After": "9"}), 503, "unavailable_shards", False),
        (BulkAnswer(502, "<html>Bad Gateway</html>"), 502, "Bad Gateway", False),
        (BulkAnswer(500, stores=True), 500, "null_pointer_exception", True),
        (BulkAnswer(results=0), 200, '"items":[]', True),
        (BulkAnswer(after=0.01), 200, '"errors":false', True),
        (lambda request: 418 if request.ids == ["a"] else None, 418, "illegal_state", False),
    ],
)
async def test_a_bulk_is_answered_as_the_script_says_and_the_next_one_is_stored(
    entry: Any, status: int, text: str, stored: bool
) -> None:
    body = json.dumps(index("a")) + '\n{"n":1}\n'
    async with FakeElasticsearch([entry]) as server, aiohttp.ClientSession() as session:
        async with session.post(f"{server.url}/_bulk", data=body) as response:
            answer = await response.text()
            assert response.status == (200 if entry is None else status)
            assert text in answer
        assert bool(server.documents) is stored
        assert (await bulk(server, index("a"), {"n": 1}))[0] == 200
        assert server.documents == {"a": {"n": 1}}
        assert [request.ids for request in server.bulks] == [["a"], ["a"]]


@pytest.mark.parametrize(("size", "stores"), [(0, None), (0, True), (20, None), (20, True)])
async def test_the_connection_breaks_before_or_in_the_middle_of_an_answer(
    size: int, stores: bool | None
) -> None:
    async with FakeElasticsearch([BulkAnswer(cut=size, stores=stores)]) as server:
        with pytest.raises(aiohttp.ClientError):
            await bulk(server, index("a"), {"n": 1})
        assert bool(server.documents) is bool(stores)


async def test_only_what_filter_path_asks_for_is_answered() -> None:
    async with FakeElasticsearch([{"b": 400}]) as server:
        path = "/_bulk?filter_path=errors,items.*.status,items.*.error"
        _, answer = await bulk(server, index("a"), {"n": 1}, index("b"), {"n": 1}, path=path)
        assert answer["items"][0] == {"index": {"status": 201}}
        assert set(answer["items"][1]["index"]) == {"status", "error"}


async def test_it_says_what_it_is_and_indices_are_made_once() -> None:
    async with FakeElasticsearch(version="8.17.9") as server:
        assert (await get(server, "/"))[1]["version"] == {"number": "8.17.9"}
        assert (await get(server, "/words", "PUT"))[0] == 200
        status, answer = await get(server, "/words", "PUT")
        assert (status, answer["error"]["type"]) == (400, "resource_already_exists_exception")
        assert [request.path for request in server.requests] == ["/", "/words", "/words"]


async def test_what_is_no_bulk_and_what_is_too_large_is_refused() -> None:
    async with FakeElasticsearch(max_bytes=100) as server, aiohttp.ClientSession() as session:
        for body, status in ((b'{"index":{}}', 400), (b"no\n", 400), (b"x" * 200, 413)):
            async with session.post(f"{server.url}/_bulk", data=body) as response:
                assert response.status == status
        assert server.documents == {}


async def test_outside_async_with_it_has_no_url() -> None:
    server = FakeElasticsearch()
    with pytest.raises(RuntimeError, match="within `async with`"):
        _ = server.url
    with pytest.raises(TypeError, match="got 'reset'"):
        server.then("reset")  # type: ignore[arg-type]


async def test_a_pipeline_is_driven_through_faults_in_virtual_time(
    virtual_clock: VirtualClock,
) -> None:
    queue = closed([{"word": word} for word in "abcd"], dead_letter="exchange")
    script = [
        {"b": (400, "document_parsing_exception", "no"), 2: 429},
        BulkAnswer(429, headers={"Retry-After": "17"}),
        BulkAnswer(502, "<html>Bad Gateway</html>"),
        BulkAnswer(cut=20, stores=True),
    ]
    async with FakeElasticsearch(script) as server:
        sink = sinks.elasticsearch.bulk(server.url, index="words", id="word")
        await (queue | op.chunk(10) | sink)
        assert_settled(
            queue,
            acked=[{"word": word} for word in "acd"],
            rejected=[{"word": "b"}],
            in_order=False,
        )
    assert sorted(server.documents) == ["a", "c", "d"]
    assert [request.ids for request in server.bulks] == [[*"abcd"], *[["c"]] * 4]
    assert virtual_clock.now > 17

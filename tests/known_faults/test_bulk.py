"""Faults that others have with Elasticsearch's bulks. Each comment names whose, and where."""

from typing import Any

import pytest

from ackflow import operators as op
from ackflow import sinks
from ackflow.streams.testing import BulkAnswer, FakeElasticsearch, assert_settled
from tests.queues import closed

pytestmark = pytest.mark.usefixtures("virtual_clock")


def documents(*words: str) -> list[dict[str, Any]]:
    return [{"word": word} for word in words]


def bulk(server: FakeElasticsearch, **settings: Any) -> Any:
    return sinks.elasticsearch.bulk(server.url, index="words", id="word", **settings)


# Vector 0.58 (retry.rs:136, driver.rs:166): with partial retries on, what was refused for good in the
# first answer is forgotten over the second, and acked. Its counts are wrong, too (vector#19320,
# vector#26293).
@pytest.mark.parametrize("refused", [0, 1, 2])
async def test_a_refusal_beside_others_that_are_sent_again_stays_one(refused: int) -> None:
    words = ["um", "dois", "três"]
    answer: dict[Any, Any] = dict.fromkeys(range(3), 429)
    answer[refused] = (400, "mapper_parsing_exception", "no such date")
    bad = words.pop(refused)
    queue = closed(documents("um", "dois", "três"), dead_letter="exchange")
    async with FakeElasticsearch([answer, {0: 429}]) as server:
        pipeline = queue | op.chunk(3) | bulk(server)
        await pipeline
        assert sorted(server.documents) == sorted(words)
    assert_settled(queue, acked=documents(*words), rejected=documents(bad), in_order=False)
    assert (pipeline.summary.accepted, pipeline.summary.rejected) == (2, 1)


# Redpanda Connect 4.106 (v8/output.go:451): an action it does not know adds no operation, and results
# are found by position, so that each blames a neighbour and the last one is acked unsent. One document
# that can't be encoded fails its whole batch (:365).
@pytest.mark.parametrize("unsent", range(4))
async def test_what_is_never_sent_moves_no_result_to_a_neighbour(unsent: int) -> None:
    values = documents("a", "b", "c", "d")
    values[unsent]["op"] = "merge"
    refused = (unsent + 2) % 4
    queue = closed(values, dead_letter=(dead := sinks.to_list()))
    word = values[refused]["word"]
    async with FakeElasticsearch(refused={word: (400, "mapper_parsing_exception", "no")}) as server:
        await (queue | op.chunk(4) | bulk(server, op=lambda value: value.get("op", "index")))
        good = [n for n in range(4) if n not in (unsent, refused)]
        assert sorted(server.documents) == [values[n]["word"] for n in good]
    errors = {letter.body["word"]: letter.headers["x-ackflow-error"] for letter in dead.values}
    assert "merge" in errors.pop(values[unsent]["word"])
    assert "mapper_parsing_exception" in errors.pop(word)
    assert errors == {}


# Redpanda Connect (connect#3175): 409 for a document that was created before and is delivered again is
# an error, and comes for ever.
async def test_a_create_that_comes_again_is_done() -> None:
    queue = closed(documents("a", "b"), attempts=1, dead_letter="exchange")
    async with FakeElasticsearch([BulkAnswer(cut=10, stores=True)]) as server:
        await (queue | op.chunk(2) | bulk(server, op="create"))
        again = closed(documents("a", "c"), attempts=1, dead_letter="exchange")
        await (again | op.chunk(2) | bulk(server, op="create"))
        assert sorted(server.documents) == ["a", "b", "c"]
    assert_settled(queue, acked=documents("a", "b"))
    assert_settled(again, acked=documents("a", "c"), in_order=False)


# elasticsearch-py's helpers pair operations with results until either ends: 10 sent, 7 answered, 3
# lost without a word. Vector leaves out what has no status and pairs the rest (retry.rs:155). Pekko
# takes what is missing for stored.
@pytest.mark.parametrize("results", range(3))
async def test_a_short_answer_accepts_nothing(results: int) -> None:
    queue = closed(documents("a", "b", "c"), attempts=1, dead_letter="exchange")
    short = BulkAnswer(results=results, stores=False)
    async with FakeElasticsearch([short]) as server:
        await (queue | op.chunk(3) | bulk(server))
        assert sorted(server.documents) == ["a", "b", "c"]
        assert [request.ids for request in server.bulks] == [["a", "b", "c"]] * 2
    assert_settled(queue, acked=documents("a", "b", "c"))

"""Tests of a pipeline as users of ackflow write them: `pytest examples`. docs/testing.md tells more."""

from ackflow import operators as op
from ackflow import sinks, streams
from ackflow.streams import testing

clean = op.map(str.strip) | op.filter(bool) | op.map(int)
"""The part of a pipeline that is worth a test: it knows neither its source nor its sink."""


async def test_bad_words_are_rejected(virtual_clock: testing.VirtualClock) -> None:
    queue = streams.memory.queue(["1", "x", " 3 ", ""], dead_letter="exchange")
    queue.close()
    assert await (queue | clean | sinks.to_list()) == [1, 3]
    testing.assert_settled(queue, acked=["1", " 3 ", ""], rejected=["x"], in_order=False)


async def test_a_lost_connection_loses_nothing(virtual_clock: testing.VirtualClock) -> None:
    script = (
        testing.deliver("1", "2"),
        testing.pause(0.5),
        testing.disconnect(),
        testing.fail(streams.SourceError("the broker restarts"), times=3),
        testing.deliver("3"),
        testing.end(),
    )
    queue = testing.scripted_queue(*script)
    assert await (queue | clean | op.chunk(2) | sinks.to_list()) == [[1, 2], [3]]
    testing.assert_settled(queue, acked=["1", "2", "3"])


async def test_a_partial_chunk_waits_a_second(virtual_clock: testing.VirtualClock) -> None:
    queue = streams.memory.queue(["1"])
    run = (queue | clean | op.chunk(100, timeout=1.0) | (sink := testing.FlakySink())).start()
    await virtual_clock.advance(0.9)
    assert sink.accepted == []
    await virtual_clock.advance(0.1)
    assert sink.accepted == [1]
    await run.drain()
    testing.assert_settled(queue, acked=["1"])


async def test_what_elasticsearch_pushes_back_is_sent_again(
    virtual_clock: testing.VirtualClock,
) -> None:
    documents = [{"word": "um"}, {"word": "dois"}, {"word": "três"}]
    queue = streams.memory.queue(documents, dead_letter="exchange")
    queue.close()
    async with testing.FakeElasticsearch([{"um": 429, "dois": 400}]) as server:
        sink = sinks.elasticsearch.bulk(server.url, index="words", id="word")
        await (queue | op.chunk(256) | sink)
    assert sorted(server.documents) == ["três", "um"]
    testing.assert_settled(queue, acked=..., rejected=[{"word": "dois"}])


def test_an_operator_of_ones_own_keeps_the_laws() -> None:
    testing.check_operator(
        lambda f: op.map(f) | op.map(str) | op.chunk(2),
        model=lambda xs: [[*map(str, xs[i : i + 2])] for i in range(0, len(xs), 2)],
    )

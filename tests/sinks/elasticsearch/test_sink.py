"""The sink in virtual time, against an Elasticsearch in memory: who is settled, how, and when."""

import asyncio
import random
from itertools import pairwise
from typing import Any

import pytest

from ackflow.sinks.elasticsearch import BulkRejected, bulk
from ackflow.streams.core import Requeue, Unavailable
from tests.sinks.elasticsearch.doubles import (
    Bulk,
    Elasticsearch,
    answering,
    nobody_there,
    now,
    refused,
    resetting,
    silent,
    virtually,
)
from tests.sinks.elasticsearch.engine import running, words


class Longest(random.Random):
    """Always the longest wait."""

    def uniform(self, a: float, b: float) -> float:
        return b


PUSHED_BACK = (429, "es_rejected_execution_exception")


def test_a_chunk_is_one_request_and_all_are_accepted() -> None:
    server = Elasticsearch()

    async def main() -> None:
        async with running(server) as engine:
            await engine.write(*words("um", "dois", "três"))
            assert engine.source.accepted == [0, 1, 2]
            assert engine.statistics.indexed == engine.statistics.created == 3

    virtually(main)
    assert server.store == {word: {"word": word} for word in ("um", "dois", "três")}
    method, path, request = server.requests[-1]
    assert (method, path) == ("POST", "/_bulk")
    assert request["headers"] == {
        "accept": "application/vnd.elasticsearch+json; compatible-with=8",
        "content-type": "application/vnd.elasticsearch+x-ndjson; compatible-with=8",
    }
    assert request["params"] == {
        "filter_path": "errors,items.*.status,items.*.error,items.*.failure_store",
        "timeout": "60000ms",
        "include_source_on_error": "false",
    }


def test_a_parameter_newer_than_the_server_is_not_sent() -> None:
    server = Elasticsearch()
    server.probe = lambda: (200, {"version": {"number": "8.17.9"}})

    async def main() -> None:
        async with running(server, refresh="wait_for", require_alias=True) as engine:
            await engine.write(*words("um"))

    virtually(main)
    parameters = server.requests[-1][2]["params"]
    assert "include_source_on_error" not in parameters
    assert (parameters["refresh"], parameters["require_alias"]) == ("wait_for", "true")


def test_a_refused_document_is_rejected_with_its_cause_and_the_other_255_are_accepted() -> None:
    server = Elasticsearch()
    server.then(server.refuses(400, "document_parsing_exception", "w77"))

    async def main() -> None:
        async with running(server) as engine:
            await engine.write(*words(*(f"w{n}" for n in range(256))))
            assert len(engine.source.accepted) == 255
            assert engine.source.rejected == [77]
            error = engine.source.cause(77)
            assert isinstance(error, BulkRejected)
            assert error.headers() == {
                "es.status": "400",
                "es.error.type": "document_parsing_exception",
                "es.error.reason": "because",
                "es.attempts": "1",
            }
            assert engine.statistics.rejected == {"document_parsing_exception": 1}

    virtually(main)
    assert len(server.bulks) == 1


def test_a_document_that_cannot_be_encoded_is_never_sent_and_harms_nobody() -> None:
    server = Elasticsearch()

    async def main() -> None:
        async with running(server) as engine:
            await engine.write({"word": "um"}, {"word": "x", "n": 2**70}, {"word": "dois"})
            await engine.write({"word": object()})
            assert (engine.source.accepted, engine.source.rejected) == ([0, 2], [1, 3])

    virtually(main)
    assert [bulk.ids for bulk in server.bulks] == [["um", "dois"]]


# -- pushed back --------------------------------------------------------------------------------


def test_only_what_was_pushed_back_is_sent_again_and_the_others_do_not_wait() -> None:
    server = Elasticsearch()
    server.then(server.refuses(*PUSHED_BACK, "b"), server.refuses(*PUSHED_BACK, "b"))

    async def main() -> None:
        async with running(server) as engine:
            await engine.write(*words("a", "b", "c"))
            assert engine.source.accepted == [0, 1, 2]
            assert engine.source.times[0] == pytest.approx(0.01)
            assert engine.source.times[2] == pytest.approx(0.01)
            assert engine.source.times[1] > 0.02
            assert engine.statistics.retries == 2

    virtually(main)
    assert [bulk.ids for bulk in server.bulks] == [["a", "b", "c"], ["b"], ["b"]]


def test_a_document_is_encoded_once_however_often_it_is_sent() -> None:
    server = Elasticsearch()
    server.then(*[server.refuses(*PUSHED_BACK)] * 5, nobody_there)
    encoded: list[str] = []

    def id(document: dict[str, str]) -> str:
        encoded.append(document["word"])
        return document["word"]

    async def main() -> None:
        async with running(server, id=id) as engine:
            await engine.write(*words("a", "b"))
            assert engine.source.accepted == [0, 1]

    virtually(main)
    assert encoded == ["a", "b"]


def test_waits_double_with_full_jitter_up_to_the_longest() -> None:
    server = Elasticsearch(latency=0.0)
    server.then(*[answering(429)] * 30)

    async def main() -> None:
        async with running(server, chance=Longest(), backoff=(1.0, 20.0)) as engine:
            await engine.write(*words("a"))

    virtually(main)
    times = [bulk.at for bulk in server.bulks]
    gaps = [after - before for before, after in pairwise(times)]
    assert gaps == pytest.approx([1, 2, 4, 8, 16] + [20] * 25)


def test_retry_after_is_honoured() -> None:
    server = Elasticsearch(latency=0.0)
    server.then(answering(429, headers={"retry-after": "17"}))

    async def main() -> None:
        async with running(server) as engine:
            await engine.write(*words("a"))

    virtually(main)
    assert server.bulks[1].at == pytest.approx(17)


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("whole", [True, False])
def test_what_is_pushed_back_for_too_long_goes_back_to_the_queue(status: int, whole: bool) -> None:
    server = Elasticsearch()
    behaviour = answering(status) if whole else server.refuses(status, "busy", "a", "b")
    server.then(*[behaviour] * 1000)

    async def main() -> None:
        async with running(server, retry_for=100, halt_after=1000) as engine:
            await engine.write(*words("a", "b"))
            assert now() == pytest.approx(100, abs=1)
            assert engine.source.requeued == [0, 1]
            assert isinstance(engine.source.cause(0), Requeue)
            assert str(status) in str(engine.source.cause(0))
            assert engine.statistics.requeued == 2
            assert engine.board.reasons == []

    virtually(main)


def test_poison_that_always_gives_500_is_rejected_in_the_end_and_alone() -> None:
    server = Elasticsearch()

    def poisoned(bulk: Bulk) -> Any:
        if "poison" in bulk.ids:
            return 500, {"error": {"type": "null_pointer_exception", "reason": "oops"}}, None
        return None

    server.then(*[poisoned] * 1000)

    async def main() -> None:
        async with running(server, retry_for=20, halt_after=1000) as engine:
            await engine.write(*words("a", "b", "poison", "c"))
            assert (engine.source.accepted, engine.source.rejected) == ([0, 1, 3], [2])
            assert engine.source.cause(2).status == 500

    virtually(main)


def test_a_document_with_an_error_of_the_server_is_rejected_when_the_time_is_over() -> None:
    server = Elasticsearch()
    server.then(*[server.refuses(500, "null_pointer_exception", "b")] * 1000)

    async def main() -> None:
        async with running(server, retry_for=20) as engine:
            await engine.write(*words("a", "b"))
            assert (engine.source.accepted, engine.source.rejected) == ([0], [1])
            assert engine.source.cause(1).attempts > 5

    virtually(main)


def test_a_write_that_waits_lets_fresh_ones_pass() -> None:
    server = Elasticsearch()
    server.then(*[server.refuses(*PUSHED_BACK, "slow")] * 8)

    async def main() -> None:
        async with running(server, concurrency=1, backoff=(10, 10)) as engine:
            slow = engine.start(*words("slow"))
            await asyncio.sleep(0.02)
            await engine.write(*words("fresh"))
            assert engine.source.accepted == [1]
            await slow

    virtually(main)


def test_the_limiter_keeps_requests_down_and_lets_them_grow() -> None:
    server = Elasticsearch(latency=1.0)

    async def main() -> None:
        async with running(server, concurrency=6) as engine:
            writes = [engine.start({"word": f"{n}"}) for n in range(60)]
            await asyncio.sleep(0.5)
            assert server.under_way == 1
            await asyncio.gather(*writes)
            assert engine.statistics.limit == 6
            assert engine.statistics.in_flight == 0
            assert engine.statistics.round_trip == pytest.approx(1.0)

    virtually(main)
    assert server.most_under_way == 6


def test_one_document_pushed_back_lowers_the_limit() -> None:
    server = Elasticsearch(latency=1.0)

    async def main() -> None:
        async with running(server) as engine:
            await asyncio.gather(*(engine.write({"word": f"{n}"}) for n in range(100)))
            assert engine.statistics.limit == 7
            server.then(server.refuses(*PUSHED_BACK, "b"))
            await engine.write(*words("a", "b", "c"))
            assert engine.statistics.limit == 4

    virtually(main)


# -- outages ------------------------------------------------------------------------------------


def test_no_server_at_the_start_halts_until_it_is_there() -> None:
    server = Elasticsearch()
    server.probe = nobody_there

    async def main() -> None:
        asyncio.get_running_loop().call_later(100, mend, server)
        async with running(server) as engine:
            assert now() >= 100
            assert "not there" in engine.board.reasons[0]
            await engine.write(*words("a"))
            assert engine.source.accepted == [0]

    virtually(main)


def mend(server: Elasticsearch) -> None:
    server.probe = lambda: (200, {})


@pytest.mark.parametrize(
    ("behaviour", "reason"),
    [
        (nobody_there, "not there"),
        (answering(401, "security_exception", "unable to authenticate"), "unable to authenticate"),
        (answering(403, "security_exception"), "403 security_exception"),
        (answering(404), "404"),
        (answering(405), "405"),
        (answering(406), "406"),
        (answering(501), "501"),
        (answering(400, "media_type_header_exception"), "media_type"),
        (
            answering(400, "illegal_argument_exception", "unrecognized parameter: [x]"),
            "unrecognized",
        ),
    ],
)
def test_an_outage_halts_rejects_nothing_and_ends_by_itself(behaviour: Any, reason: str) -> None:
    server = Elasticsearch()
    server.then(*[behaviour] * 4)

    async def main() -> None:
        async with running(server) as engine:
            await engine.write(*words("a", "b"))
            assert engine.source.accepted == [0, 1]
            assert len(engine.board.reasons) == engine.statistics.halts == 4
            assert reason in engine.board.reasons[0]
            assert not engine.board.is_halted

    virtually(main)


@pytest.mark.parametrize(
    ("status", "kind"), [(403, "security_exception"), (404, "index_not_found_exception")]
)
def test_a_document_that_nobody_may_write_halts_after_the_others_are_settled(
    status: int, kind: str
) -> None:
    server = Elasticsearch()
    server.then(server.refuses(status, kind, "b"), server.refuses(status, kind, "b"))

    async def main() -> None:
        async with running(server) as engine:
            await engine.write(*words("a", "b", "c"))
            assert engine.source.accepted == [0, 1, 2]
            assert engine.source.times[2] < 0.1 < engine.source.times[1]
            assert all(kind in reason for reason in engine.board.reasons)

    virtually(main)
    assert [bulk.ids for bulk in server.bulks] == [["a", "b", "c"], ["b"], ["b"]]


@pytest.mark.parametrize(
    "behaviour",
    [
        answering(502),
        answering(500),
        lambda bulk: [refused("index", 403, "cluster_block_exception") for _ in bulk.ids],
        lambda bulk: [refused("index", 429, "cluster_block_exception") for _ in bulk.ids],
        lambda bulk: [refused("index", 503, "unavailable_shards_exception") for _ in bulk.ids],
    ],
)
def test_nothing_but_failures_for_a_while_is_an_outage(behaviour: Any) -> None:
    server = Elasticsearch()
    server.then(*[behaviour] * 10_000)

    async def main() -> None:
        async with running(server, halt_after=30) as engine:
            write = engine.start(*words("a", "b"))
            await asyncio.sleep(29)
            assert engine.board.reasons == []
            await asyncio.sleep(60)
            assert engine.board.is_halted
            await asyncio.sleep(3600)
            assert engine.source.outcomes == {}
            server.behaviours.clear()
            await write
            assert engine.source.accepted == [0, 1]
            assert not engine.board.is_halted

    virtually(main)


@pytest.mark.parametrize("flawed", [True, False])
def test_failures_with_successes_in_between_are_no_outage(flawed: bool) -> None:
    server = Elasticsearch()

    async def main() -> None:
        async with running(server, halt_after=5) as engine:
            for _ in range(5):
                server.then(answering(502))
                if flawed:
                    server.then(server.refuses(400, "document_parsing_exception", "b"))
                await engine.write(*words("a", "b"))
                await asyncio.sleep(10)
            assert engine.board.reasons == []
            assert len(engine.source.rejected) == (5 if flawed else 0)

    virtually(main)


def test_pressure_alone_is_no_outage() -> None:
    server = Elasticsearch()
    server.then(*[answering(429)] * 20)

    async def main() -> None:
        async with running(server, halt_after=5) as engine:
            await engine.write(*words("a"))
            assert engine.board.reasons == []
            assert engine.source.accepted == [0]

    virtually(main)


def test_a_flood_stage_waits_longer_than_a_full_queue() -> None:
    async def when(status: int, kind: str) -> float:
        server = Elasticsearch(latency=0.0)
        server.then(server.refuses(status, kind))
        async with running(server, chance=Longest()) as engine:
            start = now()
            await engine.write(*words("a"))
            return now() - start

    async def main() -> None:
        assert await when(*PUSHED_BACK) == pytest.approx(0.25)
        assert await when(429, "cluster_block_exception") == pytest.approx(4)

    virtually(main)


# -- unknown outcomes ---------------------------------------------------------------------------


@pytest.mark.parametrize("lost", [resetting, silent(90)])
@pytest.mark.parametrize("stored", [True, False])
def test_a_bulk_without_an_answer_is_sent_again_with_the_same_ids(lost: Any, stored: bool) -> None:
    server = Elasticsearch()

    def behaviour(bulk: Bulk) -> Any:
        if stored:
            for operation in bulk.operations:
                server.stored(operation)
        return lost(bulk)

    server.then(behaviour)

    async def main() -> None:
        async with running(server, op="create") as engine:
            await engine.write(*words("a", "b"))
            assert engine.source.accepted == [0, 1]
            assert engine.statistics.duplicates == (2 if stored else 0)

    virtually(main)
    assert list(server.store) == ["a", "b"]


def test_a_conflict_with_our_own_lost_write_is_no_error_whatever_decisions_say() -> None:
    server = Elasticsearch()

    def behaviour(bulk: Bulk) -> Any:
        for operation in bulk.operations:
            server.stored(operation)
        return resetting(bulk)

    server.then(behaviour, nobody_there)
    server.store["old"] = {}

    async def main() -> None:
        decisions: Any = {"version_conflict_engine_exception": "reject"}
        async with running(server, op="create", decisions=decisions) as engine:
            await engine.write(*words("a"))
            await engine.write(*words("old"))
            assert (engine.source.accepted, engine.source.rejected) == ([0], [1])

    virtually(main)


def garbled(bulk: Bulk) -> Any:
    return 200, {"items": []}, None


@pytest.mark.parametrize(
    ("choice", "outcome", "sent"),
    [("retry", "accepted", 2), ("requeue", "requeued", 1), ("reject", "rejected", 1)],
)
@pytest.mark.parametrize("answered", [True, False])
def test_without_ids_the_settings_say_what_becomes_of_an_unknown_outcome(
    choice: Any, outcome: str, sent: int, answered: bool
) -> None:
    server = Elasticsearch()
    server.then(garbled if answered else resetting)

    async def main() -> None:
        async with running(server, id=None, on_unknown=choice) as engine:
            await engine.write(*words("a", "b"))
            assert getattr(engine.source, outcome) == [0, 1]

    virtually(main)
    assert len(server.bulks) == sent


@pytest.mark.parametrize(
    "body",
    [
        {"errors": False, "items": [{"index": {"status": 201}}]},
        {"errors": True, "items": []},
        {"took": 3},
        None,
        "<html>all is well</html>",
    ],
)
def test_an_answer_that_does_not_fit_is_asked_for_again_once_and_then_the_queue_keeps_it(
    body: Any,
) -> None:
    server = Elasticsearch()
    server.then(*[lambda _: (200, body, None)] * 2)

    async def main() -> None:
        async with running(server) as engine:
            await engine.write(*words("a", "b"))
            assert engine.source.requeued == [0, 1]
            await engine.write(*words("c"))
            assert engine.source.accepted == [2]

    virtually(main)
    assert [bulk.ids for bulk in server.bulks] == [["a", "b"], ["a", "b"], ["c"]]


def test_a_server_that_stops_in_the_middle_halts_after_one_timeout() -> None:
    server = Elasticsearch()
    server.then(*[silent(90)] * 100)

    async def main() -> None:
        async with running(server) as engine:
            write = engine.start(*words("a"))
            await asyncio.sleep(80)
            server.probe = lambda: silent(5)(None)  # type: ignore[arg-type]
            await asyncio.sleep(20)
            assert "does not answer" in engine.board.reasons[0]
            await asyncio.sleep(1000)
            server.behaviours.clear()
            mend(server)
            await write
            assert engine.source.accepted == [0]

    virtually(main)
    # While it was halted it was asked by small probes, not by the bulk itself.
    assert len(server.bulks) == 2


def test_three_resets_in_a_row_are_an_outage_even_if_probes_are_answered() -> None:
    server = Elasticsearch()
    server.then(*[resetting] * 3)

    async def main() -> None:
        async with running(server) as engine:
            await engine.write(*words("a"))
            assert len(engine.board.reasons) == 1
            assert "reset by peer" in engine.board.reasons[0]
            assert engine.source.accepted == [0]

    virtually(main)


# -- bisection ----------------------------------------------------------------------------------


def refusing_with_400(*poison: str, kind: str = "x_content_parse_exception") -> Any:
    def behave(bulk: Bulk) -> Any:
        if set(poison) & set(bulk.ids):
            return 400, {"error": {"type": kind, "reason": "Malformed"}}, None
        return None

    return behave


@pytest.mark.parametrize("poison", [["w0"], ["w255"], ["w3", "w100", "w101"]])
def test_a_400_is_bisected_down_to_those_that_cause_it(poison: list[str]) -> None:
    server = Elasticsearch()
    server.then(*[refusing_with_400(*poison)] * 1000)

    async def main() -> None:
        async with running(server) as engine:
            await engine.write(*words(*(f"w{n}" for n in range(256))))
            assert engine.source.rejected == [int(word[1:]) for word in poison]
            assert len(engine.source.accepted) == 256 - len(poison)
            error = engine.source.cause(engine.source.rejected[0])
            assert (error.status, error.error_type) == (400, "x_content_parse_exception")
            assert engine.statistics.bisects == (len(server.bulks) - 1) // 2

    virtually(main)
    assert len(server.bulks) <= 1 + 2 * 8 * len(poison)


def test_a_single_document_with_400_is_rejected() -> None:
    server = Elasticsearch()
    server.then(refusing_with_400("a"))

    async def main() -> None:
        async with running(server) as engine:
            await engine.write(*words("a"))
            assert engine.source.rejected == [0]

    virtually(main)


def test_a_400_for_each_and_every_document_halts_and_dead_letters_nothing() -> None:
    server = Elasticsearch()
    server.then(*[answering(400, "parsing_exception")] * 15)

    async def main() -> None:
        async with running(server) as engine:
            await engine.write(*words(*"abcdefgh"))
            assert (
                "every document of a bulk alike: 400 parsing_exception" in engine.board.reasons[0]
            )
            assert len(engine.source.accepted) == 8

    virtually(main)


def test_different_errors_for_each_document_are_theirs() -> None:
    server = Elasticsearch()

    def behave(bulk: Bulk) -> Any:
        return 400, {"error": {"type": f"error_{bulk.ids[0]}", "reason": ""}}, None

    server.then(*[behave] * 3)

    async def main() -> None:
        async with running(server) as engine:
            await engine.write(*words("a", "b"))
            assert engine.source.rejected == [0, 1]

    virtually(main)


def too_large_above(size: int) -> Any:
    return lambda bulk: (413, None, None) if bulk.size > size else None


def test_a_413_is_bisected_and_later_bulks_are_smaller() -> None:
    server = Elasticsearch()
    server.then(*[too_large_above(3000)] * 1000)

    async def main() -> None:
        async with running(server) as engine:
            await engine.write(*words(*(f"w{n:03}" for n in range(200))))
            assert len(engine.source.accepted) == 200
            first = len(server.bulks)
            assert engine.statistics.bulks[413] > 0
            await engine.write(*words(*(f"x{n:03}" for n in range(200))))
            assert all(bulk.size <= 3000 for bulk in server.bulks[first:])

    virtually(main)


def test_a_document_that_is_too_large_alone_is_rejected() -> None:
    server = Elasticsearch()
    server.then(*[too_large_above(500)] * 1000)

    async def main() -> None:
        async with running(server) as engine:
            await engine.write({"word": "a"}, {"word": "b", "text": "x" * 1000}, {"word": "c"})
            assert (engine.source.accepted, engine.source.rejected) == ([0, 2], [1])
            assert engine.source.cause(1).status == 413

    virtually(main)


def test_a_chunk_above_max_bytes_is_cut() -> None:
    server = Elasticsearch()

    async def main() -> None:
        async with running(server, max_bytes=500) as engine:
            await engine.write(*words(*(f"w{n}" for n in range(100))))
            assert len(engine.source.accepted) == 100

    virtually(main)
    assert max(bulk.size for bulk in server.bulks) <= 500
    assert [id for bulk in server.bulks for id in bulk.ids] == [f"w{n}" for n in range(100)]


def test_two_resets_of_a_large_body_mean_that_it_is_too_large() -> None:
    server = Elasticsearch()

    def behave(bulk: Bulk) -> Any:
        return resetting(bulk) if bulk.size > 2**20 else None

    server.then(*[behave] * 100)

    async def main() -> None:
        async with running(server) as engine:
            await engine.write(*({"word": str(n), "text": "x" * 2**18} for n in range(16)))
            assert len(engine.source.accepted) == 16
            assert engine.board.reasons == []
            assert now() < 10

    virtually(main)


# -- order --------------------------------------------------------------------------------------


def versions(*numbers: int, word: str = "w") -> list[dict[str, Any]]:
    return [{"word": word, "n": number} for number in numbers]


def test_a_newer_document_waits_for_the_older_one_that_is_sent_again() -> None:
    server = Elasticsearch()
    server.then(server.refuses(*PUSHED_BACK, "w"), server.refuses(*PUSHED_BACK, "w"))

    async def main() -> None:
        async with running(server) as engine:
            first = engine.start({"word": "a"}, *versions(1))
            await asyncio.sleep(0)
            second = engine.start(*versions(2), {"word": "b"})
            await asyncio.gather(first, second)
            assert engine.source.accepted == [0, 1, 2, 3]
            assert engine.source.times[3] < engine.source.times[1]

    virtually(main)
    assert server.store["w"]["n"] == 2


def test_without_order_nobody_waits() -> None:
    server = Elasticsearch()
    server.then(server.refuses(*PUSHED_BACK, "w"))

    async def main() -> None:
        async with running(server, ordering="none") as engine:
            await asyncio.gather(engine.write(*versions(1)), engine.write(*versions(2)))

    virtually(main)
    assert server.store["w"]["n"] == 1


def test_the_last_of_several_in_one_chunk_wins_even_if_an_earlier_one_is_pushed_back() -> None:
    server = Elasticsearch()

    def behave(bulk: Bulk) -> Any:
        _, *rest = bulk.operations
        return [refused("index", *PUSHED_BACK), *map(server.stored, rest)]

    server.then(behave)

    async def main() -> None:
        async with running(server) as engine:
            await engine.write(*versions(1, 2, 3))
            assert engine.source.accepted == [0, 1, 2]
            assert engine.statistics.stale == 1

    virtually(main)
    assert server.store["w"]["n"] == 3
    assert len(server.bulks) == 1


def test_an_outage_of_the_older_write_does_not_bring_it_back_over_the_newer_one() -> None:
    server = Elasticsearch()
    server.then(answering(403))

    async def main() -> None:
        async with running(server) as engine:
            first = engine.start(*versions(1), {"word": "a"})
            await asyncio.sleep(0)
            second = engine.start(*versions(2))
            await asyncio.gather(first, second)
            assert engine.source.accepted == [0, 1, 2]

    virtually(main)
    assert server.store["w"]["n"] == 2


def test_a_write_that_comes_back_behind_a_newer_one_does_not_undo_it() -> None:
    server = Elasticsearch()
    # The first one comes back while the third is under way.
    server.then(answering(401), answering(401), lambda _: asyncio.sleep(5))

    async def main() -> None:
        async with running(server) as engine:
            await asyncio.gather(*(engine.write(*versions(n)) for n in (1, 2, 3)))
            assert engine.source.accepted == [0, 1, 2]
            assert engine.statistics.stale == 2

    virtually(main)
    assert server.store["w"]["n"] == 3
    assert len(server.bulks) == 3


@pytest.mark.parametrize(
    ("op", "stored"), [("update", {"word": "w", "a": 1, "b": 2}), ("delete", None)]
)
def test_order_holds_for_every_operation(op: Any, stored: Any) -> None:
    server = Elasticsearch()
    server.store["w"] = {"word": "w"}
    server.then(server.refuses(*PUSHED_BACK, "w"))

    async def main() -> None:
        async with running(server, op=op) as engine:
            first = engine.start({"word": "w", "a": 1})
            await asyncio.sleep(0)
            await asyncio.gather(first, engine.start({"word": "w", "b": 2}))
            assert engine.source.accepted == [0, 1]

    virtually(main)
    assert server.store.get("w") == stored


# -- special results ----------------------------------------------------------------------------


def test_special_cases_are_accepted_and_counted() -> None:
    server = Elasticsearch()
    server.store["old"] = {}

    async def main() -> None:
        async with running(server, op=lambda document: document["op"]) as engine:
            await engine.write(
                {"word": "old", "op": "create"},
                {"word": "none", "op": "delete"},
                {"word": "new", "op": "create"},
                {"word": "none", "op": "update"},
            )
            assert (engine.source.accepted, engine.source.rejected) == ([0, 1, 2], [3])
            counted = engine.statistics
            assert (counted.duplicates, counted.missing, counted.created) == (1, 1, 1)
            server.then(lambda _: [{"create": {"status": 201, "failure_store": "used"}}])
            await engine.write({"word": "x", "op": "create"})
            assert counted.failure_store == 1
            assert counted.indexed == 4

    virtually(main)


def test_what_a_data_stream_put_aside_can_be_rejected() -> None:
    server = Elasticsearch()
    server.then(lambda _: [{"create": {"status": 201, "failure_store": "used"}}])

    async def main() -> None:
        async with running(server, op="create", decisions={"failure_store": "reject"}) as engine:
            await engine.write(*words("x"))
            assert engine.source.cause(0).error_type == "failure_store"

    virtually(main)


def test_a_conflict_of_an_update_is_tried_five_times_and_then_rejected() -> None:
    server = Elasticsearch()
    server.then(*[server.refuses(409, "version_conflict_engine_exception", "a")] * 10)

    async def main() -> None:
        async with running(server, op="update", upsert=True) as engine:
            await engine.write(*words("a", "b"))
            assert (engine.source.accepted, engine.source.rejected) == ([1], [0])
            assert engine.source.cause(0).attempts == 5

    virtually(main)
    assert len(server.bulks) == 5


# -- stale, cancelled, closed -------------------------------------------------------------------


def test_a_stale_message_is_neither_sent_nor_settled() -> None:
    server = Elasticsearch()
    server.then(server.refuses(*PUSHED_BACK))

    async def main() -> None:
        async with running(server) as engine:
            write = engine.start(*words("a", "b"))
            await asyncio.sleep(0.005)
            engine.source.closed = True
            await write
            await engine.write(*words("c"))
            assert engine.source.outcomes == {}
            engine.source.closed = False
            await engine.write(*words("a"))
            assert engine.source.accepted == [3]

    virtually(main)
    assert [bulk.ids for bulk in server.bulks] == [["a", "b"], ["a"]]


@pytest.mark.parametrize("after", [0.0, 0.005, 5.0])
def test_cancelling_settles_nothing_and_holds_up_nobody(after: float) -> None:
    server = Elasticsearch()
    server.then(server.refuses(*PUSHED_BACK))

    async def main() -> None:
        async with running(server, backoff=(60, 60), concurrency=1) as engine:
            write = engine.start(*words("a"))
            await asyncio.sleep(after)
            write.cancel()
            with pytest.raises(asyncio.CancelledError):
                await write
            assert engine.source.outcomes == {}
            async with asyncio.timeout(1):
                server.behaviours.clear()
                await engine.write(*words("a"))
            assert engine.source.accepted == [1]

    virtually(main)


def test_somebodys_client_stays_open() -> None:
    server = Elasticsearch()

    async def main() -> None:
        async with running(server):
            pass

    virtually(main)
    assert not server.closed


def test_a_sink_can_be_run_again_and_shows_what_its_last_run_counted() -> None:
    server = Elasticsearch()
    sink = bulk(server, index="words", id="word")  # type: ignore[arg-type]

    async def main() -> None:
        from tests.sinks.elasticsearch.engine import Engine

        for run in range(2):
            engine = Engine(sink)
            await engine.sink.open()
            await engine.write(*words("a", "b")[: 2 - run])
            await engine.sink.close()
            assert sink.statistics.indexed == 2 - run

    virtually(main)


# -- the start ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (
            (401, {"error": {"type": "security_exception", "reason": "who?"}}),
            "401 security_exception",
        ),
        ((406, None), "406"),
        ((503, {"error": {"type": "master_not_discovered_exception"}}), "503 master_not"),
        ((200, {"tagline": "OpenSearch"}, {"x-elastic-product": ""}), "not as Elasticsearch"),
        ((404, None, {"x-elastic-product": ""}), "404"),
    ],
)
def test_the_probe_says_what_is_wrong(answer: Any, reason: str) -> None:
    server = Elasticsearch()
    server.probe = lambda: answer
    sink = bulk(server, index="words", id="word")  # type: ignore[arg-type]

    async def main() -> None:
        for _ in range(2):
            with pytest.raises(Unavailable, match=reason):
                await sink.open()
        mend(server)
        await sink.open()
        await sink.close()

    virtually(main)


@pytest.mark.parametrize("status", [200, 403, 429])
def test_a_user_that_may_only_write_can_start(status: int) -> None:
    server = Elasticsearch()
    server.probe = lambda: (status, {})

    async def main() -> None:
        async with running(server) as engine:
            await engine.write(*words("a"))

    virtually(main)
    assert [path for _, path, _ in server.requests] == ["/", "/_bulk"]


def test_where_the_root_is_missing_health_is_asked() -> None:
    server = Elasticsearch()
    server.probe = lambda: (405 if server.requests[-1][1] == "/" else 200, {})

    async def main() -> None:
        async with running(server):
            pass

    virtually(main)
    assert [path for _, path, _ in server.requests] == ["/", "/_cluster/health"]


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ((200, {"acknowledged": True}), None),
        ((400, {"error": {"type": "resource_already_exists_exception", "reason": ""}}), None),
        ((400, {"error": {"type": "mapper_parsing_exception", "reason": "no"}}), ValueError),
        ((403, {"error": {"type": "security_exception", "reason": "no"}}), Unavailable),
    ],
)
def test_an_index_can_be_made_at_the_start(answer: Any, error: Any) -> None:
    server = Elasticsearch()
    server.probe = lambda: answer if server.requests[-1][0] == "PUT" else (200, {})
    sink = bulk(server, index="w/ords", id="word", ensure={"mappings": {}})  # type: ignore[arg-type]

    async def main() -> None:
        if error is None:
            await sink.open()
            await sink.open()
        else:
            with pytest.raises(error, match="w/ords"):
                await sink.open()
        await sink.close()

    virtually(main)
    made = [request for request in server.requests if request[0] == "PUT"]
    assert [path for _, path, _ in made] == ["/w%2Fords"]
    assert made[0][2]["body"] == b'{"mappings":{}}'

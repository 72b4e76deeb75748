"""How large bulks are: pure; in the sink, in virtual time; and over HTTP."""

import asyncio
from collections.abc import Callable
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from ackflow.sinks.elasticsearch.sizing import HELPED, PART, Sizing
from ackflow.streams.testing import BulkAnswer, FakeElasticsearch
from ackflow.streams.testing.answers import Request
from tests.sinks.elasticsearch.doubles import Bulk, Elasticsearch, now, silent, virtually
from tests.sinks.elasticsearch.engine import running

MB = 10**6
TIMEOUT = 100.0
BOUND = TIMEOUT * PART


class Server:
    """Keeps a sizing busy with full bulks, one at a time; *takes* says how long each takes."""

    def __init__(self, most: int, takes: Callable[[int], float]) -> None:
        self.sizing = Sizing(most, TIMEOUT)
        self.takes = takes
        self.time = 0.0
        self.limits: list[int] = []
        self.times: list[float] = []

    def serve(self, bulks: int) -> None:
        for _ in range(bulks):
            size = self.sizing.limit
            seconds = min(self.takes(size), TIMEOUT)
            self.time += seconds
            self.sizing.ended(self.time, seconds, size, done=seconds < TIMEOUT)
            self.limits.append(self.sizing.limit)
            self.times.append(seconds)


def test_bulks_that_take_long_get_smaller_until_they_do_not() -> None:
    server = Server(10 * MB, lambda size: 2.0 + size * 50.0 / MB)
    server.serve(20)
    assert server.times[:2] == [TIMEOUT, TIMEOUT]  # ten and five: too long for an answer at all
    assert server.takes(server.sizing.limit) <= BOUND < server.takes(2 * server.sizing.limit)


def test_they_settle_and_do_not_swing() -> None:
    server = Server(10 * MB, lambda size: size * 6.0 / MB)
    server.serve(20)
    assert len(set(server.limits[5:])) == 1


def test_they_grow_again_to_what_the_user_allows() -> None:
    server = Server(10 * MB, lambda size: size * 50.0 / MB)
    server.serve(20)
    assert server.sizing.limit < MB
    server.takes = lambda size: size * 0.1 / MB
    server.serve(10)
    assert server.sizing.limit == 10 * MB


def test_one_time_after_a_pause_of_the_server_costs_one_step_each() -> None:
    server = Server(10 * MB, lambda _: 1000.0)
    server.serve(3)
    assert server.limits == [5 * MB, 2_500_000, 1_250_000]


def test_bulks_that_were_under_way_together_count_once() -> None:
    sizing = Sizing(8 * MB, TIMEOUT)
    for _ in range(8):
        sizing.ended(50.0, 50.0, 8 * MB, done=True)
    assert sizing.limit == 4 * MB


def test_one_that_was_smaller_and_under_way_beside_it_is_no_proof() -> None:
    """It may have taken as long because of the others."""
    sizing = Sizing(8 * MB, TIMEOUT)
    sizing.ended(50.0, 50.0, 8 * MB, done=True)
    sizing.ended(50.0, 50.0, 3 * MB, done=True)
    assert sizing.limit == 4 * MB


def test_nor_is_a_document_that_can_be_no_smaller() -> None:
    sizing = Sizing(8 * MB, TIMEOUT)
    sizing.ended(50.0, 50.0, 8 * MB, done=True)
    sizing.ended(100.0, 50.0, 6 * MB, done=True)
    assert sizing.limit == 4 * MB


def test_nor_is_one_long_after_it_had_helped() -> None:
    server = Server(8 * MB, lambda size: size * 4.0 / MB)
    server.serve(10)
    assert server.sizing.limit == 4 * MB
    server.takes = lambda size: size * 6.5 / MB
    server.serve(1)
    assert server.sizing.limit == 2 * MB


def test_where_smaller_bulks_take_as_long_they_are_left_as_they_were() -> None:
    """As with refresh="wait_for" and a long refresh_interval, where halving mends nothing."""
    server = Server(10 * MB, lambda _: 30.0)
    server.serve(50)
    assert server.limits == [5 * MB, *[10 * MB] * 49]


def test_and_get_smaller_again_once_their_size_matters() -> None:
    server = Server(10 * MB, lambda _: 30.0)
    server.serve(10)
    server.takes = lambda size: size * 8.0 / MB
    server.serve(10)
    assert server.takes(server.sizing.limit) < 0.5 * TIMEOUT
    server.takes = lambda size: size * 0.1 / MB
    server.serve(1)
    server.takes = lambda size: size * 4.0 / MB
    server.serve(10)
    assert server.takes(server.sizing.limit) <= BOUND


def test_a_server_that_gets_slower_and_slower_is_no_reason_to_leave_them() -> None:
    """A timeout is longer than anything else, whatever it took before."""
    server = Server(10 * MB, lambda size: 20.0 * size / MB)
    server.serve(2)
    server.takes = lambda size: 400.0 * size / MB
    server.serve(20)
    assert server.times[-1] < TIMEOUT / 2


def test_small_bulks_tell_nothing_about_large_ones() -> None:
    sizing = Sizing(8 * MB, TIMEOUT)
    sizing.ended(50.0, 50.0, 8 * MB, done=True)
    for second in range(100, 200):
        sizing.ended(float(second), 0.001, 1000, done=True)
    assert sizing.limit == 4 * MB
    sizing.ended(300.0, 0.001, 3 * MB, done=True)
    assert sizing.limit == 6 * MB  # twice what is known to be quick


def test_refusals_are_no_sign_of_a_quick_server() -> None:
    sizing = Sizing(8 * MB, TIMEOUT)
    sizing.ended(50.0, 50.0, 8 * MB, done=True)
    sizing.ended(51.0, 0.001, 4 * MB, done=False)
    assert sizing.limit == 4 * MB


def test_what_the_server_refused_as_too_large_is_not_tried_again() -> None:
    server = Server(10 * MB, lambda size: size * 0.1 / MB)
    server.sizing.refused(8 * MB)
    server.serve(10)
    assert server.sizing.limit == 4 * MB


@given(
    st.integers(1, 100),
    st.lists(
        st.tuples(
            st.floats(0, 100), st.floats(0, 200), st.integers(1, 1000), st.booleans(), st.booleans()
        ),
        max_size=60,
    ),
)
def test_it_stays_between_one_and_the_most(
    most: int, events: list[tuple[float, float, int, bool, bool]]
) -> None:
    sizing, time, highest = Sizing(most, TIMEOUT), 0.0, most
    for pause, seconds, size, done, refuse in events:
        time += pause + seconds
        before = sizing.limit
        if refuse:
            sizing.refused(size)
            highest = min(highest, max(1, size // 2))
        else:
            sizing.ended(time, seconds, size, done=done)
            assert sizing.limit <= before or done
        assert 1 <= sizing.limit <= highest


@given(st.floats(0, 10), st.floats(1e-7, 1e-2), st.integers(1, 10 * MB))
def test_with_any_server_whose_time_is_in_the_bytes_it_ends_within_the_bound(
    fixed: float, rate: float, most: int
) -> None:
    server = Server(most, lambda size: fixed + rate * size)
    server.serve(80)
    size = server.sizing.limit
    as_long = server.takes(size // 2) > HELPED * server.takes(size)
    assert server.takes(size) <= BOUND or size == 1 or as_long


# -- in the sink --------------------------------------------------------------------------------


def documents(count: int, size: int = 1000, start: int = 0) -> list[dict[str, Any]]:
    return [{"word": f"w{start + number:05}", "text": "x" * size} for number in range(count)]


def per_byte(seconds: float) -> Callable[[Bulk], Any]:
    """Return a behaviour that takes so long for each byte, and answers nothing after 90 s."""

    async def take(bulk: Bulk) -> Any:
        if bulk.size * seconds >= 90:
            return await silent(90)(bulk)
        await asyncio.sleep(bulk.size * seconds)
        return None

    return take


def test_a_server_too_slow_for_whole_chunks_gets_what_it_can_do_in_time() -> None:
    server = Elasticsearch()
    server.then(*[per_byte(200 / 256_000)] * 10_000)

    async def main() -> None:
        async with running(server, concurrency=1) as engine:
            for start in range(0, 256 * 10, 256):
                await engine.write(*documents(256, start=start))
            assert len(engine.source.accepted) == 2560
            late = [bulk.size for bulk in server.bulks if bulk.at > now() / 2]
            assert 10 <= max(late) * 200 / 256_000 <= 22.5
            assert engine.statistics.bulks[0] <= 3  # no timeout anymore, once it was known
            assert max(late) <= engine.statistics.bytes_limit < 2 * max(late)

    virtually(main)
    assert len(server.store) == 2560


def test_never_less_than_one_document_is_sent() -> None:
    server = Elasticsearch()
    server.then(*[per_byte(60 / 1000)] * 1000)

    async def main() -> None:
        async with running(server, concurrency=1) as engine:
            await engine.write(*documents(20, size=950))
            await engine.write(*documents(20, size=950, start=20))
            assert len(engine.source.accepted) == 40

    virtually(main)
    assert all(len(bulk.ids) == 1 for bulk in server.bulks[-20:])


def test_a_quick_server_gets_whole_chunks_however_long_it_was_away() -> None:
    server = Elasticsearch()
    server.then(*[silent(90)] * 5)

    async def main() -> None:
        async with running(server, concurrency=1) as engine:
            await engine.write(*documents(256))
            for chunk in range(1, 5):
                await engine.write(*documents(256, start=256 * chunk))
            assert len(engine.source.accepted) == 5 * 256

    virtually(main)
    assert min(len(bulk.ids) for bulk in server.bulks) < 20
    assert len(server.bulks[-1].ids) == 256


def test_over_http_timeouts_make_bulks_smaller_and_the_figures_show_it() -> None:
    def slow(request: Request) -> BulkAnswer | None:
        return BulkAnswer(after=float("inf")) if len(request.body) > 10_000 else None

    async def main() -> None:
        async with (
            FakeElasticsearch([slow] * 100) as server,
            running(server.url, max_bytes=50_000) as engine,
            asyncio.timeout(3600),
        ):
            assert limit_of(engine.sink) == 50_000
            await engine.write(*documents(40))
            assert len(engine.source.accepted) == 40
            assert 5_000 < limit_of(engine.sink) <= 20_000

    virtually(main)


def limit_of(sink: Any) -> float:
    """Return what the figures say."""
    figures = {figure.name: figure.samples for figure in sink.figures()}
    ((_, value),) = figures["ackflow_elasticsearch_bulk_bytes_limit"]
    return float(value)

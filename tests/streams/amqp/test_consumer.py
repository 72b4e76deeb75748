"""What a consumer does about outages of other parts, and how its watchdog sees the time."""

import asyncio

import pytest

from ackflow.streams.amqp import consumer
from ackflow.streams.amqp.consumer import OUTAGE, Consumer
from ackflow.streams.amqp.settings import Settings
from ackflow.streams.amqp.watchdog import LOOKS, Watchdog
from ackflow.streams.core import Session


async def test_sources_that_gave_back_wait_for_the_outage_and_not_for_each_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(consumer, "LOOK_AGAIN", 0.001)
    session = Session()
    session.halted("the sink", "away; for long; really")
    waits = []
    for queue in ("one", "two"):
        each = Consumer(Settings((queue,)), session, 10)
        waits.append(asyncio.create_task(each._outage_over()))
    done, _ = await asyncio.wait(waits, timeout=0.05)
    assert not done
    assert session.state.count(OUTAGE) == 2
    session.resumed("the sink")
    done, _ = await asyncio.wait(waits, timeout=5)
    assert len(done) == 2


async def test_the_watchdog_warns_once_and_gives_back_only_in_an_outage(
    caplog: pytest.LogCaptureFixture,
) -> None:
    ages = [0.0, 0.6, 0.7, 0.1, 0.6]
    halted, given = asyncio.Event(), asyncio.Event()
    seen = 0

    def oldest() -> float:
        nonlocal seen
        seen += 1
        if seen > len(ages):
            halted.set()
        return ages[min(seen, len(ages)) - 1]

    def give_back(reason: str) -> None:
        assert "outage" in reason
        given.set()

    timeout = 1.0
    watchdog = Watchdog(
        "a queue", timeout, oldest=oldest, halted=halted.is_set, give_back=give_back
    )
    await asyncio.wait_for(given.wait(), timeout * 10)
    watchdog.stop()
    assert seen == len(ages) + 1
    assert caplog.text.count("consumer_timeout") == 2
    assert seen <= LOOKS

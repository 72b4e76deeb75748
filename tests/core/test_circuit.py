"""The circuit: calls wait for the end of an outage, one of them probes."""

import asyncio
from itertools import pairwise
from typing import Any

import pytest

from ackflow.streams import Unavailable
from ackflow.streams.core import Circuit


class Board:
    """Writes down what is shown on it."""

    def __init__(self) -> None:
        self.shown: list[tuple[str, str]] = []

    def halted(self, part: str, reason: str) -> None:
        self.shown.append((part, reason))

    def resumed(self, part: str) -> None:
        self.shown.append((part, "goes on"))


class Service:
    """Answers with each of `answers` in turn, and raises those that are errors."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.times: list[float] = []

    async def call(self) -> Any:
        self.times.append(asyncio.get_running_loop().time())
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


def one_second(state: Any) -> float:
    return 1.0 * state.attempt_number


async def test_a_call_that_succeeds_is_left_alone() -> None:
    board, service = Board(), Service("answer")
    assert await Circuit("store", board).run(service.call) == "answer"
    assert (board.shown, service.times) == ([], [0.0])


async def test_an_outage_is_probed_with_a_wait_that_counts_the_failures() -> None:
    board, service = Board(), Service(Unavailable("away"), ConnectionError("still"), "answer")
    assert await Circuit("store", board, one_second).run(service.call) == "answer"
    assert service.times == [0.0, 1.0, 3.0]
    assert board.shown == [
        ("store", "Unavailable: away"),
        ("store", "ConnectionError: still"),
        ("store", "goes on"),
    ]


async def test_the_first_wait_is_a_quarter_of_a_second_at_most_and_the_longest_five() -> None:
    service = Service(*[Unavailable("away")] * 40, "answer")
    await Circuit("store", Board()).run(service.call)
    waits = [late - early for early, late in pairwise(service.times)]
    assert 0.125 <= waits[0] <= 0.25
    assert all(2.5 <= wait <= 5.0 for wait in waits[10:])
    assert max(waits) > 4.0


async def test_an_error_that_is_no_outage_is_raised_and_ends_the_outage() -> None:
    board = Board()
    circuit = Circuit("store", board, one_second)
    with pytest.raises(ValueError, match="bad"):
        await circuit.run(Service(Unavailable("away"), ValueError("bad")).call)
    assert board.shown[-1] == ("store", "goes on")
    later = Service("answer")
    assert await circuit.run(later.call) == "answer"
    assert later.times == [1.0], "the circuit still waited"
    with pytest.raises(KeyError):
        await circuit.run(Service(KeyError("no outage at all")).call)
    assert len(board.shown) == 2


async def test_calls_that_come_during_an_outage_wait_for_the_one_that_probes() -> None:
    circuit = Circuit("store", Board(), one_second)
    probing, waiting = Service(Unavailable("away"), Unavailable("away"), "first"), Service("second")
    probe = asyncio.create_task(circuit.run(probing.call))
    await asyncio.sleep(0.5)
    assert await circuit.run(waiting.call) == "second"
    assert await probe == "first"
    assert waiting.times == [3.0]


async def test_a_circuit_says_whether_there_is_an_outage() -> None:
    circuit = Circuit("store", Board(), one_second)
    assert circuit.halted is False
    call = asyncio.create_task(circuit.run(Service(Unavailable("away"), "answer").call))
    await asyncio.sleep(0.5)
    assert circuit.halted is True
    await call
    assert circuit.halted is False


async def test_every_try_gets_the_same_arguments() -> None:
    given: list[tuple[str, int]] = []

    async def store(word: str, number: int) -> str:
        given.append((word, number))
        if len(given) < 3:
            raise Unavailable("away")
        return word

    assert await Circuit("store", Board(), one_second).run(store, "olá", 7) == "olá"
    assert given == [("olá", 7)] * 3

"""Calling a user's function: what would pass for more than an answer is an error that says so."""

import asyncio
from collections.abc import Callable, Generator
from typing import Any

import pytest

from ackflow import operators as op
from ackflow import sinks, streams
from ackflow.streams.core.calling import (
    call_function,
    close_coroutines,
    function_name,
    is_awaitable,
    refuse_awaitable,
)


class Promise:
    """An awaitable that is no coroutine."""

    def __await__(self) -> Generator[Any, Any, int]:
        yield
        return 1


async def answer() -> int:
    return 1


def raising(error: BaseException) -> Callable[[], Any]:
    def function() -> Any:
        raise error

    return function


def test_an_answer_is_returned_and_an_error_raised_as_it_is() -> None:
    assert call_function("op.map(f)", max, 3, 5) == 5
    error = KeyError("x")
    with pytest.raises(KeyError) as raised:
        call_function("op.map(f)", raising(error))
    assert raised.value is error


@pytest.mark.parametrize("error", [StopIteration(1), asyncio.CancelledError()])
def test_what_would_end_who_calls_is_an_error_with_a_name(error: BaseException) -> None:
    said = f"op.map\\(f\\): function raised {type(error).__name__}"
    with pytest.raises(RuntimeError, match=said) as raised:
        call_function("op.map(f)", raising(error))
    assert raised.value.__cause__ is error


def test_a_coroutine_for_an_answer_is_refused_and_closed() -> None:
    made = answer()
    with pytest.raises(TypeError, match=r"op\.map\(f\): <lambda> returned a coroutine; use op\."):
        call_function("op.map(f)", lambda: made)
    with pytest.raises(RuntimeError, match="cannot reuse already awaited coroutine"):
        made.send(None)


def test_another_awaitable_is_refused_by_its_type() -> None:
    with pytest.raises(TypeError, match="returned an awaitable Promise"):
        call_function("op.map(f)", Promise)
    with pytest.raises(TypeError, match="max returned an awaitable Promise"):
        refuse_awaitable("op.map(f)", max, Promise())


def test_streams_and_pipelines_are_values_like_others() -> None:
    stream = streams.of(1)
    pipeline = stream | op.map(str) | sinks.to_list()
    assert call_function("op.map(f)", lambda: stream) is stream
    assert call_function("op.map(f)", lambda: pipeline) is pipeline
    assert not is_awaitable(type(stream))
    assert not is_awaitable(int)
    assert is_awaitable(Promise)


def test_only_coroutines_among_answers_are_closed() -> None:
    made, other = answer(), answer()
    close_coroutines([1, made, Promise(), other])
    for coroutine in (made, other):
        with pytest.raises(RuntimeError, match="already awaited"):
            coroutine.send(None)


def test_a_function_is_called_by_its_name_or_shown() -> None:
    class Odd:
        __name__ = 3

        def __repr__(self) -> str:
            return "one of a kind"

    assert function_name(max) == "max"
    assert function_name(Odd()) == "one of a kind"

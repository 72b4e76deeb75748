"""What the parts of a pipeline are called in a run."""

import asyncio

from ackflow import operators as op
from ackflow import sinks, streams
from ackflow.streams.core import Roster
from ackflow.streams.testing import VirtualClock


def twice(value: int) -> int:
    return 2 * value


def test_what_flows_into_a_stage_comes_before_it_and_the_first_input_first() -> None:
    words, mails = streams.of("w"), streams.of("m", "n")
    merged = words | op.map(str.upper) | op.merge(mails | op.map(str.lower))
    assert Roster(merged, sinks.to_list()).names == [
        "of(values=1)",
        "map(f=upper)",
        "of(values=2)",
        "map(f=lower)",
        "merge(streams=[of(values=2) | map(f=lower)])",
        "to_list()",
    ]


def test_a_stream_that_is_used_twice_is_there_once() -> None:
    words = streams.of("w") | op.map(str.upper)
    both = words | op.merge(words)
    assert Roster(both).streams == [words.inputs[0], words, both]


def test_parts_that_show_the_same_are_numbered_from_the_second_on() -> None:
    stream = streams.of(1) | op.map(twice) | op.map(str) | op.map(twice)
    roster = Roster(stream)
    assert roster.names == ["of(values=1)", "map(f=twice)", "map(f=str)", "map(f=twice) (2)"]
    assert roster.name(stream) == "map(f=twice) (2)"


def test_a_stream_inside_of_a_stage_is_called_what_it_shows_as() -> None:
    roster = Roster(streams.of(1) | op.map(twice))
    assert roster.name(streams.of(1) | op.map(twice)) == "map(f=twice)"


async def test_the_functions_of_a_notebook_have_one_name_and_their_failures_still_a_place() -> None:
    values = streams.from_iterable(["1", "x", "2"], on_error="skip")
    pipeline = values | op.map(lambda v: v) | op.map(lambda v: int(v)) | sinks.to_list()
    handle = pipeline.start(measure=True)
    assert await handle == [1, 2]
    assert [stage.failed for stage in handle.stages] == [0, 0, 1, 0]
    failure = pipeline.summary.failures["ValueError"]
    assert failure.stages == {"map(f=<lambda>) (2)": 1}
    assert "in map(f=<lambda>) (2), first: ValueError" in str(pipeline.summary)


async def test_of_two_functions_of_one_name_it_shows_which_one_is_halted(
    virtual_clock: VirtualClock,
) -> None:
    def away(value: int) -> list[int]:
        raise ConnectionError("the service is away")

    calls = streams.of(1) | op.flat_map(lambda v: [v]) | op.flat_map(lambda v: away(v))
    handle = (calls | sinks.to_list()).start()
    await asyncio.sleep(1)
    assert [halt.part for halt in handle.halts] == ["flat_map(f=<lambda>) (2)"]
    await handle.abort()

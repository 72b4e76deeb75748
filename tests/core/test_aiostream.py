"""ackflow's streams are aiostream streams too, for values."""

import subprocess
import sys
from typing import Any

import aiostream
import pytest
from aiostream import pipe

from ackflow import operators as op
from ackflow import sinks, streams


async def test_a_stream_is_an_aiostream_stream() -> None:
    stream = streams.of(1, 2, 3)
    assert isinstance(stream, aiostream.Stream)
    assert await aiostream.stream.list(stream) == [1, 2, 3]
    async with stream.stream() as streamer:
        assert [value async for value in streamer] == [1, 2, 3]


@pytest.mark.parametrize(
    "lines",
    [
        "from ackflow import streams; import aiostream",
        "import aiostream; from ackflow import streams",
        "from ackflow import streams; from aiostream import pipe; import aiostream",
        "from ackflow import streams; import aiostream.stream",
    ],
)
def test_it_is_one_whatever_is_imported_first(lines: str) -> None:
    program = (
        "import importlib, sys\n"
        f"{lines}\n"
        "made = streams.of(1)\n"
        "assert isinstance(made, aiostream.Stream)\n"
        "assert type(aiostream.__spec__.loader).__name__ == 'SourceFileLoader'\n"
        "assert importlib.reload(aiostream) is aiostream\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_importing_streams_does_not_load_aiostream_or_a_driver() -> None:
    program = (
        "import sys\n"
        "from ackflow import operators, sinks, streams\n"
        "found = {'aiostream.core', 'aiormq', 'aiohttp', 'elasticsearch', 'orjson'} & set(sys.modules)\n"
        "assert not found, found\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


async def test_aiostream_pipes_work_on_values() -> None:
    stream = streams.of(*range(10)) | op.map(str) | pipe.take(3)
    assert await (stream | pipe.list()) == ["0", "1", "2"]


async def test_slices_and_sums_stay_ackflow_streams() -> None:
    queue = streams.memory.queue(range(10))
    queue.close()
    sliced = queue[2:8:3]
    assert isinstance(sliced, streams.Stream)
    assert await (sliced | sinks.to_list()) == [2, 5]
    assert queue.acked == list(range(8))
    assert queue.ready == [8, 9]
    joined = streams.of(1) + streams.of(2)
    assert isinstance(joined, streams.Stream)
    assert await (joined | sinks.to_list()) == [1, 2]


@pytest.mark.parametrize("index", [3, slice(-2, None), slice(None, -1), slice(None, None, 0)])
async def test_slices_from_the_end_are_refused(index: object) -> None:
    with pytest.raises(TypeError, match="a slice from the front"):
        streams.of(1)[index]  # type: ignore[index]


async def test_a_queue_through_an_aiostream_pipe_into_a_sink_names_lift() -> None:
    queue: Any = streams.memory.queue([1])
    with pytest.raises(TypeError, match=r"op\.lift\(operator"):
        queue | pipe.take(3) | sinks.to_list()
    with pytest.raises(TypeError, match=r"op\.lift\(operator"):
        queue | pipe.take(3) | op.map(str)

"""merge and concat: several streams into one."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any, TypeVar

from ackflow.streams.core import END, Concat, Context, Pull, Run, Same, Stage, Stream, shown

A = TypeVar("A")


class Merge(Stage):
    """Interleaves streams, fairly."""

    name = "merge"
    passes_failures = True

    def __init__(self, others: tuple[Stream[Any], ...]) -> None:
        self.others = others

    @property
    def settings(self) -> dict[str, Any]:
        return {"streams": list(self.others)}

    async def runs(
        self, context: Context, *inputs: AsyncIterator[Run[Any]]
    ) -> AsyncGenerator[Run[Any]]:
        wake = asyncio.Event()
        pulls = [Pull(upstream, wake) for upstream in inputs]
        try:
            while pulls:
                wake.clear()
                for pull in pulls:
                    pull.start()
                ready = [pull for pull in pulls if pull.ready]
                if not ready:
                    await wake.wait()
                for pull in ready:
                    run = pull.take()
                    if run is END:
                        pulls.remove(pull)
                    else:
                        yield run
        finally:
            for pull in pulls:
                await pull.close()


def merge(*streams: Stream[A]) -> Same:
    """Hand on the values of this stream and of others as they come.

    Example:
        streams.amqp.queue("words", url=url) | op.merge(streams.amqp.queue("names", url=url))

    Fair: each stream that has something ready has its turn before any has another. The end comes when
    all have ended.
    Acks: passes; every value is settled at the source it came from.
    Raises TypeError, where it is written, for what is no stream.
    """
    check_streams("op.merge(*streams)", streams)
    return Same(Merge(streams))


def concat(*streams: Stream[A]) -> Same:
    """Hand on the values of this stream, then those of the others, one stream after another.

    Example:
        await (streams.of(1) | op.concat(streams.of(2, 3)) | sinks.to_list())     # [1, 2, 3]

    Every stream's source is opened at the start.
    Acks: passes; every value is settled at the source it came from.
    Raises TypeError, where it is written, for what is no stream.
    """
    check_streams("op.concat(*streams)", streams)
    return Same(Concat(streams))


def check_streams(call: str, streams: tuple[Stream[Any], ...]) -> None:
    """Raise unless there is at least one stream, and each is one."""
    if not streams:
        raise ValueError(
            f"{call}: must be given at least one stream, got none; a stream by itself needs no more"
        )
    for stream in streams:
        if not isinstance(stream, Stream):
            raise TypeError(
                f"{call}: each must be an ackflow stream, got {shown(stream)}; "
                "streams.from_iterable(…) makes one of any iterable"
            )

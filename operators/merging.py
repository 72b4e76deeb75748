"""merge and concat: several streams into one."""

from typing import Any, TypeVar

from ackflow.streams.core import Concat, Merge, Same, Stream, shown

A = TypeVar("A")


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

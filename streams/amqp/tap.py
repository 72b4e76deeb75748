"""Tap: puts the deliveries of one channel together, frame by frame."""

import struct
from collections.abc import Callable

from ackflow.streams.amqp.peeled import Peeled
from ackflow.streams.amqp.tapping import BadFrame, Tapping

DELIVER = struct.pack(">HH", 60, 60)


class Tap(Tapping):
    """Takes the frames of deliveries, and hands on all that are complete as one run."""

    def __init__(self, deliver: Callable[[list[Peeled]], None], kept_bytes: int) -> None:
        super().__init__(kept_bytes)
        self._deliver = deliver
        self._run: list[Peeled] = []

    def hand_on(self) -> None:
        if self._run:
            run, self._run = self._run, []
            self._deliver(run)

    def _take_method(self, data: bytes, start: int, end: int) -> bool:
        if not data.startswith(DELIVER, start):
            return False
        method = data[start + len(DELIVER) : end]
        if not _is_whole(method):
            raise BadFrame("a basic.deliver came that is shorter or longer than it says")
        self._begin(method)
        return True

    def _take_content(self, method: bytes, header: bytes, body: bytes) -> None:
        self._run.append(Peeled(body, method, header))


def _is_whole(method: bytes) -> bool:
    """Say whether the texts of a basic.deliver end where it ends (AMQP 0-9-1, section 1.8.3.9)."""
    try:
        exchange = method[0] + 10
        routing_key = exchange + 1 + method[exchange]
        return routing_key + 1 + method[routing_key] == len(method)
    except IndexError:
        return False

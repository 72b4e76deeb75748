"""Publishes the time of day, so many times a second, with pauses of equal length."""

import struct
import time

from benchmarks.contenders.task import given
from benchmarks.contenders.wire import Wire, publication

STAMP = struct.Struct(">d")


def main() -> None:
    """Publish every message at its time, however late the one before was."""
    task = given()
    with Wire(task.amqp) as wire:
        began = time.monotonic()
        for number in range(task.messages):
            due = began + number / task.rate
            while (left := due - time.monotonic()) > 0:
                time.sleep(left)
            wire.socket.sendall(publication(task.queue, STAMP.pack(time.monotonic())))


if __name__ == "__main__":
    main()

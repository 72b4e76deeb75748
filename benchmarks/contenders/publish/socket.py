"""The limit: frames made before the clock starts, over a bare socket, 500 confirms outstanding."""

from pamqp import commands

from benchmarks.contenders.task import Stopwatch, Task, given
from benchmarks.contenders.wire import ACKED, METHOD, TAG, Wire, publication

IN_FLIGHT = 500
RUN = 100
"""Messages written at a time."""


def work(task: Task, frames: list[bytes]) -> None:
    """Publish every message and wait for every confirm."""
    with Wire(task.amqp) as wire:
        wire.call(commands.Confirm.Select(), "Confirm.SelectOk")
        sent = confirmed = 0
        while confirmed < task.messages:
            while sent < task.messages and sent - confirmed <= IN_FLIGHT - RUN:
                wire.socket.sendall(b"".join(frames[sent : sent + RUN]))
                sent += RUN
            for kind, payload in wire.frames():
                if kind == METHOD and payload.startswith(ACKED):
                    # Singly or in ranges, in order: a queue of one node confirms no other way.
                    confirmed = TAG.unpack_from(payload, 4)[0]


if __name__ == "__main__":
    task = given()
    frames = [
        publication(task.queue, b"%0*d" % (task.size, number)) for number in range(task.messages)
    ]
    with Stopwatch() as watch:
        work(task, frames)
    watch.report()

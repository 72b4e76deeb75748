"""The limit: a bare socket and one loop over the frames, one ack for every 256 messages."""

from pamqp import commands

from benchmarks.contenders.task import Stopwatch, Task, given
from benchmarks.contenders.wire import BODY, Wire


def work(task: Task) -> None:
    """Take the body of every message, and ack 256 at a time."""
    with Wire(task.amqp) as wire:
        wire.call(commands.Basic.Qos(0, task.prefetch, False), "Basic.QosOk")
        wire.call(commands.Basic.Consume(0, task.queue, "c"), "Basic.ConsumeOk")
        taken = acked = 0
        bodies: list[bytes] = []
        while acked < task.messages:
            # Tags count from one, and a body of this size is one frame: the last one's tag is `taken`.
            bodies += [payload for kind, payload in wire.frames() if kind == BODY]
            taken += len(bodies)
            bodies.clear()
            if taken - acked >= task.chunk or taken == task.messages:
                wire.ack(taken)
                acked = taken


if __name__ == "__main__":
    with Stopwatch() as watch:
        work(given())
    watch.report()

"""The limit: a bare socket, and nothing but the bodies in a list."""

from pamqp import commands

from benchmarks.contenders.memory import WARM, resident
from benchmarks.contenders.task import Stopwatch, given
from benchmarks.contenders.wire import BODY, Wire


def buffered(url: str, queue: str, count: int) -> int:
    """Take so many messages; return what is resident while all of them are held."""
    bodies: list[bytes] = []
    with Wire(url) as wire:
        wire.call(commands.Basic.Qos(0, count, False), "Basic.QosOk")
        wire.call(commands.Basic.Consume(0, queue, "c"), "Basic.ConsumeOk")
        while len(bodies) < count:
            bodies += [payload for kind, payload in wire.frames() if kind == BODY]
        found = resident()
        wire.ack(count)
    return found


def main() -> None:
    """Look at memory with few messages, and with all of them."""
    task = given()
    with Stopwatch() as watch:
        before = buffered(task.amqp, f"{task.queue}.warm", WARM)
        after = buffered(task.amqp, task.queue, task.messages)
    watch.report(bytes=(after - before) / task.messages)


if __name__ == "__main__":
    main()

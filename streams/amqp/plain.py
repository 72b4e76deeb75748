"""Plain: an outlet through aiormq's own basic_publish, a task for each message."""

import asyncio
import copy
from typing import Any

from ackflow.streams.amqp.outgoing import Outgoing
from ackflow.streams.amqp.outlet import Outlet, refused, returned
from ackflow.streams.core import Message


class PlainOutlet(Outlet):
    """Publishes through aiormq, whose tasks say what became of each message."""

    def add(self, message: Message[Any], outgoing: Outgoing) -> None:
        body, exchange, routing_key, properties, mandatory = outgoing
        call = self._channel.basic_publish(
            body,
            exchange=exchange,
            routing_key=routing_key,
            properties=copy.copy(properties),  # aiormq writes a message_id into them
            mandatory=mandatory,
            wait=False,
        )
        task = asyncio.create_task(call)
        self._put(message, outgoing, task)
        task.add_done_callback(lambda _: self._done(message, outgoing, task))

    def flush(self) -> None:
        """Nothing is left to send."""

    def _done(self, message: Message[Any], outgoing: Outgoing, task: "asyncio.Task[Any]") -> None:
        self._off([(message, outgoing)])
        self.stalled = None
        error = asyncio.CancelledError() if task.cancelled() else task.exception()
        if error is None:
            self.proven = True
            message.accept()
        elif isinstance(verdict := _verdict(error, outgoing), Exception):
            self.proven = True
            message.fail(verdict)
        else:
            self.victims.add(message)

    def _abandon(self) -> None:
        """Let go of the publishes: aiormq's own wait for ever in a queue that nobody empties."""
        for task in self.pending.values():
            task.cancel()


def _verdict(error: BaseException, outgoing: Outgoing) -> Exception | None:
    """Return what the broker holds against this message; None where the channel was lost."""
    from aiormq.exceptions import AMQPError, ChannelInvalidStateError, DeliveryError, PublishError

    match error:
        case PublishError():
            return returned(outgoing, error.args[0] if error.args else "returned")
        case DeliveryError():
            return refused(outgoing)
        case AMQPError() | ChannelInvalidStateError():
            return None
    # aiormq rejects what waits with a bare Exception where a connection ended without an error.
    return error if isinstance(error, Exception) and type(error) is not Exception else None

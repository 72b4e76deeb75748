"""Wire: takes deliveries and confirms out of what a broker sends, and passes the rest on.

aiormq makes objects of each frame and a task of each delivery; here a delivery stays the bytes that it
is, and all that one read completes are one run. Pure: no I/O and no task.
Frames: AMQP 0-9-1, sections 2.3.5 and 4.2.3.
"""

from collections.abc import Callable

from ackflow.streams.amqp.tapping import AROUND, HEAD, BadFrame, Tapping

HEARTBEAT = b"\x08\0\0\0\0\0\0\xce"
HEARTBEAT_EVERY = 1.0
"""Seconds between the heartbeats that stand for what is taken."""
LARGEST_FRAME = 512 * 2**20 + 8
"""Bytes of a frame at most where no limit was agreed upon: RabbitMQ has no larger message."""


class Wire:
    """Walks over the frames of one connection; holds back no more than a part of one frame.

    Example:
        rest = wire.feed(data)      # what no tap has taken, for whoever reads the connection

    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self.error = ""
        """What came that no broker may send; nothing is taken in after it."""
        self._clock = clock
        self._taps: dict[int, Tapping] = {}
        self._largest = LARGEST_FRAME
        self._held: list[bytes] = []
        self._wanted = 0
        self._passing = 0
        self._next_heartbeat = 0.0

    def tap(self, channel: int, tap: Tapping, frame_max: int) -> None:
        """Show a tap all frames of a channel from now on, until it is closed."""
        self._taps[channel] = tap
        self._largest = frame_max or LARGEST_FRAME

    def feed(self, data: bytes) -> bytes:
        """Take in what was read, hand on what it completes for the taps, and return the rest."""
        self._held.append(data)
        self._wanted -= len(data)
        if self._wanted > 0:
            return b""
        data = b"".join(self._held)
        self._held.clear()
        try:
            rest = self._walk(data) if not self.error else b""
        except BadFrame as error:
            self.error = str(error)
            rest = b""
        for tap in self._taps.values():
            tap.hand_on()
        return rest

    def _walk(self, data: bytes) -> bytes:
        """Hand the frames of tapped channels to their taps; return what these do not take."""
        rest: list[bytes] = []
        position, passed, end = self._passing, 0, len(data)
        wanted = HEAD.size
        while position + HEAD.size <= end:
            kind, channel, size = HEAD.unpack_from(data, position)
            whole = size + AROUND
            after = position + whole
            tap = self._taps.get(channel)
            if tap is not None:
                if whole > self._largest:
                    raise self._too_large(whole)
                if after > end:
                    wanted = whole
                    break
                behind = tap.take_whole(data, position, channel, self._largest)
                if behind > position:
                    rest.append(data[passed:position])
                    passed = position = behind
                    continue
                if tap.take(kind, data, position + HEAD.size, after - 1):
                    rest.append(data[passed:position])
                    passed = after
                elif tap.closed:
                    self._remove(channel)
            position = after
        rest.append(self._pass_on(data, passed, position, wanted))
        return b"".join(rest)

    def _pass_on(self, data: bytes, passed: int, position: int, wanted: int) -> bytes:
        """Hold back what is not whole; return what was neither taken nor passed on before.

        Frames of other channels are never held back: their bytes pass as they come.
        """
        held = min(position, len(data))
        self._passing = position - held
        self._held = [data[held:]] if held < len(data) else []
        self._wanted = 0 if self._passing else wanted - (len(data) - held)
        heartbeat = self._heartbeat() if passed and not self._passing else b""
        return data[passed:held] + heartbeat

    def _too_large(self, size: int) -> BadFrame:
        return BadFrame(
            f"a frame of {size:,} bytes came, {self._largest:,} are the most agreed upon"
        )

    def _remove(self, channel: int) -> None:
        """Let go of a channel that is closed: its number will be used again."""
        self._taps.pop(channel).hand_on()

    def _heartbeat(self) -> bytes:
        """Return a heartbeat now and then: aiormq takes a broker for dead of which it hears nothing.

        RabbitMQ sends none while it sends anything else. Only a frame that came whole may stand for one:
        a length that is made up would keep a dead connection alive.
        """
        now = self._clock()
        if now < self._next_heartbeat:
            return b""
        self._next_heartbeat = now + HEARTBEAT_EVERY
        return HEARTBEAT

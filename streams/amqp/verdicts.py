"""Verdicts: reads what a broker says of the messages that were published on one channel.

Of one that no queue takes RabbitMQ says two things: basic.return, with the whole message, and then the
same basic.ack as of all others: https://www.rabbitmq.com/docs/confirms#when-publishes-are-confirmed
Frames: AMQP 0-9-1, section 1.8.3. Pure: no I/O and no task.
"""

import struct
from collections.abc import Callable
from typing import NamedTuple

from ackflow.streams.amqp.tapping import CLOSE, BadFrame, Tapping
from ackflow.streams.amqp.unconfirmed import Sent, Unconfirmed

ACK, NACK = struct.pack(">HH", 60, 80), struct.pack(">HH", 60, 120)
RETURN = struct.pack(">HH", 60, 50)

_CONFIRM = struct.Struct(">QB")
_CODE = struct.calcsize(">HHH")
_FLAGS = struct.Struct(">H")
_BEFORE_FLAGS = struct.calcsize(">HHQ")
_LONG = struct.Struct(">I")
_SHORT_TEXT, _LONG_TEXT, _OCTET = "short", "long", "octet"
_BEFORE_ID = (
    (1 << 15, _SHORT_TEXT),  # content_type
    (1 << 14, _SHORT_TEXT),  # content_encoding
    (1 << 13, _LONG_TEXT),  # headers
    (1 << 12, _OCTET),  # delivery_mode
    (1 << 11, _OCTET),  # priority
    (1 << 10, _SHORT_TEXT),  # correlation_id
    (1 << 9, _SHORT_TEXT),  # reply_to
    (1 << 8, _SHORT_TEXT),  # expiration
)
_ID = 1 << 7


class Refused(NamedTuple):
    """A message that the broker did not take; `said`: why it came back, empty for basic.nack."""

    sent: Sent
    said: str


class Verdicts(Tapping):
    """Takes confirms and returns off the wire, and hands on what one read says as one run.

    Raises BadFrame for what no broker may say, among it a confirm of what was not sent.
    """

    def __init__(
        self,
        unconfirmed: Unconfirmed,
        settle: Callable[[list[Sent], list[Refused]], None],
        closed: Callable[[str], None],
    ) -> None:
        """`settle` is given what was taken, and what was not.

        `closed` is given the text with which the broker closed the channel, or an empty one.
        """
        super().__init__(kept_bytes=0)
        self._unconfirmed = unconfirmed
        self._settle = settle
        self._on_closed = closed
        self._taken: list[Sent] = []
        self._refused: list[Refused] = []
        self._returned: dict[bytes, str] = {}

    def hand_on(self) -> None:
        if self._taken or self._refused:
            taken, refused, self._taken, self._refused = self._taken, self._refused, [], []
            self._settle(taken, refused)
        if self.closed:
            self._on_closed(_reason(self.closed))

    def _take_method(self, data: bytes, start: int, end: int) -> bool:
        if data.startswith(ACK, start):
            self._ack(self._confirmed(data[start + len(ACK) : end]))
        elif data.startswith(NACK, start):
            self._nack(self._confirmed(data[start + len(NACK) : end]))
        elif data.startswith(RETURN, start):
            self._begin(data[start:end])
        else:
            return False
        return True

    def _confirmed(self, payload: bytes) -> list[Sent]:
        if len(payload) != _CONFIRM.size:
            raise BadFrame("a confirm came that is shorter or longer than one is")
        if self._method:
            raise BadFrame("a confirm came in the middle of a message that is returned")
        tag, bits = _CONFIRM.unpack(payload)
        return self._unconfirmed.confirm(tag, multiple=bool(bits & 1))

    def _ack(self, confirmed: list[Sent]) -> None:
        if not self._returned:
            self._taken += confirmed
            return
        for sent in confirmed:
            said = self._returned.pop(sent[2], None)
            if said is None:
                self._taken.append(sent)
            else:
                self._refused.append(Refused(sent, said))

    def _nack(self, confirmed: list[Sent]) -> None:
        for sent in confirmed:
            said = self._returned.pop(sent[2], "")
            self._refused.append(Refused(sent, said))

    def _take_content(self, method: bytes, header: bytes, body: bytes) -> None:
        try:
            said, message_id = _short(method, _CODE), _message_id(header)
        except (IndexError, struct.error):
            raise BadFrame("a message was returned that is shorter than it says") from None
        if message_id not in self._unconfirmed.ids:
            raise BadFrame("a message was returned that is not under way")
        self._returned[message_id] = said.decode(errors="backslashreplace") or "returned"


def _reason(payload: bytes) -> str:
    """Return the text of a channel.close; an empty one where there is none."""
    try:
        said = _short(payload, _CODE) if payload.startswith(CLOSE) else b""
    except IndexError:
        return ""
    return said.decode(errors="backslashreplace")


def _short(data: bytes, at: int) -> bytes:
    """Return the short text that begins at a place; raise IndexError where it goes beyond the end."""
    end = at + 1 + data[at]
    if end > len(data):
        raise IndexError
    return data[at + 1 : end]


def _message_id(header: bytes) -> bytes:
    """Return the message_id of a header (AMQP 0-9-1, section 4.2.6.1), whatever its headers are."""
    (flags,) = _FLAGS.unpack_from(header, _BEFORE_FLAGS)
    at = _BEFORE_FLAGS + _FLAGS.size
    for bit, kind in _BEFORE_ID:
        if not flags & bit:
            continue
        if kind == _OCTET:
            at += 1
        elif kind == _SHORT_TEXT:
            at += 1 + header[at]
        else:
            at += _LONG.size + _LONG.unpack_from(header, at)[0]
    return _short(header, at) if flags & _ID else b""

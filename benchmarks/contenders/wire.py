"""AMQP 0-9-1 spoken by hand over a blocking socket: the limit, and what fills queues."""

import socket
import struct
from collections.abc import Iterable, Iterator
from typing import Any, Self
from urllib.parse import unquote, urlsplit

from pamqp import commands, frame, header
from pamqp.base import Frame

HEAD = struct.Struct(">BHI")
TAG = struct.Struct(">Q")
METHOD, HEADER, BODY, HEARTBEAT = 1, 2, 3, 8
ACKED = b"\x00\x3c\x00\x50"
END = b"\xce"
READ = 1 << 18


class Wire:
    """One connection with one channel."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        assert parts.hostname
        assert parts.port
        self.socket = socket.create_connection((parts.hostname, parts.port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._rest = b""
        self._pending: list[tuple[int, bytes]] = []
        self._open(
            f"\0{unquote(parts.username or '')}\0{unquote(parts.password or '')}", parts.path
        )

    def _open(self, response: str, path: str) -> None:
        self.socket.sendall(header.ProtocolHeader().marshal())
        self.server = dict(self._expect("Connection.Start").server_properties)
        self._send(commands.Connection.StartOk({}, "PLAIN", response, "en_US"), 0)
        tune = self._expect("Connection.Tune")
        self.frame_max = int(tune.frame_max)
        self._send(commands.Connection.TuneOk(tune.channel_max, tune.frame_max, 0), 0)
        self._send(commands.Connection.Open(unquote(path[1:]) or "/"), 0)
        self._expect("Connection.OpenOk")
        self.call(commands.Channel.Open(), "Channel.OpenOk")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Close in order, so that the broker has read all that was sent."""
        self.call(commands.Channel.Close(200, "", 0, 0), "Channel.CloseOk")
        self._send(commands.Connection.Close(200, "", 0, 0), 0)
        self.socket.close()

    def call(self, command: Frame, answer: str) -> Any:
        """Send a method on the channel and return the method that answers it."""
        self._send(command, 1)
        return self._expect(answer)

    def _send(self, command: Frame, channel: int) -> None:
        self.socket.sendall(frame.marshal(command, channel))

    def _expect(self, name: str) -> Any:
        while True:
            self._pending = list(self.frames())
            while self._pending:
                kind, payload = self._pending.pop(0)
                if kind != METHOD:
                    continue
                size = HEAD.pack(METHOD, 1, len(payload))
                method = frame.unmarshal(size + payload + END)[2]
                if getattr(method, "name", "") == name:
                    return method
                if str(getattr(method, "name", "")).endswith(".Close"):
                    raise ConnectionError(f"{name} was to come, but the broker said {method}")

    def frames(self) -> Iterator[tuple[int, bytes]]:
        """Wait for bytes and yield the kind and the payload of each whole frame in them."""
        if self._pending:
            yield from self._pending
            self._pending = []
            return
        data = self.socket.recv(READ)
        if not data:
            raise ConnectionError("the broker closed the connection")
        buffer = self._rest + data if self._rest else data
        at, end = 0, len(buffer)
        while at + 7 <= end:
            kind, _, size = HEAD.unpack_from(buffer, at)
            if at + size + 8 > end:
                break
            yield kind, buffer[at + 7 : at + 7 + size]
            at += size + 8
        self._rest = buffer[at:]

    def declare(self, queue: str) -> int:
        """Declare a durable classic queue; return the messages in it."""
        declared = self.call(commands.Queue.Declare(0, queue, durable=True), "Queue.DeclareOk")
        return int(declared.message_count)

    def delete(self, queue: str) -> None:
        """Delete a queue."""
        self.call(commands.Queue.Delete(0, queue, False, False, False), "Queue.DeleteOk")

    def ack(self, tag: int) -> None:
        """Ack this delivery and all before it."""
        self.socket.sendall(
            b"\x01\x00\x01\x00\x00\x00\x0d\x00\x3c\x00\x50%b\x01\xce" % TAG.pack(tag)
        )


def publication(queue: str, body: bytes, frame_max: int = 131_072) -> bytes:
    """Return the frames that publish a persistent message to a queue."""
    parts = [
        frame.marshal(commands.Basic.Publish(0, "", queue, False, False), 1),
        frame.marshal(
            header.ContentHeader(0, len(body), commands.Basic.Properties(delivery_mode=2)), 1
        ),
    ]
    most = frame_max - 8
    for start in range(0, len(body), most):
        piece = body[start : start + most]
        parts.append(HEAD.pack(BODY, 1, len(piece)) + piece + END)
    return b"".join(parts)


def fill(url: str, queue: str, bodies: Iterable[bytes]) -> None:
    """Publish the bodies to a durable queue, persistent; return when the broker has read them all."""
    with Wire(url) as wire:
        wire.declare(queue)
        for run in _runs(publication(queue, body, wire.frame_max) for body in bodies):
            wire.socket.sendall(run)


def _runs(frames: Iterable[bytes], size: int = 1 << 18) -> Iterator[bytes]:
    run: list[bytes] = []
    held = 0
    for each in frames:
        run.append(each)
        held += len(each)
        if held >= size:
            yield b"".join(run)
            run, held = [], 0
    yield b"".join(run)

"""A transport that leads nowhere."""

from collections.abc import Sequence


class Wires:
    """The transport of a connection that leads nowhere: what is written is kept."""

    def __init__(self) -> None:
        self.written = b""
        self.left = 0
        self.closing = False

    def writelines(self, pieces: Sequence[bytes]) -> None:
        self.written += b"".join(pieces)

    def get_write_buffer_size(self) -> int:
        return self.left

    def is_closing(self) -> bool:
        return self.closing

    def abort(self) -> None:
        self.closing = True

"""Encoding with pamqp; imported when first used, for pamqp takes its time."""

from functools import cached_property

from pamqp.commands import Basic
from pamqp.common import FieldValue


class Properties(Basic.Properties):
    """Properties whose headers are encoded already, and that are encoded once; not to be changed."""

    @cached_property
    def encoded(self) -> bytes:
        """What the frame of a message's header says of them."""
        return self.marshal()

    def identified(self, message_id: bytes) -> bytes:
        """Return them encoded, with a message_id, which they have not themselves."""
        before, behind = self._around_id
        return b"%b%c%b%b" % (before, len(message_id), message_id, behind)

    @cached_property
    def _around_id(self) -> tuple[bytes, bytes]:
        whole, names = self.encoded, self.__slots__
        behind = b"".join(
            self.encode_property(name, value)
            for name in names[names.index("message_id") + 1 :]
            if (value := getattr(self, name)) not in (None, "")
        )
        flags = int.from_bytes(whole[:2], "big") | self.flags["message_id"]
        return flags.to_bytes(2, "big") + whole[2 : len(whole) - len(behind)], behind

    def encode_property(self, name: str, value: FieldValue) -> bytes:
        """Encode a property."""
        if name == "headers" and isinstance(value, bytes):
            return value
        return super().encode_property(name, value)

"""Encoding with pamqp; imported when first used, for pamqp takes its time."""

from pamqp.commands import Basic
from pamqp.common import FieldValue


class Properties(Basic.Properties):
    """Properties whose headers are encoded already."""

    size = 0
    """Bytes of all of them, where that may be many."""

    def encode_property(self, name: str, value: FieldValue) -> bytes:
        """Encode a property."""
        if name == "headers" and isinstance(value, bytes):
            return value
        return super().encode_property(name, value)

"""What `helpers.async_bulk` is given: the actions for a list of messages' bodies."""

from collections.abc import Iterable
from typing import Any

import orjson


def actions(bodies: Iterable[bytes], index: str) -> list[dict[str, Any]]:
    """Return an action for each body."""
    documents = map(orjson.loads, bodies)
    return [{"_index": index, "_id": each["word"], "_source": each} for each in documents]

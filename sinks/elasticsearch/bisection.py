"""Finding the documents that make Elasticsearch refuse a whole bulk."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from ackflow.sinks.elasticsearch.rejection import BulkRejected


@dataclass(slots=True)
class Bisection:
    """One bulk that was split further and further, and which of its documents failed alone."""

    size: int
    failed: dict[int, BulkRejected] = field(default_factory=dict)

    @property
    def common_error(self) -> BulkRejected | None:
        """The error of all documents, if all failed alike.

        That is the fault of the settings or the server, and dead-lettering would empty the queue.
        """
        if len(self.failed) < max(self.size, 2):
            return None
        errors = list(self.failed.values())
        kinds = {(error.status, error.error_type) for error in errors}
        return errors[0] if len(kinds) == 1 else None

    def rejections(self) -> Iterator[tuple[int, BulkRejected]]:
        """Yield the documents that failed alone."""
        yield from self.failed.items()

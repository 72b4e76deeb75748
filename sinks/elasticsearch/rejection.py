"""What Elasticsearch says about a document that it refused."""

from ackflow.streams.core import Reject

LONGEST_REASON = 1000
"""Characters of a reason that are kept; AMQP headers have to fit into one frame."""


class BulkRejected(Reject):
    """Elasticsearch refused one document for good, or it could not be sent at all.

    `status` is the HTTP status of the document, None where it was never sent; `error_type`,
    `reason` and `caused_by` are Elasticsearch's words; `attempts` counts how often it was sent.

    Example:
        >>> error = BulkRejected("failed to parse field [day]", status=400, error_type="parsing")
        >>> str(error)
        '400 parsing: failed to parse field [day]'
        >>> error.headers()["es.error.type"]
        'parsing'

    """

    def __init__(
        self,
        reason: str,
        *,
        status: int | None = None,
        error_type: str = "",
        caused_by: str = "",
        attempts: int = 1,
    ) -> None:
        self.reason = reason[:LONGEST_REASON]
        self.status = status
        self.error_type = error_type
        self.caused_by = caused_by[:LONGEST_REASON]
        self.attempts = attempts
        kind = " ".join(str(part) for part in (status, error_type) if part)
        super().__init__(f"{kind}: {self.reason}" if kind else self.reason)

    def headers(self) -> dict[str, str]:
        """Return the cause as headers for the dead letter; what is not known is left out."""
        headers = {
            "es.status": "" if self.status is None else str(self.status),
            "es.error.type": self.error_type,
            "es.error.reason": self.reason,
            "es.caused_by": self.caused_by,
            "es.attempts": str(self.attempts),
        }
        return {name: value for name, value in headers.items() if value}

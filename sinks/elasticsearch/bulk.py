"""`bulk`: the sink that writes documents to Elasticsearch."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ackflow.sinks.elasticsearch.addressing import Addressing, Id, Number, Operation, Text
from ackflow.sinks.elasticsearch.conduct import Choice, Conduct, OnUnknown, Ordering, Refresh
from ackflow.sinks.elasticsearch.connection import connection
from ackflow.sinks.elasticsearch.sink import BulkSink

if TYPE_CHECKING:
    from elasticsearch import AsyncElasticsearch


def bulk(
    url_or_client: "str | Sequence[str] | AsyncElasticsearch",
    *,
    index: Text,
    id: Id,
    op: Operation | Callable[[Any], Operation] = "index",
    routing: Text | None = None,
    pipeline: Text | None = None,
    version: Number | None = None,
    version_type: str | None = None,
    if_seq_no: Number | None = None,
    if_primary_term: Number | None = None,
    upsert: bool = False,
    retry_on_conflict: int = 3,
    default: Callable[[Any], Any] | None = None,
    concurrency: int = 8,
    max_bytes: int = 10 * 2**20,
    ordering: Ordering | None = None,
    retry_for: float = 600.0,
    halt_after: float = 30.0,
    backoff: tuple[float, float] = (0.25, 30.0),
    on_unknown: OnUnknown = "retry",
    decisions: Mapping[str, Choice] | None = None,
    refresh: Refresh = False,
    require_alias: bool = False,
    ensure: Mapping[str, Any] | None = None,
    server_timeout: float = 60.0,
    request_timeout: float = 90.0,
    compress: bool = False,
    api_key: str | tuple[str, str] | None = None,
    basic_auth: tuple[str, str] | None = None,
    bearer_auth: str | None = None,
    ca_certs: str | None = None,
    certificate: str | tuple[str, str] | None = None,
    verify_certs: bool = True,
) -> BulkSink:
    """Write chunks of documents to Elasticsearch with its bulk API, each settled by its own result.

    Example:
        >>> bulk("http://localhost:9200", index="words", id="word")
        elasticsearch.bulk('http://localhost:9200', index='words', id='word')

        streams.amqp.queue("words_to_index") | op.map(orjson.loads) | op.chunk(256) | bulk(…)

    Acks: a document is accepted as soon as Elasticsearch has stored it, or has something as good or
    newer; one that it refuses is rejected with `BulkRejected`, the others of its chunk are not
    touched by that. Pushed back ones (429, 503) are sent again, alone. Where nobody's document is
    to blame (no server, 401, 403, a blocked index, 5xx for a while) the pipeline halts and resumes
    by itself. Cancelling settles nothing.

    Documents are dicts, or JSON as bytes or str, which is passed through. `id` must be given, since
    it makes sending again safe: a field of the document, a function of the value, or None for ids
    that Elasticsearch makes up, with duplicates after lost connections. Functions are called with
    the value as it comes; one that raises fails its document alone.

    Args:
        url_or_client: a URL with its port, several of them, or an AsyncElasticsearch, which stays
            open and keeps its own credentials.
        index: the name of an index, alias or data stream, or a function.
        id: see above. At most 512 bytes.
        op: "index" writes or replaces; "create" leaves what is there and counts a duplicate;
            "update" merges into what is there, or writes with `upsert=True`; "delete"; or a
            function that returns one of them.
        routing: a text for all documents, or a function.
        pipeline: the name of an ingest pipeline, or a function.
        version: a field or a function; the document with the higher version stays, whatever comes
            last, and an older one is accepted as stale.
        version_type: "external" (the default with `version`) or "external_gte".
        if_seq_no: a field or a function: write only where this is still the newest change.
        if_primary_term: belongs to `if_seq_no`.
        upsert: for op="update", write documents that are not there.
        retry_on_conflict: for op="update", tries within Elasticsearch.
        default: called by orjson for types it can't write, such as Decimal.
        concurrency: bulks under way at most; it begins with 1; more where more nearly always wait.
        max_bytes: bytes of a bulk at most; a larger chunk is cut, a larger document rejected. Bulks get
            smaller by themselves when the server answers 413, and while it needs more than a quarter
            of `request_timeout` for them.
        ordering: "per_id" makes writes of one document wait for each other, which is the default
            with ids unless op="create"; "none" does not.
        retry_for: seconds for which a document is sent again; then it is requeued, or rejected if
            it always gives 500. Stay below RabbitMQ's consumer_timeout, 30 minutes.
        halt_after: seconds of nothing but failures after which the pipeline is shown as halted.
        backoff: first and longest wait between attempts in seconds, with full jitter.
        on_unknown: without ids, what to do when a bulk was sent and not answered: "retry" (maybe
            twice in the index), "requeue" (the same, by way of the queue) or "reject" (maybe lost).
        decisions: by error type of a document, "accept", "retry", "reject" or "halt" instead of
            what the sink would do, such as {"document_missing_exception": "accept"}. The key
            "failure_store" stands for documents that a data stream put aside.
        refresh: True or "wait_for" to have documents searchable at once, at a price.
        require_alias: refuse an index that is no alias.
        ensure: create the index at the start unless it is there, with these settings and mappings.
        server_timeout: seconds for which Elasticsearch waits for a missing shard.
        request_timeout: seconds for a bulk; more than `server_timeout`.
        compress: send bulks with gzip, for networks that are slower than a processor; needs the extra
            `gzip`. A client of yours compresses by itself where it was made with http_compress=True.
        api_key: a key, or its id and secret.
        basic_auth: user and password, which may also stand in the URL.
        bearer_auth: a token.
        ca_certs: a file or folder with the certificates to trust.
        certificate: a file with a certificate of one's own and its key, or a file of each.
        verify_certs: False trusts anybody.

    Raises:
        ValueError: for a setting that can't work, here and not at the first document.
        TypeError: for a setting of another type, or one that does not exist.

    Source: https://www.elastic.co/docs/api/doc/elasticsearch/operation/operation-bulk

    """
    address = connection(
        url_or_client,
        api_key=api_key,
        basic_auth=basic_auth,
        bearer_auth=bearer_auth,
        ca_certs=ca_certs,
        certificate=certificate,
        verify_certs=verify_certs,
        request_timeout=request_timeout,
        compress=compress,
    )
    addressing = Addressing(
        index=index,
        id=id,
        op=op,
        routing=routing,
        pipeline=pipeline,
        version=version,
        version_type=version_type,
        if_seq_no=if_seq_no,
        if_primary_term=if_primary_term,
        upsert=upsert,
        retry_on_conflict=retry_on_conflict,
        default=default,
    )
    conduct = Conduct(
        concurrency=concurrency,
        max_bytes=max_bytes,
        ordering=ordering,
        retry_for=retry_for,
        halt_after=halt_after,
        backoff=backoff,
        on_unknown=on_unknown,
        decisions=decisions or {},
        refresh=refresh,
        require_alias=require_alias,
        ensure=ensure,
        server_timeout=server_timeout,
    )
    conduct.check_with(addressing, request_timeout)
    return BulkSink(address, addressing, conduct)

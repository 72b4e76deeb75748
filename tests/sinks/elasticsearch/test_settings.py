"""Settings of bulk: what can't work is refused where it is written, and says what would."""

import subprocess
import sys
from typing import Any

import pytest
from elasticsearch import AsyncElasticsearch

from ackflow.sinks import elasticsearch
from ackflow.sinks.elasticsearch import bulk

URL = "http://localhost:9200"
GOOD: dict[str, Any] = {"index": "words", "id": "word"}

WRONG: list[tuple[type[Exception], dict[str, Any], str]] = [
    (TypeError, {"id": 7}, r"bulk\(id=7\): id is a field"),
    (ValueError, {"id": ""}, r"bulk\(id=''\)"),
    (TypeError, {"index": None}, r"bulk\(index=None\)"),
    (ValueError, {"index": ""}, r"bulk\(index=''\)"),
    (TypeError, {"routing": 7}, r"bulk\(routing=7\)"),
    (TypeError, {"version": 7}, r"bulk\(version=7\)"),
    (TypeError, {"nonsense": 1}, "nonsense"),
    (ValueError, {"op": "upsert"}, "index, create, update, delete"),
    (ValueError, {"op": "delete", "id": None}, "which field or function"),
    (ValueError, {"op": "update", "id": None}, "which field or function"),
    (ValueError, {"upsert": True}, "op='update'"),
    (ValueError, {"op": "update", "retry_on_conflict": -1}, "0 or more"),
    (ValueError, {"version_type": "external"}, "version="),
    (ValueError, {"version": "n", "version_type": "internal"}, "external_gte"),
    (ValueError, {"version": "n", "op": "create"}, "op='index'"),
    (ValueError, {"if_seq_no": "n"}, "both or neither"),
    (ValueError, {"version": "n", "if_seq_no": "n", "if_primary_term": "t"}, "leave one out"),
    (TypeError, {"compress": 1}, r"bulk\(compress\)"),
    (ValueError, {"concurrency": 0}, "at least 1"),
    (TypeError, {"concurrency": 1.5}, "whole number"),
    (ValueError, {"max_bytes": 0}, "at least 1"),
    (ValueError, {"retry_for": -1}, "seconds"),
    (ValueError, {"halt_after": -1}, "seconds"),
    (ValueError, {"backoff": (0, 1)}, "first and the longest"),
    (ValueError, {"backoff": (2, 1)}, "first and the longest"),
    (ValueError, {"ordering": "strict"}, "'per_id', 'none'"),
    (ValueError, {"ordering": "per_id", "id": None}, "no ids"),
    (ValueError, {"on_unknown": "drop"}, "'retry', 'requeue', 'reject'"),
    (ValueError, {"refresh": "yes"}, "'wait_for'"),
    (ValueError, {"decisions": {"x": "drop"}}, "'accept', 'retry', 'reject', 'halt'"),
    (ValueError, {"ensure": {}, "index": lambda _: "x"}, "template"),
    (ValueError, {"server_timeout": 90.0}, "give up first"),
    (ValueError, {"api_key": "k", "bearer_auth": "t"}, "one kind"),
    (ValueError, {"ca_certs": "/no/such/file.pem"}, "no such file"),
]


@pytest.mark.parametrize(("kind", "settings", "text"), WRONG)
def test_a_wrong_setting_is_refused_where_it_is_written(
    kind: type[Exception], settings: dict[str, Any], text: str
) -> None:
    with pytest.raises(kind, match=text):
        bulk(URL, **(GOOD | settings))


def test_id_must_be_given() -> None:
    with pytest.raises(TypeError, match="id"):
        bulk(URL, index="words")  # type: ignore[call-arg]
    assert "id=None" in repr(bulk(URL, index="words", id=None))


@pytest.mark.parametrize(
    ("url", "kind", "text"),
    [
        ("localhost:9200", ValueError, "URL like"),
        ("amqp://localhost:9200", ValueError, "URL like"),
        ("http://localhost", ValueError, "must name the port"),
        ("http://localhost:port", ValueError, "must name the port"),
        ([], ValueError, "at least one"),
        ([7], TypeError, "URL like"),
        (None, TypeError, "AsyncElasticsearch"),
        (["http://a:b@one:9200", "http://c:d@two:9200"], ValueError, "different credentials"),
    ],
)
def test_a_wrong_address_is_refused(url: Any, kind: type[Exception], text: str) -> None:
    with pytest.raises(kind, match=text):
        bulk(url, **GOOD)


SECRET = "tiger/&?#"


@pytest.mark.parametrize(
    "make",
    [
        lambda: bulk(f"http://scott:{SECRET}@localhost:9200", **GOOD),
        lambda: bulk("http://scott:tiger@localhost", **GOOD),
        lambda: bulk("ftp://scott:tiger@localhost:1", **GOOD),
        lambda: bulk("http://scott:tiger@localhost:9200", api_key="tiger", **GOOD),
        lambda: bulk(URL, api_key="tiger", bearer_auth="tiger", **GOOD),
        lambda: bulk(object(), api_key="tiger", **GOOD),  # type: ignore[arg-type]
    ],
)
def test_errors_never_show_secrets(make: Any) -> None:
    with pytest.raises((ValueError, TypeError)) as raised:
        make()
    assert "tiger" not in str(raised.value)


@pytest.mark.parametrize(
    "sink",
    [
        bulk("http://scott:tiger@localhost:9200", **GOOD),
        bulk(URL, basic_auth=("scott", "tiger"), **GOOD),
        bulk(URL, api_key="tiger", **GOOD),
        bulk(URL, bearer_auth="tiger", **GOOD),
    ],
)
def test_a_sink_never_shows_secrets(sink: Any) -> None:
    assert repr(sink) == "elasticsearch.bulk('http://localhost:9200', index='words', id='word')"
    assert "tiger" not in repr(vars(sink)) + str(vars(sink)["_connection"])


async def test_a_client_compresses_by_itself_or_not_at_all() -> None:
    async with AsyncElasticsearch("http://localhost:9200") as client:
        with pytest.raises(ValueError, match=r"bulk\(client, compress=True\).* http_compress=True"):
            bulk(client, index="words", id="word", compress=True)


def test_compressing_without_isal_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "isal", None)
    with pytest.raises(ValueError, match=r"bulk\(compress=True\).*pip install 'ackflow\[gzip\]'"):
        bulk("http://localhost:9200", index="words", id="word", compress=True)


async def test_a_client_that_blocks_is_refused() -> None:
    from elasticsearch import AsyncElasticsearch, Elasticsearch

    with Elasticsearch(URL) as blocking, pytest.raises(TypeError, match="blocks the event loop"):
        bulk(blocking, **GOOD)  # type: ignore[arg-type]
    async with AsyncElasticsearch(URL) as client:
        assert "AsyncElasticsearch" in repr(bulk(client, **GOOD))
        with pytest.raises(ValueError, match="own credentials"):
            bulk(client, api_key="k", **GOOD)


def test_drivers_are_imported_when_first_used() -> None:
    code = (
        "import sys; from ackflow import sinks; "
        f"sinks.elasticsearch.bulk({URL!r}, index='words', id='word'); "
        "print([m for m in ('elasticsearch', 'elastic_transport', 'aiohttp', 'orjson') "
        "if m in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_exports_are_sorted() -> None:
    assert sorted(elasticsearch.__all__) == elasticsearch.__all__

"""Lines of a bulk: whatever is in a message, one document is one header and one body."""

import json
import uuid
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import orjson
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from ackflow.sinks.elasticsearch.addressing import Addressing
from ackflow.sinks.elasticsearch.encoding import Encoder
from ackflow.sinks.elasticsearch.rejection import BulkRejected
from tests.sinks.elasticsearch.doubles import parse

nasty = st.text(
    st.sampled_from('\n\r\0"\\{}[]:,\u2028\u2029\x85é🦆a')
    | st.characters(exclude_categories=["Cs"]),
    min_size=1,
    max_size=60,
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | nasty,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(nasty, inner, max_size=3),
    max_leaves=10,
)
documents = st.dictionaries(nasty, json_values, max_size=4)


def encoder(max_bytes: int = 10**6, **settings: Any) -> Encoder:
    settings = {"index": "words", "id": "word"} | settings
    return Encoder(Addressing(**settings), max_bytes)


def operation(value: Any, **settings: Any) -> Any:
    """Encode one value and read it back as Elasticsearch would."""
    encoded = encoder(**settings).encode([value])
    for error in encoded.refused.values():
        raise error
    (back,) = parse(encoded.lines[0])
    return back


@given(documents, nasty)
def test_any_id_and_document_stay_one_operation(document: dict[str, Any], word: str) -> None:
    document = document | {"word": word}
    assert operation(document) == ("index", {"_index": "words", "_id": word}, document)


@given(
    st.lists(
        st.tuples(documents, nasty | st.sampled_from([",", '","', '"', "a,", ',"'])), max_size=8
    )
)
def test_each_document_of_a_chunk_has_its_own_id_whatever_ids_have_in_them(
    chunk: list[tuple[dict[str, Any], str]],
) -> None:
    values = [document | {"word": word} for document, word in chunk]
    encoded = encoder().encode(values)
    assert encoded.keys == [word for _, word in chunk]
    assert [parse(line)[0] for line in encoded.lines] == [
        ("index", {"_index": "words", "_id": value["word"]}, value) for value in values
    ]


@given(documents, nasty, nasty, nasty, nasty)
def test_whatever_functions_return_stays_in_its_place(
    document: dict[str, Any], index: str, id: str, routing: str, pipeline: str
) -> None:
    name, metadata, body = operation(
        document,
        index=lambda _: index,
        id=lambda _: id,
        routing=lambda _: routing,
        pipeline=lambda _: pipeline,
    )
    assert (name, body) == ("index", document)
    assert metadata == {"_index": index, "_id": id, "routing": routing, "pipeline": pipeline}


@given(documents, st.sampled_from([None, 1, "\t"]))
def test_json_that_came_in_several_lines_is_written_in_one(document: Any, indent: Any) -> None:
    text = json.dumps(document, indent=indent)
    for value in (text, text.encode(), bytearray(text.encode())):
        assert operation(value, id=None) == ("index", {"_index": "words"}, document)
        assert operation(value, id=lambda _: "1")[2] == document


@given(st.binary(max_size=40) | nasty)
def test_bytes_that_are_anything_never_make_a_second_operation(value: bytes | str) -> None:
    encoded = encoder(id=None).encode([value])
    assert encoded.refused or encoded.lines[0].count(b"\n") == 2


@given(st.binary(max_size=40) | nasty)
def test_text_in_an_update_can_add_nothing_beside_the_document(value: bytes | str) -> None:
    encoded = encoder(op="update", id=lambda _: "1").encode([value, b'{},"script":{"source":"x"}'])
    assert 1 in encoded.refused
    if 0 not in encoded.refused:
        assert list(json.loads(encoded.lines[0].split(b"\n")[1])) == ["doc"]


@given(st.lists(documents | st.integers() | st.just(b'{"word":"x"}') | st.just(b"\n"), max_size=8))
def test_one_that_cannot_be_encoded_does_not_harm_the_others(values: list[Any]) -> None:
    values = [value | {"word": "w"} if isinstance(value, dict) else value for value in values]
    encoded = encoder().encode(values)
    assert len(encoded.lines) == len(encoded.keys) == len(values)
    good = [value for value in values if isinstance(value, dict) or value == b'{"word":"x"}']
    kept = [line for at, line in enumerate(encoded.lines) if at not in encoded.refused]
    assert [parse(line)[0][2] for line in kept] == [
        value if isinstance(value, dict) else {"word": "x"} for value in good
    ]


@pytest.mark.parametrize(
    ("op", "more", "metadata", "body"),
    [
        ("index", {}, {}, {"word": "x"}),
        ("create", {}, {}, {"word": "x"}),
        ("update", {}, {"retry_on_conflict": 3}, {"doc": {"word": "x"}}),
        (
            "update",
            {"upsert": True, "retry_on_conflict": 0},
            {"retry_on_conflict": 0},
            {"doc": {"word": "x"}, "doc_as_upsert": True},
        ),
        ("delete", {}, {}, None),
    ],
)
@pytest.mark.parametrize("value", [{"word": "x"}, b'{"word":"x"}', '{"word":"x"}'])
@pytest.mark.parametrize("varying", [True, False])
def test_operations(
    op: str, more: Any, metadata: Any, body: Any, value: Any, varying: bool
) -> None:
    settings = more | {"op": (lambda _: op) if varying else op}
    assert operation(value, **settings) == (op, {"_index": "words", "_id": "x"} | metadata, body)


@pytest.mark.parametrize(
    ("settings", "metadata"),
    [
        ({"routing": "one"}, {"routing": "one"}),
        ({"routing": lambda _: None}, {}),
        ({"pipeline": "clean"}, {"pipeline": "clean"}),
        ({"version": "n"}, {"version": 7, "version_type": "external"}),
        (
            {"version": lambda d: d["n"] + 1, "version_type": "external_gte"},
            {"version": 8, "version_type": "external_gte"},
        ),
        (
            {"if_seq_no": "n", "if_primary_term": lambda _: 1},
            {"if_seq_no": 7, "if_primary_term": 1},
        ),
    ],
)
def test_settings_of_the_header(settings: Any, metadata: Any) -> None:
    document = {"word": "x", "n": 7}
    assert operation(document, **settings)[1] == {"_index": "words", "_id": "x"} | metadata
    if not any(map(callable, settings.values())):
        assert operation(orjson.dumps(document), **settings)[1]["_id"] == "x"


@pytest.mark.parametrize(("id", "written"), [(7, "7"), (uuid.UUID(int=1), str(uuid.UUID(int=1)))])
def test_ids_that_are_no_text_are_written_as_text(id: Any, written: str) -> None:
    assert operation({"word": id})[1]["_id"] == written


def test_dataclasses_are_documents() -> None:
    @dataclass
    class Word:
        word: str

    assert operation(Word("x")) == ("index", {"_index": "words", "_id": "x"}, {"word": "x"})


def test_default_writes_what_orjson_does_not_know() -> None:
    assert operation({"word": "x", "n": Decimal("0.5")}, default=float)[2] == {
        "word": "x",
        "n": 0.5,
    }


def test_a_fragment_cannot_bring_in_a_line() -> None:
    fragment = orjson.Fragment(b'1}\n{"delete":{"_id":"y"}')
    with pytest.raises(BulkRejected, match="not JSON"):
        operation({"word": "x", "n": fragment})
    assert operation({"word": "x", "n": orjson.Fragment(b"[1,\n2]")})[2] == {
        "word": "x",
        "n": [1, 2],
    }


def test_a_fragment_with_a_line_end_is_mended_among_others() -> None:
    values = [
        {"word": str(n), "n": orjson.Fragment(b"[1,\n2]" if n == 2 else b"1")} for n in range(4)
    ]
    encoded = encoder().encode(values)
    assert [parse(line)[0][2]["n"] for line in encoded.lines] == [1, 1, [1, 2], 1]
    assert (encoded.keys, encoded.refused) == (["0", "1", "2", "3"], {})


REFUSED: list[tuple[Any, dict[str, Any], str, str]] = [
    ({"frequency": 1}, {}, "document_without_id", "its field 'word' is None"),
    ({"word": ""}, {}, "document_without_id", "its field 'word' is ''"),
    ({"word": True}, {}, "document_without_id", "text or an integer"),
    ({"word": ["x"]}, {}, "document_without_id", "text or an integer"),
    ({"word": "x"}, {"id": lambda _: None}, "document_without_id", "returned None"),
    ({"word": "é" * 257}, {}, "id_too_long", "512 bytes"),
    ({"word": "x", "n": 2**64}, {}, "not_json", "64-bit"),
    ({"word": "x", 1: 2}, {}, "not_json", "key must be str"),
    ({"word": "\ud800"}, {}, "not_json", "surrogates"),
    ({"word": "x", "n": object()}, {}, "not_json", "object"),
    ([1], {"id": None}, "not_json", "JSON object, got list"),
    (7, {"id": None}, "not_json", "JSON object, got int"),
    (b"", {"id": None}, "not_json", "JSON object"),
    (b" \n ", {"id": None}, "not_json", "JSON object"),
    (b"[1]", {"id": None}, "not_json", "JSON object"),
    (b'{"a":\n', {"id": None}, "not_json", "not JSON"),
    ('{"a":"\ud800"}', {"id": None}, "not_json", "no text"),
    (b"{]", {}, "not_json", "not JSON"),
    ({"word": "x"}, {"index": lambda _: ""}, "invalid_index", "returned ''"),
    ({"word": "x"}, {"index": lambda _: None}, "document_without_index", "None"),
    ({"word": "x"}, {"routing": lambda _: 7}, "invalid_routing", "returned 7"),
    ({"word": "x"}, {"op": lambda _: "upsert"}, "invalid_operation", "'upsert'"),
    ({"word": "x"}, {"op": lambda _: "delete", "id": None}, "document_without_id", "'delete'"),
    ({"word": "x", "n": -1}, {"version": "n"}, "invalid_version", "-1"),
    ({"word": "x", "n": "7"}, {"version": "n"}, "invalid_version", "'7'"),
    ({"word": "x", "n": True}, {"version": "n"}, "invalid_version", "True"),
    ({"word": "x", "n": 2**63}, {"version": "n"}, "invalid_version", "integer"),
    ({"word": "x" * 90}, {"max_bytes": 100}, "document_too_large", "max_bytes is 100"),
]


@pytest.mark.parametrize(("value", "settings", "kind", "text"), REFUSED)
def test_a_document_that_cannot_be_sent_says_why(
    value: Any, settings: dict[str, Any], kind: str, text: str
) -> None:
    with pytest.raises(BulkRejected, match=text) as raised:
        operation(value, **settings)
    assert raised.value.error_type == kind
    assert raised.value.headers()["es.error.type"] == kind
    assert raised.value.headers()["es.attempts"] == "0"
    assert "es.status" not in raised.value.headers()


def test_an_error_of_a_users_function_is_that_documents_own() -> None:
    def name(document: dict[str, Any]) -> str:
        return str(document["word"])

    encoded = encoder(id=name).encode([{"word": "a"}, {}, {"word": "b"}])
    assert [type(error) for error in encoded.refused.values()] == [KeyError]
    assert list(encoded.refused) == [1]


@given(st.lists(nasty, min_size=1, max_size=5), st.booleans())
def test_keys_tell_documents_apart(words: list[str], varying: bool) -> None:
    settings: dict[str, Any] = {"index": lambda d: d["word"][:1]} if varying else {}
    keys = encoder(**settings).encode([{"word": word} for word in words]).keys
    assume(len(words) > 1)
    assert len(set(keys)) == len(set(words))

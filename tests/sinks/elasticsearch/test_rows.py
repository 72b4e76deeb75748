"""What Elasticsearch can answer, row by row: what is done then, and which tests show it.

A row is shown on real nodes of both versions where they can be made to answer so; `unprovoked` says
why where they can't. Scripted servers, over HTTP or in memory, show what is added to that. The pure
tables that decide, `judge_request` and `judge_item`, have all rows in test_verdicts.py.
"""

import ast
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

HERE = Path(__file__).parent
NODES = {"server", "elasticsearch8", "secured", "writer", "make_elasticsearch", "own_elasticsearch"}
"""Fixtures that are real nodes, or bring one."""
BOTH = {"server", "secured", "writer", "version"}
"""Those, and the parameter, by which a test runs on both versions."""


@dataclass(frozen=True)
class Row:
    """An answer, what is done, and the tests that show it, as module::test."""

    answer: str
    decision: str
    real: tuple[str, ...] = ()
    scripted: tuple[str, ...] = ()
    unprovoked: str = ""


def of(module: str, *names: str) -> tuple[str, ...]:
    return tuple(f"test_{module}::test_{name}" for name in names)


WHOLE = [
    Row(
        "2xx with one result for each operation",
        "each document has its own verdict",
        of("servers", "each_operation_does_what_it_says"),
        of(
            "http",
            "one_chunk_is_one_post",
            "each_document_has_its_own_verdict_whatever_the_others_have",
        ),
    ),
    Row(
        "2xx that can't be read, has no results, or too few or too many",
        "sent once more, then back to the queue; never matched by position",
        (),
        of("http", "an_answer_that_fits_no_document_is_asked_for_once_more_and_believed_by_nobody")
        + of("answers", "a_short_or_garbled_answer_has_no_results")
        + of(
            "sink",
            "an_answer_that_does_not_fit_is_asked_for_again_once_and_then_the_queue_keeps_it",
        ),
        "a bug of versions that are gone, and of proxies",
    ),
    Row(
        "2xx without X-Elastic-Product",
        "at the start it halts; later the outcome is unknown, not a failure",
        (),
        of("http", "an_answer_that_fits_no_document_is_asked_for_once_more_and_believed_by_nobody")
        + of("sink", "the_probe_says_what_is_wrong"),
        "a product that is none of these two",
    ),
    Row(
        "400 for one document of many",
        "bisected; the document that causes it is rejected, alone",
        of("refusals", "what_a_pipeline_can_not_read_costs_that_document_alone")
        + of("servers", "a_malformed_update_is_found_among_good_ones"),
        of(
            "sink",
            "a_400_is_bisected_down_to_those_that_cause_it",
            "a_single_document_with_400_is_rejected",
        ),
    ),
    Row(
        "400 for every document of a bulk alike",
        "halts, since it is no document's fault",
        of("refusals", "a_pipeline_that_can_read_nothing_at_all_is_an_outage"),
        of(
            "sink",
            "a_400_for_each_and_every_document_halts_and_dead_letters_nothing",
            "different_errors_for_each_document_are_theirs",
        ),
    ),
    Row(
        "400 media_type_header_exception, 400 unrecognized parameter, 400 no handler",
        "halts: configuration",
        of(
            "blocks",
            "a_request_that_the_server_does_not_understand_halts",
            "a_path_where_nothing_is_halts_at_the_start",
        ),
        of("sink", "an_outage_halts_rejects_nothing_and_ends_by_itself"),
    ),
    Row(
        "401",
        "halts until the credentials are mended; no message is rejected",
        of(
            "rights",
            "a_wrong_password_halts_until_it_is_the_right_one",
            "a_password_that_changes_in_the_middle_halts_until_it_is_back",
        ),
        of("http", "what_is_wrong_with_the_settings_or_the_way_halts_and_rejects_nothing"),
    ),
    Row(
        "403 security_exception",
        "halts until the rights are mended; no message is rejected",
        of("rights", "a_user_who_may_not_write_halts_until_it_may"),
        of("http", "what_is_wrong_with_the_settings_or_the_way_halts_and_rejects_nothing"),
    ),
    Row(
        "403 cluster_block_exception of the whole cluster",
        "halts until the block is lifted",
        of("blocks", "a_cluster_that_may_only_be_read_is_waited_for"),
    ),
    Row(
        "404, 405, 406, 415, 501 and others that no bulk should get",
        "halts: configuration",
        of("blocks", "a_request_that_the_server_does_not_understand_halts"),
        of("http", "what_is_wrong_with_the_settings_or_the_way_halts_and_rejects_nothing")
        + of("sink", "the_probe_says_what_is_wrong"),
    ),
    Row(
        "408, 429",
        "sent again as a whole, as late as Retry-After says; fewer requests",
        of("servers", "full_queues_are_waited_for_and_nothing_is_lost")
        + of("blocks", "a_circuit_breaker_is_waited_for"),
        of("http", "what_passes_is_survived_with_the_same_ids")
        + of("sink", "retry_after_is_honoured", "pressure_alone_is_no_outage"),
    ),
    Row(
        "413",
        "bisected, and later bulks are smaller; one document alone is rejected",
        of("servers", "a_bulk_above_the_servers_limit_is_split"),
        of("http", "a_body_that_is_too_large_for_the_server_is_split")
        + of("sink", "a_413_is_bisected_and_later_bulks_are_smaller"),
    ),
    Row(
        "500, 502, 503, 504, also as HTML of a proxy",
        "sent again as a whole; an outage when nothing else comes for a while",
        of("blocks", "a_cluster_that_is_not_complete_yet_is_waited_for"),
        of("http", "what_passes_is_survived_with_the_same_ids")
        + of(
            "sink",
            "nothing_but_failures_for_a_while_is_an_outage",
            "poison_that_always_gives_500_is_rejected_in_the_end_and_alone",
        ),
    ),
    Row(
        "no connection: refused, no such host, none in time",
        "halts; nothing was sent, so nothing is spent and no outcome is unknown",
        of("servers", "a_server_that_is_down_in_the_middle_or_at_the_start_is_waited_for"),
        of(
            "http",
            "nobody_there_is_an_outage_and_says_where",
            "a_server_that_takes_no_connection_is_not_there",
            "what_was_never_sent_is_an_outage_and_no_unknown_outcome",
        ),
    ),
    Row(
        "a certificate that does not hold",
        "halts",
        (),
        of("http", "tls_is_verified"),
        "the nodes of the tests have no certificates; see tests/security/test_tls.py",
    ),
    Row(
        "no answer: read timeout, reset, half a request, half an answer",
        "sent again with the same ids; without ids on_unknown decides",
        of(
            "refusals",
            "bulks_whose_answers_get_lost_are_written_once_and_accepted",
            "documents_that_get_lost_on_the_way_are_sent_again",
            "an_answer_that_is_none_is_asked_for_again",
        )
        + of(
            "servers",
            "a_killed_server_stores_every_accepted_document_once",
            "a_frozen_server_is_an_outage_and_thaws_without_duplicates",
        ),
        of(
            "sink",
            "a_bulk_without_an_answer_is_sent_again_with_the_same_ids",
            "without_ids_the_settings_say_what_becomes_of_an_unknown_outcome",
            "three_resets_in_a_row_are_an_outage_even_if_probes_are_answered",
        )
        + of("http", "a_kept_alive_connection_that_dies_stores_nothing_twice"),
    ),
    Row(
        "two resets in a row of a body above 1 MiB",
        "bisected: it may be too large to be read at all",
        (),
        of("sink", "two_resets_of_a_large_body_mean_that_it_is_too_large"),
        "these versions read it and answer 413",
    ),
    Row(
        "cancelled by a shutdown",
        "settles nothing",
        (),
        of("sink", "cancelling_settles_nothing_and_holds_up_nobody"),
        "no matter of the server",
    ),
]

EACH = [
    Row(
        "200, 201, also noop and with failed copies",
        "accepted",
        of("servers", "each_operation_does_what_it_says")
        + of("refusals", "an_update_that_changes_nothing_is_accepted"),
        of("http", "each_document_has_its_own_verdict_whatever_the_others_have"),
    ),
    Row(
        "201 with failure_store used",
        "accepted and counted, or rejected where told so",
        (),
        of("http", "each_document_has_its_own_verdict_whatever_the_others_have")
        + of(
            "sink",
            "special_cases_are_accepted_and_counted",
            "what_a_data_stream_put_aside_can_be_rejected",
        ),
        "comes with the module data-streams, which the builds of the tests lack",
    ),
    Row(
        "404 of a delete",
        "accepted: it is gone",
        of("servers", "each_operation_does_what_it_says"),
        of("sink", "special_cases_are_accepted_and_counted"),
    ),
    Row(
        "404 document_missing_exception of an update",
        "rejected, or accepted where told so; not with upsert",
        of("refusals", "an_update_of_what_is_missing_is_rejected_or_accepted_as_told")
        + of("servers", "an_update_may_write_what_is_not_there"),
    ),
    Row(
        "404 index_not_found_exception",
        "halts, or rejected where told so",
        of(
            "blocks",
            "a_missing_index_halts_until_it_is_there",
            "a_missing_alias_halts_until_it_is_there",
            "an_index_that_is_not_there_is_a_documents_own_fault_where_told_so",
        ),
        of("sink", "a_document_that_nobody_may_write_halts_after_the_others_are_settled"),
    ),
    Row(
        "409 of a create",
        "accepted as a duplicate; where told to reject, only if it can't be our own earlier write",
        of("servers", "each_operation_does_what_it_says")
        + of("refusals", "bulks_whose_answers_get_lost_are_written_once_and_accepted"),
        of("sink", "a_conflict_with_our_own_lost_write_is_no_error_whatever_decisions_say"),
    ),
    Row(
        "409 with version_type external or external_gte",
        "accepted as stale",
        of("servers", "the_higher_version_stays")
        + of(
            "refusals",
            "external_gte_writes_the_same_version_again_and_no_older_one",
            "an_older_delete_does_not_undo_a_newer_write",
        ),
    ),
    Row(
        "409 of an update, or of another operation without a version",
        "sent again up to five times, then rejected",
        of("refusals", "updates_that_get_into_each_others_way_are_all_made_in_the_end"),
        of("sink", "a_conflict_of_an_update_is_tried_five_times_and_then_rejected"),
    ),
    Row(
        "409 with if_seq_no",
        "rejected: the condition does not hold",
        of("servers", "a_write_on_a_condition_that_no_longer_holds_is_rejected"),
    ),
    Row(
        "400 document_parsing_exception, strict_dynamic_mapping_exception, field limit",
        "rejected, the others of the bulk are not touched",
        of(
            "servers",
            "a_document_that_the_mapping_refuses_is_rejected_and_the_other_255_are_stored",
        )
        + of("refusals", "a_document_that_does_not_fit_the_index_is_rejected_alone"),
        of("sink", "a_refused_document_is_rejected_with_its_cause_and_the_other_255_are_accepted"),
    ),
    Row(
        "400 x_content_parse_exception, 500 not_x_content_exception: no JSON",
        "rejected at once",
        of("servers", "json_is_passed_through_and_what_is_none_is_rejected_alone"),
        of("http", "each_document_has_its_own_verdict_whatever_the_others_have"),
    ),
    Row(
        "400 illegal_argument_exception: wrong operation for a data stream",
        "rejected",
        of("refusals", "a_data_stream_takes_what_is_created_and_refuses_the_rest"),
    ),
    Row(
        "400 illegal_argument_exception: no such pipeline; invalid_index_name_exception",
        "rejected",
        of("servers", "index_routing_and_pipeline_come_from_the_value"),
    ),
    Row(
        "400 illegal_argument_exception: an alias without a write index",
        "rejected",
        of("refusals", "an_alias_that_does_not_say_where_to_write_is_a_refusal"),
    ),
    Row(
        "400 routing_missing_exception",
        "rejected",
        of("refusals", "a_document_without_the_routing_it_needs_is_rejected_alone"),
    ),
    Row(
        "400 script_exception",
        "rejected",
        (),
        of("http", "each_document_has_its_own_verdict_whatever_the_others_have"),
        "the sink sends no scripts, and a pipeline with one needs a module that the builds lack",
    ),
    Row(
        "400 index_closed_exception, validation_exception and others, with decisions=",
        "rejected, or what decisions= say of the type",
        of("blocks", "a_closed_index_rejects_or_halts_as_told")
        + of("refusals", "too_many_shards_can_be_made_an_outage"),
    ),
    Row(
        "403 cluster_block_exception: a block of the index",
        "sent again with long waits; an outage after a while",
        of("blocks", "a_blocked_index_is_waited_for"),
        of("sink", "nothing_but_failures_for_a_while_is_an_outage"),
    ),
    Row(
        "403 security_exception",
        "halts after the others of the bulk are settled",
        of("rights", "one_index_that_may_not_be_written_to_holds_up_its_own_documents_alone"),
        of("sink", "a_document_that_nobody_may_write_halts_after_the_others_are_settled"),
    ),
    Row(
        "429 es_rejected_execution_exception, circuit_breaking_exception",
        "that document is sent again; fewer requests",
        of("servers", "full_queues_are_waited_for_and_nothing_is_lost"),
        of(
            "sink",
            "only_what_was_pushed_back_is_sent_again_and_the_others_do_not_wait",
            "one_document_pushed_back_lowers_the_limit",
        ),
    ),
    Row(
        "429 cluster_block_exception: the disk is above the flood stage",
        "sent again with long waits; an outage after a while",
        of("blocks", "a_disk_above_the_flood_stage_is_waited_for"),
        of("sink", "a_flood_stage_waits_longer_than_a_full_queue"),
    ),
    Row(
        "500, 502, 503, 504",
        "sent again; away for a while is an outage",
        of("blocks", "a_shard_that_is_nowhere_is_waited_for"),
        of("http", "each_document_has_its_own_verdict_whatever_the_others_have")
        + of("sink", "a_document_with_an_error_of_the_server_is_rejected_when_the_time_is_over"),
    ),
    Row(
        "any other 4xx; any other 5xx, or no status at all",
        "rejected; sent again",
        (),
        of("http", "each_document_has_its_own_verdict_whatever_the_others_have")
        + of("verdicts", "any_result_has_a_verdict_and_only_stored_ones_are_accepted"),
        "what is not known yet",
    ),
    Row(
        "the time for retries is over",
        "429 and 503 go back to the queue; 500 and what is unknown is rejected",
        of("blocks", "a_shard_that_is_nowhere_for_long_gives_the_message_back_to_the_queue"),
        of("http", "when_the_time_is_over_the_queue_gets_back_what_was_busy_and_not_what_is_poison")
        + of("sink", "what_is_pushed_back_for_too_long_goes_back_to_the_queue"),
    ),
]

ROWS = [*WHOLE, *EACH]
every_row = pytest.mark.parametrize("row", ROWS, ids=lambda row: row.answer)


@dataclass(frozen=True)
class Test:
    """A test as it is written: what it asks for, and whether its module needs servers."""

    wants: frozenset[str]
    needs_servers: bool

    __test__ = False


@cache
def written() -> dict[str, Test]:
    """Return all tests beside this module, by module::test."""
    found = {}
    for path in HERE.glob("test_*.py"):
        source = path.read_text()
        for node in ast.parse(source).body:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                wants = frozenset(argument.arg for argument in node.args.args)
                marked = "\npytestmark = pytest.mark.servers\n" in source
                found[f"{path.stem}::{node.name}"] = Test(wants, marked)
    return found


@every_row
def test_every_row_is_shown_by_tests_that_exist(row: Row) -> None:
    assert row.real or row.scripted
    assert [name for name in (*row.real, *row.scripted) if name not in written()] == []


@every_row
def test_every_row_is_shown_on_real_nodes_of_both_versions_or_says_why_not(row: Row) -> None:
    assert bool(row.real) != bool(row.unprovoked)
    shown = [written()[name] for name in row.real]
    assert all(test.needs_servers and test.wants & NODES for test in shown)
    assert row.unprovoked or any(test.wants & BOTH for test in shown)


def test_every_test_on_real_nodes_of_what_they_refuse_belongs_to_a_row() -> None:
    modules = ("test_blocks", "test_refusals", "test_rights")
    ours = {name for name in written() if name.startswith(modules) and "::test_" in name}
    assert ours - {name for row in ROWS for name in row.real} == set()

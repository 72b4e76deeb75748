"""What is bad for whoever looks at a run, what must happen, and the tests that hold it.

The inputs need things of their own each (a browser, a terminal, a notebook), so their tests stand where
those are. This is the table of them; a test that goes or is renamed fails here.
"""

from pathlib import Path

import pytest

from tests.guarantees.test_page import collected

TESTS = Path(__file__).resolve().parents[1]
PAGE, METRICS, PROGRESS = (
    "running/test_status.py",
    "running/test_metrics.py",
    "running/test_progress.py",
)
GRAPHS, LIVE = "streams/test_graphs.py", "streams/test_live.py"
JUPYTER, BROWSER = "browser/test_jupyter.py", "browser/test_status.py"

TABLE: list[tuple[str, str, list[tuple[str, str]]]] = [
    (
        "thousands of stages or queues in one graph",
        "some are drawn, with the number of the others",
        [
            (GRAPHS, "test_thousands_of_stages_make_a_small_picture"),
            (PAGE, "test_of_thousands_of_stages_the_page_shows_some"),
            (PAGE, "test_of_thousands_of_queues_the_page_shows_some"),
            (PROGRESS, "test_of_hundreds_of_stages_the_ends_are_on_the_screen"),
            (LIVE, "test_of_thousands_of_stages_the_first_and_the_last_are_shown"),
        ],
    ),
    (
        "names with HTML, quotes, emoji and newlines",
        "nothing breaks out of SVG, HTML, mermaid, labels, terminal lines or log lines",
        [
            (GRAPHS, "test_no_name_breaks_out"),
            (PAGE, "test_names_do_not_break_out_of_the_page_or_of_labels"),
            (METRICS, "test_any_label_and_any_value_come_back_from_the_text"),
            (JUPYTER, "test_a_name_breaks_out_of_nothing_in_a_real_page"),
            (PROGRESS, "test_names_break_nothing"),
            (LIVE, "test_a_name_breaks_out_of_nothing"),
            (
                "security/test_injection.py",
                "test_a_name_of_a_sink_or_a_queue_forges_no_line_where_it_is_halted",
            ),
            ("security/test_injection.py", "test_why_a_queue_is_away_is_one_printable_line"),
            ("security/test_injection.py", "test_an_error_can_not_move_the_cursor_or_forge_a_line"),
        ],
    ),
    (
        "no terminal, or one that can do nothing",
        "plain lines now and then, and no picture",
        [
            (PROGRESS, "test_without_a_terminal_there_is_a_line_every_ten_seconds"),
            (PROGRESS, "test_a_dumb_terminal_gets_lines_and_no_picture"),
            (PROGRESS, "test_what_goes_into_a_pipe_is_lines_and_stays_out_of_standard_output"),
        ],
    ),
    (
        "no colour wanted (NO_COLOR)",
        "none is sent",
        [(PROGRESS, "test_no_colour_where_none_is_wanted")],
    ),
    (
        "40 columns",
        "every line fits",
        [
            (PROGRESS, "test_forty_columns_are_enough"),
            (GRAPHS, "test_text_takes_the_width_of_the_terminal"),
        ],
    ),
    (
        "a browser that goes away",
        "the run goes on, and its end waits for nobody",
        [
            (JUPYTER, "test_a_browser_that_goes_away_costs_the_run_nothing"),
            (BROWSER, "test_a_run_goes_on_when_whoever_looks_goes_away"),
            (PAGE, "test_who_does_not_read_the_answer_does_not_hold_up_the_end"),
            (PROGRESS, "test_a_reader_that_has_gone_does_not_end_the_run"),
        ],
    ),
    (
        "a port that is taken",
        "an error that names it and the way out, before anything is consumed",
        [
            (PAGE, "test_a_port_that_is_taken_is_an_error_before_anything_is_consumed"),
            ("running/commands/test_run.py", "test_a_port_that_is_taken_is_one_line"),
        ],
    ),
    (
        "a notebook run from top to bottom twice",
        "each run shows itself once, in its place",
        [
            (JUPYTER, "test_a_notebook_runs_twice_and_after_a_restart_in_the_middle_of_a_run"),
            (LIVE, "test_a_cell_that_runs_again_leaves_no_second_updater"),
        ],
    ),
    (
        "a kernel restart in the middle of a run",
        "the next run begins anew",
        [(JUPYTER, "test_a_notebook_runs_twice_and_after_a_restart_in_the_middle_of_a_run")],
    ),
    (
        "the status page asked from another origin, or by another name",
        "403, and no CORS",
        [
            (PAGE, "test_a_foreign_page_gets_nothing"),
            (PAGE, "test_every_answer_has_the_headers_that_keep_browsers_from_harm"),
            (BROWSER, "test_a_page_of_another_origin_gets_nothing"),
        ],
    ),
]


@pytest.mark.parametrize("tests", [row[2] for row in TABLE], ids=[row[0] for row in TABLE])
def test_every_bad_input_has_tests_that_exist(tests: list[tuple[str, str]]) -> None:
    assert [each for each in tests if each[1] not in collected(TESTS / each[0])] == []

"""What a command line names, and what is said where that can't be had."""

import pytest

from ackflow.streams.running.commands.problems import Code, hidden
from tests.running.commands.conftest import Shell

WORDS = """
    from functools import partial
    from ackflow import operators as op, sinks, streams

    pipeline = streams.of("a", "b") | op.map(str.upper) | sinks.to_list()
    half = streams.of(1) | op.map(str)
    number = 7

    class Inner:
        pipeline = pipeline

    def make(count=3):
        return streams.of(*range(count)) | sinks.count()

    five = partial(make, 5)

    def needs(count):
        return make(count)

    async def later():
        return pipeline

    def wrong():
        raise RuntimeError("bro\\x1b[31mken")

    def explode(value):
        raise KeyError(value)

    fails = streams.of(1) | op.map(explode) | sinks.to_list()
"""


@pytest.mark.parametrize(
    ("target", "counts"),
    [("pipeline", "2 delivered"), ("Inner.pipeline", "2 d"), ("make", "3 d"), ("five", "5 d")],
)
def test_an_attribute_or_a_function_without_arguments_is_run(
    shell: Shell, target: str, counts: str
) -> None:
    shell.write("words.py", WORDS)
    result = shell.run("run", f"words:{target}")
    assert result.exit_code == Code.WELL
    assert result.stdout.startswith(counts)
    assert result.stderr == ""


@pytest.mark.parametrize(
    ("target", "text"),
    [
        ("words", "words:pipeline, words:fails"),
        ("words:", "which pipeline of the module?"),
        (":pipeline", "is no name of a module; write words:pipeline"),
        ("words.py:pipeline", "write words:pipeline for"),
        ("./words.py", "write words:pipeline for"),
        ("apps/words.py:pipeline", "write apps.words:pipeline for"),
        ("wordz:pipeline", "there is no module wordz"),
        ("words.inner:pipeline", "there is no module words.inner"),
        ("words:pipelin", "module words has no pipelin; there are words:pipeline"),
        ("words:number", "words:number is no pipeline: 7"),
        ("words:Inner", "is no pipeline: <class"),
        ("words:half", "stream | sinks.to_list() makes a pipeline"),
        ("words:needs", "missing a required argument: 'count'; give them defaults"),
        ("words:later", "write it as `def`"),
        ("nothing:pipeline", "there is no pipeline in it: stream | operators | sink is one"),
        ("leaves:pipeline", '`if __name__ == "__main__":`'),
        ("wor\x1b[31mds", r"'wor\x1b[31mds' is no name"),
    ],
)
def test_what_is_no_pipeline_is_one_line_with_the_way_out(
    shell: Shell, target: str, text: str
) -> None:
    shell.write("words.py", WORDS)
    shell.write("nothing.py", "")
    shell.write("leaves.py", "raise SystemExit(3)")
    result = shell.run("run", target)
    assert result.exit_code == Code.WRONG
    assert text in result.stderr
    assert result.stderr.count("\n") == 1
    assert "\x1b" not in result.stderr


@pytest.mark.parametrize(
    ("module", "lines"),
    [
        ("x = (", ["SyntaxError: '(' was never closed", 'broken.py", line 1']),
        ("import nosuchmodule", ["import nosuchmodule", "No module named 'nosuchmodule'"]),
        ("x = 1\nx.y", ["line 2", "no attribute 'y'"]),
        (
            "from ackflow import operators as op\nop.chunk(0)",
            ["op.chunk(0)", "must be a whole number from 1 up, got 0"],
        ),
        (
            'from ackflow import streams\nstreams.amqp.queue("w", url="http://ana:s3cret@h/")',
            ["http://ana:***@h/", "must begin with amqp://"],
        ),
        ("try:\n  1/0\nexcept Exception as e:\n  raise ValueError from e", ["1/0", "line 4"]),
    ],
)
def test_an_error_in_a_users_module_is_shown_from_their_file_on_and_with_no_secret(
    shell: Shell, module: str, lines: list[str]
) -> None:
    shell.write("broken.py", module)
    result = shell.run("run", "broken:pipeline")
    assert result.exit_code == Code.WRONG
    for line in [*lines, "ackflow: broken can't be imported: "]:
        assert line in result.stderr
    assert "s3cret" not in result.stderr
    files = [line for line in result.stderr.splitlines() if line.startswith('  File "')]
    assert files
    assert all("broken.py" in line for line in files)


def test_a_function_that_raises_is_shown_without_control_characters(shell: Shell) -> None:
    shell.write("words.py", WORDS)
    result = shell.run("run", "words:wrong")
    assert result.exit_code == Code.WRONG
    assert "in wrong" in result.stderr
    assert r"words:wrong() raised: RuntimeError: bro\x1b[31mken" in result.stderr
    assert "\x1b" not in result.stderr


def test_a_pipeline_that_fails_is_shown_from_the_users_function_on(shell: Shell) -> None:
    shell.write("words.py", WORDS)
    result = shell.run("run", "words:fails")
    assert result.exit_code == Code.FAILED
    assert "in explode" in result.stderr
    assert result.stderr.count('  File "') == 1
    assert "in map(f=explode), with the value 1" in result.stderr


def test_a_broker_that_is_away_is_one_line_and_a_code_of_its_own(shell: Shell) -> None:
    shell.write(
        "away.py",
        """
        from ackflow import sinks, streams
        url = "amqp://ana:s3cret@127.0.0.1:1/"
        pipeline = streams.amqp.queue("words", url=url, start_timeout=0.01) | sinks.to_list()
        """,
    )
    result = shell.run("run", "away:pipeline")
    assert result.exit_code == Code.AWAY
    assert result.stderr == (
        "ackflow: away:pipeline: amqp://ana@127.0.0.1:1/: "
        "nothing listens on port 1 of host '127.0.0.1'\n"
    )


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("amqp://ana:pa:ss@h/", "amqp://ana:***@h/"),
        ("one amqp://:x@h/ two https://b:y@h", "one amqp://:***@h/ two https://b:***@h"),
        ("http://h:80/a@b", "http://h:80/a@b"),
        ("write amqp://user:password@host/queue", "write amqp://user:password@host/queue"),
    ],
)
def test_passwords_in_urls_are_hidden_in_any_text(text: str, shown: str) -> None:
    assert hidden(text) == shown

"""Fuzzing: whatever of ours parses bytes gets garbage.

`python -m tests.fuzz --seconds 60 TARGET` has atheris look for bytes that break a promise of a target,
guided by which lines of ackflow they reach: `pip install 'ackflow[fuzz]'` brings it. Without a target
all are fuzzed, each for its share of the seconds. It ends with an error, and the bytes, where a promise
is broken, where bytes take longer than 10 s, or where they take more than 2 GiB.

Tests run the same targets on Hypothesis' examples, with no need for atheris.

    targets.py    the parsers, what each promises of any bytes, and some bytes to begin with
"""

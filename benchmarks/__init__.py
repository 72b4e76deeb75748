"""Benchmarks: every figure a ratio between contenders that ran in turn in the same run."""

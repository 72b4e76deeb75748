"""Soak: does a process that runs for long stay as small as it was, and let go of all it opened?

`python -m tests.soak` runs the words pipeline on real servers, under load, while proxies cut, halve and
delay its connections, and a queue in memory with failures and lost connections. The process of each
tells its resident memory, file descriptors and tasks as it goes on, and again after each drain. One
line of JSON says what came of it; it ends with an error where memory grew by more than 5 % after the
first of five rounds, or where a task or a file descriptor was left over after a drain.

    samples.py   what a process takes, and what follows from that
    words.py     the words pipeline, in a process of its own
    memory.py    the queue in memory, in a process of its own
    load.py      what is done to the words pipeline from outside: messages and faults
"""

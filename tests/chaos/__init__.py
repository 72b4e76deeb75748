"""Chaos: real servers, real processes, faults in a seeded order, and an account of every message.

`python -m tests.chaos` fills queues with numbered messages, runs pipelines over them in processes of
their own, behind proxies, and breaks everything in turn: connections, servers, processes, queues.
Then it compares what was published with what is stored, dead-lettered and left, and prints one line
of JSON. It ends with an error unless nothing was lost or wrongly acked, no ack was illegal, nothing
came twice without a reason, and it went on in time after every fault.

    plan.py        which faults, how many, in which order
    faults.py      how each is done
    scenarios.py   the pipelines, what each makes of a message, and where it is stored
    consumer.py    one pipeline in a process of its own, with a log of every call of its sinks
    world.py       the servers, the proxies, the consumer's process
    account.py     the log, the servers, and what follows from them
"""

"""Conservation (contract 1) by model: random pipelines, random faults, and an account after every step.

What is acked has all that was made of it in the sinks, or was dropped by an operator that had reason to,
or is in the dead letters; every message is somewhere, once; no ack was illegal. `ACKFLOW_SEED` and
`ACKFLOW_EXAMPLES` say which pipelines and how many; without a seed each run has one of its own.
"""

import os

import hypothesis
from hypothesis import HealthCheck, Phase, settings

from tests.conservation.machine import Conservation

EXAMPLES = int(os.environ.get("ACKFLOW_EXAMPLES", "100"))
SEED = int(os.environ["ACKFLOW_SEED"])

LOOKING = settings(
    max_examples=EXAMPLES,
    stateful_step_count=25,
    deadline=None,
    database=None,
    derandomize=False,
    report_multiple_bugs=False,
    phases=[Phase.generate, Phase.shrink],
    suppress_health_check=list(HealthCheck),
)
Conservation.TestCase.settings = LOOKING
print(f"conservation: ACKFLOW_SEED={SEED} ACKFLOW_EXAMPLES={EXAMPLES}")
TestConservation = hypothesis.seed(SEED)(Conservation).TestCase

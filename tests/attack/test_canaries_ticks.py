"""Attacks the law of silence from the code server: sensors and schedules that a tenant wrote by hand.

Their errors and logs are recorded by Dagster's daemon and shown in the UI, as they come from the code server.
"""

import pytest

from tests.attack.target import Target
from tests.attack.test_canaries import SECRETS, graphql_of, leaks

OWN = '''"""A sensor and a schedule that tell what they can read."""

import os
import sys

import dagster as dg

from etl import build_tenant_definitions


def tell(context: dg.SensorEvaluationContext | dg.ScheduleEvaluationContext) -> None:
    token, password = os.environ["ACME_TOKEN"], os.environ["ACME_DB_PASSWORD"]
    context.log.error(f"told the log {token}")
    print("printed", token, flush=True)
    sys.stderr.write(f"written {token}\\n")
    try:
        raise KeyError(password)
    except KeyError as error:
        raise ValueError(f"raised with {token} password=q") from error


@dg.sensor(job_name="acme_daily_etl")
def acme_teller(context: dg.SensorEvaluationContext) -> None:
    """Tells by failing."""
    tell(context)


@dg.schedule(cron_schedule="0 6 * * *", job_name="acme_daily_etl")
def acme_alarm(context: dg.ScheduleEvaluationContext) -> None:
    """Tells by failing."""
    tell(context)


own = dg.Definitions(sensors=[acme_teller], schedules=[acme_alarm])
defs = dg.Definitions.merge(build_tenant_definitions("acme"), own)
'''
FAILS = '''"""Fails while it is loaded."""

import os

from etl import build_tenant_definitions

defs = build_tenant_definitions("acme")
raise ValueError("raised with " + os.environ["ACME_TOKEN"])
'''
ERROR = "error { message stack errorChain { error { message stack } } }"


def dry_run(kind: str, name: str, more: str) -> str:
    place = f'{{ repositoryLocationName: "acme", repositoryName: "__repository__", {kind}Name: "{name}" }}'
    return f"""mutation {{ {kind}DryRun(selectorData: {place}, {more}) {{ __typename
        ... on DryRunInstigationTick {{ evaluationResult {{ {ERROR} }} }} ... on PythonError {{ message stack }} }} }}"""


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_no_secret_leaves_a_tick_written_by_hand(target: Target) -> None:
    path = target.project.root / "tenants" / "acme" / "definitions.py"
    path.write_text(OWN)
    target.environ.update(SECRETS)
    answers = [
        graphql_of(target, dry_run("sensor", "acme_teller", "cursor: null")),
        graphql_of(target, dry_run("schedule", "acme_alarm", "timestamp: 1767225600")),
    ]
    for said in answers:
        assert "raised with *** password=***" in said.text, said.text
    path.write_text(FAILS)
    broken = target.dagster("definitions", "validate", "-m", "tenants.acme.definitions", "-a", "defs")
    assert broken.code != 0
    assert "raised with ***" in broken.text, broken.text
    assert leaks(target.project.data, broken, *answers) == []

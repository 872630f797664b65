"""Attacks the law of ownership: a tenant's file names only its own variables and those that the platform shares.

Every refusal names the file, the line, the variable and the remedy, before anything runs.
"""

from typing import Any

import pytest

from tests.attack.target import Target

CANARY = "Zq7-canary-of-beta"
VARIABLES = {"BETA_DB_PASSWORD": CANARY, "AWS_SECRET_ACCESS_KEY": CANARY, "OTHER_TOKEN": CANARY, "ACME_TITLE": CANARY}


@pytest.fixture
def two(target: Target) -> Target:
    """A second tenant, whose variables are set in every process."""
    target.project.write_tenant({}, tenant="beta")
    target.environ.update(VARIABLES)
    return target


NAMES = ["BETA_DB_PASSWORD", "AWS_SECRET_ACCESS_KEY", "OTHER_TOKEN", "PATH", "acme_db_host"]


def test_a_variable_of_somebody_else_is_refused(two: Target) -> None:
    changes: dict[str, Any] = {
        "source_database": {"options": {name: f"a${{{name}:-b}}" for name in NAMES}},
        "notifications": [{"type": "webhook", "url": f"https://collect.example/${{{name}}}"} for name in NAMES],
        "storage": {"base_path": "".join(f"${{{name}:x}}" for name in NAMES)},
    }
    two.project.write_tenant(changes)
    said = two.checked("acme")
    assert said.code == 2, said.text
    for place, name in enumerate(NAMES):
        owner = "belongs to tenant beta" if name.startswith("BETA") else "does not belong to tenant acme"
        assert said.text.count(f"the variable `{name}` {owner} at tenants/acme/config.yaml:") == 3, said.text
        assert f"(source_database.options.{name})" in said.text
        assert f"(notifications[{place}].url)" in said.text
    assert "allowed: a variable that begins with ACME_, or one that the platform shares: [tool.etl]" in said.text
    assert CANARY not in said.text


def test_what_people_see_holds_no_variable_and_no_secret(two: Target) -> None:
    rules = [{"column": "name", "type": "in_set", "values": ["${ACME_TITLE}"], "description": "${ACME_TITLE}"}]
    orders = {"description": "${secret:db}", "quality": {"rules": rules}, "tags": {"a": "${ACME_TITLE}"}}
    changes: dict[str, Any] = {
        "name": "${ACME_TITLE}",
        "description": "see ${ACME_TITLE:-x}",
        "tags": {"domain": "${ACME_TITLE}"},
        "owners": ["${ACME_TITLE}"],
        "assets": {"pipelines": {"orders": orders}},
        "jobs": {"daily_etl": {"description": "${ACME_TITLE}"}},
        "notifications": [{"type": "log", "owners": ["${ACME_TITLE}"]}],
        "dbt": {"enabled": False, "vars": {"x": "${ACME_TITLE}"}},
        "environments": {"prod": {"sla": {"min_row_count": "${ACME_TITLE}"}}},
    }
    two.project.write_tenant(changes)
    said = two.checked("acme")
    assert said.code == 2, said.text
    pipeline = "assets.pipelines.orders"
    places = ["name", "description", "tags.domain", "owners[0]", f"{pipeline}.description", f"{pipeline}.tags.a"]
    places += [f"{pipeline}.quality.rules[0].values[0]", f"{pipeline}.quality.rules[0].description"]
    places += ["jobs.daily_etl.description", "notifications[0].owners[0]", "dbt.vars.x", "sla.min_row_count"]
    wrong = [line for line in said.text.splitlines() if "takes neither a variable nor a secret" in line]
    assert [each for each in places if not any(f"({each})" in line for line in wrong)] == []
    assert len(wrong) == len(places), said.text
    assert CANARY not in said.text


def test_a_dollar_is_still_a_dollar(two: Target) -> None:
    two.project.write_tenant({"description": "costs 5$ or $${ACME_TITLE}"})
    assert two.etl("check", "acme").code == 0


def test_of_two_ids_that_begin_alike_the_longer_owns(target: Target) -> None:
    target.project.write_tenant({}, tenant="acme_eu")
    target.project.write_tenant({"source_database": {"host": "${ACME_EU_DB_HOST}"}})
    said = target.etl("check", "acme")
    assert said.code == 2, said.text
    assert "the variable `ACME_EU_DB_HOST` belongs to tenant acme_eu" in said.text
    target.project.write_tenant({"source_database": {"host": "${ACME_EU_DB_HOST}"}}, tenant="acme_eu")
    said = target.etl("check", "acme_eu")
    assert "belongs to tenant" not in said.text


def test_a_tenant_called_like_the_platform_owns_nothing_of_it(target: Target) -> None:
    target.project.write_tenant({"source_database": {"password": "${AWS_SECRET_ACCESS_KEY}"}}, tenant="aws")
    said = target.etl("check", "aws")
    assert said.code == 2, said.text
    assert "the variable `AWS_SECRET_ACCESS_KEY` does not belong to tenant aws" in said.text


def test_the_platform_shares_what_it_lists_and_no_more(two: Target) -> None:
    two.project.write_tenant(
        {"storage": {"bucket": "${S3_BUCKET_NAME:-}"}, "source_database": {"port": "${TRINO_PORT:-1}"}}
    )
    assert two.etl("check", "acme").code == 0, "the default list"
    (two.project.root / "pyproject.toml").write_text('[tool.etl]\nshared_variables = ["OTHER_*"]\n')
    said = two.etl("check", "acme")
    assert said.code == 2
    assert "S3_BUCKET_NAME" in said.text, "the platform's own list replaces the default"
    two.project.write_tenant({"source_database": {"username": "${OTHER_TOKEN}"}})
    assert two.etl("check", "acme").code == 0

"""Attack on "a remedy for everything": what `etl verify` and a failed load name is a command that works when it is typed."""

import re

import pytest

from tests.attack.target import Target
from tests.tiny_project import DAYS


def obey(target: Target, text: str) -> None:
    """Type the commands of one remedy."""
    for command in re.findall(r"`etl ([^`]+)`", text):
        said = target.etl(*command.split())
        assert said.code == 0, (command, said.text)


@pytest.mark.slow
def test_what_verify_says_of_the_ledger_of_the_kept_rows_and_of_days_outside_can_be_typed(target: Target) -> None:
    whole = {"date_column": None, "partitions": None, "trino_output": {"mode": "upsert", "target_table": "whole"}}
    target.project.write_pipeline({"trino_output": {"mode": "upsert"}})
    target.run_days()
    target.warehouse('UPDATE etl_kept."shop.orders" SET amount = 7 WHERE order_id = 205')
    found = target.etl("verify", "acme")
    assert (found.code, "keeps of it are not those that were loaded" in found.text) == (1, True), found.text
    obey(target, f"`etl run acme --pipeline orders --stage load --from {DAYS[1]} --to {DAYS[1]} --reload`")
    assert target.etl("verify", "acme").code == 0

    target.warehouse("ALTER TABLE shop.orders RENAME name TO other")
    failed = target.etl("run", "acme", "--stage", "load", "--from", DAYS[0], "--to", DAYS[0])
    assert failed.code == 1
    assert re.search(r"column `other` .*ALTER TABLE", failed.text.replace("\n", " ")), failed.text
    assert "Binder Error" not in failed.text
    target.warehouse("ALTER TABLE shop.orders RENAME other TO name")

    target.project.write_pipeline({"trino_output": {"mode": "upsert"}, "partitions": {"start": DAYS[1]}})
    target.warehouse(f"UPDATE etl_ledger.loads SET version = 'other' WHERE partition = '{DAYS[0]}'")
    found = target.etl("verify", "acme")
    assert f"let `partitions` have {DAYS[0]} in tenants/acme/config.yaml, then" in found.text, found.text

    target.project.write_pipeline(whole)
    assert target.etl("run", "acme").code == 0
    target.warehouse("DELETE FROM etl_ledger.loads WHERE table_name = 'whole'")
    found = target.etl("verify", "acme")
    assert (found.code, "the ledger names no load of it" in found.text) == (1, True), found.text
    (remedy,) = set(re.findall(r"-> (`etl set-aside.*)", found.text)) or {found.text}
    obey(target, remedy)
    assert target.etl("verify", "acme").code == 0

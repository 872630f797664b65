"""`etl contract`: files, exit codes, and what is shown."""

import json
from pathlib import Path

import pytest
import yaml

from tests.cli.conftest import Etl
from tests.pages import type_page
from tests.pipeline.stages import run_stage
from tests.tiny_project import TinyProject

CONTRACT = """\
apiVersion: v3.1.0
kind: DataContract
id: x
version: 1.0.0
status: active
schema:
  - name: sales
    properties:
      - {name: id, logicalType: integer, physicalType: bigint, required: true}
price: {priceAmount: 5}
"""


def published(project: TinyProject) -> None:
    run_stage(project, "extract")
    run_stage(project, "transfer")


def test_a_contract_goes_to_the_terminal_to_a_file_and_to_a_folder(project: TinyProject, etl: Etl) -> None:
    published(project)
    shown = etl("contract", "export", "acme/orders")
    assert shown.code == 0, shown
    data = yaml.safe_load(shown.out)
    assert data["name"] == "acme/orders"
    assert etl("contract", "export", "acme/orders", "--out", "one.yaml").code == 0
    assert yaml.safe_load(Path("one.yaml").read_text(encoding="utf-8")) == data
    assert etl("contract", "export", "acme", "--out", "all").code == 0
    assert yaml.safe_load(Path("all/orders.odcs.yaml").read_text(encoding="utf-8")) == data
    said = etl("contract", "export", "acme")
    assert (said.code, "--out contracts" in said.err) == (2, True)
    assert etl("contract", "export", "acme/ordrs").code == 2


def test_what_a_contract_leaves_out_is_said(project: TinyProject, etl: Etl) -> None:
    project.write_pipeline({"quality": {"rules": [{"column": "amount", "type": "positive", "stage": "extract"}]}})
    said = etl("contract", "export", "acme/orders")
    assert "positive__amount judges the extract" in said.err
    assert "without types" in said.err
    assert "positive" not in said.out


@pytest.mark.parametrize(
    "warehouse",
    [
        {"type": "postgres", "url": "${ACME_WAREHOUSE_URL}"},
        {
            "type": "postgres",
            "host": "${ACME_WAREHOUSE_HOST}",
            "port": "${ACME_WAREHOUSE_PORT:-5433}",
            "database": "w",
            "password": "${ACME_WAREHOUSE_PASSWORD}",
        },
        {"type": "trino", "host": "${ACME_WAREHOUSE_HOST}", "password": "${ACME_WAREHOUSE_PASSWORD}"},
    ],
    ids=["url", "postgres", "trino"],
)
def test_no_secret_and_no_value_of_a_variable_is_written(
    project: TinyProject, etl: Etl, monkeypatch: pytest.MonkeyPatch, warehouse: dict[str, str]
) -> None:
    for name in ("URL", "HOST", "PORT", "PASSWORD"):
        monkeypatch.setenv(f"ACME_WAREHOUSE_{name}", "1234" if name == "PORT" else f"hidden-{name}")
    project.write_tenant({"warehouse": warehouse})
    said = etl("contract", "export", "acme/orders")
    assert said.code == 0, said
    assert "hidden" not in said.out
    (server,) = yaml.safe_load(said.out)["servers"]
    assert server["type"] in ("custom", warehouse["type"])
    assert server.get("port") in (None, 5433, 8080)
    assert "PASSWORD" not in said.out


def test_an_import_keeps_every_line_and_names_what_is_left(project: TinyProject, etl: Etl) -> None:
    Path("sales.yaml").write_text(CONTRACT)
    file = project.root / "tenants" / "acme" / "config.yaml"
    before = "# a comment\n" + file.read_text(encoding="utf-8")
    file.write_text(before, encoding="utf-8")
    dry = etl("contract", "import", "sales.yaml", "--tenant", "acme", "--dry-run")
    assert (dry.code, file.read_text(encoding="utf-8")) == (0, before)
    assert "sales:" in dry.out
    said = etl("contract", "import", "sales.yaml", "--tenant", "acme")
    assert said.code == 0, said
    assert "a tenant's file has no prices" in said.out
    after = file.read_text(encoding="utf-8")
    assert all(line in after.splitlines() for line in before.splitlines())
    assert "# Not taken over: price: a tenant's file has no prices" in after
    assert dry.out in after
    assert etl("check", "acme").code == 0
    again = etl("contract", "import", "sales.yaml", "--tenant", "acme")
    assert (again.code, file.read_text(encoding="utf-8")) == (2, after)


def test_a_pipeline_that_would_not_load_is_not_written(project: TinyProject, etl: Etl) -> None:
    file = project.root / "tenants" / "acme" / "config.yaml"
    before = file.read_text(encoding="utf-8")
    Path("sales.yaml").write_text(CONTRACT.replace("name: sales", "name: sales\n    physicalName: etl_ledger.sales"))
    said = etl("contract", "import", "sales.yaml", "--tenant", "acme")
    assert said.code == 2, said
    assert "nothing was written" in " ".join(said.err.split())
    assert "etl_ledger" in said.err
    assert file.read_text(encoding="utf-8") == before


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("name: id,", "name: id, physicalName: 'a;b',"), "cannot be the name of a column"),
        (("price: {priceAmount: 5}", "slaProperties: [{property: timeOfAvailability, value: noon}]"), "is no cron"),
        (("price: {priceAmount: 5}", "team: {members: [{username: jane}]}"), "`jane` is no owner"),
    ],
)
def test_a_value_that_a_pipeline_cannot_have_is_left_and_named(
    project: TinyProject, etl: Etl, change: tuple[str, str], said: str
) -> None:
    Path("sales.yaml").write_text(CONTRACT.replace(*change))
    shown = etl("contract", "import", "sales.yaml", "--tenant", "acme", "--dry-run")
    assert (shown.code, said in shown.out) == (0, True), shown


def test_a_difference_is_shown_in_three_formats(project: TinyProject, etl: Etl) -> None:
    published(project)
    assert etl("contract", "export", "acme/orders", "--out", "old.yaml").code == 0
    same = etl("contract", "diff", "old.yaml", "acme/orders")
    assert (same.code, "promise the same" in same.out) == (0, True), same
    project.write_pipeline({"quality": {"rules": [{"column": "order_id", "type": "not_null"}]}})
    shown = etl("contract", "diff", "old.yaml", "acme/orders")
    assert shown.code == 1
    assert "breaks a consumer" in shown.out
    assert "unique(order_id)" in shown.out
    assert "1.0.0 becomes 2.0.0" in shown.out
    data = json.loads(etl("contract", "diff", "old.yaml", "acme/orders", "--format", "json").out)
    assert {each["effect"] for each in data["changes"]} == {"breaking"}
    markdown = etl("contract", "diff", "old.yaml", "acme/orders", "--format", "markdown").out
    assert "| breaks a consumer | `schema.orders.unique(order_id)` | the rule is gone |" in markdown
    assert etl("contract", "diff", "old.yaml", "acme/orders", "--format", "html").code == 2


def test_what_could_not_be_compared_is_not_green(project: TinyProject, etl: Etl) -> None:
    published(project)
    assert etl("contract", "export", "acme/orders", "--out", "old.yaml").code == 0
    for path in (project.data / "lake").rglob("*.parquet"):
        path.unlink()
    said = etl("contract", "diff", "old.yaml", "acme/orders")
    assert (said.code, "not compared" in said.out) == (3, True), said


def test_the_page_works_as_it_is_written(etl: Etl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ETL_PROJECT_DIR", str(tmp_path / "shop"))
    monkeypatch.setenv("ETL_DATA_DIR", str(tmp_path / "data"))
    assert etl("init", str(tmp_path / "shop")).code == 0
    monkeypatch.chdir(tmp_path / "shop")
    said = type_page("contracts.md", tmp_path / "shop", etl)
    left = said["etl contract import contracts/shipments.odcs.yaml --tenant demo"].out
    for part in ("price", "schema[0].quality[1]", "slaProperties[1]"):
        assert part in left

"""A pipeline is exported, imported into a tenant that does not have it, and exported again: the contracts are equal."""

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import yaml
from hypothesis import Phase, given, settings, strategies as st
from open_data_contract_standard.model import OpenDataContractStandard

from etl.config import load_tenant
from etl.config.config_loader import list_tenants
from etl.odcs.document import contract_text, read_contract
from etl.odcs.exporting import export_contract
from etl.odcs.importing import ImportedPipeline, import_contract
from etl.odcs.reading import READS_FROM
from etl.odcs.tenant_file import with_imported
from etl.settings import load_settings
from tests.installation import REPOSITORY
from tests.pipeline.stages import run_stage
from tests.tiny_project import TENANT, TinyProject

TENANT_KEYS = ("id", "name", "group", "owners", "tags", "source_database", "warehouse", "storage", "sla")


def exported_again(text: str, tenant: dict[str, Any], pipeline: str, root: Path) -> tuple[str, ImportedPipeline]:
    """The contract of the pipeline that was made from a contract, in a new project with a tenant that lacks it."""
    name = str(tenant["id"])
    own = {key: tenant[key] for key in TENANT_KEYS if key in tenant}
    own["assets"] = {"pipelines": {"other": {"source_table": "other"}}}
    folder = root / "tenants" / name
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text(yaml.safe_dump({"tenant": own}, allow_unicode=True), encoding="utf-8")
    file = root / "contract.yaml"
    file.write_text(text, encoding="utf-8")
    environ = {"ETL_PROJECT_DIR": str(root), "ETL_DATA_DIR": str(root / "data")}
    settings = load_settings(environ)
    config = load_tenant(name, settings, environ)
    before = (folder / "config.yaml").read_text(encoding="utf-8")
    (imported,) = import_contract(read_contract(file), config)
    (folder / "config.yaml").write_text(
        with_imported(before, name, settings, [imported], "contract.yaml"), encoding="utf-8"
    )
    again = export_contract(load_tenant(name, settings, environ), settings, pipeline)
    return contract_text(again.data), imported


def promised(text: str) -> str:
    """The contract without the fingerprint of what is read, which an import cannot know."""
    data = yaml.safe_load(text)
    for table in data["schema"]:
        table["customProperties"] = [each for each in table["customProperties"] if each["property"] != READS_FROM]
    return contract_text(data)


def left_of(imported: ImportedPipeline) -> list[str]:
    return [at for at, reason in imported.left if not reason.startswith(f"`{READS_FROM}`")]


@pytest.mark.parametrize("tenant", ["default", "project_01", "project_02"])
def test_the_pipelines_of_the_demo_come_back(
    tmp_path: Path, tenant: str, keeps_the_standard: Callable[[Any], list[str]]
) -> None:
    environ = {"ETL_PROJECT_DIR": str(REPOSITORY), "ETL_DATA_DIR": str(tmp_path / "data")}
    settings = load_settings(environ)
    assert tenant in list_tenants(settings)
    config = load_tenant(tenant, settings, environ)
    raw = yaml.safe_load((REPOSITORY / "tenants" / tenant / "config.yaml").read_text(encoding="utf-8"))["tenant"]
    for pipeline in config.pipelines:
        contract = export_contract(config, settings, pipeline)
        text = contract_text(contract.data)
        assert keeps_the_standard(yaml.safe_load(text)) == []
        again, imported = exported_again(text, raw, pipeline, tmp_path / pipeline)
        assert promised(again) == promised(text)
        assert left_of(imported) == ["servers"]


def test_what_is_published_comes_back_with_its_types(
    project: TinyProject,
    tmp_path: Path,
    keeps_the_standard: Callable[[Any], list[str]],
    keeps_the_next_one: Callable[[Any], list[str]],
) -> None:
    run_stage(project, "extract")
    run_stage(project, "transfer")
    settings_ = load_settings(project.environ)
    contract = export_contract(load_tenant("acme", settings_), settings_, "orders")
    text = contract_text(contract.data)
    data = yaml.safe_load(text)
    assert keeps_the_standard(data) == keeps_the_next_one(data) == []
    read = OpenDataContractStandard.from_string(text)
    assert read.schema_ is not None
    columns = {each.name: (each.logicalType, each.physicalType) for each in read.schema_[0].properties or []}
    assert columns == {
        "order_id": ("integer", "BIGINT"),
        "name": ("string", "VARCHAR"),
        "amount": ("number", "DOUBLE"),
        "created_at": ("timestamp", "TIMESTAMP"),
        "cents": ("integer", "BIGINT"),
    }
    again, _ = exported_again(text, TENANT, "orders", tmp_path / "again")
    assert promised(again) == promised(text)


def test_the_models_of_the_standard_read_all_that_is_written(project: TinyProject) -> None:
    settings_ = load_settings(project.environ)
    data = export_contract(load_tenant("acme", settings_), settings_, "orders").data
    model = OpenDataContractStandard.from_string(contract_text(data))
    assert yaml.safe_load(model.to_yaml()) == yaml.safe_load(contract_text(data))


TYPES = ["Int32", "Int64", "Float64", "String", "Boolean", "Date", "Decimal(12, 2)", "Datetime('us')", "List(Int64)"]
COLUMNS = ["a", "b", "c d", "이름"]
RULES = [
    {"type": "not_null"},
    {"type": "not_null", "mostly": 0.9},
    {"type": "unique", "severity": "warning", "name": "once"},
    {"type": "in_set", "values": ["x", "y"], "description": "only: these"},
    {"type": "regex", "pattern": "^[a-z]+$"},
    {"type": "in_range", "min": 0, "where": "t IS NOT NULL"},
    {"type": "recency", "max_age_hours": 5.5},
]
SLA = st.fixed_dictionaries(
    {},
    optional={
        "min_row_count": st.integers(0, 5),
        "max_failure_rate": st.sampled_from([0.05, 0.5]),
        "alert_level": st.sampled_from(["info", "critical"]),
        "alert_on_warning": st.just(True),
        "freshness": st.sampled_from([{"deadline": "0 9 * * 1-5", "business_days": True}, {"max_age_hours": 26}]),
    },
)
GUARDS = st.fixed_dictionaries(
    {},
    optional={
        "undated": st.sampled_from(["fail", "ignore"]),
        "max_shrink": st.sampled_from([0.0, 0.25]),
        "allow_empty": st.just(True),
        "volume": st.sampled_from(["off", {"max_shrink": 0.25}]),
        "schema_changes": st.just("fail"),
    },
)
PIPELINES = st.fixed_dictionaries(
    {
        "columns": st.lists(st.sampled_from(COLUMNS), min_size=1, unique=True).map(lambda names: ["t", *names]),
        "types": st.lists(st.sampled_from(TYPES), min_size=5, max_size=5),
        "rules": st.lists(st.tuples(st.sampled_from(RULES), st.integers(0, 3)), max_size=6),
        "sla": SLA,
        "dated": st.booleans(),
        "loaded": st.booleans(),
        "on_failure": st.sampled_from(["block", "quarantine", "warn"]),
        "personal": st.booleans(),
        "guards": GUARDS,
    }
)


@settings(max_examples=25, deadline=None, phases=(Phase.generate,))
@given(PIPELINES)
def test_any_pipeline_comes_back(said: dict[str, Any]) -> None:
    columns: list[str] = said["columns"]
    rules = [
        {"column": name, "type": "dtype", "dtype": kind} for name, kind in zip(columns[1:], said["types"], strict=False)
    ]
    for rule, place in said["rules"]:
        stated = {"column": columns[place % len(columns)], **rule}
        names = {each["name"] for each in rules if "name" in each}
        if stated not in rules and stated.get("name") not in names:  # both are refused twice
            rules.append(stated)
    pipeline: dict[str, Any] = {
        "source_table": "orders",
        "columns": columns,
        "save_to_trino": said["loaded"],
        "quality": {"engine": "polars", "on_failure": said["on_failure"], "rules": rules},
    }
    pipeline |= {key: value for key, value in said["guards"].items() if said["dated"] or key != "undated"}
    if said["dated"]:
        pipeline |= {"date_column": "t", "partitions": {"by": "hour", "timezone": "Asia/Seoul"}}
    if said["loaded"]:
        pipeline["trino_output"] = {"target_schema": "shop", "key_columns": columns[:2]}
    if said["sla"]:
        pipeline["sla"] = {"min_row_count": 3, **said["sla"]}  # an `sla` that promises nothing is refused
    if said["personal"]:
        pipeline["pii_columns"] = columns[1:2]
    with TemporaryDirectory() as folder:
        root = Path(folder)
        tenant = {**TENANT, "assets": {"pipelines": {"orders": pipeline}}, "jobs": {}}
        (root / "one" / "tenants" / "acme").mkdir(parents=True)
        file = root / "one" / "tenants" / "acme" / "config.yaml"
        file.write_text(yaml.safe_dump({"tenant": tenant}, allow_unicode=True), encoding="utf-8")
        environ = {"ETL_PROJECT_DIR": str(root / "one"), "ETL_DATA_DIR": str(root / "data")}
        settings_ = load_settings(environ)
        text = contract_text(export_contract(load_tenant("acme", settings_, environ), settings_, "orders").data)
        again, imported = exported_again(text, TENANT, "orders", root / "two")
        assert promised(again) == promised(text)
        assert left_of(imported) == ["servers"]

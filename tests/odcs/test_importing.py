"""Contracts of others: what becomes of them, and that nothing is dropped in silence."""

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from etl.config import load_tenant
from etl.config.tenant_config import TenantConfig
from etl.errors import ConfigError
from etl.odcs.document import Contract, read_contract
from etl.odcs.fundamentals import grouped
from etl.odcs.importing import ImportedPipeline, import_contract
from etl.odcs.tenant_file import with_imported
from etl.settings import load_settings
from tests.tiny_project import TinyProject

from .conftest import EXAMPLES, examples

Path_ = tuple[str | int, ...]
# Keys that say nothing by themselves: marks of the file, the place of a key, and the standard's own defaults.
NOTHING_SAID: dict[str, tuple[object, ...]] = {
    "apiVersion": ("v3.0.0", "v3.0.1", "v3.0.2", "v3.1.0"),
    "version": ("1.0.0",),
    "kind": ("DataContract",),
    "logicalType": ("object",),
    "physicalType": ("table",),
    "status": ("active",),
    "primaryKey": (False,),
    "primaryKeyPosition": (-1, 1, 2),
    "partitionKeyPosition": (-1, 1),
    "partitioned": (False,),
    "required": (False,),
    "unique": (False,),
    "criticalDataElement": (False,),
    "classification": ("public",),
    "type": ("library", "foreignKey"),
    "severity": ("error",),
    "tags": ([],),
}
ONLY_FOR_TOOLS = ("id", "dimension")  # of a column or a rule: stable names, and a word for catalogs


@pytest.fixture
def tenant(project: TinyProject) -> TenantConfig:
    return load_tenant("acme", load_settings(project.environ))


def leaves(value: Any, path: Path_ = ()) -> Iterator[Path_]:
    if isinstance(value, dict):
        for key, each in value.items():
            yield from leaves(each, (*path, key))
    elif isinstance(value, list) and value:
        for index, each in enumerate(value):
            yield from leaves(each, (*path, index))
    else:
        yield path


def dotted(path: Path_) -> str:
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def without(data: Any, path: Path_) -> Any:
    changed = copy.deepcopy(data)
    node = changed
    for part in path[:-1]:
        node = node[part]
    del node[path[-1]]
    return changed


def keys_of(imported: tuple[ImportedPipeline, ...]) -> list[Any]:
    return [(each.name, each.keys) for each in imported]


@pytest.mark.parametrize("path", list(examples()), ids=lambda path: path.stem)
def test_every_value_of_a_contract_becomes_something_or_is_listed(path: Path, tenant: TenantConfig) -> None:
    contract = read_contract(path)
    imported = import_contract(contract, tenant)
    left = [at for each in imported for at, _ in each.left]
    silent = []
    for leaf in leaves(contract.data):
        at = dotted(leaf)
        value: Any = contract.data
        for part in leaf:
            value = value[part]
        key = next(part for part in reversed(leaf) if isinstance(part, str))
        parent = contract.data
        for part in leaf[:-1]:
            parent = parent[part]
        if key == "logicalType" and "physicalType" in parent:
            continue  # the other one says the same, more exactly
        if value in NOTHING_SAID.get(key, ()) or (key in ONLY_FOR_TOOLS and len(leaf) > 1):
            continue
        if any(at == each or at.startswith((f"{each}.", f"{each}[")) for each in left):
            continue
        try:
            changed = import_contract(Contract(without(contract.data, leaf), "changed"), tenant)
        except (ConfigError, KeyError):
            continue  # without this value, it is no contract
        if keys_of(changed) == keys_of(imported):
            silent.append(at)
    assert silent == []


@pytest.mark.parametrize("path", list(examples()), ids=lambda path: path.stem)
def test_the_examples_of_the_standard_become_pipelines_that_load(
    path: Path, tenant: TenantConfig, project: TinyProject
) -> None:
    settings = load_settings(project.environ)
    imported = import_contract(read_contract(path), tenant)
    before = (project.root / "tenants" / "acme" / "config.yaml").read_text(encoding="utf-8")
    text = with_imported(before, "acme", settings, imported, path.name)
    lines = text.splitlines()
    assert [each for each in before.splitlines() if each not in lines] == []
    assert text.count("# Not taken over: ") == sum(len(grouped(each.left)) for each in imported)


def test_the_full_example_becomes_what_it_says(tenant: TenantConfig) -> None:
    table, receivers = import_contract(read_contract(EXAMPLES / "full-example.odcs.yaml"), tenant)
    assert (table.name, receivers.name) == ("tbl", "receivers")
    assert table.keys["date_column"] == "txn_ref_dt"
    assert table.keys["trino_output"] == {"target_table": "tbl_1", "key_columns": ["rcvr_id"]}
    assert table.keys["pii_columns"] == ["rcvr_id"]
    rules = table.keys["quality"]["rules"]
    assert {
        "type": "row_count",
        "min": 1_000_001,
        "description": "Ensure row count is within expected volume range",
    } in rules
    assert {"column": "rcvr_id", "type": "foreign_key", "to": "receivers", "to_column": "id"} in rules
    assert {"column": "txn_ref_dt", "type": "dtype", "dtype": "Date"} in rules
    assert {"column": "country_code", "type": "not_null"} in receivers.keys["quality"]["rules"]
    reasons = dict(grouped(table.left))
    assert reasons["price"] == "a tenant's file has no prices"
    assert "no owner" in reasons["team.members[0]"]


HEAD = {"apiVersion": "v3.1.0", "kind": "DataContract", "id": "x", "version": "1.0.0", "status": "active"}


def contract(table: dict[str, Any], **more: Any) -> Contract:
    return Contract({**HEAD, **more, "schema": [{"name": "sales", "physicalType": "table", **table}]}, "sales.yaml")


@pytest.mark.parametrize(
    ("column", "rules"),
    [
        ({"logicalType": "string", "logicalTypeOptions": {"minLength": 1, "maxLength": 5}}, [{"type": "length", "min": 1, "max": 5}]),
        ({"logicalType": "string", "logicalTypeOptions": {"format": "email"}}, [{"type": "email"}]),
        ({"logicalType": "integer", "logicalTypeOptions": {"exclusiveMinimum": 0}}, [{"type": "in_range", "min": 0, "min_inclusive": False}]),
        ({"logicalType": "date", "logicalTypeOptions": {"maximum": "2030-01-01"}}, [{"type": "in_range", "max": "2030-01-01"}]),
        ({"required": True, "quality": [{"metric": "nullValues", "mustBe": 0}]}, [{"type": "not_null"}]),
        ({"unique": True}, [{"type": "unique"}]),
    ],
)  # fmt: skip
def test_options_of_a_type_become_rules(tenant: TenantConfig, column: dict[str, Any], rules: list[Any]) -> None:
    (made,) = import_contract(contract({"properties": [{"name": "a", **column}]}), tenant)
    found = [rule for rule in made.keys["quality"]["rules"] if rule["type"] != "dtype"]
    assert found == [{"column": "a", **each} for each in rules]
    assert made.left == (("id", made.left[0][1]),)


@pytest.mark.parametrize(
    ("table", "name", "said"),
    [
        ({"name": "orders"}, None, "has a pipeline `orders` already"),
        ({"name": "주문"}, None, "cannot be the name of a pipeline"),
    ],
)
def test_what_cannot_become_a_pipeline_is_refused(
    tenant: TenantConfig, table: dict[str, Any], name: str | None, said: str
) -> None:
    with pytest.raises(ConfigError, match=said):
        import_contract(contract(table), tenant, name)


def test_a_table_of_another_pipeline_is_not_loaded_twice(tenant: TenantConfig) -> None:
    (made,) = import_contract(contract({"physicalName": "shop.orders"}), tenant)
    assert made.keys["trino_output"] == {"target_schema": "shop"}
    assert ("schema[0].physicalName", "`shop.orders` is the table of the pipeline `orders`") in made.left


def test_texts_that_look_like_variables_stay_texts(tenant: TenantConfig, project: TinyProject) -> None:
    settings = load_settings(project.environ)
    (made,) = import_contract(contract({"description": "costs ${PRICE} or $$ 5: {a, 'b'} # no\ncomment"}), tenant)
    file = project.root / "tenants" / "acme" / "config.yaml"
    text = with_imported(file.read_text(encoding="utf-8"), "acme", settings, [made], "x.yaml")
    file.write_text(text, encoding="utf-8")
    read = load_tenant("acme", settings).pipelines["sales"]
    assert read.description == "costs ${PRICE} or $$ 5: {a, 'b'} # no\ncomment"
    assert yaml.safe_load(text)


def test_a_file_that_is_no_contract_is_refused_with_all_its_lines(tmp_path: Path) -> None:
    file = tmp_path / "x.yaml"
    file.write_text("apiVersion: v3.1.0\nkind: DataContract\nid: x\nstatus: active\nschema:\n  - nme: orders\n")
    with pytest.raises(ConfigError) as raised:
        read_contract(file)
    text = str(raised.value)
    assert "'version' is a required property" in text
    assert f"{file}:6:" in text

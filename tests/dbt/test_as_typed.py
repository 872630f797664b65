"""A step leaves what `dbt build` on the command line leaves, for whole tables and for one window after another."""

import json
from pathlib import Path
from typing import Any

import duckdb
import pytest

from etl.config import load_tenant
from etl.dbt import window_reads
from etl.dbt.project import TenantDbt, parse, tenant_dbt
from etl.dbt.warm import warm_dbt_of_run
from etl.settings import load_settings
from tests.dbt.projects import SHOP, inside, write_dbt
from tests.dbt.typed import apart, assert_same, by_product, names_of, typed
from tests.tiny_project import DAYS, TinyProject, make_project

WINDOWS: tuple[dict[str, str], ...] = (
    {},
    {"partition_start": "2026-01-01 00:00:00", "partition_end": "2026-01-02 00:00:00"},
    {"partition_start": "2026-01-02 00:00:00", "partition_end": "2026-01-04 00:00:00"},
    {},
)
# What a model's own file can make of the window while dbt parses.
OWN_FILES = {
    **SHOP,
    "models/marts/only_days.sql": "{{ config(enabled=var('partition_start') != '') }} select 1 as one",
    "models/marts/tagged.sql": "{{ config(tags=['from ' ~ var('partition_start')]) }} select 1 as one",
    "models/marts/either.sql": "select * from {% if var('partition_start') %}{{ ref('by_day') }}{% else %}{{ ref('regions') }}{% endif %}",
    "models/marts/counted.py": "def model(dbt, session):\n    return dbt.ref('by_day').aggregate('count(*) as days')\n",
    "models/marts/more.yml": """
        version: 2
        models:
          - name: tagged
            columns: [{name: one, data_tests: [not_null]}]
        unit_tests:
          - name: one_order_a_day
            model: by_day
            given: [{input: ref('stg_orders'), rows: [{order_id: 1, amount: 2, order_date: 2026-01-01}]}]
            expect: {rows: [{orders: 1, amount: 2}]}
            overrides: {vars: {partition_start: '', partition_end: ''}, macros: {is_incremental: false}}
        """,
    "snapshots/regions_history.sql": "{% snapshot regions_history %}"
    "{{ config(target_schema='dbt', unique_key='region', strategy='check', check_cols='all') }}"
    "select * from {{ ref('regions') }}{% endsnapshot %}",
    "tests/in_days.sql": "select 1 where '{{ var('partition_start') }}' = 'never'",
}
TEST_OF_DAYS = (
    "{% test never_negative(model, column) %}select * from {{ model }} where {{ column }} < 0"
    " {% if var('partition_start') %}or {{ column }} > 100{% endif %}{% endtest %}"
)
LABELLED = "version: 2\nmodels: [{name: labelled, config: {tags: ['from {{ var(\"partition_start\") }}']}}]"
SHOP_OF_SEEDS = {
    "seeds/raw_customers.csv": "id,first_name\n1,Kim\n2,Lee\n3,Park\n",
    "seeds/raw_orders.csv": "id,user_id,order_date,status\n1,1,2026-01-01,placed\n2,1,2026-01-02,returned\n3,3,2026-01-02,placed\n",
    "seeds/raw_payments.csv": "id,order_id,payment_method,amount\n1,1,card,1000\n2,2,coupon,500\n3,3,card,250\n4,3,coupon,50\n",
    "models/staging/stg_customers.sql": "select id as customer_id, first_name from {{ ref('raw_customers') }}",
    "models/staging/stg_orders.sql": "select id as order_id, user_id as customer_id, order_date, status from {{ ref('raw_orders') }}",
    "models/staging/stg_payments.sql": "select id as payment_id, order_id, payment_method, amount / 100 as amount from {{ ref('raw_payments') }}",
    "models/marts/orders.sql": """
        {% set methods = ['card', 'coupon'] %}
        select o.order_id, o.customer_id, o.order_date, o.status
        {% for method in methods %}, sum(case when payment_method = '{{ method }}' then amount else 0 end) as {{ method }}_amount{% endfor %}
        from {{ ref('stg_orders') }} o left join {{ ref('stg_payments') }} using (order_id) group by all
        """,
    "models/marts/customers.sql": "select customer_id, first_name, count(order_id) as orders from {{ ref('stg_customers') }}"
    " left join {{ ref('orders') }} using (customer_id) group by all",
    "models/marts/marts.yml": """
        version: 2
        models:
          - name: customers
            columns: [{name: customer_id, data_tests: [unique, not_null]}]
          - name: orders
            columns:
              - {name: status, data_tests: [{accepted_values: {arguments: {values: [placed, returned]}}}]}
              - {name: customer_id, data_tests: [{relationships: {arguments: {to: ref('customers'), field: customer_id}}}]}
        """,
}


def prepared(root: Path, files: dict[str, Any], changes: dict[str, str] | None = None) -> tuple[TinyProject, TenantDbt]:
    made = make_project(root, {"dbt": {"enabled": True}})
    folder = write_dbt(made, files)
    settings_file = folder / "dbt_project.yml"
    for old, new in (changes or {}).items():
        settings_file.write_text(settings_file.read_text().replace(old, new))
    with inside(made):
        settings = load_settings()
        project = tenant_dbt(load_tenant("acme", settings), settings)
        for day in DAYS:
            place = settings.lake_dir / "acme" / "extract" / "orders" / f"dt={day}"
            place.mkdir(parents=True)
            sql = f"SELECT i AS order_id, 'n' || i AS name, i * 1.5 AS amount FROM range({day[-1]}00, {day[-1]}20) t(i)"
            duckdb.execute(f"COPY ({sql}) TO '{place}/data.parquet'")
        parse(project)
    return made, project


def compare(made: TinyProject, project: TenantDbt) -> None:
    other = apart(project, project.work_dir.parent / "other")
    names = names_of(project)
    with inside(made), warm_dbt_of_run("run"):
        for window in WINDOWS:
            assert_same(by_product(project, names, window), typed(other, names, window))


@pytest.mark.slow
def test_a_model_that_reads_the_window_while_it_is_parsed_is_parsed_again(tmp_path: Path) -> None:
    made, project = prepared(tmp_path, OWN_FILES)
    readers = window_reads.readers(project.window_reads_path, project.parsed_path)
    assert readers is not None
    assert {Path(each).name for each in readers} == {
        "by_day.sql", "only_days.sql", "tagged.sql", "either.sql", "in_days.sql"
    }  # fmt: skip
    compare(made, project)


SCHEMA = {"models/marts/labelled.sql": "select 1 as one", "models/marts/labelled.yml": LABELLED}
# What dbt's partial parsing does not repeat by itself: a generic test, a setting of the project, a hook, all variables.
ELSEWHERE = {
    "macros/never_negative.sql": TEST_OF_DAYS,
    "models/marts/args.sql": "{{ config(meta={'args': invocation_args_dict.get('vars', {}) | string}) }} select 1 as one",
}
SETTINGS = {
    "+materialized: table": "+materialized: \"{{ 'table' if var('partition_start', '') else 'view' }}\"",
    "profile: etl": "profile: etl\non-run-start: [\"create or replace table dbt.seen as select '{{ var('partition_start') }}' as day\"]",
}


@pytest.mark.slow
def test_what_else_reads_the_window_while_dbt_parses_leads_to_a_parse_of_its_own(tmp_path: Path) -> None:
    made, project = prepared(tmp_path, {**SHOP, **SCHEMA, **ELSEWHERE}, SETTINGS)
    found = json.loads(project.window_reads_path.read_bytes())["elsewhere"]
    assert found == ["NoneType", "acme://./dbt_project.yml", "acme://models/marts/marts.yml", "invocation_args_dict"]
    assert window_reads.readers(project.window_reads_path, project.parsed_path) is None
    compare(made, project)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("files", "changes"),
    [(SCHEMA, {}), ({}, {"+materialized: table": SETTINGS["+materialized: table"]})],
    ids=["schema", "project"],
)
def test_a_file_of_settings_that_reads_the_window_is_known(
    files: dict[str, str], changes: dict[str, str], tmp_path: Path
) -> None:
    _, project = prepared(tmp_path, {**SHOP, **files}, changes)
    assert json.loads(project.window_reads_path.read_bytes())["elsewhere"] == ["NoneType"]
    assert window_reads.readers(project.window_reads_path, project.parsed_path) is None


@pytest.mark.slow
def test_a_shop_of_seeds(tmp_path: Path) -> None:
    made, project = prepared(tmp_path, SHOP_OF_SEEDS)
    assert window_reads.readers(project.window_reads_path, project.parsed_path) == []
    compare(made, project)


def test_a_parse_that_is_not_the_recorded_one_is_not_reused(tmp_path: Path) -> None:
    record, parsed = tmp_path / "window_reads.json", tmp_path / "partial_parse.msgpack"
    parsed.write_bytes(b"parsed")
    assert window_reads.readers(record, parsed) is None
    digest = window_reads._digest(parsed)
    record.write_text(json.dumps({"files": ["a"], "elsewhere": [], "parsed": digest}))
    assert window_reads.readers(record, parsed) == ["a"]
    record.write_text(json.dumps({"files": ["a"], "elsewhere": ["dbt_project.yml"], "parsed": digest}))
    assert window_reads.readers(record, parsed) is None
    record.write_text(json.dumps({"files": ["a"], "elsewhere": [], "parsed": digest}))
    parsed.write_bytes(b"parsed again")
    assert window_reads.readers(record, parsed) is None

"""The classic shop of customers, orders and payments, dropped in as it is, with a tenant of six lines of YAML."""

from pathlib import Path

from dagster import DagsterInstance

from tests.dbt.projects import definitions, inside, rows, run, write_dbt
from tests.tiny_project import make_project

YAML = """tenant:
  id: corner_shop
  group: CD
  owners: ["team:shop"]
  dbt:
    enabled: true
"""
PROJECT = """
name: 'corner_shop'
config-version: 2
version: '0.1'
profile: 'corner_shop'
model-paths: ["models"]
seed-paths: ["seeds"]
target-path: "target"
models:
  corner_shop:
    materialized: table
    staging: {materialized: view}
"""
FILES = {
    "profiles.yml": "corner_shop:\n  target: dev\n  outputs:\n    dev: {type: duckdb, path: corner_shop.duckdb, threads: 8}\n",
    "seeds/raw_customers.csv": "id,first_name,last_name\n1,Mina,K.\n2,Juno,P.\n3,Hana,L.\n",
    "seeds/raw_orders.csv": "id,user_id,order_date,status\n1,1,2018-01-01,returned\n2,3,2018-01-02,completed\n3,1,2018-01-04,placed\n",
    "seeds/raw_payments.csv": "id,order_id,payment_method,amount\n1,1,credit_card,1000\n2,2,coupon,2000\n3,3,credit_card,500\n4,3,gift_card,100\n",
    "models/staging/stg_customers.sql": "select id as customer_id, first_name, last_name from {{ ref('raw_customers') }}",
    "models/staging/stg_orders.sql": "select id as order_id, user_id as customer_id, order_date, status from {{ ref('raw_orders') }}",
    "models/staging/stg_payments.sql": "select id as payment_id, order_id, payment_method, amount / 100 as amount from {{ ref('raw_payments') }}",
    "models/staging/schema.yml": """
        version: 2
        models:
          - name: stg_customers
            columns: [{name: customer_id, tests: [unique, not_null]}]
          - name: stg_payments
            columns:
              - name: payment_method
                tests: [{accepted_values: {values: [credit_card, coupon, gift_card]}}]
        """,
    "models/customers.sql": """
        with spent as (
            select orders.customer_id, count(distinct orders.order_id) as number_of_orders, sum(payments.amount) as total
            from {{ ref('stg_orders') }} as orders
            left join {{ ref('stg_payments') }} as payments using (order_id)
            group by 1
        )
        select customers.*, spent.number_of_orders, spent.total
        from {{ ref('stg_customers') }} as customers left join spent using (customer_id)
        """,
    "models/orders.sql": """
        {% set methods = ['credit_card', 'coupon', 'gift_card'] %}
        select
            orders.order_id, orders.customer_id, orders.status,
            {% for method in methods -%}
            sum(case when payment_method = '{{ method }}' then amount else 0 end) as {{ method }}_amount,
            {% endfor -%}
            sum(amount) as amount
        from {{ ref('stg_orders') }} as orders left join {{ ref('stg_payments') }} using (order_id)
        group by 1, 2, 3
        """,
    "models/schema.yml": """
        version: 2
        models:
          - name: customers
            columns: [{name: customer_id, tests: [unique, not_null]}]
          - name: orders
            columns:
              - {name: order_id, tests: [unique, not_null]}
              - name: customer_id
                tests: [{relationships: {to: ref('customers'), field: customer_id}}]
        """,
}


def test_it_loads_runs_and_shows_its_tests_as_checks(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    (project.root / "tenants" / "corner_shop").mkdir()
    (project.root / "tenants" / "corner_shop" / "config.yaml").write_text(YAML)
    folder = project.root / "dbt_projects" / "corner_shop"
    folder.mkdir(parents=True)
    (folder / "dbt_project.yml").write_text(PROJECT)
    write_dbt(project, FILES, "corner_shop")
    before = {path for path in folder.rglob("*") if path.is_file()}

    with inside(project), DagsterInstance.ephemeral() as instance:
        done = run(definitions("corner_shop"), "corner_shop_all", instance)
    assert done.result.success
    names = {
        "raw_customers",
        "raw_orders",
        "raw_payments",
        "stg_customers",
        "stg_orders",
        "stg_payments",
        "customers",
        "orders",
    }
    assert done.materialized == {f"corner_shop/dbt/{name}" for name in names}
    assert len(done.evaluations) == 8
    assert all(passed for passed, _ in done.evaluations.values())
    assert done.metadata("corner_shop/dbt/orders")["dagster/row_count"] == 3
    assert rows(project, "SELECT total FROM dbt.customers ORDER BY customer_id", "corner_shop") == [
        (16.0,),
        (None,),
        (20.0,),
    ]
    assert rows(project, "SELECT gift_card_amount FROM dbt.orders WHERE order_id = 3", "corner_shop") == [(1.0,)]
    assert {path for path in folder.rglob("*") if path.is_file()} - before <= {folder / ".user.yml"}

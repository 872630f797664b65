"""`etl new --from` on a PostgreSQL whose tables are of every odd kind: each is used, or is left out with its reason."""

from collections.abc import Iterator
from urllib.parse import quote

import pytest
import yaml

from tests.servers import PASSWORD
from tests.servers.postgres import PostgresServer
from tests.tiny_project import TinyProject

from .conftest import Etl

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

TABLES = """
CREATE SCHEMA sales; CREATE SCHEMA archive; CREATE SCHEMA "Mixed Case";
CREATE TABLE sales.orders (id bigint PRIMARY KEY, placed_at timestamptz NOT NULL, buyer text);
INSERT INTO sales.orders SELECT i, now() - interval '200 days' + i * interval '8 minutes', (ARRAY['Ann Lee', 'Bo Li'])[1 + i % 2] FROM generate_series(1, 30000) i;
CREATE INDEX ON sales.orders (placed_at);
CREATE TABLE archive.orders (id bigint PRIMARY KEY, placed timestamp NOT NULL);
INSERT INTO archive.orders SELECT i, timestamp '2020-01-01' + i * interval '1 hour' FROM generate_series(1, 12000) i;
CREATE TABLE "Mixed Case"."Kunden Größe" ("Kunden-Nr" int PRIMARY KEY, "이름" text, "E-Mail" text);
INSERT INTO "Mixed Case"."Kunden Größe" SELECT i, 'n' || i, 'a' || i || '@example.org' FROM generate_series(1, 60) i;
CREATE TABLE 주문 (번호 int PRIMARY KEY, 날짜 date);
CREATE TABLE "Mixed.Case-Table" (id int PRIMARY KEY); CREATE TABLE sales."a.b" (id int PRIMARY KEY);
CREATE TABLE one_row (a int, b text, c date); INSERT INTO one_row VALUES (1, 'x', '2026-01-01');
CREATE TABLE all_null (id int PRIMARY KEY, a int, c timestamptz, d numeric); INSERT INTO all_null (id) SELECT generate_series(1, 100);
CREATE TABLE future (id int PRIMARY KEY, order_date date NOT NULL);
INSERT INTO future SELECT i, current_date - 300 + i / 40 FROM generate_series(1, 11900) i; INSERT INTO future VALUES (99999, '2099-12-31');
CREATE TABLE sentinel (id int PRIMARY KEY, order_date date NOT NULL);
INSERT INTO sentinel SELECT i, current_date - 300 + i / 40 FROM generate_series(1, 11900) i; INSERT INTO sentinel VALUES (99999, '1900-01-01');
CREATE TABLE text_dates (id int PRIMARY KEY, created text NOT NULL);
INSERT INTO text_dates SELECT i, to_char(current_date - 300 + i / 40, 'YYYY-MM-DD') FROM generate_series(1, 11900) i;
CREATE TABLE epochs (id int PRIMARY KEY, ts bigint NOT NULL); INSERT INTO epochs SELECT i, 1700000000 + i * 600 FROM generate_series(1, 11000) i;
CREATE TABLE infinite (id int PRIMARY KEY, created_at timestamptz NOT NULL); INSERT INTO infinite VALUES (1, 'infinity'), (2, now());
CREATE TABLE no_columns (); CREATE TABLE "od'd; name" (a int); CREATE TABLE hidden (id int PRIMARY KEY);
CREATE TABLE odd_column (id int PRIMARY KEY, "a:b" int, "A" int, a int); INSERT INTO odd_column VALUES (1, 2, 3, 4);
CREATE TABLE parted (day date) PARTITION BY RANGE (day); CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
CREATE TABLE a_circle (id int PRIMARY KEY, b_id int); CREATE TABLE b_circle (id int PRIMARY KEY, a_id int REFERENCES a_circle);
ALTER TABLE a_circle ADD FOREIGN KEY (b_id) REFERENCES b_circle;
COMMENT ON TABLE a_circle IS E'one\\ntwo: # "three" ${NOT_A_VARIABLE} $$';
CREATE MATERIALIZED VIEW totals AS SELECT placed_at::date AS day, count(*) FROM sales.orders GROUP BY 1;
GRANT USAGE ON SCHEMA sales, archive, "Mixed Case", public TO odd; GRANT SELECT ON ALL TABLES IN SCHEMA sales, archive, "Mixed Case", public TO odd;
REVOKE ALL ON hidden FROM odd
"""


@pytest.fixture
def url(postgres_server: PostgresServer) -> Iterator[str]:
    password = PASSWORD.replace("'", "''")
    postgres_server.run(
        "CREATE DATABASE odd",
        f"CREATE ROLE odd LOGIN PASSWORD '{password}'",
        "ALTER DATABASE odd SET TimeZone TO 'Asia/Seoul'",
    )
    with postgres_server.connect("odd") as connection:
        for statement in TABLES.split(";\n"):
            connection.execute(statement)
    yield f"postgresql://odd:{quote(PASSWORD, safe='')}@127.0.0.1:{postgres_server.port}/odd"
    postgres_server.run("DROP DATABASE odd WITH (FORCE)", "DROP ROLE odd")


def test_every_table_is_used_or_named(
    etl: Etl, project: TinyProject, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ODD_DB_URL", url)
    said = etl("new", "odd", "--from", "ODD_DB_URL")
    assert said.code == 1, said.err
    assert said.out.splitlines()[-1] == "18 pipelines made, 3 tables and 3 columns left out"
    for reason in (
        "left out: public.no_columns: it has no column that this user may see",
        "left out: public.od'd; name: `od'd; name` cannot be written as a name",
        "permission denied for table hidden",
        "left out: column odd_column.a:b: its name cannot be written",
        "left out: column odd_column.a: its name differs from another only by capitals",
        "left out: column infinite.created_at: column `created_at` holds a date beyond the years 1 to 9999, or infinity",
        "not needed: public.parted_1: a partition of parted",
        "look at future: the latest row is of 2099-12-31, in the future",
        "look at sentinel: the earliest rows are of 1900-01-01, long before the others",
        "time zone of the days: Asia/Seoul (the server's own zone)",
    ):
        assert reason in said.out, reason
    text = (project.root / "tenants/odd/config.yaml").read_text(encoding="utf-8")
    assert "Ann Lee" not in text + said.out
    pipelines = yaml.safe_load(text)["tenant"]["assets"]["pipelines"]
    places = {name: (each.get("source_schema", "public"), each["source_table"]) for name, each in pipelines.items()}
    assert places["sales_orders"] == ("sales", "orders")
    assert places["archive_orders"] == ("archive", "orders")
    assert places["kunden_grosse"] == ("Mixed Case", "Kunden Größe")
    assert places["table"] == ("public", "주문")
    assert places["mixed_case_table"] == ("public", "Mixed.Case-Table")
    assert pipelines["mixed_case_table"]["source_schema"] == "public"  # alone, the name is a schema and a table
    assert places["a_b"] == ("sales", "a.b")
    cuts = {name: each.get("date_column") for name, each in pipelines.items() if "partitions" in each}
    assert cuts == {"sales_orders": "placed_at", "archive_orders": "placed", "future": "order_date",
                    "sentinel": "order_date", "text_dates": "created"}  # fmt: skip
    assert pipelines["sentinel"]["partitions"]["start"].year > 2000
    assert str(pipelines["archive_orders"]["partitions"]["end"]) == "2021-05-15"  # the last of the 12,000 hours
    to = {name: [each.get("to") for each in pipelines[name]["quality"]["rules"]] for name in ("a_circle", "b_circle")}
    assert sorted(each for found in to.values() for each in found if each) in (["a_circle"], ["b_circle"])
    assert pipelines["a_circle"]["description"] == 'one two: # "three" $${NOT_A_VARIABLE} $$$$'
    checked = etl("check", "odd", "--connect")
    assert checked.code == 0, checked.out

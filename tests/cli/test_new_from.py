"""`etl new --from` and `--add` on SQLite files: what the file says, what is refused, and what is left behind."""

import shlex
import sqlite3
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.installation import REPOSITORY
from tests.test_docs import lines
from tests.tiny_project import TinyProject

from .conftest import Etl

PEOPLE = [(n, f"Person {n} Osgood", f"osgood{n}@example.org", f"+49 30 {n:07d}", f"V{n}") for n in range(1, 61)]
DAYS = 120


def make_shop(path: Path) -> None:
    """Customers; orders that come every day and change later; clicks that only come; a code list; an empty table."""
    path.parent.mkdir(parents=True, exist_ok=True)
    today = date.today()  # noqa: DTZ011  the rows shall be recent wherever the test runs
    first = datetime.combine(today - timedelta(days=DAYS), datetime.min.time())
    with closing(sqlite3.connect(path)) as db:
        db.execute(
            "CREATE TABLE customer (customer_id INTEGER PRIMARY KEY, full_name TEXT NOT NULL, email TEXT, phone TEXT, grade TEXT)"
        )
        db.executemany("INSERT INTO customer VALUES (?, ?, ?, ?, ?)", PEOPLE)
        db.execute("""CREATE TABLE "Orders" (id INTEGER PRIMARY KEY, customer_id INTEGER NOT NULL REFERENCES customer (customer_id),
            created_at TIMESTAMP NOT NULL, updated_at TIMESTAMP NOT NULL, status TEXT NOT NULL, amount REAL)""")
        rows = []
        for n in range(DAYS * 10):
            came = first + timedelta(hours=2.4 * n)
            rows.append(
                (
                    n,
                    1 + n % 60,
                    f"{came}",
                    f"{came + timedelta(days=3 if n % 5 == 0 else 0)}",
                    ("new", "paid", "sent")[n % 3],
                    n % 90,
                )
            )
        db.executemany('INSERT INTO "Orders" VALUES (?, ?, ?, ?, ?, ?)', rows)
        db.execute("CREATE TABLE click (click_id INTEGER PRIMARY KEY, happened_at TIMESTAMP NOT NULL, page TEXT)")
        # the keys are in the order of writing; every 100th row is of two days before the row that was written before it
        clicks = [
            (n, f"{first + timedelta(hours=2.4 * n) - timedelta(days=2 if n % 100 == 99 else 0)}", f"/page/{n % 7}")
            for n in range(20, DAYS * 10)
        ]
        db.executemany("INSERT INTO click VALUES (?, ?, ?)", clicks)
        db.execute(
            "CREATE TABLE status_code (code TEXT PRIMARY KEY NOT NULL, parent TEXT REFERENCES status_code (code))"
        )
        db.execute("CREATE TABLE nothing_yet (a INTEGER, b TEXT)")
        db.commit()


@pytest.fixture
def shop(project: TinyProject, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = project.data / "demo" / "shop" / "shop.db"
    make_shop(path)
    monkeypatch.setenv("SHOP_DB_URL", f"sqlite:///{path}")
    return path


def config_of(project: TinyProject, tenant: str = "shop") -> dict[str, Any]:
    text = (project.root / "tenants" / tenant / "config.yaml").read_text(encoding="utf-8")
    loaded: dict[str, Any] = yaml.safe_load(text)["tenant"]
    return loaded


def files(project: TinyProject) -> dict[Path, bytes]:
    return {
        path: path.read_bytes()
        for path in sorted(project.root.rglob("*"))
        if path.is_file() and "__pycache__" not in str(path)
    }


def rules_of(pipeline: dict[str, Any]) -> list[dict[str, Any]]:
    return list(pipeline["quality"]["rules"])


def test_a_database_becomes_a_tenant(etl: Etl, project: TinyProject, shop: Path) -> None:
    said = etl("new", "shop", "--from", "SHOP_DB_URL", "--group", "NPS", "--timezone", "UTC", "--whole-below", "100")
    assert said.code == 0, said.out + said.err
    config = config_of(project)
    assert (config["id"], config["group"], config["source_database"]) == ("shop", "NPS", {"url": "${SHOP_DB_URL}"})
    pipelines = config["assets"]["pipelines"]
    assert set(pipelines) == {"customer", "orders", "click", "status_code", "nothing_yet"}

    orders = pipelines["orders"]
    start = date.today() - timedelta(days=DAYS)  # noqa: DTZ011
    assert (orders["source_table"], orders["date_column"]) == ("Orders", "updated_at")
    assert orders["partitions"] == {"start": start, "timezone": "UTC", "lookback_days": 1}
    assert orders["trino_output"] == {"key_columns": ["id"], "order_column": "updated_at", "mode": "upsert"}
    assert orders["allow_empty"] is True
    assert {"column": "status", "type": "in_set", "values": ["new", "paid", "sent"], "severity": "warning"} in rules_of(
        orders
    )
    assert {
        "column": "customer_id",
        "type": "foreign_key",
        "to": "customer",
        "to_column": "customer_id",
        "severity": "warning",
    } in rules_of(orders)
    assert rules_of(orders)[:2] == [{"column": "id", "type": "not_null"}, {"column": "id", "type": "unique"}]
    assert orders["sla"]["freshness"] == {"deadline": "0 9 * * *", "timezone": "UTC"}

    click = pipelines["click"]
    assert (click["date_column"], click["trino_output"]["mode"]) == ("happened_at", "replace_partition")
    assert click["partitions"]["lookback_days"] == 2  # the rows say so
    assert click["sla"]["min_row_count"] == 4  # ten rows a day, of some days one row is written to an earlier one

    customer = pipelines["customer"]
    assert customer["pii_columns"] == ["full_name", "email", "phone"]
    assert customer["trino_output"] == {"key_columns": ["customer_id"], "mode": "replace"}
    assert "date_column" not in customer

    assert "SHOP_DB_URL" in (project.root / "tenants/shop/config.yaml").read_text()
    assert "location_name: shop" in (project.root / "workspace.yaml").read_text()
    checked = etl("check", "shop", "--connect")
    assert checked.code == 0, checked.out
    for word in ("[5/5]", "etl check shop --connect", "etl plan shop", "etl run shop", "5 pipelines made"):
        assert word in said.out


def test_every_choice_has_its_reason_and_no_value_of_a_person_is_written(
    etl: Etl, project: TinyProject, shop: Path
) -> None:
    said = etl("new", "shop", "--from", "SHOP_DB_URL", "--whole-below", "100")
    text = (project.root / "tenants/shop/config.yaml").read_text(encoding="utf-8")
    flat = " ".join(text.replace("# ", "").split())
    for reason in (
        "it differs from `created_at` in 20% of the rows: rows change after they came",
        "1,200 rows over",
        "in the order of `click_id`",
        "a guess: this database tells no time zone",
        "the primary key",
        "60 of 60 values look like Email Address",
        "3 values in 1,200 rows",
        "no rule for parent, which refers to its own table",
        "none is declared, and 0 rows are too few to measure one",
    ):
        assert reason in flat, reason
    for person in PEOPLE:
        for value in person[1:4]:
            assert str(value) not in text
            assert str(value) not in said.out
    assert str(shop) not in text


def test_a_second_time_and_an_existing_tenant_change_nothing(etl: Etl, project: TinyProject, shop: Path) -> None:
    assert etl("new", "shop", "--from", "SHOP_DB_URL").code == 0
    before = files(project)
    again = etl("new", "shop", "--from", "SHOP_DB_URL")
    assert again.code == 2
    assert "tenants/shop exists already" in again.err
    assert "--add" in again.err
    assert files(project) == before


@pytest.mark.parametrize(
    ("variable", "value", "says"),
    [
        ("SHOP_OTHER_URL", None, "SHOP_OTHER_URL is not set"),
        ("ACME_DB_URL", "sqlite:///x.db", "belongs to tenant acme"),
        ("DB_URL", "sqlite:///x.db", "a variable that begins with SHOP_"),
        ("SHOP_BAD_URL", "foodb://u:hunter22@h/x", "no library here reads databases of the kind `foodb`"),
        ("SHOP_BAD_URL", "postgres://u:hunter22@h/x", "write `postgresql:`"),
        ("SHOP_BAD_URL", "hunter22 is no URL", "the database URL cannot be read"),
        ("SHOP_BAD_URL", "postgresql://u:hunter22@127.0.0.1:1/x?connect_timeout=2", "could not be read"),
        ("SHOP_BAD_URL", "sqlite:////etc/hosts", "does not belong to tenant shop"),
        ("postgresql://u:hunter22@h/x", None, "takes the name of a variable, not a URL"),
    ],
)  # fmt: skip
def test_a_database_that_cannot_be_read_is_refused(
    variable: str, value: str | None, says: str, etl: Etl, project: TinyProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    if value is not None:
        monkeypatch.setenv(variable, value)
    before = files(project)
    said = etl("new", "shop", "--from", variable)
    assert said.code == 2, said.out
    assert says in " ".join(said.err.split())
    assert "hunter22" not in said.out + said.err
    assert files(project) == before


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("--from", "SHOP_DB_URL", "--tables", "nosuch*"), 3, "no table whose name fits `nosuch*`"),
        (("--from", "SHOP_DB_URL", "--group", "XX"), 2, "unknown group `XX`"),
        (("--from", "SHOP_DB_URL", "--timezone", "Mars/Base"), 2, "no time zone"),
        (("--from", "SHOP_DB_URL", "--add"), 2, "leave `--from` out"),
        (("--tables", "order*"), 2, "`--tables` needs a database"),
    ],
)  # fmt: skip
def test_what_cannot_be_asked_for_makes_nothing(
    arguments: tuple[str, ...], code: int, says: str, etl: Etl, project: TinyProject, shop: Path
) -> None:
    before = files(project)
    said = etl("new", "shop", *arguments)
    assert said.code == code, said.out
    assert says in said.err
    assert files(project) == before


def test_a_failure_while_writing_leaves_nothing(
    etl: Etl, project: TinyProject, shop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = files(project)
    monkeypatch.setenv("ETL_FAULT", "new.drafted=full")
    said = etl("new", "shop", "--from", "SHOP_DB_URL")
    assert said.code == 2
    assert "tenants/shop cannot be written" in said.err
    assert files(project) == before
    assert [each.name for each in (project.root / "tenants").iterdir() if each.name.startswith(".")] == []


def test_tables_that_cannot_be_used_are_named(etl: Etl, project: TinyProject, shop: Path) -> None:
    with closing(sqlite3.connect(shop)) as db:
        db.execute('CREATE TABLE "it\'s; odd" (a INTEGER)')
        db.execute('CREATE TABLE mixed (id INTEGER PRIMARY KEY, "a:b" TEXT, n INTEGER)')
        db.execute("INSERT INTO mixed VALUES (1, 'x', 'no number')")
        db.execute('CREATE TABLE "Order Items" (id INTEGER PRIMARY KEY)')
        db.execute("CREATE TABLE order_items (id INTEGER PRIMARY KEY)")
        db.execute('CREATE TABLE "class" (id INTEGER PRIMARY KEY)')
        db.commit()
    said = etl("new", "shop", "--from", "SHOP_DB_URL")
    assert said.code == 1
    assert "left out: it's; odd: `it's; odd` cannot be written as a name" in said.out
    assert said.out.splitlines()[-1] == "9 pipelines made, 1 table and 2 columns left out"
    assert "# Left out: it's; odd:" in (project.root / "tenants/shop/config.yaml").read_text()
    pipelines = config_of(project)["assets"]["pipelines"]
    assert pipelines["mixed"]["columns"] == ["id"]
    assert "column mixed.a:b: its name cannot be written" in said.out
    assert "column mixed.n: column `n` is declared INTEGER but holds a value of another type" in said.out
    names = {name: each["source_table"] for name, each in pipelines.items()}
    assert names["order_items"] == "Order Items"
    assert names["order_items_2"] == "order_items"
    assert names["class_table"] == "class"
    assert etl("check", "shop", "--connect").code == 0


def test_a_database_without_a_usable_table_makes_nothing(etl: Etl, project: TinyProject, shop: Path) -> None:
    shop.unlink()
    with closing(sqlite3.connect(shop)) as db:
        db.execute('CREATE TABLE "a;b" (a INTEGER)')
        db.commit()
    before = files(project)
    said = etl("new", "shop", "--from", "SHOP_DB_URL")
    assert said.code == 3
    assert "none of the 1 tables can be used" in said.err
    assert files(project) == before


def test_tables_are_added_and_every_line_stays(etl: Etl, project: TinyProject, shop: Path) -> None:
    assert etl("new", "shop", "--from", "SHOP_DB_URL", "--tables", "customer", "--timezone", "Asia/Seoul").code == 0
    path = project.root / "tenants/shop/config.yaml"
    text = path.read_text(encoding="utf-8")
    mine = text.replace("      customer:\n", "      customer:   # mine  \n        enabled:   true\n").replace(
        "\n  dbt:", "\n      # the last word\n\n  dbt:"
    )
    path.write_text(mine.replace("\n", "\r\n"), encoding="utf-8", newline="")
    before = path.read_bytes()
    said = etl("new", "shop", "--add", "--tables", "Ord*,customer", "--whole-below", "100")
    assert said.code == 0, said.out + said.err
    after = path.read_bytes()
    left, right = before.splitlines(keepends=True), iter(after.splitlines(keepends=True))
    assert all(line in right for line in left), "a line is missing or moved"
    assert b"\n" not in after.replace(b"\r\n", b"")
    assert "customer: pipeline `customer` reads it already" in said.out
    added = config_of(project)["assets"]["pipelines"]["orders"]
    assert added["partitions"]["timezone"] == "Asia/Seoul"  # as the schedule that is there already
    assert "customer" in [each.get("to") for each in rules_of(added)]  # the pipeline that was there already
    assert etl("check", "shop").code == 0
    again = etl("new", "shop", "--add", "--tables", "Ord*,customer")
    assert again.code == 0
    assert again.out.splitlines()[-1] == "0 pipelines added, nothing left out"
    assert path.read_bytes() == after


def test_nothing_is_added_where_pipelines_are_no_block(etl: Etl, project: TinyProject, shop: Path) -> None:
    assert etl("new", "shop", "--from", "SHOP_DB_URL", "--tables", "customer").code == 0
    path = project.root / "tenants/shop/config.yaml"
    path.write_text(
        "tenant: {id: shop, group: CD, source_database: {url: '${SHOP_DB_URL}'}, assets: {pipelines: {c: {source_table: customer}}}}\n"
    )
    before = path.read_bytes()
    said = etl("new", "shop", "--add", "--tables", "click")
    assert said.code == 2
    assert "as a block" in said.err
    assert path.read_bytes() == before


def test_nothing_is_added_to_a_tenant_without_its_database(
    etl: Etl, project: TinyProject, shop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert etl("new", "shop", "--from", "SHOP_DB_URL", "--tables", "customer").code == 0
    monkeypatch.delenv("SHOP_DB_URL")
    said = etl("new", "shop", "--add")
    assert said.code == 2
    assert "SHOP_DB_URL is not set" in said.err
    assert etl("new", "nobody", "--add").code == 2


def test_the_page_works(etl: Etl, project: TinyProject, shop: Path) -> None:
    with closing(sqlite3.connect(shop)) as db:
        db.execute("DROP TABLE click")
    commands = lines(REPOSITORY / "docs" / "from-a-database.md")
    assert [each.split()[1] for each in commands] == ["new", "check", "run", "new"]
    for number, command in enumerate(commands):
        if number == len(commands) - 1:
            with closing(sqlite3.connect(shop)) as db:
                db.execute(
                    'CREATE TABLE invoice_line (id INTEGER PRIMARY KEY, order_id INTEGER REFERENCES "Orders" (id))'
                )
        if command.startswith("etl run"):
            continue  # tests/cli/test_first_runs.py runs such tenants
        said = etl(*shlex.split(command)[1:])
        assert said.code == 0, said.out + said.err
    assert "invoice_line" in config_of(project)["assets"]["pipelines"]


@pytest.mark.parametrize(
    ("hours", "says"), [(0, "min old in it, so its times are of this zone"), (9, "9.0 h ahead of the clock of UTC")]
)
def test_the_newest_row_tells_the_zone_of_times_without_one(
    hours: int, says: str, etl: Etl, project: TinyProject, shop: Path
) -> None:
    newest = datetime.now(UTC).replace(tzinfo=None) - timedelta(minutes=2) + timedelta(hours=hours)
    with closing(sqlite3.connect(shop)) as db:
        db.execute("INSERT INTO click VALUES (999999, ?, '/page/1')", (f"{newest:%Y-%m-%d %H:%M:%S}",))
        db.commit()
    said = etl("new", "shop", "--from", "SHOP_DB_URL", "--tables", "click", "--whole-below", "100", "--timezone", "UTC")
    assert said.code == 0
    text = (project.root / "tenants/shop/config.yaml").read_text(encoding="utf-8")
    assert says in " ".join(text.replace("# ", "").split())

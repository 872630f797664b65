"""A new user copies each command that the product prints, and expects that it does what the words beside it say."""

import errno
import re
import shlex
import shutil
import sqlite3
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from etl.cli.locations import origins_of
from etl.cli.os_errors import told
from etl.config.config_loader import load_tenant
from etl.errors import EtlError, NothingExamined
from etl.partitions.scheme import StaticKeys, TimeScheme, WholeTable, complete_range
from etl.settings import load_settings
from tests.cli.conftest import Etl, etl, project
from tests.pipeline.stages import run_stage
from tests.tiny_project import DAYS, REPOSITORY, TinyProject

__all__ = ["etl", "project"]

TODAY = date.today()  # noqa: DTZ011  the rows shall be recent wherever the test runs


def database(project: TinyProject, *statements: str) -> Path:
    path = project.data / "demo" / "shop" / "shop.db"
    path.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(path)) as db:
        db.executescript(";\n".join(statements))
        db.commit()
    return path


def dated(table: str, days: int, rows_per_day: float) -> str:
    """A table whose rows come every day up to now."""
    rows = int(days * rows_per_day)
    first = datetime.combine(TODAY - timedelta(days=days), datetime.min.time())
    values = ", ".join(f"({n}, '{first + timedelta(days=n / rows_per_day)}')" for n in range(rows))
    return (
        f"create table {table} (id integer primary key, created_at timestamp not null);"
        f" insert into {table} values {values}"
    )


@pytest.fixture
def shop(project: TinyProject, monkeypatch: pytest.MonkeyPatch) -> TinyProject:
    monkeypatch.setenv("SHOP_DB_URL", f"sqlite:///{project.data / 'demo' / 'shop' / 'shop.db'}")
    return project


# Printed commands


@pytest.mark.parametrize("kinds", [("day",), ("day", "week")])
def test_the_command_for_all_partitions_names_the_last_one_too(etl: Etl, shop: TinyProject, kinds: tuple[str]) -> None:
    tables = {"day": dated("often", 20, 10), "week": dated("seldom", 210, 2)}
    database(shop, *(tables[kind] for kind in kinds))
    said = etl("new", "shop", "--from", "SHOP_DB_URL", "--whole-below", "10", "--timezone", "UTC")
    assert said.code == 0, said.err
    printed = re.search(r"(etl run shop --from .*?)   all partitions", said.out)
    assert printed is not None, said.out
    options = shlex.split(printed[1])
    first, last = options[options.index("--from") + 1], options[options.index("--to") + 1]
    for pipeline in load_tenant("shop", load_settings()).pipelines.values():
        keys = pipeline.scheme.keys(datetime.now(UTC))
        begin, end = pipeline.scheme.range(first, last)
        assert begin <= str(keys[0]), pipeline.name
        assert end >= str(keys[-1]), pipeline.name
    if len(kinds) == 1:
        assert (begin, end) == (keys[0], keys[-1])  # a key that no pipeline has would be refused


def test_the_range_of_all_partitions_has_each_key_of_each_scheme() -> None:
    at = datetime(2026, 3, 4, 12, tzinfo=UTC)
    day, month = TimeScheme("day", "2026-01-05"), TimeScheme("month", "2025-11")
    ended = TimeScheme("day", "2024-01-01", "2024-06-30")
    hour = TimeScheme("hour", "2026-03-04T0000Z")
    assert complete_range([day, WholeTable(), StaticKeys("region", ("EU",))], at) == ("2026-01-05", "2026-03-03")
    assert complete_range([ended, day], at) == ("2024-01-01", "2026-03-03")
    assert complete_range([month], at) == ("2025-11", "2026-02")
    assert complete_range([day, month], at) == ("2025-11-01", "2026-03-03")
    assert complete_range([hour], at) == ("2026-03-04T0000Z", "2026-03-04T1100Z")
    mixed = complete_range([hour, day], at)
    assert mixed is not None
    assert hour.range(*mixed)[1] >= "2026-03-04T1100Z"
    assert complete_range([TimeScheme("day", "2026-03-04"), WholeTable()], at) is None


def test_a_note_of_the_plan_about_a_whole_table_names_no_partition(etl: Etl, project: TinyProject) -> None:
    whole = {"date_column": None, "partitions": None, "has_transfer": False, "trino_output": {"mode": "replace"}}
    project.write_pipeline(whole)
    assert etl("run", "acme").code == 0
    assert etl("plan", "acme", "--apply").code == 0
    project.write_pipeline(
        {**whole, "quality": {"rules": [{"column": "amount", "type": "in_range", "max": -1, "severity": "warning"}]}}
    )
    said = etl("plan", "acme")
    (printed,) = re.findall(r"by the new rules: `(.*)`", said.out)
    assert printed == "etl run acme --pipeline orders"


# Names of tables

DOTTED = ("a.b", "a.b.c", "main.x", "Mixed.Case-Table")
USABLE = (*DOTTED, "select", "from", "None", "yes", "1", "2026-01-01", "a$b", "c #d", "a/b", "주문", "x" * 128)
UNUSABLE = (
    "", " ", 'x."q"', "[br]", "semi;colon", "per%cent", "new\nline", "em😀ji", "x" * 129, "${VAR}", "key: v", "it's",
    "a\\b", "a--b", "ends.", ".begins", "\x1b[31mred", "\u200b",
)  # fmt: skip


def test_no_name_of_a_table_stops_the_others(etl: Etl, shop: TinyProject) -> None:
    quoted = ['"' + each.replace('"', '""') + '"' for each in (*USABLE, *UNUSABLE)]
    database(shop, *(f"create table {each} (id integer primary key); insert into {each} values (1)" for each in quoted))
    said = etl("new", "shop", "--from", "SHOP_DB_URL")
    assert said.code == 1, said.err
    assert said.out.splitlines()[-1] == f"{len(USABLE)} pipelines made, {len(UNUSABLE)} tables left out"
    assert "left out: new line: `new line` cannot be written" in said.out
    assert "\x1b" not in said.out
    pipelines = load_tenant("shop", load_settings()).pipelines.values()
    assert sorted(str(each.source_table) for each in pipelines) == sorted(USABLE)
    checked = etl("check", "shop", "--connect")
    assert f"{len(USABLE)} pipelines can be read" in checked.out, checked.out
    again = etl("new", "shop", "--add", "--tables", "*.*")
    assert (
        f"pipeline `{next(each.name for each in pipelines if each.source_table == 'a.b')}` reads it already"
        in again.out
    )


# A variable that is not set any more


def test_a_variable_that_is_not_set_is_named_before_a_run(
    etl: Etl, shop: TinyProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    database(shop, "create table t (id integer primary key)")
    assert etl("new", "shop", "--from", "SHOP_DB_URL").code == 0
    monkeypatch.delenv("SHOP_DB_URL")
    checked = etl("check", "shop", "--connect")
    assert checked.code == 2, checked.out
    assert "no database in this environment and no demo source: SHOP_DB_URL is not set" in checked.out
    assert "set SHOP_DB_URL in `.env`" in checked.out
    for command in ("run", "verify", "demo --tenant"):
        said = etl(*command.split(), "shop")
        assert said.code == 2, command
        assert "SHOP_DB_URL is not set" in said.err, command
        assert "etl demo" not in said.err, command


def test_a_demo_source_that_the_first_run_makes_is_no_error(etl: Etl, project: TinyProject) -> None:
    project.source.unlink()
    assert etl("check", "acme", "--connect").code == 2
    (project.root / "tenants/acme/demo").mkdir()
    (project.root / "tenants/acme/demo/generate.py").touch()
    said = etl("check", "acme", "--connect")
    assert said.code == 0, said.out
    assert "the demo source, which the first run makes" in said.out


# Patterns


def test_a_pattern_that_fits_nothing_is_told_beside_others(etl: Etl, shop: TinyProject) -> None:
    database(shop, "create table a (id integer primary key)", "create table b (id integer primary key)")
    said = etl("new", "shop", "--from", "SHOP_DB_URL", "--tables", "A", "--tables", "nope,x[*")
    assert said.code == 1, said.err
    assert "left out: no table fits nope\n" in said.out
    assert "left out: no table fits x[*\n" in said.out
    assert said.out.splitlines()[-1] == "1 pipeline made, 2 patterns left out"
    said = etl("new", "shop", "--add", "--tables", "a,nope")
    assert (said.code, said.out.splitlines()[-1]) == (1, "0 pipelines added, 1 pattern left out")
    assert etl("new", "shop", "--add", "--tables", "b").code == 0


# Files that cannot be written

BELOW_A_FILE = (
    "init {file}/p",
    "backup --out {file}/b",
    "deploy systemd --host h.example --out {file}/d",
    "deploy compose --host h.example --out {file}/d",
    "deploy helm --host h.example --out {file}/d",
    "portal build --out {file}/site",
    "contract export acme --out {file}/c.yaml",
    "tenant export acme --out {file}/x",
    "sla report --output {file}/r.md",
    "metrics --output {file}/m.prom",
    "check --format json --output {file}/c.json",
)
NO_FOLDER = {"contract export acme --out .": "locks", f"test acme --record orders --partition {DAYS[0]}": "unit_tests"}
NO_STATE = ("sla report --month 2026-01", "sla status", "metrics")


@pytest.mark.parametrize("command", [*BELOW_A_FILE, *NO_FOLDER, *NO_STATE, "new x1", "home"])
def test_a_file_that_cannot_be_written_ends_a_command_with_its_name(
    etl: Etl, project: TinyProject, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    file = project.root / "a_file"
    file.touch()
    if command in NO_FOLDER:
        run_stage(project, "extract", DAYS[0])
        run_stage(project, "transfer", DAYS[0])
        shutil.rmtree(project.data / NO_FOLDER[command], ignore_errors=True)
        (project.data / NO_FOLDER[command]).touch()
    if command in NO_STATE:
        monkeypatch.setenv("ETL_DATA_DIR", str(file / "data"))
    if command == "new x1":
        (project.root / "tenants/_template").mkdir()
        (project.root / "tenants/_template/config.yaml").touch()
        (project.root / "tenants/x1").symlink_to(file / "x1")
    if command == "home":
        monkeypatch.setenv("DAGSTER_HOME", str(file / "home"))
    said = etl(*command.format(file=file).split())
    assert said.code == 2, (said.code, said.out, said.err)
    assert "error:" in said.err
    assert "->" in said.err


def test_an_error_of_no_file_leaves_the_question_open() -> None:
    assert isinstance(told(ConnectionRefusedError(errno.ECONNREFUSED, "refused")), NothingExamined)
    full = told(OSError(errno.ENOSPC, "No space left on device"))
    assert not isinstance(full, NothingExamined)
    assert "free the disk" in full.hint
    copied = told(shutil.Error([("a", "b/c", "[Errno 30] Read-only file system: 'b/c'")]))
    assert (copied.problem, "read-only" in copied.hint) == ("b/c: Read-only file system", True)


def test_a_tenant_of_which_a_part_cannot_be_written_leaves_nothing(
    etl: Etl, project: TinyProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(REPOSITORY / "tenants/_template", project.root / "tenants/_template")
    (project.root / "workspace.yaml").write_text("load_from: []\n", encoding="utf-8")

    def refuse(_path: Path, _text: str) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", "workspace.yaml")

    with monkeypatch.context() as patched:
        patched.setattr("etl.config.changed_file.write_whole", refuse)
        said = etl("new", "x1")
    assert said.code == 2, said.err
    assert not (project.root / "tenants/x1").exists()
    assert etl("new", "x1").code == 0


# Entries of workspace.yaml


@pytest.mark.parametrize(
    ("entry", "problem", "remedy"),
    [
        ("- python_module:", "the entry `python_module` has no value", "write `- python_module: {module_name: "),
        ('- python_module: ""', "the entry `python_module` has no value", "write `- python_module: {module_name: "),
        ("- grpc_server:", "the entry `grpc_server` has no value", "write `- grpc_server: {host: "),
        ("-", "an entry of `load_from` names no code location", "write `- python_module: {module_name: "),
        ("- python_fil: x.py", "`python_fil` is no kind of entry", "write `- python_file: {relative_path: "),
        ("- python_module: {module_name: }", "`module_name` has no value", "write the value behind `module_name:`"),
    ],
)
def test_an_entry_of_the_workspace_without_a_value_is_named_with_what_to_write(
    project: TinyProject, entry: str, problem: str, remedy: str
) -> None:
    good = "- python_module: {module_name: tenants.acme.definitions, location_name: acme}\n"
    (project.root / "workspace.yaml").write_text(f"load_from:\n{good}{entry}\n", encoding="utf-8")
    with pytest.raises(EtlError) as raised:
        origins_of(load_settings())
    assert f"workspace.yaml:3: {problem}" in raised.value.problem
    assert raised.value.hint.startswith(remedy)

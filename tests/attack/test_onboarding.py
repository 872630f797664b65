"""A tenant from a database whose tables are unkind: mixed values, names of people, secrets in comments, files elsewhere.

The proposals are made in this process, on SQLite files and on frames that are made here.
"""

import sqlite3
from collections import Counter
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml

from etl import faults
from etl.config.changed_file import behind_last_pipeline
from etl.errors import ConfigError, EtlError
from etl.onboarding.comments import description_of
from etl.onboarding.dates import choose_date
from etl.onboarding.keys import Key
from etl.onboarding.limits import Limits
from etl.onboarding.moments import date_columns
from etl.onboarding.personal import personal_columns
from etl.onboarding.pipeline_yaml import pipelines_yaml
from etl.onboarding.rules import learned_rules
from etl.onboarding.sampling import TableSample
from etl.onboarding.survey import Existing, Survey, survey
from etl.onboarding.tenant_text import Identity
from etl.onboarding.tenants import Asked, add_from_database, make_from_database
from etl.onboarding.zones import Zone
from etl.settings import load_settings
from etl.source.contract import CatalogueColumn, CatalogueTable
from tests.tiny_project import TinyProject, make_project

UTC_ZONE = Zone("UTC", "", is_guess=False)
NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)


def database(path: Path, *statements: str) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(path)) as db:
        db.executescript(";\n".join(statements))
        db.commit()
    return f"sqlite:///{path}"


def offered(url: str, *patterns: str, **more: Any) -> Survey:
    return survey(url, patterns, Limits(), UTC_ZONE, **more)


def personal_of(found: Survey) -> dict[str, set[str]]:
    return {each.table.name: set(each.personal) for each in found.proposals}


def sample(frame: pl.DataFrame, name: str = "things") -> TableSample:
    columns = tuple(CatalogueColumn(name=each, type="", nullable=True) for each in frame.columns)
    table = CatalogueTable(schema_name=None, name=name, is_view=False, columns=columns)
    return TableSample(table, frame, frame.height, counted=True)


# Columns that cannot be read


def test_a_column_of_mixed_values_is_left_out_and_the_table_stays(tmp_path: Path) -> None:
    url = database(
        tmp_path / "o.db",
        "create table o3 (id integer primary key, name text, extra, more)",
        "insert into o3 values (1, 'a', 1, 'x'), (2, 'b', 'x', x'00')",
        "create view o4 as select id, extra from o3",
    )
    found = offered(url)
    assert found.left == ()
    columns = {each.table.name: (each.sample.columns, set(each.sample.unreadable)) for each in found.proposals}
    assert columns == {"o3": (("id", "name"), {"extra", "more"}), "o4": (("id",), {"extra"})}
    written = yaml.safe_load(pipelines_yaml(found.proposals, None, 0))
    assert written["o3"]["columns"] == ["id", "name"]


def test_a_table_without_a_readable_column_is_still_left_out(tmp_path: Path) -> None:
    url = database(tmp_path / "o.db", "create table o (extra)", "insert into o values (1), ('x')")
    assert "no column of it can be read" in offered(url).left[0].why


# Values of people

UNKIND = {
    "in capitals": ("HANS", "PETER"),
    "usual": ("Hans", "Peter", "Zoë"),
    "small": ("hans", "peter"),
    "short": ("Bo", "Li"),
    "three letters": ("TOM", "EVA"),
    "turned round": ("Maier, Hans", "Schmidt, Eva"),
    "with a title": ("Dr. Hans Maier", "O’Brien"),
    "of accents in pieces": ("Zoe\u0308", "Rene\u0301"),
    "of another script": ("김철수", "이영희"),
    "with vowel signs": ("राजेश", "सीता"),
    "beside usual words": ("new", "paid", "hans"),
}
CODES = {
    "words of a status": ("new", "paid", "sent"),
    "grades": ("gold", "silver"),
    "two words": ("in_transit", "on hold"),
    "with digits": ("A1", "B2"),
    "with underscores": ("IN_STORE", "ON_LINE"),
    "short": ("DE", "US"),
    "currencies": ("EUR", "USD"),
}


def in_sets(frame: pl.DataFrame) -> set[str]:
    personal = personal_columns(sample(frame))
    learned = learned_rules(sample(frame), Key(("id",), ""), personal)
    return {each.rule["column"] for each in learned.rules if each.rule["type"] == "in_set"}


@pytest.mark.parametrize("is_beside_personal", [False, True])
def test_a_set_of_values_is_written_only_if_no_value_may_be_of_a_person(is_beside_personal: bool) -> None:
    groups = {**UNKIND, **CODES}
    frame = pl.DataFrame(
        {"id": range(300)}
        | {key: [values[n % len(values)] for n in range(300)] for key, values in groups.items()}
        | ({"email": [f"p{n}@example.org" for n in range(300)]} if is_beside_personal else {})
    )
    assert in_sets(frame) == set(CODES)


def test_what_has_digits_is_a_set_only_where_nothing_is_personal() -> None:
    page = pl.DataFrame({"id": range(300), "page": [f"/page/{n % 5}" for n in range(300)]})
    assert in_sets(page) == {"page"}
    assert in_sets(page.with_columns(ssn=pl.lit("x"))) == set()


def test_a_set_that_is_not_written_is_told_without_its_values() -> None:
    frame = pl.DataFrame({"id": range(300), "ref": [("HANS", "PETER")[n % 2] for n in range(300)]})
    notes = " ".join(learned_rules(sample(frame), Key(("id",), ""), ()).notes)
    assert "ref" in notes
    assert "HANS" not in notes


def test_a_range_of_long_numbers_beside_personal_columns_is_not_written() -> None:
    frame = pl.DataFrame({"id": range(300), "ext": range(301234567, 301234867), "size": [n % 50 for n in range(300)]})
    for more, ranges in ((frame, {"ext", "size"}), (frame.with_columns(ssn=pl.lit("x")), {"size"})):
        learned = learned_rules(sample(more), Key(("id",), ""), personal_columns(sample(more)))
        assert {each.rule["column"] for each in learned.rules if each.rule["type"] == "in_range"} == ranges


@pytest.mark.parametrize("other", ["ssn", "birth_date", "first_name", "salary"])
def test_a_table_with_a_fact_about_persons_is_one_of_people(other: str) -> None:
    frame = pl.DataFrame({"id": range(3), "name": ["a", "b", "c"], "notes": ["x"] * 3, other: ["1", "2", "3"]})
    assert set(personal_columns(sample(frame, "things"))) == {"name", "notes", other}


PEOPLE = (
    "create table customers (id integer primary key, name text, note text, email text)",
    """with recursive n(i) as (select 1 union all select i + 1 from n where i < 120)
    insert into customers select i, case i % 2 when 0 then 'HANS' else 'PETER' end, 'call ' || (i % 2), 'a' || i || '@example.org' from n""",
    "create view v as select id, name as Name, note, name as ref from customers",
    "create table letters (id integer primary key, e_mail text, note text)",
    "insert into letters select id, null, note from customers",
)


def test_a_column_is_personal_wherever_its_name_is(tmp_path: Path) -> None:
    url = database(tmp_path / "p.db", *PEOPLE)
    found = offered(url)
    assert personal_of(found) == {
        "customers": {"name", "note", "email"},
        "v": {"Name", "note"},
        "letters": {"e_mail", "note"},
    }
    text = pipelines_yaml(found.proposals, None, 0)
    assert not [each for each in ("HANS", "PETER", "call 1") if each in text]
    assert "as in customers" in " ".join(text.replace("#", "").split())


def test_a_table_that_is_not_chosen_tells_of_the_same_column(tmp_path: Path) -> None:
    url = database(tmp_path / "p.db", *PEOPLE)
    assert personal_of(offered(url, "v")) == {"v": {"Name", "note"}}


def test_a_pipeline_that_exists_tells_of_the_same_column(tmp_path: Path) -> None:
    url = database(tmp_path / "p.db", "create table x (id integer primary key, alias text)")
    mine = Existing("persons", (None, "persons"), None, is_partitioned=False, personal=("alias",))
    assert personal_of(offered(url, existing=(mine,))) == {"x": {"alias"}}


# Comments of the database


@pytest.mark.parametrize(
    "comment",
    [
        "loaded nightly, password=hunter22", "pwd: hunter22x", "Passwort: geheim1", "postgresql://u:hunter22@h/x", "token=abcdef123456",
        "ask jane.doe@example.org", "call +49 30 1234567 first", "owner lives in 12 Main Street", "Hauptstraße 7, Berlin",
        "IBAN DE89 3704 0044 0532 0130 00", "like 123-45-6789",
    ],
)  # fmt: skip
def test_a_comment_with_a_secret_or_a_person_is_no_description(comment: str) -> None:
    description, note = description_of(comment)
    assert description == ""
    assert "comment" in note
    assert not [word for word in comment.split() if len(word) > 6 and word in note]


@pytest.mark.parametrize(
    "comment",
    [
        "What customers ordered; 100% of it: all",
        "since 2026-01-05 12:30",
        "Stand 05.01.2026 12:30",
        "one password per user",
        "",
    ],
)
def test_a_usual_comment_is_the_description(comment: str) -> None:
    assert description_of(comment) == (comment, "")


# Files outside the allowed folders, and folders without a file


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TinyProject:
    made = make_project(tmp_path)
    for name, value in made.environ.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(made.root)
    return made


def make(tenant: str = "l") -> None:
    identity = Identity(tenant, "L", "CD", "", f"{tenant.upper()}_DB_URL")
    make_from_database(load_settings(), identity, Asked(), lambda: None, lambda *_: None)


def test_the_remedy_for_a_file_elsewhere_works(project: TinyProject, monkeypatch: pytest.MonkeyPatch) -> None:
    table = "create table a (id integer primary key)"
    monkeypatch.setenv("L_DB_URL", database(project.root / "elsewhere" / "x.db", table))
    with pytest.raises(ConfigError) as refused:
        make()
    for place in ("tenants/l/", "demo/l/", "file_sources", "pyproject.toml"):
        assert place in (refused.value.hint or "")
    inside = project.root / "tenants" / "l" / "x.db"
    monkeypatch.setenv("L_DB_URL", database(inside, table))
    kept = inside.read_bytes()
    make()
    folder = project.root / "tenants" / "l"
    assert sorted(each.name for each in folder.iterdir()) == ["config.yaml", "definitions.py", "x.db"]
    assert inside.read_bytes() == kept
    assert "location_name: l" in (project.root / "workspace.yaml").read_text()
    with pytest.raises(EtlError, match="exists already"):
        make()


def test_a_failure_leaves_a_folder_as_it_was(project: TinyProject, monkeypatch: pytest.MonkeyPatch) -> None:
    inside = project.root / "tenants" / "l" / "x.db"
    monkeypatch.setenv("L_DB_URL", database(inside, "create table a (id integer primary key)"))
    monkeypatch.setattr(faults, "_reached", Counter())
    monkeypatch.setenv("ETL_FAULT", "new.drafted=full")
    with pytest.raises(EtlError):
        make()
    assert sorted(each.name for each in inside.parent.iterdir()) == ["x.db"]
    assert [each.name for each in inside.parents[1].iterdir() if each.name.startswith(".")] == []


# Adding to a file however it is written

NEW = "new:\n"
PLACES = {
    "beside the tenant": "tenant:\n  id: acme\nassets:\n  pipelines:\n    a: {source_table: a}\n",
    "beside a later tenant": "assets:\n  pipelines:\n    a:\n      source_table: a\n\ntenant:\n  id: acme\n",
    "without `tenant`": "id: acme\nassets:\n  pipelines:\n    a: {source_table: a}\njobs: {}\n",
    "no assets": "tenant:\n  id: acme\n  group: CD   # mine\n",
    "no assets, no line end": "tenant:\n  id: acme",
    "no assets beside": "id: acme\ngroup: CD\n",
    "empty assets": "tenant:\n  id: acme\n  assets:\n  jobs: {}\n",
    "empty pipelines": "tenant:\n  id: acme\n  assets:\n    pipelines:   # none yet\n      # the first one\n  jobs: {}\n",
    "other keys in assets": "tenant:\n  id: acme\n  assets:\n    defaults:\n      x: 1\n  jobs: {}\n",
}


@pytest.mark.parametrize("text", PLACES.values(), ids=PLACES.keys())
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_pipelines_are_put_where_the_tenant_is_read(text: str, newline: str) -> None:
    written = text.replace("\n", newline)
    found = behind_last_pipeline(written, lambda indent: f"{' ' * indent}{NEW}", "config.yaml")
    rest = iter(found.splitlines())
    assert all(line in rest for line in written.splitlines()), "a line is missing or moved"
    assert newline == "\n" or "\n" not in found.replace("\r\n", "")
    before, after = (yaml.safe_load(each) for each in (text, found))
    tenant = after if "assets" in after or "tenant" not in after else after["tenant"]
    assert "new" in tenant["assets"]["pipelines"]
    del tenant["assets"]["pipelines"]["new"]
    assert without_empty(after) == without_empty(before)


def without_empty(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    kept = {key: without_empty(each) for key, each in value.items()}
    return {key: each for key, each in kept.items() if each not in (None, {})}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("tenant:\n  id: acme\n  assets:\n    pipelines: {}\n", "`pipelines` is written in braces, or as an alias"),
        ("tenant:\n  id: acme\n  assets: {pipelines: {}}\n", "`assets` is written in braces, or as an alias"),
        ("x-a: &a\n  pipelines:\n    a:\ntenant:\n  id: acme\n  assets: *a\n", "`assets` is written in braces"),
        ("tenant: {id: acme}\n", "`tenant` is written in braces"),
    ],
)
def test_what_is_no_block_is_said_as_it_is_before_the_database_is_read(
    text: str, says: str, project: TinyProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ConfigError, match="as a block") as refused:
        behind_last_pipeline(text, lambda _: NEW, "tenants/acme/config.yaml")
    assert says in str(refused.value.problem)
    path = project.root / "tenants" / "acme" / "config.yaml"
    database(project.data / "demo" / "acme" / "x.db", "create table a (id integer primary key)")
    source = "source_database: {url: 'sqlite:///" + str(project.data / "demo" / "acme" / "x.db") + "'}"
    path.write_text(f"tenant: {{id: acme, group: CD, {source}, assets: {{pipelines: {{}}}}}}\n")

    def read() -> None:
        pytest.fail("the database was read")

    with pytest.raises(ConfigError, match="as a block"):
        add_from_database(load_settings(), "acme", Asked(), read, lambda *_: None)


@pytest.mark.parametrize("is_beside", [True, False])
def test_a_tenant_without_pipelines_gets_some(is_beside: bool, project: TinyProject) -> None:
    file = project.data / "demo" / "acme" / "x.db"
    url = database(file, "create table a (id integer primary key)", "create table b (id integer primary key)")
    text = f"tenant:\n  id: acme\n  group: CD\n  source_database: {{url: '{url}'}}\n"
    if is_beside:
        text += "assets:\n  pipelines:\n    mine:\n      source_table: a\n"
    path = project.root / "tenants" / "acme" / "config.yaml"
    path.write_text(text)
    _, config = add_from_database(load_settings(), "acme", Asked(), lambda: None, lambda *_: None)
    assert set(config.assets.pipelines) == ({"mine", "b"} if is_beside else {"a", "b"})
    assert path.read_text().startswith(text)


# Reasons


def test_a_last_change_that_is_not_used_has_its_reason() -> None:
    came = [datetime(2025, 9, 1) + timedelta(hours=n) for n in range(2400)]  # noqa: DTZ001  wall-clock times
    future = [each + timedelta(days=400 if n % 10 == 0 else 2 if n % 3 else 0) for n, each in enumerate(came)]
    bulk = [datetime(2025, 12, 30 + n % 2) for n in range(2400)]  # noqa: DTZ001
    for updated, why in (
        (future, "`updated_at` lies in the future in 10% of the rows"),
        ([None, *came[1:]], "`updated_at` is empty in 1 of 2,400 rows"),
        (bulk, "`updated_at` has only 2 different days"),
        ([came[0] + timedelta(days=n % 3, weeks=20) for n in range(2400)], "`updated_at` has only 3 different days"),
    ):
        frame = pl.DataFrame({"id": range(2400), "created_at": came, "updated_at": updated})
        found = choose_date(sample(frame), date_columns(frame, "UTC", NOW), ("id",))
        assert found.column is not None
        assert found.column.name == "created_at"
        assert why in found.why, found.why

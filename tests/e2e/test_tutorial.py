"""The tutorial, typed as it is written: the built wheel in an empty folder, Northwind on a real PostgreSQL, the real UI."""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.e2e.servers import Server, loaded, stop, tail, wait_for
from tests.e2e.test_ui import load_script
from tests.installation import REPOSITORY
from tests.onboarding.databases import northwind, statements
from tests.servers import free_port, missing
from tests.servers.postgres import PostgresServer, serving
from tests.test_docs import Block, blocks

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

PAGE = REPOSITORY / "docs" / "tutorial.md"
NOT_COMPARED = 3
"""The exit code of `etl verify` where a table has no row: the page says so."""
EXPECTED = {"etl verify shop": NOT_COMPARED}


@dataclass
class Typed:
    """What a person has typed so far, and what was said."""

    folder: Path
    environ: dict[str, str]
    commands: list[str] = field(default_factory=list)
    edited: int = 0
    said: dict[str, list[str]] = field(default_factory=dict)


@pytest.fixture(scope="module")
def database() -> Iterator[PostgresServer]:
    with serving() as server:
        with server.connect() as connection:
            for statement, rows in statements(northwind("postgresql"), "postgresql"):
                if rows:
                    connection.cursor().executemany(statement, rows)
                else:
                    connection.execute(statement)
            connection.execute("GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader")
        yield server


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with the built wheel. Its libraries are those of the environment that runs the tests."""
    uv = shutil.which("uv") or str(REPOSITORY / ".venv-uv" / "bin" / "uv")
    folder = tmp_path_factory.mktemp("wheel")
    built = subprocess.run(
        [uv, "build", "--quiet", "--wheel", "--out-dir", str(folder), str(REPOSITORY)],
        capture_output=True,
        text=True,
        check=False,
    )
    if built.returncode:
        missing(f"the wheel cannot be built: {built.stderr[-500:]}")
    (wheel,) = folder.glob("*.whl")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder / "env")], check=True)
    site = next((folder / "env").rglob("site-packages"))
    subprocess.run([uv, "pip", "install", "--quiet", "--no-deps", "--target", str(site), str(wheel)], check=True)
    # A path file is read for its own folder only, so the editable install beside the libraries is not found.
    (site / "libraries.pth").write_text(sysconfig.get_path("purelib") + "\n")
    programs = folder / "env" / "bin"
    for path in Path(sys.executable).parent.iterdir():
        first = path.read_bytes()[:200].splitlines()[:1] if path.is_file() and path.name not in {"python", "uv"} else []
        if first and first[0].startswith(b"#!") and b"python" in first[0]:
            text = path.read_bytes().split(b"\n", 1)[1]
            (programs / path.name).write_bytes(f"#!{programs / 'python'}\n".encode() + text)
            (programs / path.name).chmod(0o755)
    where = subprocess.run(
        [programs / "python", "-c", "import etl; print(etl.__file__)"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    )
    assert str(site) in where.stdout
    return programs


@pytest.fixture(scope="module")
def typed(programs: Path, database: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Typed]:
    """The whole page, from top to bottom. The UI is started where the page starts it, and looked at by the tests."""
    environ = {name: each for name, each in os.environ.items() if not name.startswith(("ETL_", "DAGSTER_", "PYTHON"))}
    environ |= {"PATH": f"{programs}{os.pathsep}{os.environ['PATH']}", "COLUMNS": "200", "PYTHONWARNINGS": "ignore"}
    made = Typed(tmp_path_factory.mktemp("empty"), environ)
    for block in blocks(PAGE):
        if block.language == "sh":
            for line in block.text.splitlines():
                give(made, line)
        else:
            edit(made, block, database)
    return made


def give(typed: Typed, line: str) -> None:
    typed.commands.append(line)
    if line.startswith("pip install"):
        return  # the wheel is installed already
    if line.startswith("cd "):
        typed.folder /= line.removeprefix("cd ")
        return
    if line.startswith("export "):
        name, _, value = line.removeprefix("export ").partition("=")
        typed.environ[name] = value.strip('"').replace("$PWD", str(typed.folder))
        return
    if line.startswith("dg dev"):
        typed.said[line] = [look(typed, line)]
        return
    done = subprocess.run(
        line, shell=True, cwd=typed.folder, env=typed.environ, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == EXPECTED.get(line, 0), f"{line}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    typed.said.setdefault(line, []).append(done.stdout + done.stderr)


def edit(typed: Typed, block: Block, database: PostgresServer) -> None:
    root = typed.folder.parent
    typed.edited += len(block.text.splitlines())
    if found := re.fullmatch(r"append to (\S+)", block.order):
        path, text = root / found[1], re.sub(r"postgresql://\S+", lambda _: database.url, block.text)
        path.write_text((path.read_text(encoding="utf-8") if path.exists() else "") + text, encoding="utf-8")
        return
    found = re.fullmatch(r"(replace in|insert into) (\S+?):? (?:after )?\"?(.+?)\"?", block.order)
    assert found, block.order
    path = root / found[2]
    text = path.read_text(encoding="utf-8")
    assert text.count(found[3]) >= 1, f"{found[3]} is not in {path}"
    if found[1] == "replace in":
        path.write_text(text.replace(found[3], block.text.rstrip("\n"), 1), encoding="utf-8")
    else:
        begin, rest = text.split(found[3], 1)
        line, _, after = rest.partition("\n")
        path.write_text(f"{begin}{found[3]}{line}\n{block.text}{after}", encoding="utf-8")


def look(typed: Typed, line: str) -> str:
    """Start the UI as the page says, and return the words on the page of a checked table."""
    if shutil.which("chromium") is None and shutil.which("google-chrome") is None:
        missing("chromium is not installed")
    port, log = free_port(), typed.folder / "dev.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            f"exec {line} -h 127.0.0.1 -p {port}",
            shell=True,
            cwd=typed.folder,
            env=typed.environ,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    server = Server(port, log, process)
    try:
        wait_for(lambda: loaded(server), 240, server)
        assert set(server.locations().values()) == {"LOADED"}, tail(log)
        with load_script().browser() as chromium:
            page = chromium.new_page(viewport={"width": 1400, "height": 900})
            page.set_default_timeout(120_000)  # a busy machine shows a page late
            page.goto(f"{server.url}/assets/shop/extract/orders?view=checks")
            page.get_by_text("not_null__order_id").first.wait_for()
            return str(page.inner_text("body"))
    finally:
        stop(process)


def test_a_person_types_at_most_fifteen_commands_and_ten_lines(typed: Typed) -> None:
    assert len(typed.commands) <= 15, typed.commands
    assert typed.edited <= 10
    assert f"{number(len(typed.commands))} commands, and {number(typed.edited)} lines" in PAGE.read_text().lower()


def number(count: int) -> str:
    names = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
    return (*names, "thirteen", "fourteen", "fifteen")[count]


def test_the_plan_names_what_is_new_and_later_what_a_rule_would_say(typed: Typed, database: PostgresServer) -> None:
    first, second = typed.said["etl plan shop"]
    assert "orders" in first
    ((broken,),) = database.rows("SELECT count(*) FROM orders WHERE freight < 0 OR freight > 100")
    assert broken > 100
    assert str(broken) in second, second


def test_the_ui_shows_the_checks_of_the_table(typed: Typed) -> None:
    (words,) = typed.said["dg dev -w workspace.yaml"]
    assert "non_negative__freight" in words
    assert "foreign_key__customer_id" in words


def test_every_table_of_the_database_is_in_the_warehouse(typed: Typed, database: PostgresServer) -> None:
    import duckdb

    with duckdb.connect(str(typed.folder / ".data" / "warehouse" / "shop.duckdb"), read_only=True) as warehouse:
        tables = warehouse.execute(
            'SELECT table_name, format(\'"{}"."{}"."{}"\', database_name, schema_name, table_name) FROM duckdb_tables()'
            " WHERE table_name NOT LIKE 'etl%' AND schema_name NOT LIKE 'etl%'"
        ).fetchall()
        loaded_rows = {
            name: warehouse.execute(f"SELECT count(*) FROM {each}").fetchall()[0][0] for name, each in tables
        }
    names = [each for (each,) in database.rows("SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'")]  # fmt: skip
    assert loaded_rows == {each: database.rows(f"SELECT count(*) FROM {each}")[0][0] for each in names}

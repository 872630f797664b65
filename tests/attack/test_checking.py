"""Attacks on `etl test`, `etl check` and `etl verify`: what is green although nothing was looked at, and what is missed."""

import math
import sqlite3
import textwrap
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest

from etl.conventions.source_rules import judge_source
from etl.errors import EtlError
from etl.platform import Conventions
from etl.unit_tests.fakes import Fakes
from etl.unit_tests.recording import _invented
from tests.cli.conftest import Etl, etl, project
from tests.pipeline.stages import run_stage
from tests.tiny_project import DAYS, TRANSFORM, TinyProject
from tests.unit_tests.conftest import Write, write

__all__ = ["etl", "project", "write"]

LOST = TRANSFORM.replace("return orders", "return orders.filter(False)")
GIVEN = "        rows:\n          - {order_id: 1, amount: 1.25}\n"
NONE_GIVEN = "        types: {order_id: Int64, amount: Float64}\n        rows: []\n"
SKIPPED = "    skip_rules: [not_null__order_id, unique__order_id]\n"


def a_test(given: str, expect: str, more: str = "") -> str:
    return f"unit_tests:\n  - name: one\n{more}    given:\n      - input: orders\n{given}    expect: {{{expect}}}\n"


NOT_GREEN = {
    "no row on either side": (LOST, a_test(NONE_GIVEN, "rows: []"), 3),
    "a verdict over no given row": (TRANSFORM, a_test(NONE_GIVEN, "verdict: passed"), 3),
    "a verdict over rows that are lost": (LOST, a_test(GIVEN, "verdict: passed"), 1),
    "no failed rule over rows that are lost": (LOST, a_test(GIVEN, "failed_rules: []"), 1),
    "a verdict of no rule": (TRANSFORM, a_test(GIVEN, "verdict: passed", SKIPPED), 3),
    "an expected row without a column": (LOST, a_test(GIVEN, "rows: [{}]"), 2),
}


@pytest.mark.parametrize("what", NOT_GREEN)
def test_a_unit_test_that_looks_at_nothing_is_not_green(
    project: TinyProject, etl: Etl, write: Write, what: str
) -> None:
    transform, text, code = NOT_GREEN[what]
    project.write_transform(transform)
    write(text)
    said = etl("test", "acme")
    assert said.code == code, said
    if code == 3:
        assert "nothing was examined" in said.out


def test_rows_that_shall_all_go_are_expected_with_an_empty_list(project: TinyProject, etl: Etl, write: Write) -> None:
    project.write_transform(LOST)
    write(a_test(GIVEN, "rows: []"))
    assert etl("test", "acme").code == 0


def test_a_verdict_that_a_rule_gave_is_enough(etl: Etl, write: Write) -> None:
    write(a_test(GIVEN, "verdict: passed"))
    assert etl("test", "acme").code == 0
    write(
        a_test(
            GIVEN.replace("order_id: 1", "order_id: null").replace("rows:", "types: {order_id: Int64}\n        rows:"),
            "verdict: blocked",
        )
    )
    assert etl("test", "acme").code == 0


def test_an_invented_value_says_nothing_about_the_real_one() -> None:
    secrets = [bytes([each]) * 32 for each in range(60)]
    assert len({Fakes(each).replace(value) for each in secrets for value in (True, False)}) == 1
    for value in (1234.5, 9.75, -1e300, 2.5e-7, Decimal("1234.50"), Decimal("0.15")):
        made = [Fakes(each).replace(value) for each in secrets]
        assert all(type(each) is type(value) and math.isfinite(each) for each in made)
        first = {str(abs(each)).lstrip("0.")[0] for each in made}
        assert len(first) > 5, (value, first)
    inside = {Fakes(each).replace("a0b0c0")[1] for each in secrets}
    assert len(inside) > 5  # a zero inside a text was likely to be a real one


def test_values_without_alternatives_do_not_refuse_the_recording(project: TinyProject, etl: Etl) -> None:
    project.write_pipeline({"pii_columns": ["name"]})
    with sqlite3.connect(project.source) as connection:
        connection.execute("UPDATE orders SET name = '-' WHERE order_id % 2")
    connection.close()
    run_stage(project, "extract")
    said = etl("test", "acme", "--record", "orders", "--partition", DAYS[0], "--rows", "4")
    assert said.code == 0, said
    text = (project.root / f"tenants/acme/tests/orders/recorded_{DAYS[0]}.yaml").read_text(encoding="utf-8")
    assert "name: invented" in text
    assert etl("test", "acme").code == 0


def test_a_personal_value_that_cannot_be_invented_names_its_column() -> None:
    wrong = pl.Series("badge", [object()], dtype=pl.Object)
    with pytest.raises(EtlError, match=r"acme/orders 2026-01-01: the personal column `badge`"):
        _invented(wrong, Fakes(b"x" * 32), "acme/orders 2026-01-01")
    chosen = pl.Series("kind", ["b", None], dtype=pl.Enum(["a", "b"]))
    assert _invented(chosen, Fakes(b"x" * 32), "").to_list() == ["a", None]
    when = pl.Series("at", [datetime(2026, 1, 1, 1, 2, 3, 456, tzinfo=UTC)])
    assert _invented(when, Fakes(b"x" * 32), "").dtype == when.dtype


GITHUB = "ghp_x8Kd02LmQp93ZtYb7Rw1Nc5Vf6Hj4Gs0aEuT"
FOUND = {
    "secret-in-source": [
        f"token = '{GITHUB}'\n",
        f"github_token = '{GITHUB}'\n",
        f"x = '{GITHUB}'\n",
        f"token: str = '{GITHUB}'\n",
        "headers = {'Authorization': 'Bearer x8Kd02LmQp93ZtYb7Rw1Nc5Vf6'}\n",
        "call('Authorization: Bearer x8Kd02LmQp93ZtYb7Rw1Nc5Vf6')\n",
        "dsn = 'host=db user=x password=Tr0ub4dor&3x'\n",
        "dsn = f'host={host} user=x password=Tr0ub4dor&3x'\n",
        "dsn = 'Driver={ODBC Driver 18};Server=db;UID=etl;PWD=Tr0ub4dor3x;'\n",
        "k = '''-----BEGIN RSA PRIVATE KEY-----\nMIIEpAIBAAKCAQEA7bq0x8Kd02LmQp93ZtYb7Rw1\n-----END RSA PRIVATE KEY-----'''\n",
        "SETTINGS.setdefault('password', 'Tr0ub4dor3x')\n",
        "setattr(settings, 'password', 'Tr0ub4dor3x')\n",
        "login = ('password', 'Tr0ub4dor3x')\n",
        "if (password := 'Tr0ub4dor3x'):\n    pass\n",
        "password = b'Tr0ub4dor3x'\n",
    ],
    "secret-at-import": [
        "PASSWORD = os.getenv('CD_PASSWORD')\n",
        "from os import environ\n\nPASSWORD = environ['CD_PASSWORD']\n",
        "from os import environ as env\n\nPASSWORD = env.get('CD_PASSWORD')\n",
        "class A:\n    password = os.environ['CD_PASSWORD']\n",
    ],
    "swallowed-exception": [
        "def a():\n    try:\n        return b()\n    finally:\n        return None\n",
        "for each in rows:\n    try:\n        b()\n    finally:\n        continue\n",
        "def a():\n    try:\n        return b()\n    except Exception as error:\n        text = f'failed: {error}'\n        log.error(text)\n        return None\n",
        "for row in rows:\n    try:\n        load(row)\n    except (OSError, ValueError, KeyError):\n        continue\n",
    ],
    "retry-loop": [
        "def a(n=3):\n    try:\n        return b()\n    except ConnectionError:\n        return a(n - 1)\n",
        "def a(n=3):\n    try:\n        return b()\n    except ConnectionError:\n        log.info('again')\n    return a(n - 1)\n",
        "def a():\n    for _ in (1, 2, 3):\n        with suppress(ConnectionError):\n            return client()\n",
        "def a():\n    for attempt in range(3):\n        if client.try_once():\n            return\n",
    ],
    "print-call": ["import polars as pl\n\n\ndef a(frame):\n    sys.stdout.write(str(frame))\n", "@asset\ndef a():\n    sys.stderr.write('x')\n"],
    "row-loop": [
        "for row in frame.to_dicts():\n    a(row)\n",
        "for i in range(len(frame)):\n    a(frame[i])\n",
        "for i in range(0, orders_df.height):\n    a(i)\n",
        "for i in range(df.shape[0]):\n    a(i)\n",
    ],
    "select-star": [
        "Q = 'SELECT t.* FROM mes.lots t'\n",
        "Q = f'SELECT * FROM {table}'\n",
        "Q = 'select * from mes.lots order by lot_id desc'\n",
    ],
}  # fmt: skip
LEFT_ALONE = {
    "names of settings": "a = ('password', 'username')\nb = ('token', 'hash_sha256')\nc = d.setdefault('password', 'CD_PASSWORD')\n",
    "an example of a login": "hint = 'write host=db user=etl password=secret'\nother = f'host=db user=x password={password}'\n",
    "a scheme without a secret": "headers = {'Authorization': f'Bearer {token}'}\nkind = 'Bearer'\n",
    "the mark of a key": "if text.startswith('-----BEGIN PRIVATE KEY-----'):\n    pass\n",
    "SQL about users": "Q = 'UPDATE users SET user = :user, password = :password'\n",
    "a variable that is read in a function": "def a():\n    return os.environ['CD_PASSWORD']\n",
    "a variable that is no secret": "HOST = os.environ['CD_HOST']\n",
    "finally that cleans up": "def a():\n    try:\n        return b()\n    finally:\n        for each in c:\n            if each:\n                break\n",
    "a default for one value": "for row in rows:\n    try:\n        total += int(row)\n    except ValueError:\n        continue\n",
    "files that need not be there": "for path in paths:\n    try:\n        read(path)\n    except (FileNotFoundError, NotADirectoryError):\n        continue\n",
    "an error that is returned": "def a():\n    try:\n        return b()\n    except Exception as error:\n        text = str(error)\n        return Failed(text)\n",
    "a loop that prepares the next attempt": "def a():\n    for attempt in range(9):\n        table = now()\n        if commit(table):\n            return table\n",
    "each part by itself": "def a(rules):\n    try:\n        return judge(rules)\n    except JudgeError:\n        note(rules)\n    return [a([each]) for each in rules]\n",
    "the output of a command": "import sys\n\n\ndef show(text):\n    sys.stdout.write(text)\n",
    "numbers of a list": "for i in range(len(items)):\n    a(i)\nfor i in range(image.height):\n    b(i)\n",
    "a few rows": "for row in frame.head(3).to_dicts():\n    a(row)\n",
    "a part of a table": "Q = 'SELECT * FROM lots ORDER BY day LIMIT 10'\nR = f'SELECT * FROM lots {where}'\nS = 'SELECT * FROM a JOIN b'\n",
}  # fmt: skip


def rules_in(tmp_path: Path, code: str) -> set[str]:
    path = tmp_path / "cd_prices.py"
    path.write_text(textwrap.dedent(code))
    return {each.rule for each in judge_source([path], tmp_path, Conventions()).findings}


@pytest.mark.parametrize("rule", FOUND)
def test_it_is_found(tmp_path: Path, rule: str) -> None:
    assert [code for code in FOUND[rule] if rule not in rules_in(tmp_path, code)] == []


def test_what_looks_like_it_is_left_alone(tmp_path: Path) -> None:
    told = {
        what: found for what, code in LEFT_ALONE.items() if (found := rules_in(tmp_path, code) - {"metadata-missing"})
    }
    assert told == {}


def test_a_location_whose_tenant_is_gone_is_found(project: TinyProject, etl: Etl) -> None:
    entry = "  - python_module:\n      module_name: tenants.{0}.definitions\n      location_name: {0}\n      working_directory: .\n"
    (project.root / "workspace.yaml").write_text("load_from:\n" + entry.format("acme") + entry.format("lost"))
    said = etl("check")
    assert (said.code, "tenants/lost/definitions.py" in said.out) == (2, True), said
    assert etl("check", "acme").code == 0
    (project.root / "workspace.yaml").write_text("load_from:\n" + entry.format("acme"))
    assert etl("check").code == 0


def test_a_folder_without_python_is_told_what_was_looked_for(etl: Etl, tmp_path: Path) -> None:
    folder = tmp_path / "empty"
    folder.mkdir()
    said = etl("check", "--source", str(folder))
    assert (said.code, "pipeline" in said.out, "*.py" in said.out) == (3, False, True), said
    (folder / "a.ipynb").write_text("{}")
    said = etl("check", "--source", str(folder))
    assert (said.code, "notebook" in said.out) == (3, True), said


def test_a_damaged_object_is_run_again_and_no_columns_type_is_blamed(project: TinyProject, etl: Etl) -> None:
    for stage in ("extract", "transfer", "load"):
        run_stage(project, stage)
    for stage in ("extract", "transfer"):
        (path,) = (each for each in (project.data / "lake").rglob("*.parquet") if stage in each.parts)
        whole = path.read_bytes()
        damaged = bytearray(whole)
        damaged[4 : len(whole) // 4] = bytes(len(whole) // 4 - 4)
        path.chmod(0o644)
        path.write_bytes(bytes(damaged))
        said = etl("verify", "acme")
        assert said.code != 0, said
        assert "column's type" not in said.out, said.out
        assert f"etl run acme --pipeline orders --from {DAYS[0]}" in said.out, said.out
        path.write_bytes(whole)

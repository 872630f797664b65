"""What the source rules must find, and what they must leave alone: a false finding makes people stop reading."""

import ast
import re
import textwrap
from pathlib import Path

import pytest

from etl.conventions.location import allowed_left_out
from etl.conventions.source_rules import judge_source
from etl.platform import Conventions
from tests.installation import REPOSITORY


def rules(tmp_path: Path, code: str, name: str = "cd_prices.py") -> list[str]:
    """The rules that a file breaks, in the order of its lines."""
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(textwrap.dedent(code))
    judged = judge_source([path], tmp_path, Conventions())
    return [each.rule for each in allowed_left_out(judged.findings, judged, built=False)]


FOUND = {
    "a loop with a growing wait": (
        "retry-loop",
        """
        def fetch():
            delay = 1
            while True:
                try:
                    return get()
                except Exception as error:
                    last = error
                    sleep(delay)
                    delay *= 2
        """,
    ),
    "a loop that counts": (
        "retry-loop",
        """
        def fetch():
            tries = 0
            while tries < 3:
                try:
                    rows = get()
                    break
                except ConnectionError:
                    tries += 1
            return rows
        """,
    ),
    "a loop whose last turn raises": (
        "retry-loop",
        """
        def fetch():
            for number in range(5):
                try:
                    return get()
                except OperationalError:
                    if number == 4:
                        raise
                    sleep(2**number)
        """,
    ),
    "a success that stands behind the attempt": (
        "retry-loop",
        """
        def fetch():
            for number in range(5):
                try:
                    rows = get()
                except OperationalError:
                    continue
                return rows
        """,
    ),
    "a loop until a flag is set": (
        "retry-loop",
        """
        def connect():
            connected = False
            while not connected:
                try:
                    database.open()
                    connected = True
                except OSError:
                    sleep(1)
        """,
    ),
    "an attempt inside with": (
        "retry-loop",
        """
        async def fetch():
            for _ in range(3):
                async with session() as opened:
                    try:
                        return await opened.get()
                    except ClientError:
                        await asyncio.sleep(1)
        """,
    ),
    "a function that calls itself": (
        "retry-loop",
        """
        def fetch(left=3):
            try:
                return get()
            except ConnectionError:
                if not left:
                    raise
                return fetch(left - 1)
        """,
    ),
    "a decorator of a library": (
        "retry-library",
        "import backoff\n\n\n@backoff.on_exception(backoff.expo, OSError)\ndef fetch(): ...\n",
    ),
    "the retries of urllib3": ("retry-library", "from urllib3.util.retry import Retry\n"),
    "an adapter with retries": ("retry-option", "session.mount('https://', HTTPAdapter(max_retries=3))\n"),
    "RetryRequested": ("retry-option", "def step():\n    raise dg.RetryRequested(max_retries=2)\n"),
    "an op with a policy": ("retry-option", "@dg.op(retry_policy=dg.RetryPolicy())\ndef step(): ...\n"),
    "except: pass": ("swallowed-exception", "try:\n    get()\nexcept:\n    pass\n"),
    "an error that is only logged": (
        "swallowed-exception",
        "def get():\n    try:\n        return read()\n    except Exception as error:\n        log.error('failed: %s', error)\n        return None\n",
    ),
    "an error that becomes metadata of a green asset": (
        "swallowed-exception",
        """
        def prices():
            try:
                return MaterializeResult(metadata={"dagster/row_count": load()})
            except Exception as error:
                return MaterializeResult(metadata={"dagster/row_count": 0, "error": str(error)})
        """,
    ),
    "an error of a database and pass": (
        "swallowed-exception",
        "try:\n    get()\nexcept sqlite3.OperationalError:\n    pass\n",
    ),
    "suppress(Exception)": ("swallowed-exception", "with contextlib.suppress(Exception):\n    get()\n"),
    "a group of errors": ("swallowed-exception", "try:\n    get()\nexcept* Exception:\n    pass\n"),
    "try in try": (
        "nested-try",
        "try:\n    try:\n        a()\n    except KeyError:\n        b()\nexcept ValueError as error:\n    raise C from error\n",
    ),
    "a password as a default": ("secret-in-source", "def connect(host, password='hunter22'): ...\n"),
    "a password as a default of the environment": ("secret-in-source", "P = os.getenv('DB_PASSWORD', 'hunter22')\n"),
    "a password in a dict": ("secret-in-source", "config = {'host': 'db', 'password': 'hunter22'}\n"),
    "a password in a subscript": ("secret-in-source", "config['password'] = 'hunter22'\n"),
    "a password in an address": ("secret-in-source", "URL = 'postgresql://etl:hunter22@db/mes'\n"),
    "a key of a cloud": ("secret-in-source", "KEY = 'AKIAIOSFODNN7EXAMPLE'\n"),
    "a secret that is read at import": (
        "secret-at-import",
        "db = PostgresResource(password=os.environ['DB_PASSWORD'])\n",
    ),
    "an address of a resource": ("endpoint-in-source", "db = PostgresResource(host='db-1.example.com')\n"),
    "typing.Dict": ("old-typing", "import typing\n\nrows: typing.Dict[str, int] = {}\n"),
    "typing under another name": ("old-typing", "import typing as t\n\nrows: t.List[int] = []\n"),
    "Optional": ("old-typing", "from typing import Any, Optional\n"),
    "an import in a method": ("import-in-function", "class A:\n    def b(self):\n        from json import loads\n"),
    "an import in an async function": ("import-in-function", "async def b():\n    import json\n"),
    "print beside an asset, in a file that can be started": (
        "print-call",
        "@asset\ndef prices():\n    print('x')\n    return 1\n\n\nif __name__ == '__main__':\n    prices()\n",
    ),
    "itertuples": ("row-loop", "total = sum(row.amount for row in frame.itertuples())\n"),
    "apply by row": ("row-loop", "frame.apply(lambda row: row.a + row.b, axis=1)\n"),
    "map_elements": ("row-loop", "pl.col('a').map_elements(f)\n"),
    "select * of a whole table": ("select-star", "Q = 'SELECT * FROM mes.lots;'\n"),
    "a result without metadata": (
        "metadata-missing",
        "@dg.asset\ndef prices():\n    load()\n    return dg.MaterializeResult()\n",
    ),
    "no result": ("metadata-missing", "@dg.asset()\ndef prices(context):\n    context.log.info('x')\n    load()\n"),
    "metadata without rows": (
        "row-count-missing",
        "@asset\ndef prices(context):\n    context.add_output_metadata({'a': load()})\n",
    ),
}


@pytest.mark.parametrize("what", FOUND)
def test_it_is_found(tmp_path: Path, what: str) -> None:
    rule, code = FOUND[what]
    assert rule in rules(tmp_path, code)


LEFT_ALONE = {
    "a loop that waits": "while not job.done():\n    time.sleep(5)\n",
    "a loop that waits for a queue": "while True:\n    try:\n        item = queue.get(timeout=1)\n    except Empty:\n        continue\n    break\n",
    "a loop that waits for a time limit": "while True:\n    try:\n        event = wait(1)\n        break\n    except TimeoutError:\n        tick()\n",
    "several readings": """
        def text(raw):
            for encoding in ("utf-8", "cp949"):
                try:
                    return raw.decode(encoding)
                except UnicodeDecodeError:
                    continue
            raise ValueError("no encoding")
        """,
    "items of which some are bad": """
        def keep(rows):
            bad = []
            for row in rows:
                try:
                    check(row)
                except BadRow as error:
                    bad.append((row, error))
            return bad
        """,
    "a loop that raises": """
        def each(rows):
            for row in rows:
                try:
                    load(row)
                except Exception as error:
                    raise Failed(row) from error
        """,
    "a loop that ends at the first error": "for row in rows:\n    try:\n        load(row)\n    except OSError as error:\n        failed = error\n        break\n",
    "an inner loop's own attempt": """
        def all_of_them(names):
            while names:
                for name in list(names):
                    try:
                        visit(name)
                    except Stop:
                        break
                names = more()
        """,
    "a function of the same name elsewhere": "def get(self):\n    try:\n        return self.a\n    except AttributeError:\n        return other.get(self)\n",
    "no retries": "client = OpenAI(max_retries=0, retries=None)\nrequest(retry=False)\n",
    "retries of a variable": "client = Client(max_retries=settings.retries)\n",
    "clean up and raise": "try:\n    write()\nexcept BaseException:\n    remove()\n    raise\n",
    "an error that is kept": "try:\n    write()\nexcept Exception as error:\n    failures.append(error)\n",
    "an error that is handed on": "try:\n    write()\nexcept Exception as error:\n    tell(error)\n",
    "a failed check": "try:\n    write()\nexcept Exception:\n    result = AssetCheckResult(passed=False)\n",
    "the end of the process": "try:\n    write()\nexcept Exception:\n    sys.exit(1)\n",
    "an expected error": "try:\n    value = cache[key]\nexcept KeyError:\n    value = compute(key)\n",
    "a file that need not be there": "try:\n    path.unlink()\nexcept FileNotFoundError:\n    pass\n",
    "suppress one error": "with suppress(FileNotFoundError):\n    path.unlink()\n",
    "a rollback inside": "try:\n    try:\n        a()\n    except BaseException:\n        rollback()\n        raise\nexcept OSError as error:\n    raise C from error\n",
    "try with finally inside": "try:\n    try:\n        a()\n    finally:\n        b()\nexcept OSError as error:\n    raise C from error\n",
    "try in a handler": "try:\n    a()\nexcept KeyError:\n    try:\n        b()\n    except OSError as error:\n        raise C from error\n",
    "try in a function inside": "try:\n    def a():\n        try:\n            b()\n        except KeyError as error:\n            raise C from error\nexcept OSError as error:\n    raise C from error\n",
    "print of a script": "def main():\n    print('rows')\n\n\nif __name__ == '__main__':\n    main()\n",
    "a method called print": "console.print('x')\n",
    "print of rich": "from rich import print\n\nprint('x')\n",
    "a password from the environment": "def a():\n    connect(password=os.environ['CD_DB_PASSWORD'])\n",
    "EnvVar": "Database(password=EnvVar('CD_DB_PASSWORD'), host=EnvVar('CD_DB_HOST'))\n",
    "the name of a variable": "PASSWORD = 'CD_DB_PASSWORD'\nlogin(password_variable='CD_DB_PASSWORD')\n",
    "the name of a field": "headers = {'token': 'access_token', 'api_key': 'api_key'}\nfield(password='db_password')\n",
    "a template": "connect(password='${CD_DB_PASSWORD}', url='postgresql://{user}:{password}@{host}/db')\n",
    "an example of an address": "raise ValueError('write postgresql://user:password@host:5432/database')\n",
    "an address without a login": "url = 'https://example.com:8443/a@b'\n",
    "a word of a grammar": "TOKEN = 'begin'\nif token == 'end':\n    pass\n",
    "an empty password": "connect(user='etl', password='')\n",
    "a prompt": "password = getpass('Password: ')\nlabel(password='Your password')\n",
    "a pattern": "FOUND = re.compile(r'://\\w+:[^@]+@')\n",
    "a docstring": "def a():\n    '''Reads postgresql://etl:hunter22@db/mes.'''\n",
    "a local address": "db = PostgresResource(host='localhost', url='http://127.0.0.1:9000')\n",
    "an address of no resource": "page = fetch(url='https://example.com')\n",
    "a client in a function": "def a():\n    return ApiClient(token=os.environ['CD_TOKEN'])\n",
    "other names of typing": "from typing import Any, Literal, Protocol, Union\n\nif kind is Union:\n    pass\n",
    "a class called List": "from my_types import List\n\nrows: List[int] = List()\n",
    "an import for type checkers": "def a():\n    if TYPE_CHECKING:\n        import pandas\n",
    "an import that may fail": "def a():\n    try:\n        import pandas\n    except ImportError:\n        pandas = None\n",
    "an import in a class": "class A:\n    import json\n",
    "an import in try at the top": "try:\n    import pandas\nexcept ImportError:\n    pandas = None\n",
    "a few rows": "for row in frame.head(5).iter_rows():\n    show(row)\n",
    "rows of something else": "for row in cursor.rows():\n    show(row)\n",
    "apply by column": "frame.apply(clean)\n",
    "select with a condition": "Q = 'SELECT * FROM lots WHERE day = :day'\nR = 'SELECT * FROM lots LIMIT 10'\n",
    "a value for an IO manager": "@dg.asset\ndef prices():\n    return frame()\n",
    "metadata from a function": "@dg.asset\ndef prices():\n    return dg.MaterializeResult(metadata=metadata_of(load()))\n",
    "metadata that a context gets elsewhere": "@dg.asset\ndef prices(context):\n    load(context)\n",
    "metadata with more": "@dg.asset\ndef prices():\n    return dg.MaterializeResult(metadata={**common, 'a': 1})\n",
    "an asset that is only declared": "@dg.asset\ndef prices() -> None: ...\n",
    "an asset that yields from": "@dg.multi_asset(specs=[])\ndef prices():\n    yield from load()\n",
    "rows under another name": "@asset\ndef prices():\n    return Output(1, metadata={'dagster/partition_row_count': 3})\n",
}  # fmt: skip


@pytest.mark.parametrize("what", LEFT_ALONE)
def test_it_is_left_alone(tmp_path: Path, what: str) -> None:
    code = textwrap.dedent(LEFT_ALONE[what])
    ast.parse(code)
    assert rules(tmp_path, code) == []


def test_a_script_and_a_test_may_print(tmp_path: Path) -> None:
    assert rules(tmp_path, "print(1)\n", "scripts/load.py") == []
    assert rules(tmp_path, "print(1)\n", "loading/load.py") == ["print-call"]


ALLOWED = {
    "in the line": "print(1)  # etl: allow print-call (the command shows it)\n",
    "in the line before": "# etl: allow print-call (the command shows it)\nprint(1)\n",
    "before other comments": "# etl: allow print-call (the command shows it)\n# and so on\nprint(1)\n",
    "two rules": "print('postgresql://a:hunter22@b')  # etl: allow print-call, secret-in-source (an example)\n",
    "beside ruff": "print(1)  # noqa: T201 # etl: allow print-call (the command shows it)\n",
    "by ruff, with a reason": "print(1)  # noqa: T201  the command shows it\n",
    "an import, by ruff": "def a():\n    import json  # noqa: PLC0415\n",
    "a statement of several lines": "print(\n    1,  # etl: allow print-call (the command shows it)\n)\n",
}
NOT_ALLOWED = {
    "no reason": ("print(1)  # etl: allow print-call\n", ["print-call", "allow-without-reason"]),
    "an empty reason": ("print(1)  # etl: allow print-call ()\n", ["print-call", "allow-without-reason"]),
    "no rule": ("print(1)  # etl: allow\n", ["print-call", "allow-without-reason"]),
    "an unknown rule": ("print(1)  # etl: allow print-cal (x)\n", ["print-call", "allow-unknown-rule"]),
    "another rule": ("print(1)  # etl: allow retry-loop (x)\n", ["allow-unused", "print-call"]),
    "two lines before": ("# etl: allow print-call (x)\na = 1\nprint(1)\n", ["allow-unused", "print-call"]),
    "the line after": ("print(1)\n# etl: allow print-call (x)\n", ["print-call", "allow-unused"]),
    "by ruff, without a reason": ("print(1)  # noqa: T201\n", ["print-call"]),
    "in a text": ("print('# etl: allow print-call (x)')\n", ["print-call"]),
    "nothing to allow": ("a = 1  # etl: allow print-call (x)\n", ["allow-unused"]),
    "used and unused": ("print(1)  # etl: allow print-call, retry-loop (x)\n", ["allow-unused"]),
}


@pytest.mark.parametrize("what", ALLOWED)
def test_a_comment_allows_one_place(tmp_path: Path, what: str) -> None:
    assert rules(tmp_path, ALLOWED[what]) == []


@pytest.mark.parametrize("what", NOT_ALLOWED)
def test_a_comment_that_allows_nothing_is_told(tmp_path: Path, what: str) -> None:
    code, found = NOT_ALLOWED[what]
    assert sorted(rules(tmp_path, code)) == sorted(found)


def test_places_are_those_that_an_editor_shows(tmp_path: Path) -> None:
    path = tmp_path / "cd_a.py"
    path.write_bytes("# 이름\r\n이름 = '값'; print(1)\r\n".encode())
    (found,) = judge_source([path], tmp_path, Conventions()).findings
    assert (found.line, found.column) == (2, 11)


UNREADABLE = {
    "syntax": (b"def a(:\n", "syntax-error", 1),
    "a line further down": (b"a = 1\n\ndef b():\nreturn 1\n", "syntax-error", 4),
    "not UTF-8": ("# café\nprice = '£'\n".encode("latin-1"), "file-encoding", 1),
    "a NUL": (b"a = '\x00'\n", "syntax-error", 1),
    "an unknown encoding": (b"# -*- coding: no-such -*-\na = 1\n", "file-encoding", 1),
    "too large": (b"a = 1\n" * 400_000, "file-not-read", 1),
    "too deep": (b"a = " + b"(" * 5000 + b")" * 5000, "syntax-error", 1),
}


@pytest.mark.parametrize("what", UNREADABLE)
def test_a_file_that_cannot_be_judged_is_named(tmp_path: Path, what: str) -> None:
    content, rule, line = UNREADABLE[what]
    path = tmp_path / "cd_a.py"
    path.write_bytes(content)
    (found,) = judge_source([path], tmp_path, Conventions()).findings
    assert (found.rule, found.line, found.path) == (rule, line, path)


def test_another_encoding_and_a_byte_order_mark_are_read(tmp_path: Path) -> None:
    for content in ("# -*- coding: cp949 -*-\na = '이름'\n".encode("cp949"), b"\xef\xbb\xbfa = 1\n", b""):
        path = tmp_path / "cd_a.py"
        path.write_bytes(content)
        assert judge_source([path], tmp_path, Conventions()).findings == []


def test_the_package_itself_is_clean() -> None:
    from etl.conventions.source_file import python_files

    for name in ("etl", "tenants", "examples", "scripts"):
        folder = REPOSITORY / name
        judged = judge_source(python_files(folder), folder, Conventions())
        found = allowed_left_out(judged.findings, judged, built=False)
        assert [f"{each.path}:{each.line} {each.rule}" for each in found] == []
        assert judged.files


def test_no_message_contains_the_secret(tmp_path: Path) -> None:
    path = tmp_path / "cd_a.py"
    path.write_text("connect(password='hunter22', url='postgresql://etl:hunter23@db/mes')\n")
    found = judge_source([path], tmp_path, Conventions()).findings
    assert len(found) == 2
    assert not re.search(r"hunter", "".join(each.model_dump_json() for each in found))

"""The rules about the text of Python files: reason, examples and fix of each.

Belongs here: words. Not here: finding violations (`source_rules`). The examples are executed by the tests.
"""

from etl.conventions.rule import ConventionRule

SOURCE_FILE_RULES: tuple[ConventionRule, ...] = (
    ConventionRule(
        id="retry-loop",
        where="source",
        severity="error",
        reason=(
            "A failure is shown at once, where its cause can still be found. A loop that tries again hides a"
            " database that"
            " is failing, keeps a run busy for a long time, and may do work twice."
        ),
        violating="""\
import time


def fetch(client):
    for attempt in range(3):
        try:
            return client.rows()
        except ConnectionError:
            time.sleep(2**attempt)
""",
        conforming="""\
import time


def fetch(client):
    return client.rows()


def wait(job):
    while not job.is_done():
        time.sleep(5)
""",
        fix="make the attempt once; Dagster shows the error, and a person runs the partition again",
    ),
    ConventionRule(
        id="retry-library",
        where="source",
        severity="error",
        reason="A library that tries again hides failures in the same way as a loop.",
        violating="""\
from tenacity import retry, stop_after_attempt


@retry(stop=stop_after_attempt(3))
def fetch(client):
    return client.rows()
""",
        conforming="""\
def fetch(client):
    return client.rows()
""",
        fix="call the function directly, and remove the library",
    ),
    ConventionRule(
        id="retry-option",
        where="source",
        severity="error",
        reason=(
            "An option of a client or of Dagster that asks for retries hides failures, far away from the code that"
            " fails."
        ),
        violating="""\
from openai import OpenAI

client = OpenAI(max_retries=5)
""",
        conforming="""\
from openai import OpenAI

client = OpenAI(max_retries=0)
""",
        fix="leave the option out, or set it to 0 where the library tries again by itself",
    ),
    ConventionRule(
        id="swallowed-exception",
        where="source",
        severity="error",
        reason=(
            "If an error is caught and nobody is told, a run is green although data is missing. A default for one"
            " expected error of a value (`except ValueError: return None`) is allowed. `return` in `finally` drops any"
            " error, and so does a loop that goes on after a family of errors:"
            " `except (OSError, ValueError): continue`."
        ),
        violating="""\
def amount(row):
    try:
        return convert(row)
    except Exception:
        return 0
""",
        conforming="""\
def amount(row):
    try:
        return convert(row)
    except KeyError as error:
        raise ValueError(f"row {row['id']} has no amount") from error
""",
        fix="catch only the error that is expected, and raise it again with what a person needs to know",
    ),
    ConventionRule(
        id="nested-try",
        where="source",
        severity="warning",
        reason=(
            "Attempts inside attempts are defence in many layers: which of them has handled an error is hard to see."
        ),
        violating="""\
def read(path):
    try:
        try:
            return open_file(path)
        except FileNotFoundError as error:
            raise ValueError("no file") from error
    except ValueError as error:
        raise RuntimeError("nothing to read") from error
""",
        conforming="""\
def read(path):
    try:
        return open_file(path)
    except FileNotFoundError as error:
        raise ValueError("no file") from error
""",
        fix=(
            "keep one `try` around the one call that can fail; put the inner one into a function of its own if it is"
            " needed"
        ),
    ),
    ConventionRule(
        id="print-call",
        where="source",
        severity="error",
        reason=(
            "What `print` writes has no level, no run and no asset, and nobody who looks at a run in Dagster finds it."
        ),
        violating="""\
def orders(frame):
    print(frame.columns)
    return frame
""",
        conforming="""\
import logging


def orders(frame):
    logging.getLogger(__name__).info("columns: %s", frame.columns)
    return frame
""",
        fix="write `context.log.info(...)` in an asset, `logging.getLogger(__name__).info(...)` elsewhere",
    ),
    ConventionRule(
        id="secret-in-source",
        where="source",
        severity="error",
        reason="Who can read the code, or any earlier version of it, has the secret.",
        violating="""\
def connect(driver):
    return driver.connect(host="db", password="hunter22")
""",
        conforming="""\
import os


def connect(driver):
    return driver.connect(host="db", password=os.environ["CD_POSTGRES_PASSWORD"])
""",
        fix=(
            "read it from the environment where the connection opens (`dg.EnvVar` in a resource), and change the secret"
        ),
    ),
    ConventionRule(
        id="secret-at-import",
        where="source",
        severity="error",
        reason=(
            "A secret that is read while definitions are built becomes part of them: the UI and the event log can"
            " show it,"
            " and the location does not load where the variable is not set."
        ),
        violating="""\
import os

database = PostgresResource(password=os.environ["CD_POSTGRES_PASSWORD"])
""",
        conforming="""\
import dagster as dg

database = PostgresResource(password=dg.EnvVar("CD_POSTGRES_PASSWORD"))
""",
        fix="give the resource `dg.EnvVar(...)`, which is read when the resource is used",
    ),
    ConventionRule(
        id="endpoint-in-source",
        where="source",
        severity="warning",
        reason="An address in the code is the same in every environment: a test run would write into production.",
        violating="""\
database = PostgresResource(host="db-1.example.com")
""",
        conforming="""\
import dagster as dg

database = PostgresResource(host=dg.EnvVar("CD_POSTGRES_HOST"))
""",
        fix="give the resource `dg.EnvVar(...)`, and write the variable into .env.example",
    ),
    ConventionRule(
        id="old-typing",
        where="source",
        severity="error",
        reason="Python has shorter names for these types, and two ways to write one type make code harder to search.",
        violating="""\
from typing import Dict, List


def totals(rows: List[int]) -> Dict[str, int]:
    return {"all": sum(rows)}
""",
        conforming="""\
def totals(rows: list[int]) -> dict[str, int]:
    return {"all": sum(rows)}
""",
        fix="write `dict`, `list`, `X | None`",
    ),
    ConventionRule(
        id="import-in-function",
        where="source",
        severity="warning",
        reason="An import inside a function fails only when the function runs, and a reader does not see it.",
        violating="""\
def total(frame):
    import math

    return math.fsum(frame)
""",
        conforming="""\
import math


def total(frame):
    return math.fsum(frame)
""",
        fix=(
            "write the import at the top of the file; for a library that need not be installed, `try: ... except"
            " ImportError: ...` around it"
        ),
    ),
    ConventionRule(
        id="row-loop",
        where="source",
        severity="warning",
        reason=(
            "Python visits some hundred thousand rows in a second; an expression over whole columns takes many"
            " millions."
        ),
        violating="""\
def total(frame):
    amount = 0
    for _, row in frame.iterrows():
        amount += row["amount"]
    return amount
""",
        conforming="""\
def total(frame):
    return frame["amount"].sum()
""",
        fix="write an expression over whole columns",
    ),
    ConventionRule(
        id="select-star",
        where="source",
        severity="warning",
        reason="A query without columns and without a condition reads everything, and changes when the table changes.",
        violating="""\
QUERY = "SELECT * FROM national_pension_businesses"
""",
        conforming="""\
QUERY = "SELECT business_name, subscriber_count FROM national_pension_businesses WHERE data_creation_month >= %s"
""",
        fix="name the columns, and the rows that are wanted",
    ),
    ConventionRule(
        id="metadata-missing",
        where="source",
        severity="warning",
        reason=(
            "Without metadata nobody sees in the UI what a run has made, how many rows it had, or since when that"
            " changed."
        ),
        violating="""\
import dagster as dg


@dg.asset(group_name="CD", tags={"data_tier": "gold"})
def cd_prices() -> dg.MaterializeResult:
    write()
    return dg.MaterializeResult()
""",
        conforming="""\
import dagster as dg


@dg.asset(group_name="CD", tags={"data_tier": "gold"})
def cd_prices() -> dg.MaterializeResult:
    count = write()
    return dg.MaterializeResult(metadata={"dagster/row_count": count})
""",
        fix='return `dg.MaterializeResult(metadata={"dagster/row_count": ...})`',
    ),
    ConventionRule(
        id="row-count-missing",
        where="source",
        severity="warning",
        reason=(
            "Dagster draws the number of rows over time from `dagster/row_count`; a sudden change there is often the"
            " first sign."
        ),
        violating="""\
import dagster as dg


@dg.asset(group_name="CD", tags={"data_tier": "gold"})
def cd_prices() -> dg.MaterializeResult:
    return dg.MaterializeResult(metadata={"seconds": write()})
""",
        conforming="""\
import dagster as dg


@dg.asset(group_name="CD", tags={"data_tier": "gold"})
def cd_prices() -> dg.MaterializeResult:
    return dg.MaterializeResult(metadata={"dagster/row_count": write()})
""",
        fix="add `dagster/row_count`, or `dagster/partition_row_count` for one partition",
    ),
    ConventionRule(
        id="file-too-long",
        where="source",
        severity="error",
        reason="A long file has more than one subject. The limit is `max_file_lines` of [tool.etl.conventions].",
        violating="# a line\n" * 1501,
        conforming="# a line\n" * 1500,
        fix="divide it by subject or by tier",
    ),
    ConventionRule(
        id="syntax-error",
        where="source",
        severity="error",
        exit_code=2,
        reason="A file that is not valid Python fails when something imports it, perhaps only in a run.",
        violating="""\
def orders(frame)
    return frame
""",
        conforming="""\
def orders(frame):
    return frame
""",
        fix="correct the line",
    ),
    ConventionRule(
        id="file-encoding",
        where="source",
        severity="error",
        exit_code=2,
        reason="Python reads files as UTF-8 unless their first lines name another encoding; this file would not load.",
        violating="# caf\udce9\n",
        conforming="# café\n",
        fix="save the file as UTF-8",
    ),
    ConventionRule(
        id="file-not-read",
        where="source",
        severity="warning",
        reason="A file that cannot be read, or is too large to be code, was not examined: nothing is known about it.",
        violating="# a file without the right to read it, or of more than 2 MB\n",
        conforming="# any other file\n",
        fix="keep data in data files; give the user of `etl check` the right to read the file",
        language="text",
    ),
    ConventionRule(
        id="allow-without-reason",
        where="source",
        severity="error",
        reason="An exception without a reason cannot be judged by the next reader.",
        violating="""\
def orders(frame):
    print(frame)  # etl: allow print-call
    return frame
""",
        conforming="""\
def orders(frame):
    print(frame)  # etl: allow print-call (the command shows the frame to a person)
    return frame
""",
        fix="write `# etl: allow <rule> (reason)`",
    ),
    ConventionRule(
        id="allow-unknown-rule",
        where="source",
        severity="error",
        reason="A comment that names no rule allows nothing.",
        violating="""\
def orders(frame):
    print(frame)  # etl: allow print-calls (the command shows the frame to a person)
    return frame
""",
        conforming="""\
def orders(frame):
    print(frame)  # etl: allow print-call (the command shows the frame to a person)
    return frame
""",
        fix="`etl check --rules` lists the rules",
    ),
    ConventionRule(
        id="allow-unused",
        where="source",
        severity="warning",
        reason="A comment that stays when its cause is gone would later allow something that nobody looked at.",
        violating="""\
def orders(frame):
    return frame  # etl: allow print-call (the command shows the frame to a person)
""",
        conforming="""\
def orders(frame):
    return frame
""",
        fix="remove the comment",
    ),
)

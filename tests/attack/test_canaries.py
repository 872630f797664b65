"""Attacks the law of silence: a secret stands in no event, log, error, message, metric or file, whoever raised the text.

Every secret is a word that occurs nowhere else, so that one search over everything that the commands print and over
every byte below the data folder finds any leak. The search finds a word that is planted.
"""

import base64
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.attack.target import BIN, Said, Target
from tests.tiny_project import REPOSITORY

SECRETS = {
    "ACME_DB_PASSWORD": "Kanarienvogel/1'7 %a",
    "ACME_SSL_PASSWORD": "Zeisig-2-password",
    "ACME_SLACK_URL": "https://hooks.example/services/Stieglitz3word",
    "ACME_TOKEN": "Gimpel-4-token",
    "AWS_SECRET_ACCESS_KEY": "Buchfink-5-platform",
    "BETA_DB_PASSWORD": "Dompfaff-6-of-beta",
}
LEAKY = '''"""Prints, logs and raises what it can read."""

import logging
import os
import sys
from pathlib import Path

import polars as pl


def orders(orders: pl.LazyFrame) -> pl.LazyFrame:
    """Tell everything."""
    Path({names!r}).write_text(" ".join(sorted(os.environ)), encoding="utf-8")
    found = [os.environ["ACME_DB_PASSWORD"], os.environ["ACME_TOKEN"], os.environ["ACME_SLACK_URL"]]
    print("printed", found[0], flush=True)
    sys.stderr.write(f"written {{found[1]}} and {{found!r}}\\n")
    logging.getLogger("mine").error("logged %s", found[2])
    try:
        raise KeyError(found[0])
    except KeyError as error:
        raise ValueError(f"raised with {{found}} password=q") from error
'''


def spellings(secrets: Mapping[str, str]) -> Iterable[bytes]:
    for value in secrets.values():
        yield value.encode()
        yield quote(value, safe="").encode()
        yield json.dumps(value)[1:-1].encode()
        yield repr(value)[1:-1].encode()
        yield base64.b64encode(value.encode()).rstrip(b"=")


def leaks(folder: Path, *said: Said, secrets: Mapping[str, str] = SECRETS) -> list[str]:
    """Where a secret stands: in what was printed, or in a file below the folder."""
    words = set(spellings(secrets))
    texts = {f"output {number}": each.text.encode() for number, each in enumerate(said)}
    texts |= {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    return [f"{place}: {word!r}" for place, content in texts.items() for word in words if word in content]


def test_the_search_finds_what_is_planted(target: Target) -> None:
    planted = target.project.data / "planted.bin"
    planted.write_bytes(b"\x00\xff" + SECRETS["ACME_TOKEN"].encode() + b"\x00")
    assert leaks(target.project.data, Said(0, "", quote(SECRETS["ACME_DB_PASSWORD"], safe="")))[0].startswith(
        "output 0"
    )
    assert any(each.startswith("planted.bin") for each in leaks(target.project.data))


def graphql_of(target: Target, query: str) -> Said:
    """What the web server answers."""
    return target.command([str(BIN / "dagster-graphql"), "-w", "workspace.yaml", "-t", query])


def graphql(target: Target) -> Said:
    """What the web server answers about every run, its events, errors and logs, and about what is defined."""
    error = "message stack errorChain { error { message stack } }"
    place = '{ repositoryLocationName: "acme", repositoryName: "__repository__" }'
    return graphql_of(
        target,
        f"""{{ runsOrError {{ ... on Runs {{ results {{ runId runConfigYaml tags {{ key value }}
        eventConnection(limit: 1000) {{ events {{ __typename ... on MessageEvent {{ message }}
        ... on ErrorEvent {{ error {{ {error} }} }} }} }} }} }} }}
        assetNodes {{ assetKey {{ path }} description owners {{ __typename }} tags {{ key value }} opVersion
        metadataEntries {{ __typename label description ... on TextMetadataEntry {{ text }}
        ... on JsonMetadataEntry {{ jsonString }} ... on MarkdownMetadataEntry {{ mdStr }} }} }}
        allTopLevelResourceDetailsOrError(repositorySelector: {place}) {{ ... on ResourceDetailsList {{ results {{
        name description configuredValues {{ key value type }} }} }} }} }}""",
    )


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_no_secret_leaves_a_run_that_tells_everything(target: Target, tmp_path: Path) -> None:
    names = tmp_path / "names.txt"
    target.project.write_tenant({}, tenant="beta")
    target.project.write_tenant({"notifications": [{"type": "slack", "url": "${ACME_SLACK_URL}"}]})
    target.project.write_transform(LEAKY.format(names=str(names)))
    target.environ.update(SECRETS)

    transform = target.etl("run", "acme", "--from", "2026-01-01")
    assert transform.code == 1, transform.text
    assert "raised" in transform.text, "the failure itself is told"
    assert "***" in transform.text
    seen = names.read_text().split()
    assert "BETA_DB_PASSWORD" not in seen
    assert {"ACME_TOKEN", "PATH", "DAGSTER_HOME"} <= set(seen)

    # A connection that fails, with a password in the URL and one in its options.
    host = {"ACME_DB_HOST": "127.0.0.1", "ACME_DB_NAME": "shop", "ACME_DB_USER": "reader"}
    target.project.write_tenant(
        {"source_database": {"port": 1, "options": {"sslpassword": "${ACME_SSL_PASSWORD}", "sslkey": "tenants/acme/k"}}}
    )
    connection = target.etl("run", "acme", "--from", "2026-01-02", environ=host)
    assert connection.code == 1, connection.text

    answers = graphql(target)
    assert "STEP_FAILURE" in answers.text or "ExecutionStepFailureEvent" in answers.text, answers.text[:2000]
    others = [
        target.etl("metrics"),
        target.etl("sla", "status"),
        target.etl("verify", "acme"),
        target.etl("check", "acme"),
    ]
    assert leaks(target.project.data, transform, connection, answers, *others) == []


OWN = '''"""A tenant's own assets, which tell what they can read, and a job that executes each in a process of its own."""

import logging
import os
import sys

import dagster as dg

from etl import build_tenant_definitions


@dg.asset(key=["acme", "own", "teller"])
def teller(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
    """Tells and succeeds."""
    token = os.environ["ACME_TOKEN"]
    print("printed", token, flush=True)
    sys.stderr.write(f"written {token}\\n")
    logging.getLogger("mine").error("logged %s", token)
    context.log.info(f"told the log {token}")
    print("others:", sorted(each for each in os.environ if "BETA" in each), flush=True)
    return dg.MaterializeResult(metadata={"token": token, "table": dg.MetadataValue.md(f"| {token} |")})


@dg.asset(key=["acme", "own", "raiser"], deps=[teller])
def raiser() -> None:
    """Tells by failing."""
    try:
        raise KeyError(os.environ["ACME_DB_PASSWORD"])
    except KeyError as error:
        raise ValueError(f"raised with {os.environ['ACME_TOKEN']}") from error


job = dg.define_asset_job("acme_by_hand", selection=[teller, raiser], executor_def=dg.multiprocess_executor)
defs = dg.Definitions.merge(build_tenant_definitions("acme"), dg.Definitions(assets=[teller, raiser], jobs=[job]))
'''


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_no_secret_leaves_assets_written_by_hand_whatever_executes_them(target: Target) -> None:
    target.project.write_tenant({}, tenant="beta")
    target.project.write_tenant({"notifications": [{"type": "slack", "url": "${ACME_SLACK_URL}"}]})
    (target.project.root / "tenants" / "acme" / "definitions.py").write_text(OWN)
    target.environ.update(SECRETS)
    place = ["-m", "tenants.acme.definitions", "-a", "defs"]

    alone = target.dagster("asset", "materialize", "--select", "key:acme/own/*", *place)
    assert alone.code == 1, alone.text
    assert "printed ***" in alone.text
    assert "others: []" in alone.text, "the variables of other tenants are gone"
    by_processes = target.dagster("job", "execute", "-j", "acme_by_hand", *place)
    assert by_processes.code == 1, by_processes.text
    assert "printed ***" in by_processes.text
    by_worker = target.etl("run", "acme", "--job", "by_hand")
    assert by_worker.code == 1, by_worker.text

    told = graphql(target)
    assert told.text.count("raised with ***") >= 3, told.text
    assert leaks(target.project.data, alone, by_processes, by_worker, told) == []


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_no_secret_stands_in_what_dbt_leaves(target: Target) -> None:
    folder = target.project.root / "dbt_projects" / "acme"
    (folder / "models").mkdir(parents=True)
    profiles = (REPOSITORY / "dbt_projects" / "profiles.yml").read_text()
    (folder.parent / "profiles.yml").write_text(profiles)
    (folder / "dbt_project.yml").write_text("name: acme\nversion: '1.0.0'\nprofile: etl\nmodel-paths: [models]\n")
    (folder / "models" / "told.sql").write_text(
        "{{ config(materialized='table') }}\n{% do log('told ' ~ env_var('ACME_TOKEN'), info=true) %}\n"
        "select '{{ env_var('BETA_DB_PASSWORD', 'nothing') }}' as beta,"
        " '{{ env_var('AWS_SECRET_ACCESS_KEY', 'nothing') }}' as platform /* {{ env_var('ACME_TOKEN') }} */\n"
    )
    target.project.write_tenant({}, tenant="beta")
    target.project.write_tenant({"dbt": {"enabled": True}})
    target.environ.update(SECRETS)
    said = target.etl("run", "acme", "--from", "2026-01-01")
    assert said.code == 0, said.text
    assert target.warehouse("SELECT beta, platform FROM dbt.told") == [("nothing", "nothing")]
    assert leaks(target.project.data, said) == []

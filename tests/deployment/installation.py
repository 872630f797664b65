"""An installation as docs/production.md makes it: three tenants, on a machine of its own."""

import json
import shlex
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from etl.deployment.shape import Shape, shape_of
from etl.deployment.systemd import files
from etl.settings import load_settings
from tests.deployment.machine import Machine, machine
from tests.installation import REPOSITORY
from tests.tiny_project import DAYS, ROWS_PER_DAY, make_project

HOST = "etl.test"
TENANTS = ("alice", "bob", "carol")
ACCOUNT = "anna:correct horse"
PASSWORD = "p4ss/w@rd%20$HOME"  # with what a file of variables, a URL and a unit could each read in their own way
CLUSTER = "15/etl"


@dataclass(frozen=True)
class Installed:
    """The machine and what was installed there."""

    machine: Machine
    shape: Shape

    def curl(self, path: str, *options: str, account: str = ACCOUNT) -> str:
        """The answer of the proxy; with `-w` what curl says about it."""
        login = ["-u", account] if account else []
        return self.machine.run("curl", "-sk", *login, *options, f"https://{HOST}{path}", check=False)

    def ask(self, query: str, **variables: Any) -> Any:
        """The data of a GraphQL answer, through the proxy."""
        body = json.dumps({"query": query, "variables": variables})
        text = self.curl("/graphql", "-H", "Content-Type: application/json", "--data-binary", body)
        try:
            found = json.loads(text)
        except ValueError:
            raise AssertionError(text) from None
        assert not found.get("errors"), found["errors"]
        return found["data"]

    def locations(self) -> dict[str, str]:
        """Every code location and its state, or what is wrong with it; nothing while the web server does not answer."""
        try:
            found = self.ask("""{ workspaceOrError { ... on Workspace { locationEntries {
                name loadStatus locationOrLoadError { ... on PythonError { message } } } } } }""")
        except AssertionError:
            return {}
        entries = found["workspaceOrError"]["locationEntries"]
        return {
            each["name"]: (each["locationOrLoadError"] or {}).get("message") or each["loadStatus"] for each in entries
        }

    def run_status(self, run_id: str) -> str:
        found = self.ask("query($id: ID!) { runOrError(runId: $id) { ... on Run { status } } }", id=run_id)
        return str(found["runOrError"].get("status"))

    def cpu(self) -> float:
        """CPU seconds of the machine so far."""
        text = self.machine.run("cat", "/sys/fs/cgroup/cpu.stat")
        return int(dict(line.split() for line in text.splitlines())["usage_usec"]) / 1e6

    def sql(self, query: str, database: str = "dagster") -> list[list[str]]:
        """Rows of a database of the machine's PostgreSQL."""
        text = self.machine.run("runuser", "-u", "postgres", "--", "psql", "-AtF", "\t", "-d", database, "-c", query)
        return [each.split("\t") for each in text.splitlines()]

    def psql(self, *statements: str) -> None:
        """Execute statements as the owner of the machine's PostgreSQL."""
        options = [word for each in statements for word in ("-c", each)]
        self.machine.run("runuser", "-u", "postgres", "--", "psql", "-q", *options)

    def wait_for(self, condition: Callable[[], bool], seconds: float = 120) -> None:
        """Wait until the condition holds, or show the logs."""
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, self.journal()
            time.sleep(1)

    def journal(self) -> str:
        return self.machine.run("journalctl", "--no-pager", "-n", "150", "-o", "short", check=False)


def make_tenants(folder: Path) -> Path:
    """A project with three tenants; carol's rule is broken by her rows."""
    project = make_project(folder)
    for each in TENANTS:
        changes: dict[str, Any] = {}
        if each == "alice":
            changes = {"assets": {"pipelines": {"orders": {"sla": {"min_row_count": 30}}}}}
        if each == "carol":
            rules = [{"column": "amount", "type": "in_range", "max": 10}]
            changes = {"assets": {"pipelines": {"orders": {"quality": {"rules": rules}}}}}
        project.write_tenant(changes, tenant=each)
    for path in (project.root / "tenants" / "acme").rglob("*"):
        if path.is_file():
            path.unlink()
    (project.root / "tenants" / "acme" / "transforms").rmdir()
    (project.root / "tenants" / "acme").rmdir()
    return project.root


@contextmanager
def installed(folder: Path) -> Iterator[Installed]:
    """The installation, started."""
    project = make_tenants(folder)
    settings = load_settings({"ETL_PROJECT_DIR": str(project)})
    shape = shape_of(settings)
    with machine(Path(sys.base_prefix), Path(sys.prefix), REPOSITORY / "etl") as here:
        here.run(
            "sh", "-c", f"mkdir -p /opt/etl; ln -s {sys.prefix} /opt/etl/venv; echo 127.0.0.1 {HOST} >> /etc/hosts"
        )
        here.copy(project, "/opt/etl/project")
        result = Installed(here, shape)
        database(result, project)
        written = folder / "written"
        for path, text in files(shape, settings, HOST).items():
            (written / path).parent.mkdir(parents=True, exist_ok=True)
            (written / path).write_text(text, encoding="utf-8")
        here.copy(written, "/opt/etl/written")
        said = here.run("sh", "/opt/etl/written/install")
        assert said.count(" has no value for DAGSTER_PG_PASSWORD") == len(shape.services), said
        secrets(result)
        proxy(result)
        if Path(sys.base_prefix).is_relative_to("/root"):  # a Python that an installation would not use
            here.write("/etc/systemd/system/etl-.service.d/python.conf", "[Service]\nProtectHome=no\n")
        here.run("systemctl", "daemon-reload")
        here.run("systemctl", "start", "etl.target")
        yield result


def database(here: Installed, project: Path) -> None:
    """PostgreSQL as Debian makes it, with Dagster's database and the tenants' source."""
    version, name = CLUSTER.split("/")
    here.machine.run("pg_createcluster", version, name, "--port", "5432", "--", "--no-sync", "--locale=C.UTF-8")
    here.machine.run("systemctl", "start", f"postgresql@{version}-{name}")
    rows = ", ".join(
        f"({day * 100 + row}, 'n{row}', {row + 0.25}, '{date} {row:02d}:00:00')"
        for day, date in enumerate(DAYS, start=1)
        for row in range(ROWS_PER_DAY)
    )
    statements = f"""
        \\set password '{PASSWORD}'
        {files(here.shape, load_settings({"ETL_PROJECT_DIR": str(project)}), HOST)["etc/etl/database.sql"]}
        CREATE ROLE reader LOGIN PASSWORD '{PASSWORD}';
        CREATE DATABASE src OWNER reader;
        \\connect src reader
        CREATE TABLE orders (order_id INTEGER, name TEXT, amount DOUBLE PRECISION, created_at TIMESTAMP);
        INSERT INTO orders VALUES {rows};
    """.replace("\\connect src reader", "\\connect src\nSET ROLE reader;")
    here.machine.run("runuser", "-u", "postgres", "--", "psql", "-qv", "ON_ERROR_STOP=1", text=statements)


def secrets(here: Installed) -> None:
    """Fill in the files of variables, each with what it asks for."""
    values = {"DAGSTER_PG_PASSWORD": PASSWORD}
    for each in TENANTS:
        own = {"HOST": "127.0.0.1", "NAME": "src", "USER": "reader", "PASSWORD": PASSWORD}
        values |= {f"{each.upper()}_DB_{key}": value for key, value in own.items()}
    for service in here.shape.services:
        lines = "".join(f"{name}='{values[name]}'\n" for name in service.variables)
        here.machine.write(f"/etc/etl/variables/{service.name}.env", lines, "600")


def proxy(here: Installed) -> None:
    """nginx as Debian makes it, with a certificate and one account."""
    name, password = ACCOUNT.split(":")
    here.machine.run("sh", "-c", (
        "mkdir -p /etc/etl/tls; cd /etc/etl/tls; openssl req -x509 -newkey rsa:2048 -nodes -days 1"
        f" -subj /CN={HOST} -keyout server.key -out server.crt 2>/dev/null;"
        f" echo {name}:$(openssl passwd -6 {shlex.quote(password)}) > /etc/etl/accounts;"
        " chgrp www-data /etc/etl/accounts; chmod 640 /etc/etl/accounts; usermod -aG etl www-data"
    ))  # fmt: skip
    here.machine.run("systemctl", "start", "nginx")

"""The page of exit codes: it names every command, and what is wrong usage leaves with 2."""

import re
from typing import Any

import pytest

from tests.commands import loaded_commands
from tests.installation import REPOSITORY

from .conftest import Etl

PAGE = REPOSITORY / "docs" / "exit-codes.md"
USAGE = {
    "init": ["init", "."],
    "new": ["new", "Not An Id"],
    "demo": ["demo", "--tenant", "nobody"],
    "plan": ["plan", "nobody"],
    "explain": ["explain", "nobody/orders"],
    "run": ["run", "nobody"],
    "set-aside": ["set-aside", "nobody", "orders", "--yes"],
    "schema accept": ["schema", "accept", "nobody", "orders"],
    "schema print": ["schema", "print", "--nothing"],
    "schema editor": ["schema", "editor", "nobody"],
    "migrate": ["migrate", "nothing.yaml"],
    "verify": ["verify", "nobody"],
    "tenant export": ["tenant", "export", "nobody", "--out", "out"],
    "tenant import": ["tenant", "import", "nothing"],
    "tenant rename": ["tenant", "rename", "nobody", "other"],
    "tenant retire": ["tenant", "retire", "nobody"],
    "tenant erase": ["tenant", "erase", "nobody"],
    "tenant erase-subject": ["tenant", "erase-subject", "nobody", "--key", "id=1"],
    "maintain": ["maintain", "nobody"],
    "test": ["test", "nobody"],
    "contract export": ["contract", "export", "nobody/orders"],
    "contract import": ["contract", "import", "no_file.yaml", "--tenant", "acme"],
    "contract diff": ["contract", "diff", "no_file.yaml", "acme/orders"],
    "check": ["check", "nobody"],
    "quarantine list": ["quarantine", "list", "nobody"],
    "quarantine show": ["quarantine", "show", "nobody", "orders"],
    "quarantine replay": ["quarantine", "replay", "nobody", "orders"],
    "quarantine discard": ["quarantine", "discard", "nobody", "orders", "--why", "x", "--yes"],
    "quarantine history": ["quarantine", "history", "nobody"],
    "dbt prepare": ["dbt", "prepare", "nobody"],
    "dbt rules": ["dbt", "rules", "nobody"],
    "secrets list": ["secrets", "list", "nobody"],
    "secrets check": ["secrets", "check", "nobody"],
    "portal build": ["portal", "build", "nobody", "--out", "out"],
    "sla status": ["sla", "status", "--tenant", "nobody"],
    "sla report": ["sla", "report", "--tenant", "nobody"],
    "metrics": ["metrics", "--tenant", "nobody"],
    "traces": ["traces", "--tenant", "nobody"],
    "lineage show": ["lineage", "show", "nobody"],
    "lineage send": ["lineage", "send", "--tenant", "nobody"],
    "rules": ["rules", "no_rule"],
    "home": ["home", "--nothing"],
    "doctor": ["doctor", "nobody"],
    "docs": ["docs", "--nothing"],
    "quotas": ["quotas", "nobody"],
    "deploy systemd": ["deploy", "systemd", "--out", "out", "--host", "etl.example.com", "--nothing"],
    "deploy compose": ["deploy", "compose", "--out", "out", "--host", "etl.example.com", "--nothing"],
    "deploy helm": ["deploy", "helm", "--out", "out", "--host", "etl.example.com", "--nothing"],
    "backup": ["backup", "--out", "out", "--nothing"],
    "restore": ["restore", "nothing"],
}


def commands(group: Any, before: str = "") -> list[str]:
    found = []
    for name, command in group.commands.items():
        found += commands(command, f"{before}{name} ") if hasattr(command, "commands") else [f"{before}{name}"]
    return found


EVERY = sorted(commands(loaded_commands()))


def test_the_page_names_every_command() -> None:
    rows = re.findall(r"^\| `etl ([a-z -]+)` \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(rows) == EVERY
    assert sorted(USAGE) == EVERY


@pytest.mark.parametrize("command", EVERY)
def test_wrong_usage_leaves_with_2(project: object, etl: Etl, command: str) -> None:
    said = etl(*USAGE[command])
    assert said.code == 2, said.err
    assert said.err
    assert "Traceback" not in said.err

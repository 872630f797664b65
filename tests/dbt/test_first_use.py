"""What dbt's libraries generate before the warm process forks: it is all that a command needs, and it opens nothing."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from etl.dbt import first_use
from tests.dbt.projects import SHOP
from tests.dbt.test_as_typed import prepared

# Prints the number of threads, what stays closed before a fork, and the classes whose schema is ready.
PROGRAM = """
import dbt.cli.main, dbt.task.build, functools, json, os, runpy, sys
from dbt_common.dataclass_schema import dbtClassMixin
made, schema = [], dbtClassMixin.__dict__["json_schema"].__func__.__wrapped__
def noted(cls):
    made.append(cls.__name__)
    return schema(cls)
dbtClassMixin.json_schema = classmethod(functools.lru_cache(noted))
from pathlib import Path
steps = runpy.run_path(sys.argv[1])
steps["commands"](Path(sys.argv[2]))
commands = sorted(made)
steps["parsing"](Path(sys.argv[2]), ["acme://models/marts/by_day.sql"])
print(json.dumps({
    "threads": len(os.listdir("/proc/self/task")),
    "opened": [each for each in ("duckdb", "psycopg2", "dbt.adapters.duckdb") if each in sys.modules],
    "commands": commands, "parsing": sorted(set(made) - set(commands)),
}))
"""


@pytest.mark.slow
def test_it_is_generated_without_a_thread_or_an_adapter(tmp_path: Path) -> None:
    _, project = prepared(tmp_path, SHOP)
    command = [sys.executable, "-P", "-c", PROGRAM, str(first_use.__file__), str(project.parsed_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=project.full_environ())
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {
        "threads": 1,
        "opened": [],
        "commands": ["Configuration", "PackageConfig", "ProfileConfig", "Project", "ProjectFlags", "SelectorFile"],
        "parsing": ["GenericTestNode", "ModelConfig", "ModelNode", "TestConfig", "UnparsedModelUpdate"],
    }

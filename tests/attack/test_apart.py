"""Attacks tenants that share a location: one takes what another has, or changes the process that they have in common.

The tenant that does it is the broken one, and never the tenant from whom something is taken.
"""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from etl.cli.commands import app
from etl.definitions import load_location
from etl.errors import ConfigError, EtlError
from tests.factories.test_building import forget_packages
from tests.trial.dump import dump_by_tenant
from tests.trial.served import Served, build, serving, whole_again
from tests.trial.ways import python

VICTIM, TAKER = "acme", "taker"
"""A location looks at the longest id first, so that the taker's definitions come before those that it takes."""
_MERGED = """import dagster as dg
from etl import build_tenant_definitions

defs = dg.Definitions.merge(build_tenant_definitions("taker"), dg.Definitions({own}))
"""
_JOB = "dg.define_asset_job({name!r}, selection='*')"
TAKES: dict[str, tuple[str, str]] = {
    "the definitions of another": (
        'from etl import build_tenant_definitions\n\ndefs = build_tenant_definitions("acme")\n',
        "definitions of tenant acme",
    ),
    "the module of another": ("from tenants.acme.definitions import defs\n", "definitions of tenant acme"),
    "an asset": (_MERGED.format(own="assets=[dg.asset(lambda: 1, key=['acme', 'more'])]"), "acme/more"),
    "a named asset": (_MERGED.format(own="assets=[dg.AssetSpec(['acme', 'load', 'orders'])]"), "acme/load/orders"),
    "a job": (_MERGED.format(own=f"jobs=[{_JOB.format(name='acme_all')}]"), "the job `acme_all`"),
    "a job with a new name": (_MERGED.format(own=f"jobs=[{_JOB.format(name='acme_mine')}]"), "the job `acme_mine`"),
    "a schedule": (
        _MERGED.format(own=f"schedules=[dg.ScheduleDefinition('acme_at', cron_schedule='@daily', job_name='{TAKER}_all')]"),
        "the schedule `acme_at`",
    ),
    "a sensor": (
        _MERGED.format(own=f"sensors=[dg.SensorDefinition('acme_sees', evaluation_fn=print, job_name='{TAKER}_all')]"),
        "the sensor `acme_sees`",
    ),
    "a resource": (_MERGED.format(own="resources={'acme_lake': 'mine'}"), "the resource `acme_lake`"),
}  # fmt: skip

PATCHES: dict[str, tuple[str, str]] = {
    "the length of nothing": ("import builtins\nbuiltins.len = lambda x: 0", "builtins.len"),
    "what is an instance": ("import builtins\nbuiltins.isinstance = lambda *_: False", "builtins.isinstance"),
    "an endless loop later": (
        "import builtins, itertools\nbuiltins.sorted = lambda *_, **__: [*itertools.repeat(None, 10**12)]",
        "builtins.sorted",
    ),
    "removed": ("import builtins\ndel builtins.dict", "builtins.dict"),
    "in the dictionary": ("__builtins__['getattr'] = print", "builtins.getattr"),
    "a look that never ends": (
        "import os, time\nfound = os.stat\ndef slow(*a, **k):\n    time.sleep(3600)\nos.umask = slow",
        "does not end within 1 s",
    ),
}
"""What the process that tries them out would itself use, to find out what was changed."""

CHANGES: dict[str, tuple[str, str]] = {
    "a module of another": (
        "import sys, types\nsys.modules['tenants.acme.transforms.orders'] = types.ModuleType('orders')",
        "the module tenants.acme.transforms.orders",
    ),
    "no module, as a module of another": (
        "import sys\nsys.modules['tenants.acme.helpers'] = object()", "the module tenants.acme.helpers"
    ),
    "a number of Python's": ("import math\nmath.pi = 3", "math.pi"),
    "a text of Python's": ("import string\nstring.digits = '01'", "string.digits"),
    "a removed value": ("import math\ndel math.tau", "math.tau"),
    "the size of a field": ("import csv\ncsv.field_size_limit(1)", "the size of a field of CSV: 1"),
    "a dialect": ("import csv\ncsv.register_dialect('excel', delimiter=';')", "the dialects of CSV"),
    "an adapter": ("import sqlite3\nsqlite3.register_adapter(str, lambda text: 'x')", "the adapters of sqlite3"),
    "a converter": ("import sqlite3\nsqlite3.register_converter('date', bytes.decode)", "the converters of sqlite3"),
    "a constructor": (
        "import yaml\nyaml.SafeLoader.add_constructor('tag:yaml.org,2002:str', lambda *_: 'x')",
        "yaml.SafeLoader.yaml_constructors",
    ),
    "a constructor in place": (
        "import yaml\nyaml.constructor.SafeConstructor.yaml_constructors['tag:yaml.org,2002:int'] = lambda *_: 1",
        "yaml_constructors",
    ),
    "how YAML is written": (
        "import yaml\nyaml.SafeDumper.add_representer(str, lambda *_: None)", "yaml.SafeDumper.yaml_representers"
    ),
    "what is copied": ("import copyreg\ncopyreg.pickle(range, lambda each: (list, ()))", "copyreg.dispatch_table"),
}  # fmt: skip
"""What is the same for every tenant in the process."""

HARMLESS: dict[str, str] = {
    "a module of another, as it is": "import tenants.acme",
    "what libraries note": (
        "import mimetypes, tempfile, site, random, re\nmimetypes.init()\ntempfile.gettempdir()\nsite.getusersitepackages()\n"
        "random.seed(1)\nre.compile('a+b')"
    ),
    "a loader of its own": (
        "import yaml\nclass Loader(yaml.SafeLoader): pass\nLoader.add_constructor('!x', lambda *_: 1)\n"
        "class Dumper(yaml.SafeDumper): pass\nDumper.add_representer(str, lambda *_: None)"
    ),
    "what it imports first": "import colorsys, wave, tabnanny",
}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The tenant that takes, and the one from which it takes."""
    with serving(tmp_path_factory.mktemp("apart"), TAKER, "python_seconds = 1") as made:
        yield made


@pytest.fixture
def taker(served: Served) -> Path:
    """The folder of the tenant that is attacking, whole again."""
    return whole_again(served[0], TAKER)


def broken_of(served: Served) -> str:
    """Why the attacking tenant is broken in the location of all, where the other is what it was."""
    found = build()
    assert dump_by_tenant(found)[VICTIM] == served[1][VICTIM]
    graph = found.resolve_asset_graph()
    (key,) = [key for key in graph.get_all_asset_keys() if key.path[1] == "broken"]
    assert key.path[0] == TAKER
    return graph.get(key).description or ""


@pytest.mark.parametrize("what", sorted(TAKES))
def test_who_takes_what_another_has_is_the_broken_one(served: Served, taker: Path, what: str) -> None:
    code, says = TAKES[what]
    (taker / "definitions.py").write_text(code)
    assert says in broken_of(served)


@pytest.mark.parametrize("what", sorted(TAKES.keys() - {"a resource"}))
def test_who_takes_is_refused_alone(taker: Path, what: str) -> None:
    code, says = TAKES[what]
    (taker / "definitions.py").write_text(code)
    forget_packages()
    with pytest.raises(EtlError, match=says):
        load_location(TAKER)


def test_what_another_has_is_no_definitions_of_ones_own(taker: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also for `etl check`, in a location that must be whole, and where Dagster imports the file by itself."""
    code, says = TAKES["the definitions of another"]
    (taker / "definitions.py").write_text(code)
    forget_packages()
    said = CliRunner().invoke(app, ["check", TAKER])
    assert said.exit_code == 2, said.output
    assert says in " ".join(said.output.split())
    forget_packages()
    with pytest.raises(EtlError, match=says):
        __import__(f"tenants.{TAKER}.definitions")
    monkeypatch.setenv("ETL_STRICT", "1")
    with pytest.raises(ConfigError, match=r"1 tenant\(s\) cannot be built") as refused:
        build()
    assert f"tenant {TAKER} cannot be built" in str(refused.value)


@pytest.mark.timeout(60)
@pytest.mark.parametrize("what", sorted(PATCHES))
def test_patched_builtins_neither_block_nor_deceive_the_trial(served: Served, taker: Path, what: str) -> None:
    code, says = PATCHES[what]
    python(code, "").change(taker)
    begun = time.monotonic()
    assert says in broken_of(served)
    assert time.monotonic() - begun < 20, "the trial is under its limit, also where it looks at what was changed"


@pytest.mark.parametrize("what", sorted(CHANGES))
def test_what_is_changed_for_all_is_seen(served: Served, taker: Path, what: str) -> None:
    code, says = CHANGES[what]
    python(code, "").change(taker)
    assert says in broken_of(served)


def test_what_changes_nothing_for_others_is_no_mistake(served: Served, taker: Path) -> None:
    python("\n".join(HARMLESS.values()), "").change(taker)
    assert dump_by_tenant(build()) == served[1]

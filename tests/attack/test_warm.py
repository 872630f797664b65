"""The harness itself: a forked command shows the same as a command in a fresh process, and changes nothing for the next."""

import re

import pytest

from tests.attack.target import BIN, Said, Target
from tests.tiny_project import DAYS


def _untimed(said: Said) -> tuple[int, str, str]:
    return said.code, re.sub(r"\d+\.\d s\b", "_ s", said.out), said.err


def test_a_forked_command_shows_the_same_as_a_fresh_one(target: Target) -> None:
    target.environ["ACME_TOKEN"] = "Sperber-9-token"
    (target.project.root / "tenants" / "acme" / "definitions.py").write_text(
        "import os\n\nfrom etl import build_tenant_definitions\n\nprint('read', os.environ['ACME_TOKEN'])  # etl: allow print-call, secret-at-import (the test reads it)\n"
        "defs = build_tenant_definitions('acme')\nos.environ['ACME_LEFT'] = 'x'\nassert not os.path.exists('left')\n"
    )
    fresh = target.command([str(BIN / "etl"), "check", "acme"])
    assert (fresh.code, "Sperber" in fresh.text) == (0, False)
    assert _untimed(target.etl("check", "acme")) == _untimed(fresh)
    target.environ["ACME_TOKEN"] = "Habicht-8-token"
    assert _untimed(target.etl("check", "acme")) == _untimed(fresh), "the environment is that of the second command"
    (target.project.root / "left").touch()
    said = target.etl("check", "acme")
    assert said.code == 2, "nothing of the first command is remembered"
    assert "AssertionError" in said.text
    said = target.etl("check", "nobody")
    assert (said.code, said.out) == (2, "")


@pytest.mark.slow
def test_a_forked_command_runs_a_tenant_as_a_fresh_one_does(target: Target) -> None:
    """The run has a process of its own, in a session of its own, with the command's environment and folder."""
    seen = target.project.root / "seen"
    target.project.write_transform(
        "import os, pathlib\n\n\ndef orders(orders):\n"
        f"    pathlib.Path({str(seen)!r}).write_text(f'{{os.getsid(0) == os.getpid()}} {{os.getcwd()}}"
        ' {os.environ.get("ACME_MARK")}\')\n    return orders\n'
    )
    target.run_days(DAYS[0], DAYS[0])
    said = []
    for fresh in (True, False):
        target.environ["ACME_MARK"] = f"mark {fresh}"
        done = target.etl("run", "acme", "--from", DAYS[0], "--reload", fresh=fresh)
        said.append((done.code, re.sub(r"[0-9a-f-]{36}|\d+ s$", "", done.out.strip()), done.err))
        assert seen.read_text() == f"True {target.project.root} mark {fresh}"
    assert said[0] == said[1]
    assert said[0][0] == 0
    assert target.etl("run", "acme", "--from", "2027-01-01").code == 2

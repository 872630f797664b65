"""Attacks the law that nothing is lost without a word: a code server that cannot start, or is killed while it starts.

`etl run` showed the whole command of the server and Dagster's trace. It says what happened, and what to do.
"""

import pytest

from tests.attack.target import Target

KILLED = "import os\nimport signal\n\nos.kill(os.getpid(), signal.SIGKILL)\n"
EXITS = "import os\n\nos._exit(7)\n"
BROKEN = "def definitions():\n    return undefined_name\n\n\ndefs = definitions()\n"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("code", "wanted"),
    [
        (KILLED, ["its process was killed by SIGKILL while it was starting", "run the command again"]),
        (EXITS, ["its process ended with exit code 7 while it was starting", "a file of the tenant may end it"]),
        (BROKEN, ["NameError: name 'undefined_name' is not defined", 'definitions.py", line 2', "correct that"]),
    ],
)
def test_it_is_told_in_a_few_lines(target: Target, code: str, wanted: list[str]) -> None:
    (target.project.root / "tenants" / "acme" / "definitions.py").write_text(code)
    said = target.etl("run", "acme")
    assert said.code == 2
    text = " ".join(said.err.split())
    assert [each for each in ["code location `acme` cannot be loaded", *wanted] if each not in text] == [], said.err
    assert [each for each in ("Stack Trace", "site-packages", "instance-ref") if each in said.err] == []
    assert len(said.err.splitlines()) <= 12, said.err

"""Attacks the law that nothing is lost without a word: several commands at the same moment, before Dagster has a home.

The first opening makes Dagster's databases. Two processes that did so at once ended in a traceback.
"""

import shutil
import subprocess
import sys

import pytest

from tests.attack.target import Target

# The command `etl`, which says when it is loaded and goes on when it is told to: all begin at the same moment.
COMMAND = """
import sys
import etl.cli, etl.cli.home, etl.cli.sla
print("loaded", flush=True)
sys.stdin.readline()
etl.cli.main()
"""


@pytest.mark.slow
def test_several_commands_make_it_together(target: Target) -> None:
    shutil.rmtree(target.project.data / "dagster")
    commands = [("sla", "status")] * 4 + [("home",)]
    started = [
        subprocess.Popen(
            [sys.executable, "-c", COMMAND, *each],
            cwd=target.project.root,
            env=target.process_environ,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for each in commands
    ]
    for process in started:
        assert process.stdout is not None
        assert process.stdout.readline() == "loaded\n"
    for process in started:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    ended = [(process.communicate(timeout=120)[0], process.returncode) for process in started]
    assert [text for text, _ in ended if "Traceback" in text] == []
    assert [code for _, code in ended] == [3, 3, 3, 3, 0], ended  # nothing is promised
    assert (target.project.data / "dagster" / "history" / "runs.db").is_file()

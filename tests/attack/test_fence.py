"""Attacks the law of the fence: a load that waited for the warehouse puts in what is published when its turn comes."""

import fcntl
import os
import subprocess
import time
from pathlib import Path

import pytest

from tests.attack.target import BIN, Target
from tests.tiny_project import DAYS

DAY = DAYS[0]


def waits_for(lock: Path) -> bool:
    """Whether a process beside this one has the lock file open."""
    for process in Path("/proc").iterdir():
        if not process.name.isdecimal() or int(process.name) == os.getpid():
            continue
        try:
            opened = [each.readlink() for each in (process / "fd").iterdir()]
        except OSError:
            continue
        if lock in opened:
            return True
    return False


@pytest.mark.slow
def test_an_older_load_that_waited_does_not_overwrite_a_newer_object(target: Target) -> None:
    target.run_days(DAY, DAY)
    target.source("UPDATE orders SET amount = 55.5 WHERE order_id = 101")
    for stage in ("extract", "transfer"):
        target.run_days(DAY, DAY, "--stage", stage)
    lock = target.project.data / "locks" / "acme.warehouse"
    with lock.open("r+") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        command = [str(BIN / "etl"), "run", "acme", "--from", DAY, "--to", DAY, "--stage", "load"]
        with subprocess.Popen(
            command, cwd=target.project.root, env=target.process_environ, stdout=subprocess.PIPE, text=True
        ) as older:
            until = time.monotonic() + 120
            while not waits_for(lock):
                assert time.monotonic() < until
                time.sleep(0.1)
            target.source("UPDATE orders SET amount = 77.5 WHERE order_id = 101")
            for stage in ("extract", "transfer"):
                target.run_days(DAY, DAY, "--stage", stage)
            fcntl.flock(held, fcntl.LOCK_UN)
            assert older.wait(120) == 0, older.stdout.read() if older.stdout else ""
    assert target.warehouse("SELECT amount FROM shop.orders WHERE order_id = 101") == [(77.5,)]

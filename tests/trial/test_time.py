"""Tenants whose Python does not end share a limited time, and the other tenants are what they were."""

import os
import time
from pathlib import Path

import pytest

from etl.errors import EtlError
from etl.trial import trial
from etl.trial.trial import TrialLimits, try_out
from etl.trial.trial_process import RunningTrial

pytestmark = pytest.mark.slow  # imports that do not end take their time

MEMORY = 1 << 30


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch) -> list[tuple[tuple[str, ...], float]]:
    """The tenants of each process that was started, and the seconds that each of them had."""
    found: list[tuple[tuple[str, ...], float]] = []

    class Recorded(RunningTrial):
        def __init__(self, of: trial.Trial, tenants: list[str], seconds: float, together: int = 1) -> None:
            found.append((tuple(tenants), seconds))
            super().__init__(of, tenants, seconds, together)

    monkeypatch.setattr(trial, "RunningTrial", Recorded)
    return found


def load(tenant: str) -> None:
    """What the import of a tenant's Python does, by the tenant's name."""
    if tenant.startswith("hangs"):
        time.sleep(3600)
    if tenant.startswith("slow"):
        time.sleep(0.5)
    if tenant.startswith("raises"):
        raise ValueError("a value")


def names(kind: str, count: int) -> list[str]:
    return [f"{kind}_{number:02}" for number in range(count)]


def found_out(tenants: list[str], limits: TrialLimits) -> dict[str, EtlError]:
    return try_out(tenants, load, Path("/nowhere/tenants"), limits)


def test_many_that_hang_share_the_time_and_the_others_are_found_good(
    given: list[tuple[tuple[str, ...], float]],
) -> None:
    hanging, good = names("hangs", 6), names("good", 60)
    tenants = [*good[:10], *hanging[:4], *good[10:20], *hanging[4:], "raises_00", *good[20:]]
    limits = TrialLimits(seconds=3, together=3, memory=MEMORY)
    broken = found_out(tenants, limits)
    assert broken.keys() == {*hanging, "raises_00"}
    assert broken["raises_00"].problem == "ValueError: a value"
    assert [each for each in hanging if "does not end within" not in broken[each].problem] == []
    assert [each for each in hanging if "; others used up the time" not in broken[each].problem] == []
    assert "python_seconds_together" in broken[hanging[-1]].hint
    more = [seconds - 0.25 for process, seconds in given if any(each.startswith("hangs") for each in process)]
    assert sum(more) <= limits.together  # beside the quarter of a second that each has at least


def test_who_is_only_slow_gets_more_time_after_the_others(given: list[tuple[tuple[str, ...], float]]) -> None:
    assert found_out(["good_00", "slow_00", "good_01"], TrialLimits(seconds=2, together=1.6, memory=MEMORY)) == {}
    assert given[0] == (("good_00", "slow_00", "good_01"), 0.25)
    assert given[-1][0] == ("slow_00",)
    assert given[-1][1] > 1


def test_what_many_tenants_import_at_length_is_imported_once(given: list[tuple[tuple[str, ...], float]]) -> None:
    """As the import of a large library, which the process has from then on."""
    there: list[str] = []

    def import_library(tenant: str) -> None:
        if not there:
            time.sleep(0.5)
        there.append(tenant)

    limits = TrialLimits(seconds=3, together=4, memory=MEMORY)
    assert try_out(names("slow", 12), import_library, Path("/nowhere/tenants"), limits) == {}


def test_a_tenant_by_itself_has_all_of_its_time(given: list[tuple[tuple[str, ...], float]]) -> None:
    assert found_out(["slow_00"], TrialLimits(seconds=3, together=0.1, memory=MEMORY)) == {}
    assert given == [(("slow_00",), 3)]


def test_no_limit_at_all_tries_out_in_order(given: list[tuple[tuple[str, ...], float]]) -> None:
    assert found_out(["good_00", "slow_00"], TrialLimits(seconds=0, together=0, memory=0)) == {}
    assert given == [(("good_00", "slow_00"), 0)]


def test_what_is_written_into_the_files_of_others_breaks_only_who_wrote_it(monkeypatch: pytest.MonkeyPatch) -> None:
    pipes: list[int] = []
    pipe = os.pipe

    def recorded() -> tuple[int, int]:
        made = pipe()
        pipes.append(made[1])
        return made

    def write(tenant: str) -> None:
        if tenant == "writes_00":
            os.write(pipes[-1], b"hello\n")

    monkeypatch.setattr("os.pipe", recorded)
    broken = try_out(["writes_00", "good_00"], write, Path("/nowhere/tenants"), TrialLimits(5, 10, MEMORY))
    assert broken.keys() == {"writes_00"}


def test_a_system_without_another_process_breaks_only_who_has_python(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> int:
        raise OSError(11, "Resource temporarily unavailable")

    monkeypatch.setattr("os.fork", refuse)
    broken = found_out(["good_00", "good_01"], TrialLimits(seconds=1, together=1, memory=0))
    assert broken.keys() == {"good_00", "good_01"}
    assert "cannot be tried out" in broken["good_00"].problem

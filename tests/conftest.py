"""Fixtures that every test may ask for: real servers, started when the first test needs one, and this project's data."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from etl.secrets import scrub
from tests.installation import installation, installed
from tests.servers.mariadb import mariadb_server
from tests.servers.postgres import postgres_server

__all__ = ["installation", "installed", "mariadb_server", "postgres_server"]

# A busy machine is no failure: no example has to end within 200 ms.
settings.register_profile("etl", deadline=None)
settings.load_profile("etl")


@pytest.fixture(autouse=True)
def secrets_of_a_test_stay_in_it() -> Iterator[None]:
    """A process hides every secret that it has known: what is a password in one test is a date in another one."""
    before = frozenset(scrub._known)
    yield
    if scrub._known != before:
        with scrub._lock:
            scrub._known.clear()
            scrub._known.update(before)
            scrub._compile()


@pytest.fixture(autouse=True)
def kept_configurations_of_a_test_stay_in_it() -> Iterator[None]:
    """A process serves the tenants of one project, and remembers of which it serves the last good configuration."""
    yield
    if process := sys.modules.get("etl.definitions.process"):
        process.pinned.clear()


# What starts dbt, Dagster's servers or a browser many times over, or kills a process at every point there is: minutes,
# not seconds. `make test` leaves it out, `make slow` runs those.
SLOW = (
    "tests/dbt/",
    "tests/dbt_quality/",
    "tests/e2e/",
    "tests/faults/",
    "tests/running/test_month.py",
    "tests/running/test_promises_page.py",
    "tests/running/test_scale.py",
)


# What takes longest begins first, so that no worker is left alone with it at the end.
LONGEST = (
    "tests/soak/",
    "tests/running/test_month.py",
    "tests/warehouse/test_trust.py",
    "tests/dbt_quality/",
    "tests/attack/test_ways_to_start.py",
    "tests/pipeline/test_verify_property.py",
)


@pytest.hookimpl(tryfirst=True)  # before xdist asks for the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the folders above as slow, put the longest tests first, and those that share one Trino into one process."""
    root = Path(__file__).resolve().parents[1]
    places = {item: item.path.relative_to(root).as_posix() for item in items}
    for item, place in places.items():
        if place.startswith(SLOW):
            item.add_marker(pytest.mark.slow)
        if _needs_trino(item):
            item.add_marker(pytest.mark.xdist_group("trino"))
    items.sort(
        key=lambda item: next((n for n, each in enumerate(LONGEST) if places[item].startswith(each)), len(LONGEST))
    )


def _needs_trino(item: pytest.Item) -> bool:
    """Whether the test asks for the cluster, by a fixture or by a parameter."""
    parameters = getattr(getattr(item, "callspec", None), "params", {})
    return "trino" in getattr(item, "fixturenames", ()) or parameters.get("new_warehouse") == "trino"

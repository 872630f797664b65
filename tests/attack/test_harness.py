"""The harness itself: a run that nobody attacks is green, and its rows are where it says."""

import pytest

from tests.attack.target import Target


@pytest.mark.slow
def test_an_undisturbed_run(target: Target) -> None:
    target.run_days()
    assert target.warehouse("SELECT count(*) FROM shop.orders") == [(60,)]
    assert target.rows_of("transfer").height == 20
    assert target.etl("verify", "acme").code == 0

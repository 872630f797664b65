"""Programs that tests fetch: what cannot be fetched is said, and is a failure where everything has to be there."""

import pytest
from _pytest.outcomes import Failed, Skipped

from tests.servers import downloads

COMMAND = ["sh", "-c", "echo no route to the registry >&2; exit 1"]


def test_what_cannot_be_fetched_is_skipped_with_the_reason_and_fails_in_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(Skipped, match="a server could not be fetched: no route to the registry"):
        downloads._fetch("a server", COMMAND)
    monkeypatch.setenv("CI", "1")
    with pytest.raises(Failed, match="a server could not be fetched: no route to the registry, and CI is set"):
        downloads._fetch("a server", COMMAND)

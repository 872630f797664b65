"""Format numbers: the older are read, the later are refused with a remedy."""

import pytest

from etl.errors import EtlError
from etl.formats import check_format


@pytest.mark.parametrize(("found", "is_format"), [(None, 1), (1, 1), (2, 2)])
def test_a_known_format_is_read(found: int | None, is_format: int) -> None:
    assert check_format(found, newest=2, what="the ledger") == is_format


@pytest.mark.parametrize("found", [3, 99])
def test_a_later_format_is_refused_with_the_remedy(found: int) -> None:
    with pytest.raises(EtlError, match=f"the ledger has format {found}") as refused:
        check_format(found, newest=2, what="the ledger")
    assert "later release" in refused.value.hint


@pytest.mark.parametrize("found", [0, -1, True, "2", 1.0, {}])
def test_what_is_no_format_number_is_refused(found: object) -> None:
    with pytest.raises(EtlError, match="not a format number"):
        check_format(found, newest=2, what="the ledger")

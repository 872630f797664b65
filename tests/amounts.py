"""How much of a long test is done: what fits into CI, or all of it with `ETL_TEST_WHOLE` in the environment, as in `make soak`."""

import os


def amount(usual: int, *, whole: int) -> int:
    """The usual number of rounds, histories or partitions, or the whole one."""
    return whole if os.environ.get("ETL_TEST_WHOLE") else usual

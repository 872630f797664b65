"""What the tests of the quality core share."""

import warnings

with warnings.catch_warnings():
    # Its first import warns about a speed-up that another package installs.
    warnings.simplefilter("ignore", DeprecationWarning)
    import sqlglot

__all__ = ["sqlglot"]

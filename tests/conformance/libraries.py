"""Import the optional libraries once, past what they warn about when they are first imported."""

import warnings

with warnings.catch_warnings():
    # great_expectations imports `sre_constants` and `sre_parse`, which Python is going to remove.
    warnings.filterwarnings("ignore", "module 'sre_(constants|parse|compile)' is deprecated", DeprecationWarning)
    import great_expectations
    import pandera.polars

__all__ = ["great_expectations", "pandera"]

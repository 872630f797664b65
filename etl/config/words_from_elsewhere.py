"""Words that people bring from other tools as values, and the words that stand for them here.

Belongs here: modes of loads, types of rules, names of environments. Not here: keys (`keys_from_elsewhere`).
"""

from collections.abc import Mapping

from etl.config.findings import KeyPath
from etl.config.sections import section_of

MODES: Mapping[str, str] = {
    "merge": "upsert",
    "incremental": "append",
    "append": "append",
    "insert": "append",
    "append_dedup": "upsert",
    "delete+insert": "replace_partition",
    "delete_insert": "replace_partition",
    "insert_overwrite": "replace_partition",
    "overwrite_partition": "replace_partition",
    "overwrite": "replace",
    "full-refresh": "replace",
    "full_refresh": "replace",
    "truncate": "replace",
    "create+replace": "replace",
    "truncate+insert": "replace",
}
_RULES: Mapping[str, str] = {
    "accepted_values": "in_set",
    "relationships": "foreign_key",
    "referential_integrity": "foreign_key",
    "non_null": "not_null",
    "required": "not_null",
    "expect_column_values_to_not_be_null": "not_null",
    "expect_column_values_to_be_unique": "unique",
    "expect_compound_columns_to_be_unique": "unique",
    "expect_column_values_to_be_between": "in_range",
    "expect_column_values_to_be_in_set": "in_set",
    "expect_column_values_to_not_be_in_set": "not_in_set",
    "expect_column_values_to_match_regex": "regex",
    "expect_column_value_lengths_to_be_between": "length",
    "expect_column_to_exist": "column_exists",
    "expect_column_values_to_be_of_type": "dtype",
    "expect_table_row_count_to_be_between": "row_count",
    "expect_column_mean_to_be_between": "mean_between",
    "expect_column_sum_to_be_between": "sum_between",
    "missing_count": "not_null",
    "duplicate_count": "unique",
    "between": "in_range",
    "range": "in_range",
    "pattern": "regex",
    "matches": "regex",
    "enum": "in_set",
    "freshness": "recency",
    "sql": "expression",
    "custom_sql": "expression",
    "type": "dtype",
}
_MEANT: Mapping[tuple[str, str], str] = {
    **dict.fromkeys(
        (("rule", "greater_than"), ("rule", "gt"), ("rule", "expect_column_values_to_be_greater_than")),
        "write `type: in_range` with `min` and `min_inclusive: false`",
    ),
    **dict.fromkeys(
        (("rule", "less_than"), ("rule", "lt"), ("rule", "expect_column_values_to_be_less_than")),
        "write `type: in_range` with `max` and `max_inclusive: false`",
    ),
    **dict.fromkeys((("rule", "min"), ("rule", "at_least"), ("rule", "gte")), "write `type: in_range` with `min`"),
    **dict.fromkeys((("rule", "max"), ("rule", "at_most"), ("rule", "lte")), "write `type: in_range` with `max`"),
}
"""Types of other tools whose arguments have another form here, and what a person writes instead."""
WORDS: Mapping[tuple[str, str], Mapping[str, str]] = {
    ("trino_output", "mode"): MODES,
    ("rule", "type"): _RULES,
    ("notification", "type"): {
        "teams": "webhook",
        "ms_teams": "webhook",
        "discord": "webhook",
        "mail": "email",
        "smtp": "email",
        "console": "log",
    },
    ("notification", "security"): {"tls": "starttls", "true": "starttls"},
    ("warehouse", "type"): {"postgresql": "postgres", "iceberg": "trino"},
    ("quality", "engine"): {"gx": "great_expectations", "ge": "great_expectations"},
    ("partitions", "by"): {"daily": "day", "hourly": "hour", "weekly": "week", "monthly": "month"},
    ("environments", ""): {"production": "prod", "development": "dev", "local": "dev", "stage": "staging"},
}
"""For a section and a key, the words of other tools and the word that stands for each here."""


def word_from_elsewhere(path: KeyPath, word: str) -> str:
    """Return the word that stands here for the value `word` at `path`, or nothing."""
    *around, key = path or ("",)
    return WORDS.get((section_of(tuple(around)), str(key)), {}).get(word.lower(), "")


def meant_by(section: str, word: str) -> str:
    """Return what a person writes instead of a type whose arguments have another form here, or nothing."""
    return _MEANT.get((section, word.lower()), "")

"""The rules of the DAG `verdicts`, which the tests judge by as well."""

RULES = [
    {"column": "user_id", "type": "not_null"},
    {"column": "user_id", "type": "unique"},
    {"column": "email", "type": "regex", "pattern": r"^[\w\.-]+@[\w\.-]+\.\w{2,}$"},
]
WARNS = [{"column": "user_id", "type": "unique", "severity": "warning"}, {"type": "row_count", "min": 1}]
MISSING = [*RULES, {"column": "age", "type": "positive"}]
BRACES = [{"column": "email", "type": "regex", "pattern": r"^\{#[a-z]+#\}$"}]  # a comment, if Jinja saw it
COUNT = [{"type": "row_count", "min": 1}]

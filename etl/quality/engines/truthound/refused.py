"""Validators of the library that are not run by name, each with the reason and what to write instead.

Belongs here: the list. Every validator in the list reports success on bad data in a way that no check beforehand can
rule out, or takes an argument that a configuration cannot contain. Not here: how other validators are run (`named`).
"""

_CLOCK = "it cannot tell moments within a day apart"
_STALE = "one row in the future hides stale data"
_GUESS = "it guesses from the column's name what to judge"
_SWALLOW = "it passes when its own computation breaks"
_APPROXIMATE = "its count is an estimate"
_SAMPLE = "it passes what it did not look at"
_BLANK = "it passes every blank value"
_PATTERN = "it rewrites the pattern (`a|b` becomes `^a|b$`) and passes every blank value"
_KEY = "a misspelt table, and a second frame, pass unseen"
_OBJECT = "it takes an object of Python that a configuration cannot write"
_SQL = "its query could reach files and other tables"

_BY_REASON: dict[tuple[str, str], tuple[str, ...]] = {
    ("it counts null as a value", "the rule `unique`"): ("unique", "unique_ratio"),
    (_PATTERN, "the rule `regex`, or `expression`"): (
        "regex",
        "regex_list",
        "not_match_regex",
        "not_match_regex_list",
    ),
    (_BLANK, "the rule `email`"): ("email",),
    (_BLANK, "the rule `url`"): ("url",),
    (_BLANK, "the rule `uuid`"): ("uuid",),
    (_BLANK, "the rule `ip_address`"): ("ip_address", "ipv6_address"),
    (_BLANK, "the rule `regex`"): ("phone", "korean_phone"),
    ("an account of a bank that it does not know passes", "the rule `regex`"): ("korean_bank_account",),
    (_GUESS, "the rule that says what you mean, such as `in_range`, `dtype`, `email`"): ("range", "type", "format"),
    (_CLOCK, "the rules `not_future`, `not_past` or `in_range`"): ("future_date", "past_date", "date_between"),
    (_STALE, "the rule `recency`"): ("recent_data", "table_freshness", "table_data_recency", "grouped_recent_data"),
    ("a null between two values hides a drop", "the rule `monotonic`"): ("increasing", "decreasing"),
    ("a name of a type that it does not know passes", "the rule `dtype`"): (
        "column_type",
        "table_schema",
        "table_schema_match",
        "table_column_types",
        "table_schema_compare",
    ),
    ("the name of a missing column is an error for every other rule", "the rule `column_exists`"): ("column_exists",),
    ("the name of a missing column is an error for every other rule", "`table_forbidden_columns`"): (
        "column_not_exists",
    ),
    (_KEY, "the rule `foreign_key`"): (
        "foreign_key",
        "composite_foreign_key",
        "referential_integrity",
        "streaming_referential_integrity",
        "orphan_record",
        "dangling_reference",
        "multi_table_orphan",
        "self_referential_fk",
        "hierarchy_circular",
        "hierarchy_depth",
        "optimized_hierarchy_circular",
        "circular_reference",
        "cascade_depth",
        "cascade_integrity",
    ),
    ("NaN passes its bounds", "the rule `mean_between`"): ("mean_between",),
    (_OBJECT, "the rule `expression`, with `where` for a condition"): (
        "custom_expression",
        "conditional_expression",
        "multi_condition",
        "row_level",
        "expression_base",
        "column_consistency",
    ),
    (_SQL, "the rule `expression`"): (
        "query_aggregate",
        "query_aggregate_compare",
        "query_base",
        "query_column_not_null",
        "query_column_unique",
        "query_column_values",
        "query_group_aggregate",
        "query_result_matches",
        "query_returns_no_rows",
        "query_returns_rows",
        "query_returns_single_value",
        "query_row_count",
        "query_row_count_compare",
        "query_row_count_ratio",
    ),
    (_APPROXIMATE, "`distinct_count` or `cardinality`"): (
        "approximate_distinct_count",
        "approximate_unique_ratio",
        "streaming_distinct_count",
    ),
    (_SWALLOW, "`zscore_multivariate`, or an anomaly validator of one column"): (
        "mahalanobis",
        "optimized_mahalanobis",
        "elliptic_envelope",
        "pca_anomaly",
    ),
    (_SWALLOW, "`column_correlation`"): (
        "target_leakage",
        "feature_correlation_matrix",
        "feature_null_impact",
        "feature_scale",
        "information_gain",
    ),
    (_SAMPLE, "`scan_pii` of this engine"): (
        "appi_compliance",
        "ccpa_compliance",
        "ccpa_sensitive_info",
        "gdpr_compliance",
        "gdpr_data_minimization",
        "gdpr_special_category",
        "global_privacy",
        "lgpd_compliance",
        "pipeda_compliance",
    ),
    (_SAMPLE, "`iqr_anomaly` or `mad_anomaly`"): ("streaming_ks_test", "memory_efficient_lof", "online_svm"),
    ("values that are all new pass", "`ks_test`, `js_divergence` or `compare_drift` of this engine"): (
        "chi_square",
        "chi_square_drift",
        "csi",
        "feature_drift",
        "psi",
    ),
    ("any change from zero passes", "`mean_drift` with `threshold_abs`, `ks_test` or `wasserstein_drift`"): (
        "quantile_drift",
        "range_drift",
        "variance_drift",
    ),
    ("its file or polygon is read outside the data", "`geo_bounding_box`"): (
        "polygon",
        "multi_polygon",
        "polygon_distance",
    ),
}
REFUSED: dict[str, str] = {
    name: f"{reason}; use {instead}" for (reason, instead), names in _BY_REASON.items() for name in names
}
REFUSED_ARGUMENTS: dict[tuple[str, str], str] = {
    ("mean_drift", "threshold_pct"): "any change from zero passes; use `threshold_abs`",
}

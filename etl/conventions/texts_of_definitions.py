"""The rules about built definitions: reason, examples and fix of each.

Belongs here: words. Not here: finding violations (`definition_rules`, `dependencies`, `registration`). The examples are
executed by the tests.
"""

from etl.conventions.rule import ConventionRule

_TOP = "import dagster as dg\n\n"


def _assets(*assets: str, more: str = "") -> str:
    """Return a module with these assets: the arguments of `@dg.asset`, and perhaps a name, of each."""
    parts = []
    for each in assets:
        arguments, _, name = each.partition(" as ")
        parts.append(f"\n@dg.asset({arguments})\ndef {name or 'cd_prices'}() -> None: ...\n")
    names = ", ".join(each.partition(" as ")[2] or "cd_prices" for each in assets)
    return f"{_TOP}{chr(10).join(parts)}\n\ndefs = dg.Definitions(assets=[{names}]{more})\n"


def _lines(*arguments: str) -> str:
    """Return arguments that stand in a line each."""
    return "\n" + "".join(f"    {each},\n" for each in arguments)


_GOOD = 'group_name="CD", tags={"data_tier": "gold", "domain": "stocks"}'
_PRICES = f"{_TOP}\n@dg.asset({_GOOD})\ndef cd_prices() -> None: ...\n\n\n"
_BARE_JOB = 'daily = dg.define_asset_job("cd_daily_job", selection=[cd_prices]'
_JOB = """daily = dg.define_asset_job(
    "cd_daily_job", selection=[cd_prices], description="Prices of the day", tags={"domain": "stocks"}
)
"""
_JOB_AGAIN = """daily = dg.define_asset_job(
    "cd_daily_job",
    selection=[cd_prices],
    description="Prices of the day",
    tags={"domain": "stocks", "dagster/max_retries": "2"},
)
"""
_DEFS = "defs = dg.Definitions(assets=[cd_prices], jobs=[daily])\n"
_EMAIL = 'metadata={"dagster/column_schema": dg.TableSchema([dg.TableColumn("email", "string")])}'
_DATABASE = f"{_TOP}\nclass Database(dg.ConfigurableResource):\n    password: str\n\n\n"

DEFINITION_RULES: tuple[ConventionRule, ...] = (
    ConventionRule(
        id="group-not-allowed",
        where="definitions",
        severity="error",
        reason=(
            "Jobs select assets by group. An asset in another group, or in one written in another way, is silently left"
            " out. The allowed groups are `groups` of [tool.etl.conventions]."
        ),
        violating=_assets('group_name="CD_TURSO", tags={"data_tier": "gold", "domain": "stocks"}'),
        conforming=_assets(_GOOD),
        fix="one of the allowed groups",
    ),
    ConventionRule(
        id="tier-missing",
        where="definitions",
        severity="error",
        reason=(
            "The tag `data_tier` says whether an asset is raw, cleaned or ready: people search and jobs select by it."
        ),
        violating=_assets('group_name="CD", tags={"domain": "stocks"}'),
        conforming=_assets(_GOOD),
        fix="add the tag `data_tier` with bronze, silver or gold",
    ),
    ConventionRule(
        id="tier-unknown",
        where="definitions",
        severity="error",
        reason="A tier that nobody else uses is found by no search. The tiers are `tiers` of [tool.etl.conventions].",
        violating=_assets('group_name="CD", tags={"data_tier": "platinum", "domain": "stocks"}'),
        conforming=_assets(_GOOD),
        fix="one of the tiers",
    ),
    ConventionRule(
        id="tag-missing",
        where="definitions",
        severity="error",
        reason="The project requires further tags in `required_tags` of [tool.etl.conventions].",
        violating=_assets('group_name="CD", tags={"data_tier": "gold"}'),
        conforming=_assets('group_name="CD", tags={"data_tier": "gold", "cost_center": "17"}'),
        fix="add the tag",
    ),
    ConventionRule(
        id="domain-tag",
        where="definitions",
        severity="warning",
        reason=(
            "A tag such as `domain` lets people find all assets about one subject."
            " `recommended_tags` of [tool.etl.conventions] names these tags."
        ),
        violating=_assets('group_name="CD", tags={"data_tier": "gold"}'),
        conforming=_assets(_GOOD),
        fix="add the tag, such as `domain: stocks`",
    ),
    ConventionRule(
        id="tag-without-value",
        where="definitions",
        severity="warning",
        reason=(
            "A search for what an asset is about does not find an empty tag. Only required and recommended tags are"
            " looked at."
        ),
        violating=_assets('group_name="CD", tags={"data_tier": "gold", "domain": ""}'),
        conforming=_assets(_GOOD),
        fix="give the tag a value, or remove it",
    ),
    ConventionRule(
        id="tier-in-kinds",
        where="definitions",
        severity="error",
        reason="Kinds name technologies. The tier stands in one place only: the tag `data_tier`.",
        violating=_assets(f'{_GOOD}, kinds={{"polars", "gold"}}'),
        conforming=_assets(f'{_GOOD}, kinds={{"polars"}}'),
        fix="write it only in the tag `data_tier`",
    ),
    ConventionRule(
        id="kinds-too-many",
        where="definitions",
        severity="error",
        reason="Dagster shows three kinds at most. The limit is `max_kinds` of [tool.etl.conventions].",
        violating=_assets(
            _lines(
                'group_name="CD"',
                'tags={"data_tier": "gold", "domain": "stocks", "dagster/kind/python": "", "dagster/kind/s3": ""}',
                'kinds={"polars", "parquet"}',
            )
        ),
        conforming=_assets(f'{_GOOD}, kinds={{"polars", "parquet", "python"}}'),
        fix="keep the three that say most",
    ),
    ConventionRule(
        id="kind-not-allowed",
        where="definitions",
        severity="error",
        reason="A kind outside the list has no icon, and two spellings of one technology are not found together.",
        violating=_assets(f'{_GOOD}, kinds={{"excellent"}}'),
        conforming=_assets(f'{_GOOD}, kinds={{"duckdb"}}'),
        fix="one of the list in etl/conventions/kinds.py, or of `kinds` in [tool.etl.conventions]",
    ),
    ConventionRule(
        id="name-differs",
        where="definitions",
        severity="error",
        reason="Who reads an asset's name in the UI looks for a function of that name.",
        violating=_assets(f'name="cd_prices", {_GOOD} as load_prices'),
        conforming=_assets(f'name="cd_prices", {_GOOD} as cd_prices'),
        fix="give the function and the asset the same name",
    ),
    ConventionRule(
        id="name-pattern",
        where="definitions",
        severity="error",
        reason=(
            "Names in one style can be typed without looking. The pattern is `name_pattern` of [tool.etl.conventions]."
        ),
        violating=_assets(f"{_GOOD} as CdPrices"),
        conforming=_assets(_GOOD),
        fix="lowercase letters, digits and underscores",
    ),
    ConventionRule(
        id="retry-policy",
        where="definitions",
        severity="error",
        reason="A policy makes Dagster run a failed step again; a failure is shown at once instead.",
        violating=_assets(f"{_GOOD}, retry_policy=dg.RetryPolicy(max_retries=3)"),
        conforming=_assets(_GOOD),
        fix="remove the policy",
    ),
    ConventionRule(
        id="retry-tag",
        where="definitions",
        severity="error",
        reason="The tag `dagster/max_retries` makes Dagster launch a failed run again.",
        violating=_PRICES + _JOB_AGAIN + _DEFS,
        conforming=_PRICES + _JOB + _DEFS,
        fix="remove the tag `dagster/max_retries`",
    ),
    ConventionRule(
        id="secret-in-resource",
        where="definitions",
        severity="error",
        reason="A secret in a resource stands in the code, and Dagster shows it in the UI.",
        violating=_DATABASE + 'defs = dg.Definitions(resources={"cd_postgres": Database(password="hunter22")})\n',
        conforming=_DATABASE
        + 'defs = dg.Definitions(resources={"cd_postgres": Database(password=dg.EnvVar("CD_POSTGRES_PASSWORD"))})\n',
        fix='write `dg.EnvVar("...")`',
    ),
    ConventionRule(
        id="unknown-dependency",
        where="definitions",
        severity="error",
        reason=(
            "Dagster accepts a dependency on an asset that does not exist. The asset then never waits for the one"
            " that was"
            " meant, and its lineage ends in nothing."
        ),
        violating=_assets(_GOOD, f'{_GOOD}, deps=["cd_price"] as cd_ranks'),
        conforming=_assets(_GOOD, f'{_GOOD}, deps=["cd_prices"] as cd_ranks'),
        fix="correct the name; an asset of another location is declared with `dg.AssetSpec(...)`",
    ),
    ConventionRule(
        id="job-without-description",
        where="definitions",
        severity="error",
        reason="The description is what a person reads before the button that starts the job is pressed.",
        violating=f'{_PRICES}{_BARE_JOB}, tags={{"domain": "stocks"}})\n{_DEFS}',
        conforming=_PRICES + _JOB + _DEFS,
        fix='give the job `description="..."`',
    ),
    ConventionRule(
        id="job-without-tags",
        where="definitions",
        severity="error",
        reason="Runs are searched, counted and limited by the tags of their jobs.",
        violating=f'{_PRICES}{_BARE_JOB}, description="Of the day")\n{_DEFS}',
        conforming=_PRICES + _JOB + _DEFS,
        fix='give the job `tags={"domain": "..."}`',
    ),
    ConventionRule(
        id="pii-tag",
        where="definitions",
        severity="warning",
        reason="Who may see personal data, and for how long it is kept, is decided by the tag `pii`.",
        violating=_assets(_lines('group_name="CD"', 'tags={"data_tier": "gold", "domain": "stocks"}', _EMAIL)),
        conforming=_assets(
            _lines('group_name="CD"', 'tags={"data_tier": "gold", "domain": "stocks", "pii": "true"}', _EMAIL)
        ),
        fix='add the tag `pii` with the value "true", or "false" if the column is not about a person',
    ),
    ConventionRule(
        id="unregistered-definition",
        where="definitions",
        severity="warning",
        reason=(
            "Dagster shows only what `Definitions(...)` holds; a new file whose assets are not added there does"
            " nothing."
        ),
        violating=_assets(_GOOD, f"{_GOOD} as cd_ranks").replace("[cd_prices, cd_ranks]", "[cd_prices]"),
        conforming=_assets(_GOOD, f"{_GOOD} as cd_ranks"),
        fix="add it to `Definitions(...)`, or load its module with `load_assets_from_modules`",
    ),
    ConventionRule(
        id="file-prefix",
        where="definitions",
        severity="warning",
        reason=(
            "A file whose name begins with its group's prefix is found beside the others of the group."
            " `file_prefixes` of [tool.etl.conventions] maps groups to prefixes; an empty map asks for none."
            " The files of a tenant's folder need no prefix."
        ),
        violating="# prices.py\n" + _assets(_GOOD),
        conforming="# cd_prices.py\n" + _assets(_GOOD),
        fix="rename the file",
    ),
)

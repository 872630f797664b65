"""The rules about a project's files, and about the places that they name: reason, examples and fix of each.

Belongs here: words. Not here: finding violations (`variables`, `etl.cli.check`, `etl.cli.connect`).
"""

from etl.conventions.rule import ConventionRule

PROJECT_RULES: tuple[ConventionRule, ...] = (
    ConventionRule(
        id="configuration",
        where="project",
        severity="error",
        exit_code=2,
        language="yaml",
        reason="A tenant whose config.yaml cannot be read, or contradicts itself or another tenant, does not load.",
        violating="tenant:\n  id: acme\n  assets: {pipelines: {orders: {source_tabel: orders}}}\n",
        conforming="tenant:\n  id: acme\n  assets: {pipelines: {orders: {source_table: orders}}}\n",
        fix="correct the file; docs/yaml-reference.md lists every key",
    ),
    ConventionRule(
        id="location",
        where="project",
        severity="error",
        exit_code=2,
        reason=(
            "A location whose own Python raises an error, ends the process or does not finish is not shown in Dagster;"
            " nor is one whose file is gone while workspace.yaml still names it."
        ),
        violating='raise ValueError("mine")\n',
        conforming='from etl import build_tenant_definitions\n\ndefs = build_tenant_definitions("acme")\n',
        fix="correct the code that raises this error",
    ),
    ConventionRule(
        id="dbt-project",
        where="project",
        severity="error",
        exit_code=2,
        language="yaml",
        reason=(
            "Without its dbt project, a manifest, its sources or its profile, the models of a tenant cannot be built."
        ),
        violating="tenant:\n  id: acme\n  dbt: {enabled: true}\n# and there is no folder dbt_projects/acme\n",
        conforming="tenant:\n  id: acme\n  dbt: {enabled: false}\n",
        fix="make the project, or write `dbt: {enabled: false}`",
    ),
    ConventionRule(
        id="env-example",
        where="project",
        severity="warning",
        language="sh",
        reason=(
            "`.env.example` is the list of what an installation has to set. A variable that is not in it is found"
            " only when"
            " a run fails. A tenant's own variable with a default need not be in it."
        ),
        violating="# config.yaml names ${ACME_DB_PASSWORD}; .env.example has no such line\n",
        conforming="# ACME_DB_PASSWORD=\n",
        fix="add the line to .env.example, without the value of a secret",
    ),
    ConventionRule(
        id="variable-not-set",
        where="places",
        severity="error",
        exit_code=2,
        language="sh",
        reason="A run that opens the connection would fail. Asked for with `--env` or `--connect`.",
        violating="# ACME_DB_PASSWORD is not set\n",
        conforming="export ACME_DB_PASSWORD=...\n",
        fix="set the variable in the environment of Dagster's processes, or in .env",
    ),
    ConventionRule(
        id="not-served",
        where="project",
        severity="warning",
        language="yaml",
        reason="A tenant that no code location of workspace.yaml serves is shown nowhere in Dagster.",
        violating="load_from: []\n",
        conforming="load_from:\n  - python_module: {module_name: etl.all, location_name: all}\n",
        fix="add an entry to workspace.yaml",
    ),
    ConventionRule(
        id="nothing-examined",
        where="project",
        severity="error",
        exit_code=3,
        language="yaml",
        reason="A tenant without any asset, or a project without any tenant, was not examined. That is no success.",
        violating="tenant:\n  id: acme\n",
        conforming="tenant:\n  id: acme\n  assets: {pipelines: {orders: {source_table: orders}}}\n",
        fix="write a pipeline below `assets: {pipelines: ...}`",
    ),
    ConventionRule(
        id="place-not-usable",
        where="places",
        severity="error",
        exit_code=2,
        language="text",
        reason=(
            "A source, lake, warehouse, secret or receiver of messages does not answer as a run needs it (`--connect`)."
        ),
        violating="the user of the source may not read the table `orders`\n",
        conforming="GRANT SELECT ON orders TO reader\n",
        fix="correct the place, or the rights of its user",
    ),
    ConventionRule(
        id="clock-differs",
        where="places",
        severity="warning",
        language="text",
        reason=(
            "Windows end and promises are due by the clock of this machine. Rows that a database stamps with another"
            " time"
            " fall into the wrong partition (`--connect`)."
        ),
        violating="the database's clock is 90 seconds behind\n",
        conforming="the database's clock differs by less than 5 seconds\n",
        fix="let both machines set their clocks from the same servers (NTP)",
    ),
)

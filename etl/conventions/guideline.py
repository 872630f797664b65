"""The lines of the guidelines for pipelines, and what `etl check` does about each: rules, or why there is none.

Belongs here: this list, section by section. Not here: the rules (`registry`), the page (`reference`).
"""

from typing import NamedTuple


class GuidelineLine(NamedTuple):
    """One line of the guidelines. Either `rules` check it, or `why_not` says why nothing does."""

    section: str
    says: str
    rules: tuple[str, ...] = ()
    why_not: str = ""


_JUDGEMENT = "A person decides: no text or definition shows it."
_DAGSTER = "Dagster refuses it when the location is loaded, and `etl check` shows that error."

GUIDELINE: tuple[GuidelineLine, ...] = (
    GuidelineLine(
        "1.1",
        "Fail fast: no retries in tools, settings or code",
        ("retry-loop", "retry-library", "retry-option", "retry-policy", "retry-tag"),
    ),
    GuidelineLine("1.1", "An error surfaces at once", ("swallowed-exception",)),
    GuidelineLine("1.2", "The tier stands in `tags.data_tier` only", ("tier-missing", "tier-unknown", "tier-in-kinds")),
    GuidelineLine(
        "1.3",
        "Credentials come from EnvVar or a secret manager",
        ("secret-in-source", "secret-in-resource", "secret-at-import"),
    ),
    GuidelineLine(
        "1.4",
        "Runs are launched with the present command of Dagster",
        (),
        "It is about what people type; `etl run` and `dg launch` are in the docs.",
    ),
    GuidelineLine(
        "1.5",
        "The function's name is the asset's name, and dependencies name assets",
        ("name-differs", "unknown-dependency"),
    ),
    GuidelineLine("1.6", "Only the allowed groups, in the allowed spelling", ("group-not-allowed",)),
    GuidelineLine("2", "How the guidelines themselves are written", (), "It is about that document."),
    GuidelineLine("3.1", "A file's name begins with its project's prefix", ("file-prefix",)),
    GuidelineLine("3.2", "No file over 1,500 lines", ("file-too-long",)),
    GuidelineLine(
        "3.2", "Files are divided by function or tier; analyses and shared code get files of their own", (), _JUDGEMENT
    ),
    GuidelineLine("3.3", "What becomes an asset and what stays a helper", (), _JUDGEMENT),
    GuidelineLine(
        "3.4", "When a new file is made", ("file-too-long",), "Of the five criteria, only the length can be counted."
    ),
    GuidelineLine("3.5.1", "Checklist: prefix", ("file-prefix",)),
    GuidelineLine("3.5.2", "Checklist: a plan for files over 1,500 lines", ("file-too-long",)),
    GuidelineLine("3.5.3", "Checklist: the file is built around its main assets", (), _JUDGEMENT),
    GuidelineLine(
        "3.5.4",
        "Checklist: no module does what another does already",
        (),
        "That two functions mean the same cannot be seen from their text; linters find copies.",
    ),
    GuidelineLine("3.5.5", "Checklist: the tier is defined", ("tier-missing",)),
    GuidelineLine(
        "4.1",
        "Bronze is raw, silver is clean, gold is ready",
        (),
        "What code does to rows is not known before it runs. In a tenant the stage decides the tier.",
    ),
    GuidelineLine(
        "4.2",
        "`data_tier` is bronze, silver or gold; kinds have no tier",
        ("tier-missing", "tier-unknown", "tier-in-kinds"),
    ),
    GuidelineLine(
        "4.2", "Tags have values that can be searched for", ("tag-without-value", "tag-missing", "domain-tag")
    ),
    GuidelineLine("4.3", "Examples of pipelines", (), "They are examples."),
    GuidelineLine(
        "4.4",
        "Metadata by tier",
        ("metadata-missing", "row-count-missing"),
        "That there are metadata is checked; which ones fit a tier, a person decides.",
    ),
    GuidelineLine("4.5", "Why there are tiers", (), "It is an explanation."),
    GuidelineLine(
        "5.1",
        "Data assets are written with `@dg.asset`",
        (),
        "What is not an asset cannot be told from code that need not be one.",
    ),
    GuidelineLine(
        "5.1",
        "Name, dependencies, group, metadata",
        ("name-differs", "unknown-dependency", "group-not-allowed", "metadata-missing"),
    ),
    GuidelineLine("5.2", "Tags for search; `pii` where data are personal", ("domain-tag", "pii-tag")),
    GuidelineLine(
        "5.3", "Three kinds at most, from the list, no tiers", ("kinds-too-many", "kind-not-allowed", "tier-in-kinds")
    ),
    GuidelineLine("5.4", "Names are consistent", ("name-differs", "name-pattern", "unknown-dependency")),
    GuidelineLine(
        "5.5",
        "A result has the number of rows and a preview",
        ("metadata-missing", "row-count-missing"),
        "Not every asset has rows that may be shown, so that a preview is not asked for.",
    ),
    GuidelineLine("5.6", "Schema metadata", (), "It is an example; the product writes it for every asset of a tenant."),
    GuidelineLine("5.7", "Asset checks", (), "It is an example; which checks data need, their owner decides."),
    GuidelineLine("5.8", "Partitions and increments", (), "It is an example; the partitions follow from the data."),
    GuidelineLine("5.9.1", "Checklist: function and `name`", ("name-differs",)),
    GuidelineLine("5.9.2", "Checklist: group", ("group-not-allowed",)),
    GuidelineLine("5.9.3", "Checklist: `data_tier`, and no tier in kinds", ("tier-missing", "tier-in-kinds")),
    GuidelineLine("5.9.4", "Checklist: metadata in the result", ("metadata-missing", "row-count-missing")),
    GuidelineLine("5.9.5", "Checklist: dependencies by asset name", ("unknown-dependency",)),
    GuidelineLine("5.9.6", "Checklist: tags for personal data and the domain", ("pii-tag", "domain-tag")),
    GuidelineLine(
        "5.10",
        "No layers of defence, no retry tools of one's own",
        ("nested-try", "swallowed-exception", "retry-loop", "retry-library"),
    ),
    GuidelineLine("5.10", "Straight pipelines, analyses as assets", (), _JUDGEMENT),
    GuidelineLine("5.10", "Which tool is asked about Dagster", (), "It is about how people work."),
    GuidelineLine("6.1-6.3", "New modules are registered in definitions.py", ("unregistered-definition",)),
    GuidelineLine(
        "6.4", "Freshness checks and their sensor", (), "It is an example; a tenant's promises are written in its YAML."
    ),
    GuidelineLine(
        "6.5", "Resources are made with EnvVar only", ("secret-in-resource", "secret-at-import", "endpoint-in-source")
    ),
    GuidelineLine("6.6", "How lists of modules are divided", (), "Three ways are offered; none is required."),
    GuidelineLine("6.7.1-2", "Checklist: imported and registered", ("unregistered-definition",)),
    GuidelineLine("6.7.3", "Checklist: jobs, schedules and sensors are listed", ("unregistered-definition",)),
    GuidelineLine(
        "6.7.4", "Checklist: resources with EnvVar", ("secret-in-resource", "secret-at-import", "endpoint-in-source")
    ),
    GuidelineLine(
        "6.7.5",
        "Checklist: the asset is shown in the UI",
        ("unregistered-definition", "not-served", "location"),
        "That the UI shows it is not looked at; that the location loads and is served, is.",
    ),
    GuidelineLine(
        "7.1", "Patterns of selections", (), "They are examples; a selection that selects nothing is refused."
    ),
    GuidelineLine("7.2", "Jobs have a description and tags", ("job-without-description", "job-without-tags")),
    GuidelineLine("7.3", "Group names match exactly", ("group-not-allowed",)),
    GuidelineLine("7.4", "How runs are launched", (), "It is about what people type."),
    GuidelineLine("7.5", "No retry options of Dagster, jobs or ops", ("retry-policy", "retry-tag", "retry-option")),
    GuidelineLine("7.6", "Ideas for further jobs", (), "They are ideas."),
    GuidelineLine("7.7.1", "Checklist: description and tags", ("job-without-description", "job-without-tags")),
    GuidelineLine("7.7.2", "Checklist: groups of the selected assets", ("group-not-allowed",)),
    GuidelineLine("7.7.3", "Checklist: in the list of jobs", ("unregistered-definition",)),
    GuidelineLine("7.7.4", "Checklist: launched once", (), "`etl check` runs nothing."),
    GuidelineLine("7.7.5", "Checklist: no retry option", ("retry-policy", "retry-tag")),
    GuidelineLine("7.8", "Scripts that list jobs", (), "`etl check` says how many assets and jobs a location has."),
    GuidelineLine(
        "8.1-8.2",
        "Settings come from the environment",
        ("env-example",),
        "How a settings class is written is an example.",
    ),
    GuidelineLine(
        "8.3",
        "No literals for keys, passwords and endpoints",
        ("secret-in-source", "secret-in-resource", "endpoint-in-source"),
    ),
    GuidelineLine("8.3", "Defaults are documented in .env.example", ("env-example",)),
    GuidelineLine("8.4.1", "Checklist: resources with EnvVar", ("secret-in-resource", "secret-at-import")),
    GuidelineLine(
        "8.4.2",
        "Checklist: nothing secret in code or commits",
        ("secret-in-source", "secret-in-resource"),
        "Earlier commits are not read.",
    ),
    GuidelineLine(
        "8.4.3",
        "Checklist: environments are separate",
        ("variable-not-set",),
        "`etl check --env prod` checks a tenant as that environment.",
    ),
    GuidelineLine(
        "8.4.4",
        "Checklist: settings are validated",
        ("configuration",),
        "A tenant's file is; a hand-written location's settings are its own code.",
    ),
    GuidelineLine("9.1-9.4", "Helper functions", (), "They are examples."),
    GuidelineLine(
        "9.3, 9.5",
        "Connections are closed, transactions are short, failures are raised",
        ("swallowed-exception", "retry-loop"),
        "Whether a connection is closed cannot be seen without types.",
    ),
    GuidelineLine("9.6", "Forbidden: tools that try again", ("retry-loop", "retry-library")),
    GuidelineLine(
        "10.1-10.5",
        "Unit tests, integration tests, failure cases",
        (),
        "A file's text does not say what a test covers.",
    ),
    GuidelineLine("11.1", "Work on columns, not row by row", ("row-loop",)),
    GuidelineLine("11.1", "Small types, no early optimization", (), _JUDGEMENT),
    GuidelineLine(
        "11.2",
        "Queries name columns and filter rows",
        ("select-star",),
        "Whether an index is used, only the database knows (`EXPLAIN`).",
    ),
    GuidelineLine("11.3-11.4", "Chunks, caches, partitions", (), "They are examples; the size of the data decides."),
    GuidelineLine("12", "Personal data are marked", ("pii-tag",)),
    GuidelineLine(
        "12",
        "Access control, encryption, masking, audit, regulations",
        (),
        "They are properties of databases and organizations, not of code.",
    ),
    GuidelineLine(
        "13.1",
        "Checks, freshness, alerts",
        (),
        "They are examples; `--connect` tries the receivers of a tenant's messages.",
    ),
    GuidelineLine("13.2", "Logs with a structure", ("print-call",)),
    GuidelineLine(
        "14",
        "Scripts that count assets, jobs and checks",
        (),
        "`etl check` says how many assets and jobs a location has.",
    ),
    GuidelineLine("15.1", "A module is imported by its right name", ("location",)),
    GuidelineLine("15.2, 15.8", "No two assets with one name, no circle", ("location",), _DAGSTER),
    GuidelineLine("15.3", "Dependencies that exist", ("unknown-dependency",)),
    GuidelineLine("15.4-15.5", "Imports after a file was divided, modules as objects", ("location",), _DAGSTER),
    GuidelineLine("15.6", "The job finds its assets", ("group-not-allowed",)),
    GuidelineLine("15.7", "Everything is in definitions.py", ("unregistered-definition",)),
    GuidelineLine(
        "15.9", "No retry logic", ("retry-loop", "retry-library", "retry-option", "retry-policy", "retry-tag")
    ),
    GuidelineLine("16", "The summary", (), "It repeats the sections above."),
    GuidelineLine("17", "The list of kinds", ("kind-not-allowed", "tier-in-kinds")),
    GuidelineLine("18", "Commands to copy", (), "They are examples; `syntax-error` does what `py_compile` does."),
    GuidelineLine("Python", "Built-in types instead of those of `typing`", ("old-typing",)),
    GuidelineLine("Python", "Imports stand at the top", ("import-in-function",)),
    GuidelineLine("Python", "No `print`", ("print-call",)),
    GuidelineLine("Python", "No exception is swallowed", ("swallowed-exception",)),
)

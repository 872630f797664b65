"""One mistake in a tenant's file, with the answer that a person should get.

A case shows only the lines that are wrong (`wrong`) and the same lines repaired (`right`). They stand in the place of
`<here>` in the text of a frame, indented like `<here>`; all other lines of the file are right.
"""

import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

HERE = "<here>"


@dataclass(frozen=True, kw_only=True)
class Case:
    """A mistake, what the message must contain, and the repair that the message words."""

    mistake: str
    """In a person's words."""
    broken: str | bytes
    repaired: str | bytes
    line: int
    """The line of the file that the message must name."""
    says: str
    """What the message must name: the thing that is wrong."""
    remedy: str
    """What stands behind the place: the way out."""
    unseen: str = ""
    """Why a JSON Schema cannot refuse this file. Empty: the schema must refuse it."""
    files: Mapping[str, str] = field(default_factory=dict)
    """Other files of the tenant's folder."""
    repaired_files: Mapping[str, str] = field(default_factory=dict)
    """The files that the repair adds or changes."""
    environment: str = "dev"


@dataclass(frozen=True)
class Frame:
    """A right file with one place that a case fills."""

    text: str

    def put(self, fragment: str) -> str:
        """The whole file with `fragment` in its place."""
        row = next(each for each in self.text.splitlines() if each.strip() == HERE)
        indent = row[: len(row) - len(row.lstrip())]
        return self.text.replace(row, textwrap.indent(textwrap.dedent(fragment).strip("\n"), indent))

    def case(
        self, mistake: str, *, wrong: str, right: str, says: str, remedy: str, line: int = 1, **more: object
    ) -> Case:
        """A case in this frame; `line` counts the lines of `wrong`, from 1."""
        first = next(number for number, row in enumerate(self.text.splitlines()) if row.strip() == HERE)
        return Case(
            mistake=mistake,
            broken=self.put(wrong),
            repaired=self.put(right),
            line=first + line,
            says=says,
            remedy=remedy,
            **more,  # type: ignore[arg-type]
        )


WHOLE_FILE = Frame(HERE + "\n")
TENANT = Frame("tenant:\n  id: acme\n  <here>\n")
SOURCE = Frame("tenant:\n  id: acme\n  source_database:\n    <here>\n")
WAREHOUSE = Frame("tenant:\n  id: acme\n  warehouse:\n    <here>\n")
PIPELINES = Frame("tenant:\n  id: acme\n  assets:\n    pipelines:\n      <here>\n")
PIPELINE = Frame(
    "tenant:\n  id: acme\n  assets:\n    pipelines:\n      orders:\n        source_table: orders\n        <here>\n"
)
DATED = Frame(
    "tenant:\n  id: acme\n  assets:\n    pipelines:\n      orders:\n"
    "        source_table: orders\n        date_column: created_at\n        <here>\n"
)
CUT = Frame(DATED.text.replace(HERE, "partitions:\n          <here>"))
LOADED = Frame(PIPELINE.text.replace(HERE, "save_to_trino: true\n        trino_output:\n          <here>"))
RULES = Frame(PIPELINE.text.replace(HERE, "quality:\n          rules:\n            <here>"))
QUALITY = Frame(
    PIPELINE.text.replace(HERE, "quality:\n          rules: [{column: id, type: not_null}]\n          <here>")
)
PROMISES = Frame(DATED.text.replace(HERE, "sla:\n          <here>"))
JOBS = Frame("tenant:\n  id: acme\n  assets: {pipelines: {orders: {source_table: orders}}}\n  jobs:\n    <here>\n")
NOTIFICATIONS = Frame(
    "tenant:\n  id: acme\n  assets: {pipelines: {orders: {source_table: orders}}}\n  notifications:\n    <here>\n"
)


def every_case() -> Iterator[Case]:
    """All cases, section by section."""
    from tests.config.broken import (
        connections,
        elsewhere,
        environments,
        jobs,
        notifications,
        output,
        partitions,
        pipelines,
        promises,
        quality,
        syntax,
        tenant,
        transforms,
    )

    for module in (
        syntax, tenant, connections, pipelines, partitions, transforms, output, quality, promises, jobs, notifications,
        environments, elsewhere,
    ):  # fmt: skip
        yield from module.CASES

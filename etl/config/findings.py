"""One problem in a configuration, and its message.

Belongs here: `Conflict`, `ConfigFinding` and the sentence made from a finding. Not here: finding problems.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from etl.suggest import nearest

KeyPath = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class ConfigFinding:
    """A problem at a place. `path` has the keys from the tenant's root to the place.

    `allowed` lists what may stand there, `suggestion` is the nearest of it, and `remedy` says what to do instead.
    `meant` is the key that stands for an unknown key, so that it is not reported as missing, too; it is not shown.
    """

    path: KeyPath
    problem: str
    line: int = 1
    column: int = 1
    found: str = ""
    allowed: str = ""
    suggestion: str = ""
    remedy: str = ""
    meant: str = ""

    def render(self, file: str) -> str:
        """The whole finding in one line."""
        text = f"{self.problem} at {file}:{self.line}:{self.column}"
        text += f" ({dotted(self.path)})" if self.path else ""
        text += f", found {self.found}" if self.found else ""
        text += f", did you mean `{self.suggestion}`?" if self.suggestion else ""
        text += f"{'' if self.suggestion else ';'} allowed: {self.allowed}" if self.allowed else ""
        text += f"; {self.remedy}" if self.remedy else ""
        return text


@dataclass(frozen=True, slots=True)
class Conflict:
    """Values that contradict each other. `about` are the keys whose own mistakes would explain the conflict."""

    path: KeyPath
    problem: str
    allowed: str = ""
    suggestion: str = ""
    about: frozenset[str] = frozenset()
    remedy: str = ""


def absent_column(path: KeyPath, column: str, columns: tuple[str, ...], about: frozenset[str]) -> Conflict:
    """Return the conflict of a column that is used, but is not among the pipeline's `columns`."""
    close = nearest(column, columns) or ""
    return Conflict(path, f"column `{column}` is not among the pipeline's `columns`", ", ".join(columns), close, about)


def dotted(path: KeyPath) -> str:
    """`assets.pipelines.lot_history.columns[2]`."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{shorten(part)}" if text else shorten(part)
    return text


def in_order(findings: Iterable[ConfigFinding]) -> tuple[ConfigFinding, ...]:
    """Return the findings in the order of the file, without repetitions."""
    return tuple(sorted(dict.fromkeys(findings), key=lambda each: (each.line, each.column, dotted(each.path))))


def shorten(text: str) -> str:
    """Return a text of a file, shortened to fit into one line of a message."""
    clean = "".join(character if character.isprintable() else "?" for character in text)
    return clean if len(clean) <= 60 else clean[:57] + "..."  # noqa: PLR2004  fits in a line

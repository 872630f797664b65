"""Prints a table so that nothing in it is cut, and no key that a person copies is folded.

Belongs here: the widths of columns on a terminal and in a pipe. Not here: the content of a table (the commands).
"""

from dataclasses import dataclass

from rich.box import SIMPLE
from rich.console import Console
from rich.measure import Measurement
from rich.table import Column, Table

_COPIED = ("partition", "pipeline", "tenant", "secret", "column", "rule")
"""Headers of what a person copies into the next command."""
_PROSE = 60
"""In a pipe, sentences are wrapped at this width."""
_LEAST = 6
"""What another column keeps at least on a narrow terminal."""
_BORDERS, _FEW_BORDERS = 3, 2
"""The lines and blanks beside the text of a column, and those of a table almost without lines."""


@dataclass(frozen=True)
class _Width:
    column: Column
    is_prose: bool
    needed: int
    """The width of the longest word or key; of a column of sentences, the width at which they are wrapped."""

    @property
    def is_copied(self) -> bool:
        return str(self.column.header) in _COPIED and not self.is_prose

    @property
    def least(self) -> int:
        return self.needed if self.is_copied else min(self.needed, _LEAST)


def print_table(console: Console, table: Table) -> None:
    """Print a table whose cells are wrapped and never cut.

    A pipe has no width, so each row of keys and names is one line there. On a terminal, keys get their room first; if
    the terminal is too narrow even for them, each row becomes lines of a header and a value.
    """
    widths = [_width(console, each) for each in table.columns]
    borders, least = _BORDERS * len(widths) + 1, sum(each.least for each in widths)
    before = console.width
    if not console.is_terminal:
        console.width = max(before, borders + sum(each.needed for each in widths))
    elif borders + least > before:
        borders = _FEW_BORDERS * len(widths) + 1
        table.box, table.padding, table.pad_edge = SIMPLE, (0, 1, 0, 0), False
    if borders + least > console.width:
        _print_rows(console, table)
        return
    free = console.width - borders - least
    for each in sorted(widths, key=lambda each: (not each.is_copied, each.needed)):
        each.column.overflow = "fold"
        more = each.needed - each.least
        if not each.is_prose and more <= free:
            free -= more
            each.column.no_wrap, each.column.min_width = True, each.needed
    console.print(table)
    if console.width != before:
        console.width = before


def _print_rows(console: Console, table: Table) -> None:
    if table.title:
        console.print(table.title, style="italic")
    for cells in zip(*(each.cells for each in table.columns), strict=True):
        for column, cell in zip(table.columns, cells, strict=True):
            console.print(f"[bold]{column.header}[/]:", cell, highlight=False, soft_wrap=True)
        console.print()


def _width(console: Console, column: Column) -> _Width:
    unlimited = console.options.update(width=10_000)
    cells = [Measurement.get(console, unlimited, each) for each in column.cells]
    header = Measurement.get(console, unlimited, column.header).minimum
    is_prose = any(each.minimum != each.maximum for each in cells)
    longest = max((each.maximum for each in cells), default=0)
    word = max([header, *(each.minimum for each in cells)])
    return _Width(column, is_prose, max(word, min(longest, _PROSE)) if is_prose else max(header, longest))

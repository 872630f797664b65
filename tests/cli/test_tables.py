"""Tables: what a person copies stands whole on a line, in a pipe and on every terminal."""

import io
import re

import pytest
from rich.console import Console
from rich.table import Table

from etl.cli.tables import print_table

KEY = "2026-01-05T1300Z"
WIDE = "equipment_event_of_the_second_hall"


def shown(width: int, *, is_terminal: bool) -> str:
    table = Table("tenant", "pipeline", "stage", "partition", "rejected", "rules", "run", title="Rejected rows")
    for _ in range(2):
        table.add_row(
            "demo_tenant", WIDE, "transfer", KEY, "1,200", "in_range__amount 12, unique__order_id 3", "abcdef12"
        )
    console = Console(file=io.StringIO(), width=width, force_terminal=is_terminal, no_color=True, legacy_windows=False)
    print_table(console, table)
    assert console.width == width
    assert isinstance(console.file, io.StringIO)
    return re.sub(r"\x1b\[[0-9;]*m", "", console.file.getvalue())


@pytest.mark.parametrize("width", [40, 60, 80, 90, 100, 120, 160, 240])
def test_no_key_is_cut_or_folded_on_a_terminal(width: int) -> None:
    said = shown(width, is_terminal=True)
    for key in (KEY, WIDE, "demo_tenant"):
        assert said.count(key) == 2
    assert "…" not in said
    letters = "".join(each for each in said if each.isalnum())
    assert letters.count("1200") == 2
    if width >= 80:
        assert max(map(len, said.splitlines())) <= width


@pytest.mark.parametrize("width", [20, 80])
def test_a_pipe_has_each_row_on_a_line(width: int) -> None:
    lines = [each for each in shown(width, is_terminal=False).splitlines() if KEY in each]
    assert len(lines) == 2
    for word in (WIDE, "demo_tenant", "transfer", "1,200", "in_range__amount 12, unique__order_id 3", "abcdef12"):
        assert word in lines[0]

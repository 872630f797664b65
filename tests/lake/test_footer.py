"""Footers of this format, of the one before, of a later one, and of none."""

import re
import shutil
from pathlib import Path

import polars as pl
import pytest

from etl.errors import EtlError
from etl.lake.lake import Input, Inputs, Lake
from etl.lake.objects import MAX_LISTED
from etl.lake.pairs import rejection_of
from tests.lake.objects import DAY, local_lake, provenance_of, publish, ref_of, write

ROWS = pl.DataFrame({"order_id": [1, 2, 3]})
FORMAT_1 = Path(__file__).parents[1] / "fixtures" / "format_1" / "lake"


def made_from(count: int, *, version: str = "a" * 64, run_id: str = "r" * 36) -> Inputs:
    return Inputs.of(
        Input(stage="extract", pipeline="p" * 128, partition=f"20{at:02d}-01-01", version=version, run_id=run_id)
        for at in range(count)
    )


def old_lake(folder: Path) -> Lake:
    shutil.copytree(FORMAT_1, folder / "lake")
    return local_lake(folder)


def change(path: Path, old: str, new: str) -> None:
    """Change the footer by hand, in its place."""
    content = path.read_bytes()
    padding = b" " * (len(new) - len(old))
    assert content.count(old.encode()) == 1
    at = content.index(old.encode())
    end = content.index(padding, at) if padding else at + len(old)
    path.write_bytes(content[:at] + new.encode() + content[at + len(old) : end] + content[end + len(padding) :])


@pytest.mark.parametrize("count", [0, 1, MAX_LISTED, MAX_LISTED + 1, 99])
def test_any_number_of_inputs_fits(tmp_path: Path, count: int) -> None:
    lake, inputs = local_lake(tmp_path), made_from(count)
    with lake.draft(ref_of()) as path:
        write(ROWS, path)
        lake.publish(ref_of(), path, provenance_of(ref_of(), ROWS.height, inputs=inputs))
    found = lake.find(ref_of())
    assert found is not None
    assert found.provenance.inputs == inputs
    assert inputs.count == count
    assert len(inputs.listed) == (count if count <= MAX_LISTED else 0)


def test_inputs_are_the_same_if_their_versions_are() -> None:
    assert made_from(3).digest == made_from(3, run_id="another").digest
    assert made_from(3).digest != made_from(3, version="b" * 64).digest
    assert made_from(3).digest != made_from(4).digest
    assert Inputs.of(reversed(made_from(8).listed)) == made_from(8)


def test_an_object_of_the_older_format_is_read_and_its_inputs_are_unknown(tmp_path: Path) -> None:
    found = old_lake(tmp_path).find(ref_of(stage="transfer"))
    assert found is not None
    assert (found.rows, found.provenance.format, found.provenance.inputs) == (13, 1, None)


@pytest.mark.parametrize("stage", ["extract", "transfer"])
def test_rejected_rows_of_the_older_format_are_found(tmp_path: Path, stage: str) -> None:
    lake = old_lake(tmp_path)
    found, whole = rejection_of(lake, ref_of(stage=stage)), rejection_of(lake, ref_of("2026-01-03", stage=stage))
    assert found is not None
    assert found.object is not None
    assert (found.state, found.rows, found.object.rows) == ("there", *[5 if stage == "extract" else 2] * 2)
    assert whole is not None
    assert whole.state == "none"


def test_rejected_rows_of_another_run_in_the_older_format_are_not_believed(tmp_path: Path) -> None:
    lake = old_lake(tmp_path)
    folder = tmp_path / "lake" / "acme"
    place = f"orders/dt={DAY}/data.parquet"
    shutil.copyfile(folder / "extract_quarantine" / place, folder / "transfer_quarantine" / place)
    found = rejection_of(lake, ref_of(stage="transfer"))
    assert found is not None
    assert (found.state, found.object) == ("replaced", None)


def test_an_object_of_a_later_format_is_refused_with_what_to_do(tmp_path: Path) -> None:
    lake = local_lake(tmp_path)
    path = Path(publish(lake, ROWS).uri)
    change(path, '"format":2', '"format":9')
    said = r"has format 9; this release reads formats 1 to 3\n.*use that release or a later one"
    with pytest.raises(EtlError, match=said):
        lake.find(ref_of())
    with pytest.raises(EtlError, match="has format 9"):
        publish(lake, ROWS, run_id="run-2")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('"format":2', '"format":0', "0, which is not a format number"),
        ('"config_hash"', '"config_hush"', re.escape("is not one of format 2: `config_hash`: Field required")),
        ('"format":2', '"format":2,"x":1', re.escape("is not one of format 2: `x`: Extra inputs are not permitted")),
    ],
)
def test_a_footer_that_was_changed_is_an_error_and_no_guess(tmp_path: Path, old: str, new: str, said: str) -> None:
    lake = local_lake(tmp_path)
    change(Path(publish(lake, ROWS).uri), old, new)
    with pytest.raises(EtlError, match=said):
        lake.find(ref_of())

"""The life of an object, the same on a local folder and on S3."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq
import pytest

from etl.errors import LakeError
from etl.lake.lake import PLACEHOLDER_FOOTER, Lake, ObjectRef, open_lake
from tests.lake.objects import (
    DAY,
    NEXT_DAY,
    files_below,
    local_lake,
    provenance_of,
    publish,
    ref_of,
    s3_lake,
    settings_in,
    write,
)
from tests.servers.object_store import ObjectStore

ROWS = pl.DataFrame({"id": [1, 2, 3], "name": ["a", "ü", None]})
OpenLake = Callable[[], Lake]


@pytest.fixture(params=["local", "s3"])
def new_lake(request: pytest.FixtureRequest, tmp_path: Path) -> OpenLake:
    if request.param == "local":
        return lambda: local_lake(tmp_path)
    store: ObjectStore = request.getfixturevalue("object_store")
    bucket: str = request.getfixturevalue("bucket")
    return lambda: s3_lake(tmp_path, store.settings, bucket)


@pytest.fixture
def lake(new_lake: OpenLake) -> Lake:
    return new_lake()


def test_a_published_object_is_found_with_its_provenance_and_its_rows(lake: Lake) -> None:
    published = publish(lake, ROWS)
    assert published.changed
    assert lake.find(ref_of()) == published
    assert published.provenance == provenance_of(ref_of(), 3)
    assert published.uri.endswith("acme/extract/orders/dt=2026-01-01/data.parquet")
    assert lake.scan([ref_of()]).collect().equals(ROWS)


def test_nothing_is_found_before_anything_is_published(lake: Lake) -> None:
    assert lake.find(ref_of()) is None
    assert lake.partitions("acme", "extract", "orders") == ()
    with pytest.raises(LakeError, match="acme/extract/orders 2026-01-01 is not published"):
        lake.scan([ref_of()])
    lake.delete(ref_of())


def test_partitions_are_listed_in_order_and_only_of_the_pipeline_asked_for(lake: Lake) -> None:
    publish(lake, ROWS, NEXT_DAY)
    publish(lake, ROWS, DAY)
    publish(lake, ROWS, None)
    other = ref_of(DAY, pipeline="orders_2")
    with lake.draft(other) as path:
        write(ROWS, path)
        lake.publish(other, path, provenance_of(other, 3))
    assert lake.partitions("acme", "extract", "orders") == (DAY, NEXT_DAY)
    lake.delete(ref_of(DAY))
    assert lake.partitions("acme", "extract", "orders") == (NEXT_DAY,)


def test_the_same_rows_again_leave_the_object_alone(lake: Lake) -> None:
    first = publish(lake, ROWS)
    again = publish(lake, ROWS, run_id="run-2")
    assert not again.changed
    assert again.provenance.run_id == "run-1"
    assert lake.find(ref_of()) == first


def test_other_rows_replace_the_object_and_change_its_version(lake: Lake) -> None:
    first = publish(lake, ROWS)
    second = publish(lake, ROWS.head(2), run_id="run-2")
    assert second.changed
    assert second.version != first.version
    assert lake.scan([ref_of()]).collect().height == 2


def test_a_renamed_column_and_another_type_without_rows_are_another_version(lake: Lake) -> None:
    versions = {
        publish(lake, frame).version
        for frame in (ROWS, ROWS.rename({"id": "no"}), ROWS.clear(), ROWS.clear().cast({"id": pl.String}))
    }
    assert len(versions) == 4


def test_of_two_runs_of_one_partition_the_second_to_publish_is_told_who_won(new_lake: OpenLake) -> None:
    one, two = new_lake(), new_lake()
    for before in (None, ROWS.head(1)):
        if before is not None:
            publish(one, before, run_id="run-0")
        with one.draft(ref_of()) as mine, two.draft(ref_of()) as theirs:
            write(ROWS, mine)
            write(ROWS.head(2), theirs)
            one.publish(ref_of(), mine, provenance_of(ref_of(), 3, "winner"))
            with pytest.raises(LakeError, match="run `winner` published it at 2026-01-02T03:04:05"):
                two.publish(ref_of(), theirs, provenance_of(ref_of(), 2, "loser"))
        assert one.scan([ref_of()]).collect().equals(ROWS)


def test_a_run_whose_object_was_deleted_meanwhile_does_not_bring_it_back(new_lake: OpenLake) -> None:
    lake = new_lake()
    publish(lake, ROWS)
    with lake.draft(ref_of()) as path:
        write(ROWS.head(1), path)
        new_lake().delete(ref_of())
        with pytest.raises(LakeError, match="it was deleted"):
            lake.publish(ref_of(), path, provenance_of(ref_of(), 1))


def test_a_frame_reads_the_object_it_was_opened_on_although_a_run_replaces_it(lake: Lake) -> None:
    publish(lake, pl.DataFrame({"id": range(200_000)}))
    frame = lake.scan([ref_of()])
    assert frame.collect_schema().names() == ["id"]
    publish(lake, pl.DataFrame({"id": range(150_000)}), run_id="run-2")
    assert frame.select(pl.len()).collect().item() == 200_000
    assert frame.collect().height == 200_000
    assert lake.scan([ref_of()]).collect().height == 150_000


def test_partitions_whose_columns_have_evolved_are_read_as_one(lake: Lake) -> None:
    publish(lake, pl.DataFrame({"id": [1], "none": [None]}, schema={"id": pl.Int32, "none": pl.Null}), DAY)
    publish(lake, pl.DataFrame({"id": [2], "none": ["x"], "new": [1.5]}), NEXT_DAY)
    both = lake.scan([ref_of(DAY), ref_of(NEXT_DAY)]).collect()
    assert both.to_dicts() == [{"id": 1, "none": None, "new": None}, {"id": 2, "none": "x", "new": 1.5}]
    assert both.schema["id"] == pl.Int64


def test_partitions_whose_types_clash_are_refused_by_column(lake: Lake) -> None:
    publish(lake, pl.DataFrame({"id": [1]}), DAY)
    publish(lake, pl.DataFrame({"id": ["1"]}), NEXT_DAY)
    with pytest.raises(LakeError, match=r"column `id` is Int64 in .*2026-01-01 and String in .*2026-01-02"):
        lake.scan([ref_of(DAY), ref_of(NEXT_DAY)])


def test_scanning_nothing_is_an_error_not_an_empty_frame(lake: Lake) -> None:
    with pytest.raises(LakeError, match="no object to read"):
        lake.scan([])


def test_a_file_with_other_rows_than_were_read_is_not_published(lake: Lake) -> None:
    with lake.draft(ref_of()) as path:
        write(ROWS, path)
        with pytest.raises(LakeError, match="holds 3 rows, 4 were to be written"):
            lake.publish(ref_of(), path, provenance_of(ref_of(), 4))
    assert lake.find(ref_of()) is None


@pytest.mark.parametrize("keep", [0, 3, 100, -1])
def test_half_a_file_is_not_published(lake: Lake, keep: int) -> None:
    with lake.draft(ref_of()) as path:
        write(ROWS, path)
        path.write_bytes(path.read_bytes()[:keep])
        with pytest.raises(LakeError, match="not a complete Parquet file"):
            lake.publish(ref_of(), path, provenance_of(ref_of(), 3))
    assert lake.find(ref_of()) is None


def test_a_file_without_a_place_for_its_provenance_is_not_published(lake: Lake) -> None:
    with lake.draft(ref_of()) as path:
        ROWS.write_parquet(path)
        with pytest.raises(LakeError, match="no place for its provenance"):
            lake.publish(ref_of(), path, provenance_of(ref_of(), 3))
    assert lake.find(ref_of()) is None


def test_a_provenance_that_is_too_long_or_of_another_object_is_refused(lake: Lake) -> None:
    with lake.draft(ref_of()) as path:
        write(ROWS, path)
        with pytest.raises(LakeError, match=r"takes \d+ bytes of 4096"):
            lake.publish(ref_of(), path, provenance_of(ref_of(), 3, audit="x" * 5000))
        with pytest.raises(LakeError, match="the provenance is of acme/extract/orders 2026-01-02"):
            lake.publish(ref_of(), path, provenance_of(ref_of(NEXT_DAY), 3))
        with pytest.raises(LakeError, match="is no draft of"):
            lake.publish(ref_of(NEXT_DAY), path, provenance_of(ref_of(NEXT_DAY), 3))
    assert lake.find(ref_of()) is None


def test_stamping_changes_no_byte_outside_of_the_placeholder(lake: Lake, tmp_path: Path) -> None:
    plain = tmp_path / "plain.parquet"
    write(ROWS, plain)
    publish(lake, ROWS)
    stamped = lake.local_copy(ref_of()).read_bytes()
    before = plain.read_bytes()
    at = before.index(PLACEHOLDER_FOOTER["etl"].encode())
    width = len(PLACEHOLDER_FOOTER["etl"])
    assert len(stamped) == len(before)
    assert stamped[:at] + stamped[at + width :] == before[:at] + before[at + width :]
    said = json.loads(pq.read_metadata(lake.local_copy(ref_of())).metadata[b"etl"])
    assert (said["run_id"], said["rows"], said["audit"]) == ("run-1", 3, "passed")


def test_nothing_staged_is_left_after_success_or_failure(lake: Lake, tmp_path: Path) -> None:
    publish(lake, ROWS)
    with lake.draft(ref_of()) as path:
        write(ROWS, path)
        path.with_name("spill.tmp").write_text("x")
        with pytest.raises(LakeError):
            lake.publish(ref_of(), path, provenance_of(ref_of(), 99))
    lake.scan([ref_of()]).collect()
    lake.close()
    assert files_below(tmp_path / "staging") == []
    assert not (tmp_path / "staging" / "acme").exists()


def test_files_of_a_dead_process_are_swept_and_those_of_a_living_one_are_not(
    new_lake: OpenLake, tmp_path: Path
) -> None:
    code = (
        "import os, sys, pathlib; from tests.lake.objects import *\n"
        "lake = local_lake(pathlib.Path(sys.argv[1]))\n"
        "with lake.draft(ref_of(), 'dead') as path:\n"
        "    write(pl.DataFrame({'id': [1]}), path); os.kill(os.getpid(), 9)\n"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False)
    staging = tmp_path / "staging" / "acme"
    assert len(files_below(staging)) == 2
    living = new_lake()
    with living.draft(ref_of(), "living") as path:
        write(ROWS, path)
        publish(new_lake(), ROWS, NEXT_DAY)
        assert path.exists()
        assert {each.split(".")[1] for each in files_below(staging)} == {"living"}
        living.publish(ref_of(), path, provenance_of(ref_of(), 3))


@pytest.mark.parametrize("name", ["", "..", "a/b", "a b", "'; drop table x; --", "a\0b", "ä", "-x", "x" * 200])
def test_a_name_that_is_no_name_never_becomes_a_path(name: str) -> None:
    for part in ("tenant", "stage", "pipeline"):
        with pytest.raises(LakeError, match="cannot be part of an object's key"):
            ObjectRef(**{"tenant": "t", "stage": "s", "pipeline": "p", part: name})


@pytest.mark.parametrize(
    "partition", ["", "2026-1-1", "2026-02-30", "2026-01-01T0100", "../x", "2026-W01", "a__b", "2026-01-01 "]
)
def test_a_partition_that_is_no_day_is_refused(partition: str) -> None:
    with pytest.raises(LakeError, match="is not a partition"):
        ref_of(partition)


def test_a_file_that_this_product_did_not_publish_is_named(tmp_path: Path) -> None:
    lake = local_lake(tmp_path)
    path = tmp_path / "lake" / ref_of().key
    path.parent.mkdir(parents=True)
    ROWS.write_parquet(path)
    with pytest.raises(LakeError, match="was not published by this product"):
        lake.find(ref_of())


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-20])


def _empty(path: Path) -> None:
    path.write_bytes(b"")


def _spoil_a_value(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[40] ^= 0xFF
    path.write_bytes(content)


@pytest.mark.parametrize("damage", [_cut, _empty, _spoil_a_value])
def test_a_file_that_was_damaged_after_it_was_published_is_replaced_by_the_same_rows(
    tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    first = publish(local_lake(tmp_path), ROWS)
    damage(Path(first.uri))
    again = publish(local_lake(tmp_path), ROWS, run_id="run-2")
    assert again.changed
    assert local_lake(tmp_path).scan([ref_of()]).collect().equals(ROWS)


def test_a_lake_that_is_forgotten_lets_go_of_what_it_read(tmp_path: Path) -> None:
    publish(local_lake(tmp_path), ROWS)
    lake = local_lake(tmp_path)
    lake.local_copy(ref_of())
    assert files_below(tmp_path / "staging")
    del lake
    assert files_below(tmp_path / "staging") == []


def test_a_folder_that_cannot_be_written_is_a_clear_error(tmp_path: Path) -> None:
    lake = open_lake(settings_in(tmp_path))
    (tmp_path / "lake").write_text("a file where the lake should be")
    with pytest.raises(LakeError, match="2026-01-01 could not be made: Not a directory"), lake.draft(ref_of()):
        pass
    assert files_below(tmp_path / "staging") == []


def test_reading_leaves_no_lock_held(tmp_path: Path) -> None:
    lake = local_lake(tmp_path)
    publish(lake, ROWS)
    for _ in range(50):
        lake.scan([ref_of()])
    assert len(list(Path("/proc/self/fd").iterdir())) < 200
    assert len(files_below(tmp_path / "staging")) == 2

"""Writes one Parquet file in a stream, and reads the finished file's footer to check it.

Belongs here: the DuckDB connection that every driver writes with, the strict casts from carrier to target, the check of
the finished file. Not here: anything about a particular database.
"""

import json
import re
import threading
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import duckdb

from etl.errors import EtlError, SourceError
from etl.faults import reach
from etl.parquet import looking_engine
from etl.source.contract import PlannedColumn
from etl.source.kept import kept
from etl.sql import file_literal, literal, quote

if TYPE_CHECKING:
    import pyarrow as pa

ROW_GROUP_ROWS = 61_440  # twice as many take 50 MB more and are no faster to read
ROW_GROUP_BYTES = 32_000_000  # whichever comes first, so that wide rows need no more memory than narrow ones
MEMORY_MB = 256  # for DuckDB's buffers: narrow rows use some 30 MB of it, values of many kilobytes more
COLUMN_KB = 500  # a column needs 135 to 350 kB, because DuckDB moves 2,048 rows of every column at once
# DuckDB reserves the whole dictionary of each text column when a row group begins: by default 1 MB.
DICTIONARIES_BYTES, DICTIONARY_BYTES = 64_000_000, 1_000_000
# Measured on 6M rows beside DuckDB's defaults: a third less CPU, and files a third smaller. The second version's
# encodings are what makes them small; a dictionary of many values costs more than it saves, as does a higher level.
PARQUET = "FORMAT parquet, PARQUET_VERSION V2, COMPRESSION zstd, COMPRESSION_LEVEL 1, DICTIONARY_SIZE_LIMIT 1000"
# While the rows of several windows are written, each window holds its own: some 40 kB a column and thread.
WIDEST = 1_500  # windows, multiplied by columns and threads
# So many rows are put together before they are written. Fewer with two threads, which read large tables in any order.
TOGETHER_ROWS, FLUSH_ROWS = 2_000_000, 131_072
_WINDOW = "etl_window"
_MARK = "@etl-column@"
_COMPLAINT = re.compile(rf"error\('{_MARK}(?:[^']|'')*'\)")
Rows = Callable[[], AbstractContextManager[tuple[duckdb.DuckDBPyConnection, str]]]
"""Opens a source and returns its connection and the text behind FROM; that relation's columns are the carriers."""
NOT_TEXT = "holds text that is not UTF-8"
OUTSIDE = "holds a date beyond the years 1 to 9999, or infinity"
_CALENDAR = {
    "DATE": ("0001-01-01", "9999-12-31"),
    "TIMESTAMP": ("0001-01-01 00:00:00", "9999-12-31 23:59:59.999999"),
    "TIMESTAMPTZ": ("0001-01-01 00:00:00+00", "9999-12-31 23:59:59.999999+00"),
}
_checked = set[
    Path
]()  # extensions whose signature this process has checked: hashing 40 MB takes longer than a small load


class TooWideError(EtlError):
    """The table has too many columns for so many windows at once."""

    def __init__(self, most: int) -> None:
        """`most` windows can be written at once."""
        super().__init__(f"{most} windows of it can be read at once", "read fewer")
        self.most = most


def extension_path(name: str) -> Path | None:
    """Return the file of a DuckDB extension from its Python package; None if there is none for this DuckDB version."""
    spec = find_spec(f"duckdb_extension_{name}")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        path = Path(folder) / "extensions" / f"v{duckdb.__version__}" / f"{name}.duckdb_extension"
        if path.is_file():
            return path
    return None


def memory_limit(columns: int) -> int:
    """Return how many megabytes DuckDB may use to write rows with this number of columns."""
    return max(MEMORY_MB, columns * COLUMN_KB // 1_000)


@contextmanager
def writing_engine(
    path: Path,
    columns: int,
    *,
    extension: Path | None = None,
    threads: int = 1,
    attach: Callable[[duckdb.DuckDBPyConnection], None] | None = None,
    attached: Hashable | None = None,
) -> Iterator[duckdb.DuckDBPyConnection]:
    """Yield an in-memory DuckDB with a memory limit. It spills beside `path` and loads no extension by itself.

    The memory limit grows with `columns`, the number of columns written. For rows that arrive over one connection one
    thread is enough: a second one only waits, and holds memory.

    The partitions of a range share the engine. `attach` attaches a database that stays attached, and `attached` stands
    for it; whatever else the caller attaches or registers, it takes away again.
    """
    spill = path.with_name(f"{path.name}.spill")

    def opened() -> duckdb.DuckDBPyConnection:
        connection = _engine(extension)
        try:
            if attach is not None:
                attach(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    try:
        key = ("duckdb", extension, attached)
        with kept(key, opened, clean=lambda _: not spill.exists(), alive=lambda _: True) as connection:
            connection.execute(f"SET memory_limit = '{memory_limit(columns)}MB'")
            connection.execute(f"SET threads = {threads}")
            connection.execute(f"SET temp_directory = {literal('duckdb', str(spill))}")
            yield connection
    finally:
        if spill.is_dir():
            for left in spill.iterdir():
                left.unlink()
            spill.rmdir()


def _engine(extension: Path | None) -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect(
        config={
            "threads": 1,
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
            "allow_unsigned_extensions": extension in _checked,
        }
    )
    try:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute("SET enable_progress_bar = false")
        if extension is not None:
            connection.execute(f"LOAD {literal('duckdb', str(extension))}")
            _checked.add(extension)
    except BaseException:
        connection.close()
        raise
    return connection


@contextmanager
def deadline(connection: duckdb.DuckDBPyConnection, seconds: float | None) -> Iterator[None]:
    """Stop writing after some seconds, for a database that has no statement timeout.

    DuckDB checks the limit between two rows, so a statement that returns no row yet goes on until its first row.
    """
    if seconds is None:
        yield
        return
    timer = threading.Timer(seconds, connection.interrupt)
    timer.daemon = True
    timer.start()
    try:
        yield
    except duckdb.InterruptException:
        raise took_too_long(seconds) from None
    finally:
        timer.cancel()


def took_too_long(seconds: float) -> SourceError:
    """Return the error for a time limit that this process, and not the database, keeps."""
    return SourceError(
        f"reading took longer than {seconds:g} s",
        "raise `statement_timeout_seconds` of `source_database`, or narrow the window",
    )


def strict_cast(column: str, target: str, name: str) -> str:
    """Return SQL that casts a carrier to its target. A value that does not fit is an error that names the column."""
    complaint = literal("duckdb", _MARK + json.dumps({"column": name, "target": target}))
    return (
        f"CASE WHEN {column} IS NOT NULL AND TRY_CAST({column} AS {target}) IS NULL THEN error({complaint}) "
        f"ELSE TRY_CAST({column} AS {target}) END"
    )


def complain(condition: str, name: str, why: str, otherwise: str) -> str:
    """Return SQL that raises an error for the column if `condition` is true, and gives `otherwise` if not."""
    complaint = literal("duckdb", _MARK + json.dumps({"column": name, "why": why}))
    return f"CASE WHEN {condition} THEN error({complaint}) ELSE {otherwise} END"


def valid_text(column: str, name: str, value: str) -> str:
    """Return SQL that refuses text that is not UTF-8. Readers of Parquet expect UTF-8, and DuckDB does not check it."""
    invalid = f"{column} IS NOT NULL AND TRY(decode(encode({column}))) IS NULL"
    return complain(invalid, name, NOT_TEXT, value)


def in_calendar(value: str, target: str, name: str, otherwise: str) -> str:
    """Return SQL that refuses a date outside the years 1 to 9999, which Python and most readers cannot show."""
    first, last = (f"{target} '{each}'" for each in _CALENDAR[target])
    return complain(f"{value} < {first} OR {value} > {last}", name, OUTSIDE, otherwise)


def restored(columns: Sequence[PlannedColumn]) -> str:
    """Return the select list that turns the carriers into the named target columns, in order."""
    return ", ".join(f"{each.restore} AS {quote('duckdb', each.name)}" for each in columns)


def write_rows(
    open_rows: Rows,
    columns: Sequence[PlannedColumn],
    path: Path,
    footer: Mapping[str, str],
    place_of: Callable[[str], str] = lambda _: "",
    *,
    windows: int = 0,
) -> None:
    """Stream the rows into the file. The error for a value that cannot be kept names its column and counts its rows.

    To count them, the source is read again; that happens only after such an error. `place_of` returns a text that says
    in which row of the source the first such value of a column is. With `windows`, the rows of each window go into a
    file of their own, and `path` is the folder of the files.
    """
    try:
        with open_rows() as (connection, rows):
            if windows:
                _copy_windows(connection, rows, columns, path, footer, windows)
                return
            copy_to_parquet(connection, f"SELECT {restored(columns)} FROM {rows}", len(columns), path, footer)
    except duckdb.Error as error:
        known = complaint_of(str(error))
        if known is None:
            raise
    else:
        return
    name, why = known
    if windows:  # the statement of the window that has the value counts its rows
        raise refusal(name, why)
    index = next(position for position, each in enumerate(columns) if each.name == name)
    with open_rows() as (connection, rows):
        sql = f"SELECT count(*) FILTER (WHERE {_unfit(index, columns[index])}), count(*) FROM {rows}"
        unfit, total = connection.execute(sql).fetchone() or (0, 0)
    counted = f"{unfit} of {total} rows" if unfit else ""
    raise refusal(name, why, "; ".join(filter(None, (counted, place_of(name)))))


def _unfit(index: int, column: PlannedColumn) -> str:
    """Return the condition for a row with a refused value: the restoring SQL, without its errors, makes it NULL."""
    there = f"c{index} IS NOT NULL" + (f" OR f{index}" if column.flag else "")
    return f"({there}) AND ({_COMPLAINT.sub('NULL', column.restore)}) IS NULL"


def copy_to_parquet(
    connection: duckdb.DuckDBPyConnection,
    select: str,
    columns: int,
    path: Path,
    footer: Mapping[str, str],
) -> None:
    """Stream the rows of `select`, which has `columns` columns, into a file; add `footer` to its key-values."""
    connection.execute("SET preserve_insertion_order = false")  # with one thread the order stays nevertheless
    reach("extract.copy")
    connection.execute(f"COPY ({select}) TO {literal('duckdb', str(path))} ({_parquet_options(columns, footer)})")
    reach("extract.written")


def _parquet_options(columns: int, footer: Mapping[str, str]) -> str:
    dictionary = DICTIONARIES_BYTES // columns
    narrow = dictionary >= DICTIONARY_BYTES  # with an explicit limit, a very large value needs 50 MB more
    limit = "" if narrow else f"STRING_DICTIONARY_PAGE_SIZE_LIMIT {dictionary}, "
    pairs = ", ".join(f"{literal('duckdb', key)}: {literal('duckdb', value)}" for key, value in footer.items())
    metadata = f", KV_METADATA {{{pairs}}}" if footer else ""
    return (
        f"{PARQUET}, {limit}ROW_GROUP_SIZE {ROW_GROUP_ROWS}, "
        f"ROW_GROUP_SIZE_BYTES {ROW_GROUP_BYTES}, WRITE_BLOOM_FILTER false{metadata}"
    )


def window_file(folder: Path, index: int) -> Path:
    """Return the file of a window in the folder that `write_rows` has made."""
    return folder / f"{_WINDOW}={index}" / "data_0.parquet"


def _copy_windows(
    connection: duckdb.DuckDBPyConnection,
    rows: str,
    columns: Sequence[PlannedColumn],
    folder: Path,
    footer: Mapping[str, str],
    windows: int,
) -> None:
    """Stream the rows into a file for each window. `k` is the index of a row's window; rows without one are left out.

    With one thread, up to `TOGETHER_ROWS` rows are sorted by window before they are written, so that the file of a
    window does not depend on the rows of the others.
    """
    (threads,) = connection.execute("SELECT current_setting('threads')").fetchone() or (1,)
    most = WIDEST // (len(columns) * threads)
    if windows > most:
        raise TooWideError(most)
    if any(each.name.casefold() == _WINDOW for each in columns):
        raise SourceError(f"a column is called `{_WINDOW}`", "give it another name in a `query`")
    connection.execute("SET preserve_insertion_order = false")  # with one thread the order stays nevertheless
    connection.execute(f"SET partitioned_write_max_open_files = {windows + 1}")
    connection.execute(f"SET partitioned_write_flush_threshold = {TOGETHER_ROWS if threads == 1 else FLUSH_ROWS}")
    reach("extract.copy")
    options = _parquet_options(len(columns), footer)
    (copied,) = connection.execute(
        f"COPY (SELECT {restored(columns)}, k AS {_WINDOW} FROM {rows} WHERE k IS NOT NULL)"
        f" TO {literal('duckdb', str(folder))} ({options}, PARTITION_BY ({_WINDOW}))"
    ).fetchone() or (0,)
    written = 0
    for index in range(windows):
        file = window_file(folder, index)
        if not file.exists():
            file.parent.mkdir(parents=True, exist_ok=True)
            copy_to_parquet(connection, _no_rows(columns), len(columns), file, footer)
        sql = f"SELECT num_rows FROM parquet_file_metadata({file_literal(file)})"
        written += int((connection.execute(sql).fetchone() or (0,))[0])
    if written != copied:
        raise SourceError(f"of {copied} rows {written} are in the files of their windows", "report this as a bug")
    reach("extract.written")


def _no_rows(columns: Sequence[PlannedColumn]) -> str:
    nulls = ", ".join(f"CAST(NULL AS {each.target}) AS {quote('duckdb', each.name)}" for each in columns)
    return f"SELECT {nulls} WHERE false"


def empty_schema(columns: Sequence[PlannedColumn]) -> "pa.Schema":
    """Return the Arrow schema of the file that `write_rows` would make from these columns."""
    import pyarrow.parquet as pq  # noqa: PLC0415  heavy, and an extract does without it

    with TemporaryDirectory() as folder:
        path = Path(folder) / "none.parquet"
        with writing_engine(path, len(columns)) as connection:
            copy_to_parquet(connection, _no_rows(columns), len(columns), path, {})
        return pq.read_schema(path)


def complaint_of(message: str) -> tuple[str, str] | None:
    """Return the column and the problem if a message of DuckDB comes from `complain` or `strict_cast`, else None."""
    match = re.search(re.escape(_MARK) + r"(\{.*\})", message)
    if match is None:
        return None
    said = json.loads(match.group(1))
    return said["column"], said.get("why") or f"holds a value that is no {said['target']}"


def refusal(column: str, why: str, place: str = "") -> SourceError:
    """Return the error for a value that cannot be kept: its column, its row if that is known, and the remedies."""
    return SourceError(
        f"column `{column}` {why}" + (f" ({place})" if place else ""),
        "correct the value at the source, leave the column out with `columns:`, or read it by a `query` with a cast",
    )


def verified_rows(paths: Sequence[Path], columns: Sequence[PlannedColumn]) -> list[int]:
    """Return the number of rows in each finished file's footer. Raises an error if its columns differ from the plan."""
    with looking_engine() as connection:
        wanted = _columns(connection, _no_rows(columns))
        return [_verified_rows(connection, path, wanted) for path in paths]


def _verified_rows(connection: duckdb.DuckDBPyConnection, path: Path, wanted: list[str]) -> int:
    file = file_literal(path)
    try:
        found = _columns(connection, f"FROM read_parquet({file}, hive_partitioning = false)")
        rows = connection.execute(f"SELECT num_rows FROM parquet_file_metadata({file})").fetchone() or (0,)
    except duckdb.Error as error:
        raise SourceError("the draft cannot be read back", f"look at the disk that holds it ({error})") from error
    if found != wanted:
        differences = "; ".join(
            f"{there} instead of {here}" for here, there in zip(wanted, found, strict=False) if here != there
        )
        raise SourceError(f"the draft holds other columns than planned: {differences}", "report this as a bug")
    return int(rows[0])


def _columns(connection: duckdb.DuckDBPyConnection, select: str) -> list[str]:
    return [f"{name} {kind}" for name, kind, *_ in connection.execute(f"DESCRIBE {select}").fetchall()]

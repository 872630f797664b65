"""The origins of the columns of a query, derived from its text.

Belongs here: reading the text with sqlglot, and following a column to the tables (`_Query`). Not here: where the text
and the known columns come from (`etl.running.lineage_metadata`).

The origins of a column are the columns that its value is computed from (`etl.lineage.values`). Columns that only
choose or order rows are no origins. What the text does not decide is unknown and has a reason: a column without its
table that several tables may have, a `*` over such tables, a function that makes rows, a word in double quotes that
SQLite may take for a text, a query that does not parse.

sqlglot's own `qualify` and `lineage` are not used: for a table whose columns are not known they choose a table, and
that is a guess.
"""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError
from sqlglot.optimizer.normalize_identifiers import normalize_identifiers
from sqlglot.optimizer.qualify_tables import qualify_tables
from sqlglot.optimizer.scope import Scope, traverse_scope

from etl.lineage.columns import ColumnLineage, ColumnOrigin, Table, unknown_lineage
from etl.lineage.values import UnknownOriginError, is_star, value_columns

Known = Mapping[Table, Collection[str]]
_BIND = re.compile(r"(?<![\w\])\[:'\"]):(window_start|window_end|partition)\b")
_LATERAL_ALIASES = frozenset({"duckdb", "snowflake", "redshift", "databricks", "spark", "bigquery"})
"""Dialects in which a column of a SELECT may be used by its alias in a later column."""
_VALUES = frozenset(
    {"USER", "SESSION_USER", "SYSTEM_USER", "CURRENT_ROLE", "CURRENT_CATALOG", "CURRENT_SCHEMA", "LEVEL"}
)
_ROW_IDS = frozenset({"rowid", "oid", "_rowid_"})
"""Columns that each table of SQLite has, besides those that it is made with."""
_MOST_CHARACTERS = 100_000
"""A longer text is not read, because reading it takes time in the run."""


def query_lineage(sql: str, dialect: str, columns: Sequence[str], known: Known | None = None) -> ColumnLineage:
    """Return the origins of the `columns` that a query makes, in the order in which it makes them.

    `known` has the columns of the tables whose columns are known, by the words of the table's name in the query, such
    as `("main", "orders")`. A table that is not in it may have any columns.
    """
    if len(sql) > _MOST_CHARACTERS:
        return unknown_lineage(columns, "the query is too long to be read")
    try:
        text = _BIND.sub("NULL", sql)
        trees = [each for each in sqlglot.parse(text, dialect=dialect) if each is not None]
        if len(trees) != 1 or not isinstance(trees[0], exp.Query):
            return unknown_lineage(columns, "the query could not be read: it is not one SELECT")
        tree = qualify_tables(normalize_identifiers(trees[0], dialect=dialect), dialect=dialect)
        query = _Query(tree, text, known or {}, dialect)
    except (SqlglotError, RecursionError):
        return unknown_lineage(columns, "the query could not be read: part of its SQL is not known here")
    if reason := _undecided(tree):
        return unknown_lineage(columns, reason, query.tables)
    return query.lineage(columns)


def table_words(name: str, dialect: str) -> Table:
    """Return the words of a table's name as `known` and the result of `query_lineage` have them."""
    return _words(normalize_identifiers(exp.to_table(name, dialect=dialect), dialect=dialect))


def _undecided(tree: exp.Expr) -> str:
    """Return why no column of the query can be followed; empty if nothing speaks against it."""
    if tree.find(exp.Pivot):
        return "the query uses PIVOT or UNPIVOT"
    if any(each.args.get("recursive") for each in tree.find_all(exp.With)):
        return "the query is recursive"
    if any(each.args.get("method") == "NATURAL" for each in tree.find_all(exp.Join)):
        return "the query has a NATURAL JOIN, whose columns depend on the tables"
    if any(isinstance(each.parent, exp.Table) and each.columns for each in tree.find_all(exp.TableAlias)):
        return "the query gives new names to the columns of a table"
    return ""


def _same(one: str, other: str) -> bool:
    return one.casefold() == other.casefold()


def _spelled(name: str, columns: Iterable[str]) -> str | None:
    """Return the column that a name means: the same word, or the only one that differs in capitals alone."""
    found = [each for each in columns if _same(each, name)]
    if name in found:
        return name
    return found[0] if len(found) == 1 else None


class _Query:
    """One query, with its scopes: each SELECT with the tables and subqueries that it reads."""

    def __init__(self, tree: exp.Expr, text: str, known: Known, dialect: str) -> None:
        self._scopes = {id(each.expression): each for each in traverse_scope(tree)}
        self._root = list(self._scopes.values())[-1]
        self._known = known
        self._text, self._dialect = text, dialect
        self._has_lateral_aliases = dialect in _LATERAL_ALIASES
        self._visited: list[tuple[int, str]] = []
        read = (each for scope in self._scopes.values() for each in scope.sources.values())
        named = (each for each in read if isinstance(each, exp.Table) and isinstance(each.this, exp.Identifier))
        self.tables = tuple(dict.fromkeys(map(_words, named)))

    def lineage(self, columns: Sequence[str]) -> ColumnLineage:
        """Return the origins of the columns that the query makes."""
        known: dict[str, tuple[ColumnOrigin, ...]] = {}
        unknown: dict[str, str] = {}
        for name, own in zip(columns, self._own_names(columns), strict=True):
            try:
                known[name] = tuple(sorted(self._of_output(self._root, own)))
            except (UnknownOriginError, RecursionError) as error:
                unknown[name] = str(error) if isinstance(error, UnknownOriginError) else "the query is too deep"
        return ColumnLineage(known, unknown, self.tables)

    def _own_names(self, columns: Sequence[str]) -> Sequence[str]:
        """Return the query's names of its columns; a column that the query does not name is found by its place."""
        names = self._outputs(self._root)
        if names is None or len(names) != len(columns):
            return columns
        fits = all(not own or _same(own, name) for own, name in zip(names, columns, strict=True))
        return [f"#{place}" for place in range(len(columns))] if fits else columns

    # The columns of a SELECT or of a union

    def _outputs(self, scope: Scope) -> list[str] | None:
        """Return the names of the columns that a scope makes, empty for a column without a name; None: not known."""
        if isinstance(scope.expression, exp.SetOperation):
            return self._outputs(self._parts(scope.expression)[0])
        if not isinstance(scope.expression, exp.Select):
            return None
        names: list[str] = []
        for each in scope.expression.selects:
            if not is_star(each):
                names.append(_name(each))
                continue
            columns = self._of_star(scope, each)
            if columns is None:
                return None
            names += columns
        return names

    def _of_star(self, scope: Scope, star: exp.Expr) -> list[str] | None:
        """Return the columns for which a `*` stands; None if they are not known."""
        if _changes(star) or self._using(scope):
            return None
        found: list[str] = []
        for source in self._starred(scope, star).values():
            columns = self._columns(source)
            if columns is None:
                return None
            found += columns
        return found

    def _of_output(self, scope: Scope, name: str) -> set[ColumnOrigin]:
        """Return the origins of a column that a scope makes. `#2` is its third column."""
        key = (id(scope.expression), name)
        if key in self._visited:
            raise UnknownOriginError("the query refers to itself")
        self._visited.append(key)
        try:
            if isinstance(scope.expression, exp.SetOperation):
                return self._of_union(scope, name)
            if not isinstance(scope.expression, exp.Select):
                raise UnknownOriginError("the rows come from a function or from values in the query")
            return self._of_select(scope, name)
        finally:
            self._visited.pop()

    def _of_union(self, scope: Scope, name: str) -> set[ColumnOrigin]:
        names = self._outputs(scope)
        if scope.expression.args.get("by_name") or scope.expression.args.get("on"):
            raise UnknownOriginError("the query joins the parts of a UNION by name")
        if names is None:
            raise UnknownOriginError("a part of a UNION selects `*` from tables whose columns are not known")
        place = int(name[1:]) if name.startswith("#") else _place(name, names)
        found: set[ColumnOrigin] = set()
        for part in self._parts(scope.expression):
            own = self._outputs(part)
            if own is None or len(own) != len(names):
                raise UnknownOriginError("a part of a UNION selects `*` from tables whose columns are not known")
            found |= self._of_output(part, f"#{place}")
        return found

    def _parts(self, expression: exp.Expr) -> list[Scope]:
        """Return the queries whose rows a UNION has. EXCEPT and INTERSECT have rows of the first query only."""
        inner = expression.unnest()
        if not isinstance(inner, exp.SetOperation):
            return [self._scopes[id(inner)]]
        second = self._parts(inner.expression) if isinstance(inner, exp.Union) else []
        return self._parts(inner.this) + second

    def _of_select(self, scope: Scope, name: str) -> set[ColumnOrigin]:
        select = scope.expression
        selects = select.selects if isinstance(select, exp.Select) else []
        if name.startswith("#"):
            names = self._outputs(scope) or []
            place = int(name[1:])
            if not any(map(is_star, selects)):
                return self._of_expression(scope, selects[place])
            name = names[place]
        own = [each for each in selects if not is_star(each) and _same(_name(each), name)]
        if len(own) > 1:
            exact = [each for each in own if _name(each) == name]
            if len(exact) != 1:
                raise UnknownOriginError("two columns of the query have this name")
            own = exact
        if own:
            return self._of_expression(scope, own[0])
        stars = [each for each in selects if is_star(each)]
        if not stars:
            raise UnknownOriginError("the query does not name the column")
        if any(map(_changes, stars)):
            raise UnknownOriginError("the query changes the columns of a `*`")
        sources = {key: source for star in stars for key, source in self._starred(scope, star).items()}
        return self._of_sources(scope, sources, name, ambiguous=True)

    def _starred(self, scope: Scope, star: exp.Expr) -> Mapping[str, exp.Table | Scope]:
        """Return the sources whose columns a `*` or `alias.*` selects."""
        sources = self._sources(scope)
        if isinstance(star, exp.Column):
            return {star.table: sources[star.table]} if star.table in sources else {}
        return sources

    # Expressions

    def _of_expression(self, scope: Scope, expression: exp.Expr) -> set[ColumnOrigin]:
        if expression.find(exp.Columns):
            raise UnknownOriginError("the query selects columns by a pattern")
        found: set[ColumnOrigin] = set()
        for column in value_columns(expression):
            inner = column.find_ancestor(exp.Select)
            own = self._scopes.get(id(inner)) if inner is not None else scope
            if own is None:
                raise UnknownOriginError("the column is made by a subquery that could not be read")
            found |= self._of_column(own, column, expression)
        return found

    def _of_column(self, scope: Scope, column: exp.Column, within: exp.Expr) -> set[ColumnOrigin]:
        sources = self._sources(scope)
        if column.table:
            if column.table in sources:
                return self._of_source(sources[column.table], column.name)
            if scope.parent is not None and scope.can_be_correlated:
                return self._of_column(scope.parent, column, within)
            raise UnknownOriginError(f"`{column.table}` in `{column.sql()}` is no table of the query")
        return self._of_unqualified(scope, column, within)

    def _of_unqualified(self, scope: Scope, column: exp.Column, within: exp.Expr) -> set[ColumnOrigin]:
        sources, name = self._sources(scope), column.name
        possible = {key: each for key, each in sources.items() if self._may_have(each, name)}
        certain = [key for key, each in possible.items() if self._columns(each) is not None]
        alias = self._earlier_alias(scope, name, within)
        if certain and (len(certain) == 1 or name.casefold() in self._using(scope)):
            return self._of_sources(scope, {key: possible[key] for key in certain}, name)
        if possible:
            if doubt := self._doubt(scope, column, may_be_alias=len(possible) == 1 and alias is not None):
                raise UnknownOriginError(doubt)
            return self._of_sources(scope, possible, name)
        if alias is not None:
            return self._of_expression(scope, alias)
        if scope.parent is not None and scope.can_be_correlated:
            return self._of_unqualified(scope.parent, column, within)
        if self._may_be_text(column) and name.casefold() not in _ROW_IDS:
            return set()
        raise UnknownOriginError(f"no table of the query has the column `{name}`")

    def _doubt(self, scope: Scope, column: exp.Column, *, may_be_alias: bool) -> str:
        """Return what else a name may be than a column of a table whose columns are not known; empty if nothing."""
        name = column.name
        if may_be_alias:
            return f"`{name}` may be a column of a table, or the column of the query with that name"
        if self._may_be_text(column):
            return f'`"{name}"` is a text if no table has the column: with its table before it, it is a column'
        if name.upper() in _VALUES and not column.this.quoted:
            return f"`{name}` may be a column or a value of the session"
        if name in self._sources(scope):
            return f"`{name}` may be a column or a whole row"
        if scope.parent is not None and scope.can_be_correlated:
            return f"`{name}` in a subquery may be a column of the query around it"
        return ""

    def _may_be_text(self, column: exp.Column) -> bool:
        """Whether SQLite takes the word for a text if no table has a column of that name: it is in double quotes."""
        start = column.this.meta.get("start", len(self._text))
        return self._dialect == "sqlite" and column.this.quoted and self._text[start : start + 1] in ('"', "")

    def _earlier_alias(self, scope: Scope, name: str, within: exp.Expr) -> exp.Expr | None:
        """Return the column of the same SELECT to which a name may refer, in dialects that allow that."""
        if not self._has_lateral_aliases or not isinstance(scope.expression, exp.Select):
            return None
        for each in scope.expression.selects:
            if each is within:
                return None
            if isinstance(each, exp.Alias) and _same(each.alias, name):
                return each
        return None

    # Sources

    def _of_sources(
        self, scope: Scope, sources: Mapping[str, exp.Table | Scope], name: str, *, ambiguous: bool = False
    ) -> set[ColumnOrigin]:
        """Return the origins of a column of one of the sources; of several for a column of `USING`.

        `ambiguous`: several sources may have the column, as with `*`; a column by itself can only be in one of them.
        """
        possible = [each for each in sources.values() if self._may_have(each, name)]
        certain = [each for each in possible if self._columns(each) is not None]
        two = 2
        if name.casefold() in self._using(scope) and (
            len(certain) == len(possible) or len(self._sources(scope)) == two
        ):
            return set().union(*(self._of_source(each, name) for each in possible))
        chosen = certain if len(certain) == 1 and not ambiguous else possible
        if len(chosen) != 1:
            problem = "no table of the query has" if not chosen else "more than one table of the query may have"
            raise UnknownOriginError(f"{problem} the column `{name}`")
        return self._of_source(chosen[0], name)

    def _of_source(self, source: exp.Table | Scope, name: str) -> set[ColumnOrigin]:
        columns = self._columns(source)
        if isinstance(source, exp.Table):
            if not isinstance(source.this, exp.Identifier):
                raise UnknownOriginError("the rows come from a function")
            spelled = name if columns is None else _spelled(name, columns)
            if spelled is None:
                raise UnknownOriginError(f"{'.'.join(_words(source))} has no column `{name}`")
            return {ColumnOrigin(_words(source), spelled)}
        if renamed := _renamed(source):
            return self._of_output(source, f"#{_place(name, renamed)}")
        return self._of_output(source, name)

    def _columns(self, source: exp.Table | Scope) -> Sequence[str] | None:
        """Return the columns of a source; None if they are not known."""
        if isinstance(source, Scope):
            return _renamed(source) or self._outputs(source)
        found = self._known.get(_words(source))
        return None if found is None else list(found)

    def _may_have(self, source: exp.Table | Scope, name: str) -> bool:
        columns = self._columns(source)
        return columns is None or any(_same(each, name) for each in columns)

    def _sources(self, scope: Scope) -> Mapping[str, exp.Table | Scope]:
        """Return the tables and subqueries of FROM and JOIN, by their names there."""
        return {name: source for name, (_, source) in scope.selected_sources.items()}

    def _using(self, scope: Scope) -> set[str]:
        joins = scope.expression.args.get("joins") or []
        return {each.name.casefold() for join in joins for each in join.args.get("using") or []}


def _words(table: exp.Table) -> Table:
    return tuple(each.name for each in table.parts)


def _name(column: exp.Expr) -> str:
    """Return the name that the query itself gives to a column; empty for an expression without an alias."""
    return column.alias or (column.name if isinstance(column, exp.Column) else "")


def _changes(star: exp.Expr) -> bool:
    """Whether a `*` leaves columns out, or gives them other values or names."""
    inner = star.this if isinstance(star, exp.Column) else star
    return any(inner.args.get(each) for each in ("except_", "except", "replace", "rename"))


def _place(name: str, names: Sequence[str]) -> int:
    spelled = _spelled(name, names)
    if spelled is None or names.count(spelled) != 1:
        raise UnknownOriginError(f"the query has no column `{name}`, or more than one")
    return names.index(spelled)


def _renamed(scope: Scope) -> list[str]:
    """Return the names that `WITH x (a, b)` or `(...) AS x (a, b)` gives to the columns of a subquery; usually none."""
    parent = scope.expression.parent
    alias = parent.args.get("alias") if isinstance(parent, exp.CTE | exp.Subquery) else None
    return [each.name for each in alias.columns] if isinstance(alias, exp.TableAlias) else []

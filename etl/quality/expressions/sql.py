"""SQL condition -> Polars expression.

Belongs here: what each allowed piece of SQL means. Not here: what is allowed (`etl.quality.sql_predicate`), arithmetic
and comparison of values (`terms`).

Logic is three-valued. Comparisons are exact, and FALSE where a side is NaN. `/` is a float64 division; a division by
zero is infinite. Text is compared by code point, letter case included.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from functools import reduce
from typing import Any

import polars as pl
from sqlglot import exp

from etl.quality.expressions import terms
from etl.quality.expressions.exact import is_in, steps_limits
from etl.quality.expressions.literals import Unjudgeable
from etl.quality.expressions.terms import NULL, Term
from etl.quality.regex import check_pattern
from etl.quality.sql_predicate import cast_type, parse_predicate, read_moment

Schema = Mapping[str, pl.DataType]

_COMPARISONS: dict[type[exp.Expr], str] = {
    exp.EQ: "==",
    exp.NEQ: "!=",
    exp.LT: "<",
    exp.LTE: "<=",
    exp.GT: ">",
    exp.GTE: ">=",
}
# Arguments of a node that may be set. Any other argument would change the meaning without being noticed.
_ARGUMENTS: dict[type[exp.Expr], frozenset[str]] = {
    exp.Literal: frozenset({"this", "is_string"}),
    exp.Identifier: frozenset({"this", "quoted"}),
    exp.In: frozenset({"this", "expressions"}),
    exp.Between: frozenset({"this", "low", "high"}),
    exp.Like: frozenset({"this", "expression", "negate"}),
    exp.ILike: frozenset({"this", "expression", "negate"}),
    exp.Case: frozenset({"this", "ifs", "default"}),
    exp.If: frozenset({"this", "true", "false"}),
    exp.Coalesce: frozenset({"this", "expressions"}),
    exp.Cast: frozenset({"this", "to"}),
    exp.Div: frozenset({"this", "expression", "typed", "safe"}),
    exp.DPipe: frozenset({"this", "expression", "safe"}),
    exp.Trim: frozenset({"this", "expression", "position"}),
}
_USUAL = frozenset({"this", "expression"})


def translate(text: str, schema: Schema) -> pl.Expr:
    """Return the condition as an expression: TRUE, FALSE or null. Raises `Unjudgeable`."""
    try:
        predicate = parse_predicate(text)
        truth = terms.boolean(_term(predicate.tree, schema), "the condition")
        # A constant, such as TRUE, is one value to Polars; here it is a verdict about every row.
        return truth if truth.meta.root_names() else pl.repeat(value=True, n=pl.len(), dtype=pl.Boolean) & truth
    except Unjudgeable as refused:
        raise Unjudgeable(f"`{text}`: {refused.problem}", refused.hint) from refused
    except ValueError as refused:
        raise Unjudgeable(f"`{text}`: {refused}") from refused


def _term(node: exp.Expr, schema: Schema) -> Term:
    if not isinstance(node, exp.DataType):
        unknown = {key for key, value in node.args.items() if value} - _ARGUMENTS.get(type(node), _USUAL)
        if unknown:
            raise Unjudgeable(f"`{node.sql(dialect='duckdb')}`: {', '.join(sorted(unknown))} is not understood here")
    if type(node) in _COMPARISONS:
        return _truth(terms.compare(_term(node.this, schema), _COMPARISONS[type(node)], _term(node.expression, schema)))
    meaning = _MEANINGS.get(type(node))
    if meaning is None:
        raise Unjudgeable(f"`{node.sql(dialect='duckdb')}` is not allowed in a condition")
    return meaning(node, schema)


def _truth(expr: pl.Expr) -> Term:
    return Term(expr, pl.Boolean())


def _bool(node: exp.Expr, schema: Schema) -> pl.Expr:
    return terms.boolean(_term(node, schema), f"`{node.sql(dialect='duckdb')}`")


def _text(node: exp.Expr, schema: Schema) -> pl.Expr:
    return terms.text(_term(node, schema), f"`{node.parent.sql(dialect='duckdb') if node.parent else ''}`")


def _column(node: exp.Expr, schema: Schema) -> Term:
    if node.name not in schema:
        raise Unjudgeable(f"the column `{node.name}` does not exist")
    return terms.of_column(node.name, schema[node.name])


def _literal(node: exp.Expr, schema: Schema) -> Term:
    del schema
    if node.args.get("is_string"):
        return terms.of_literal(str(node.this))
    try:
        return terms.of_literal(Decimal(str(node.this)))
    except InvalidOperation as odd:
        raise Unjudgeable(f"`{node.this}` is not a number") from odd


def _is(node: exp.Expr, schema: Schema) -> Term:
    wanted = node.expression
    term = _term(node.this, schema)
    if isinstance(wanted, exp.Null):
        return _truth(pl.lit(value=True) if term.is_null else terms.materialize(term).is_null())
    if isinstance(wanted, exp.Boolean):
        value = _bool(node.this, schema)
        return _truth((value if wanted.this else value.not_()).fill_null(value=False))
    raise Unjudgeable("IS takes NULL, TRUE or FALSE")


def _null_safe(node: exp.Expr, schema: Schema) -> Term:
    left, right = _term(node.this, schema), _term(node.expression, schema)
    both_null = _null_check(left) & _null_check(right)
    same = terms.compare(left, "==", right).fill_null(value=False) | both_null
    return _truth(same if isinstance(node, exp.NullSafeEQ) else same.not_())


def _null_check(term: Term) -> pl.Expr:
    return pl.lit(term.is_null) if term.expr is None else term.expr.is_null()


def _in(node: exp.Expr, schema: Schema) -> Term:
    value = _term(node.this, schema)
    options = [_term(each, schema) for each in node.expressions]
    plain = value.expr is not None and all(option.expr is None and not option.is_null for option in options)
    if plain and value.expr is not None and not isinstance(value.dtype, pl.Decimal):
        return _truth(is_in(value.expr, value.dtype, [option.value for option in options]))
    return _truth(reduce(lambda one, other: one | other, [terms.compare(value, "==", option) for option in options]))


def _between(node: exp.Expr, schema: Schema) -> Term:
    value = _term(node.this, schema)
    low = terms.compare(value, ">=", _term(node.args["low"], schema))
    return _truth(low & terms.compare(value, "<=", _term(node.args["high"], schema)))


def _like(node: exp.Expr, schema: Schema) -> Term:
    pattern = _constant(node.expression, schema, "LIKE")
    parts = (".*" if each == "%" else "." if each == "_" else re.escape(each) for each in pattern)
    flags = "(?si)" if isinstance(node, exp.ILike) else "(?s)"
    matched = _text(node.this, schema).str.contains(f"{flags}^{''.join(parts)}$")
    return _truth(matched.not_() if node.args.get("negate") else matched)


def _constant(node: exp.Expr, schema: Schema, what: str) -> str:
    term = _term(node, schema)
    if term.expr is not None or not isinstance(term.value, str):
        raise Unjudgeable(f"{what} takes a pattern in quotes")
    return term.value


def _regexp(node: exp.Expr, schema: Schema) -> Term:
    pattern = check_pattern(_constant(node.expression, schema, "regexp_matches"))
    return _truth(_text(node.this, schema).str.contains(pattern))


def _concat(node: exp.Expr, schema: Schema) -> Term:
    return Term(_text(node.this, schema) + _text(node.expression, schema), pl.String())


def _trim(node: exp.Expr, schema: Schema) -> Term:
    value = _text(node.this, schema)
    characters = _constant(node.expression, schema, "TRIM") if node.expression else " "
    position = str(node.args.get("position") or "BOTH").upper()
    if position == "LEADING":
        return Term(value.str.strip_chars_start(characters), pl.String())
    if position == "TRAILING":
        return Term(value.str.strip_chars_end(characters), pl.String())
    return Term(value.str.strip_chars(characters), pl.String())


def _abs(node: exp.Expr, schema: Schema) -> Term:
    term = _term(node.this, schema)
    if term.is_exact:
        return terms.exact(terms.whole_steps(term).abs(), term.scale, term.digits)
    return Term(terms.as_float(term).abs(), pl.Float64())


def _is_nan(node: exp.Expr, schema: Schema) -> Term:
    term = _term(node.this, schema)
    if term.expr is None or not term.dtype.is_float():
        raise Unjudgeable("isnan takes a float column")
    return _truth(term.expr.is_nan())


def _date_part(node: exp.Expr, schema: Schema) -> Term:
    term = _term(node.this, schema)
    if term.expr is None or not isinstance(term.dtype, pl.Date | pl.Datetime):
        raise Unjudgeable(f"{type(node).__name__.lower()} takes a date or a moment, not {term.dtype}")
    moment = term.expr.dt
    parts: dict[type[exp.Expr], Callable[[], pl.Expr]] = {
        exp.Year: moment.year,
        exp.Month: moment.month,
        exp.Day: moment.day,
    }
    return terms.exact(parts[type(node)]().cast(pl.Int128), 0, 6)


def _case(node: exp.Expr, schema: Schema) -> Term:
    subject = _term(node.this, schema) if node.this is not None else None
    conditions = [
        _bool(branch.this, schema) if subject is None else terms.compare(subject, "==", _term(branch.this, schema))
        for branch in node.args["ifs"]
    ]
    default = node.args.get("default")
    results = [_term(branch.args["true"], schema) for branch in node.args["ifs"]]
    results.append(_term(default, schema) if default is not None else NULL)
    exprs, build = _unify(results)
    chosen = exprs[-1]
    for condition, result in reversed(list(zip(conditions, exprs[:-1], strict=True))):
        chosen = pl.when(condition).then(result).otherwise(chosen)
    return build(chosen)


def _coalesce(node: exp.Expr, schema: Schema) -> Term:
    exprs, build = _unify([_term(each, schema) for each in (node.this, *node.expressions)])
    return build(pl.coalesce(exprs))


def _null_if(node: exp.Expr, schema: Schema) -> Term:
    value, other = _term(node.this, schema), _term(node.expression, schema)
    exprs, build = _unify([value])
    equal = terms.compare(value, "==", other).fill_null(value=False)
    return build(pl.when(equal.not_()).then(exprs[0]))


def _unify(values: Sequence[Term]) -> tuple[list[pl.Expr], Callable[[pl.Expr], Term]]:
    """Bring several results to one type. Return them, and a function that makes a term from the chosen result."""
    real = [value for value in values if not value.is_null]
    if not real:
        raise Unjudgeable("every result is NULL")
    if all(value.is_exact for value in real):
        scale = max(value.scale for value in real)
        digits = max(value.digits - value.scale for value in real) + scale
        exprs = [
            pl.lit(None, dtype=pl.Int128) if value.is_null else terms.whole_steps(value, scale) for value in values
        ]
        return exprs, lambda expr: terms.exact(expr, scale, digits)
    if all(value.is_exact or value.dtype.is_float() for value in real):
        return [terms.as_float(value) for value in values], lambda expr: Term(expr, pl.Float64())
    dtype = real[0].dtype
    if any(value.dtype != dtype for value in real):
        raise Unjudgeable(f"the results have different types: {', '.join(str(value.dtype) for value in real)}")
    exprs = [pl.lit(None, dtype=dtype) if value.is_null else terms.materialize(value) for value in values]
    return exprs, lambda expr: Term(expr, dtype)


def _cast(node: exp.Cast, schema: Schema) -> Term:
    term = _term(node.this, schema)
    kind = cast_type(node)
    if term.is_null:
        return NULL
    if kind in ("DATE", "TIMESTAMP") and term.expr is None and isinstance(term.value, str):
        return terms.of_literal(read_moment(term.value, kind))
    if kind in ("DOUBLE", "FLOAT") and (term.is_exact or term.dtype.is_float()):
        return Term(terms.as_float(term), pl.Float64())
    if kind in ("VARCHAR", "TEXT"):
        return _to_text(term)
    if kind == "DATE" and isinstance(term.dtype, pl.Date | pl.Datetime):
        return Term(terms.materialize(term).dt.date(), pl.Date())
    if kind == "TIMESTAMP" and isinstance(term.dtype, pl.Date):
        return Term(terms.materialize(term).cast(pl.Datetime("us")), pl.Datetime("us"))
    if isinstance(term.dtype, pl.String) and term.expr is not None:
        return _from_text(term.expr, kind)
    if kind in ("TINYINT", "SMALLINT", "INT", "BIGINT", "INT128") and term.is_exact and term.scale == 0:
        return _from_steps(term, kind)
    raise Unjudgeable(
        f"CAST of {term.dtype} to {kind} is not exact, or not the same in every database", "do it in the transform"
    )


_INTEGERS: dict[str, pl.DataType] = {
    "TINYINT": pl.Int8(),
    "SMALLINT": pl.Int16(),
    "INT": pl.Int32(),
    "BIGINT": pl.Int64(),
    "INT128": pl.Int128(),
}


def _from_steps(term: Term, kind: str) -> Term:
    dtype = _INTEGERS[kind]
    return Term(terms.whole_steps(term).cast(dtype, strict=True), dtype, digits=len(str(steps_limits(dtype)[1])))


def _to_text(term: Term) -> Term:
    if isinstance(term.dtype, pl.String):
        return term
    if term.is_exact and term.scale == 0:
        return Term(terms.whole_steps(term).cast(pl.String), pl.String())
    raise Unjudgeable(f"{term.dtype} can be written as text in several ways", "do it in the transform")


def _from_text(expr: pl.Expr, kind: str) -> Term:
    """Read text strictly: a value that cannot be read makes the rule an error. It never becomes an unjudged null."""
    if kind == "DATE":
        return Term(expr.str.to_date("%Y-%m-%d", strict=True), pl.Date())
    if kind == "TIMESTAMP":
        return Term(expr.str.to_datetime(time_unit="us", strict=True), pl.Datetime("us"))
    if kind == "DOUBLE":
        return Term(expr.cast(pl.Float64, strict=True), pl.Float64())
    if kind in _INTEGERS:
        dtype = _INTEGERS[kind]
        return Term(expr.cast(dtype, strict=True), dtype, digits=len(str(steps_limits(dtype)[1])))
    raise Unjudgeable(f"CAST of text to {kind} is not allowed")


def _pair(operation: Callable[[Term, Term], Term]) -> Callable[[exp.Expr, Schema], Term]:
    return lambda node, schema: operation(_term(node.this, schema), _term(node.expression, schema))


def _of_text(operation: Callable[[pl.Expr], pl.Expr]) -> Callable[[exp.Expr, Schema], Term]:
    return lambda node, schema: Term(operation(_text(node.this, schema)), pl.String())


def _of_texts(operation: Callable[[pl.Expr, pl.Expr], pl.Expr]) -> Callable[[exp.Expr, Schema], Term]:
    return lambda node, schema: _truth(operation(_text(node.this, schema), _text(node.expression, schema)))


_MEANINGS: dict[type[exp.Expr], Callable[[Any, Schema], Term]] = {
    exp.Column: _column,
    exp.Literal: _literal,
    exp.Boolean: lambda node, _: terms.of_literal(bool(node.this)),
    exp.Null: lambda _node, _schema: NULL,
    exp.Paren: lambda node, schema: _term(node.this, schema),
    exp.And: lambda node, schema: _truth(_bool(node.this, schema) & _bool(node.expression, schema)),
    exp.Or: lambda node, schema: _truth(_bool(node.this, schema) | _bool(node.expression, schema)),
    exp.Not: lambda node, schema: _truth(_bool(node.this, schema).not_()),
    exp.Is: _is,
    exp.NullSafeEQ: _null_safe,
    exp.NullSafeNEQ: _null_safe,
    exp.In: _in,
    exp.Between: _between,
    exp.Like: _like,
    exp.ILike: _like,
    exp.RegexpLike: _regexp,
    exp.Neg: lambda node, schema: terms.negate(_term(node.this, schema)),
    exp.Add: _pair(lambda left, right: terms.add(left, right, 1)),
    exp.Sub: _pair(lambda left, right: terms.add(left, right, -1)),
    exp.Mul: _pair(terms.multiply),
    exp.Div: _pair(terms.divide),
    exp.Mod: _pair(terms.remainder),
    exp.DPipe: _concat,
    exp.Case: _case,
    exp.Coalesce: _coalesce,
    exp.Nullif: _null_if,
    exp.Cast: _cast,
    exp.Length: lambda node, schema: terms.exact(_text(node.this, schema).str.len_chars().cast(pl.Int128), 0, 10),
    exp.Lower: _of_text(lambda value: value.str.to_lowercase()),
    exp.Upper: _of_text(lambda value: value.str.to_uppercase()),
    exp.Trim: _trim,
    exp.Abs: _abs,
    exp.StartsWith: _of_texts(lambda value, start: value.str.starts_with(start)),
    exp.EndsWith: _of_texts(lambda value, end: value.str.ends_with(end)),
    exp.Contains: _of_texts(lambda value, part: value.str.contains(part, literal=True)),
    exp.Year: _date_part,
    exp.Month: _date_part,
    exp.Day: _date_part,
    exp.IsNan: _is_nan,
}

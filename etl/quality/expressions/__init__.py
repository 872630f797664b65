"""Rule -> exact Polars expression: the semantics, written once."""

from etl.quality.expressions.literals import Unjudgeable
from etl.quality.expressions.plan import Compiled, ExpressionPlan, compile_rule, compile_rules
from etl.quality.expressions.rows import Scope, verdict
from etl.quality.expressions.table import ROWS, RuleFinding

__all__ = [
    "ROWS",
    "Compiled",
    "ExpressionPlan",
    "RuleFinding",
    "Scope",
    "Unjudgeable",
    "compile_rule",
    "compile_rules",
    "verdict",
]

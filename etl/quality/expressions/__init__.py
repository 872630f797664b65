"""Rule -> exact Polars expression: the semantics, written once."""

from etl.quality.expressions.literals import Unjudgeable
from etl.quality.expressions.plan import Compiled, Plan, compile_rule, compile_rules
from etl.quality.expressions.rows import Scope, verdict
from etl.quality.expressions.table import ROWS, Finding

__all__ = ["ROWS", "Compiled", "Finding", "Plan", "Scope", "Unjudgeable", "compile_rule", "compile_rules", "verdict"]

"""What an engine object can do by itself: `check`, `profile`, `learn`, and `with engine:`.

    with PolarsEngine() as engine:
        result = engine.check(frame, [{"column": "lot_id", "type": "not_null"}])

Belongs here: the methods that every engine has in the same form. Not here: judging (`engines`), what `check()`
does with an engine (`checking`).
"""

from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Self

from etl.quality.checking import check
from etl.quality.data import Readable, open_data
from etl.quality.engine import DataQualityEngine, Strictness
from etl.quality.results import CheckResult, LearnResult, ProfileResult
from etl.quality.rules import AnyRule


class EngineMethods:
    """The methods that an engine's users call. Derive an engine of your own from this class and write

    - `name`, as results show it,
    - `capabilities`, which rules the engine judges,
    - `judge(data, rules, context)`, which judges them.

    `check` then is `etl.quality.check` with this engine: preflight, exactly one result for each rule, no false green.
    `profile` and `learn` are exact and the same for each engine; an engine that knows more of a column has its own.
    """  # noqa: D415  the sentence goes on in the list

    def check(
        self: DataQualityEngine,
        data: Readable,
        rules: Sequence[AnyRule | Mapping[str, Any]] = (),
        **options: Any,  # noqa: ANN401  the keyword arguments of check()
    ) -> CheckResult:
        """Judge rules with this engine; `options` are those of `etl.quality.check`."""
        return check(data, rules, engine=self, **options)

    def profile(self: DataQualityEngine, data: Readable, columns: Sequence[str] | None = None) -> ProfileResult:
        """Describe the columns: exact counts, bounds, means and lengths."""
        from etl.quality.profile import profile_columns  # noqa: PLC0415  only who profiles pays for it

        return profile_columns(open_data(data), columns, self.name)

    def learn(
        self: DataQualityEngine,
        data: Readable,
        strictness: Strictness = "moderate",
        *,
        holdout: float | None = None,
    ) -> LearnResult:
        """Derive rules that the data passes, as this engine judges them.

        `strict` describes the data as it is. `moderate` and `lenient` are for the next delivery: the rules are tried on
        rows that they were not learned from (`holdout`, the share of the rows), and rules that break there are widened
        or left out. The result names them.
        """
        from etl.quality.learn import learn_rules  # noqa: PLC0415  only who learns pays for it

        return learn_rules(open_data(data), strictness, self, holdout)

    def __enter__(self) -> Self:
        """Return the engine. An engine that holds something, such as a connection, opens it here."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, raised: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Do nothing: the engines of this package hold nothing between two calls."""

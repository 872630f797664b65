"""How far apart two sets of values are: PSI, Kolmogorov-Smirnov, chi-square, Jensen-Shannon.

Belongs here: computing the measures. Not here: what the numbers mean for a column (`drift`).
"""

import math

import polars as pl

_BINS = 10
# Keeps an empty bin from making a share zero, as the library does.
_TINY = 0.0001


def psi(base: pl.Series, current: pl.Series) -> float:
    """Population stability index over ten bins of equal width."""
    shares = _binned(base, current)
    return math.fsum((now - was) * math.log(now / was) for was, now in zip(*shares, strict=True))


def js(base: pl.Series, current: pl.Series, *, numeric: bool) -> float:
    """Jensen-Shannon divergence, 0 to 1."""
    if numeric:
        left, right = _binned(base, current)
    else:
        left, right = (_shares(each) for each in categories(base, current))
    middle = [(was + now) / 2 for was, now in zip(left, right, strict=True)]
    return (_divergence(left, middle) + _divergence(right, middle)) / 2 / math.log(2)


def ks(base: pl.Series, current: pl.Series) -> tuple[float, float]:
    """Largest distance between the two cumulative distributions, and the probability of a larger one by chance."""
    both = pl.concat(
        [
            pl.DataFrame({"value": base, "was": 1 / len(base), "now": 0.0}),
            pl.DataFrame({"value": current, "was": 0.0, "now": 1 / len(current)}),
        ]
    )
    steps = both.group_by("value").agg(pl.col("was", "now").sum()).sort("value")
    gap = steps.select((pl.col("was").cum_sum() - pl.col("now").cum_sum()).abs().max()).item()
    size = len(base) * len(current) / (len(base) + len(current))
    return float(gap), _kolmogorov(float(gap) * math.sqrt(size))


def chi_square(base: list[int], current: list[int]) -> tuple[float, float]:
    """Pearson's statistic over the categories of both sides, and its probability."""
    if len(base) == 1:
        return 0.0, 1.0
    before, after = sum(base), sum(current)
    statistic = 0.0
    for was, now in zip(base, current, strict=True):
        for seen, size in ((was, before), (now, after)):
            expected = (was + now) * size / (before + after)
            statistic += (seen - expected) ** 2 / expected
    return statistic, _beyond_chi_square(statistic, len(base) - 1)


def categories(base: pl.Series, current: pl.Series) -> tuple[list[int], list[int]]:
    """Count every category of either side on both sides."""
    counts = [
        pl.DataFrame({"value": each}).group_by("value").agg(pl.len().alias(name))
        for name, each in (("was", base), ("now", current))
    ]
    both = counts[0].join(counts[1], on="value", how="full", coalesce=True).sort("value").fill_null(0)
    return both["was"].to_list(), both["now"].to_list()


def _binned(base: pl.Series, current: pl.Series) -> tuple[list[float], list[float]]:
    bounds = [
        float(end) for each in (base, current) for end in (each.min(), each.max()) if isinstance(end, int | float)
    ]
    low, high = min(bounds), max(bounds)
    if low == high:
        return [1.0], [1.0]
    if not (math.isfinite(low) and math.isfinite(high)):
        # An infinite value fits into no bin of equal width, so values are then compared by their sign and infinity.
        return _shares(_signs(base)), _shares(_signs(current))
    counts = []
    for each in (base, current):
        width = (high - low) / _BINS
        index = ((each - low) / width).floor().clip(0, _BINS - 1).cast(pl.Int64)
        seen = dict(index.value_counts().iter_rows())
        counts.append([seen.get(position, 0) for position in range(_BINS)])
    return _shares(counts[0]), _shares(counts[1])


def _signs(values: pl.Series) -> list[int]:
    kinds = (values == -math.inf, (values < 0) & (values > -math.inf), (values >= 0) & (values < math.inf))
    known = [int(each.sum() or 0) for each in kinds]
    return [*known, len(values) - sum(known)]


def _shares(counts: list[int]) -> list[float]:
    total = sum(counts) + _TINY * len(counts)
    return [(count + _TINY) / total for count in counts]


def _divergence(left: list[float], right: list[float]) -> float:
    parts = (was * math.log(was / now) for was, now in zip(left, right, strict=True) if was > 0 and now > 0)
    return math.fsum(parts)


def _kolmogorov(distance: float) -> float:
    """Tail of the Kolmogorov distribution; its series does not converge near zero, where the tail is 1."""
    if distance < 0.2:  # noqa: PLR2004  the tail differs from 1 by less than 1e-12 there
        return 1.0
    terms = ((1 if k % 2 else -1) * math.exp(-2 * k * k * distance * distance) for k in range(1, 101))
    return max(0.0, min(1.0, 2 * sum(terms)))


def _beyond_chi_square(statistic: float, freedom: int) -> float:
    """Upper tail, by the regularised incomplete gamma function: series below the mean, continued fraction above."""
    half, x = freedom / 2, statistic / 2
    if x <= 0:
        return 1.0
    scale = math.exp(-x + half * math.log(x) - math.lgamma(half))
    if x < half + 1:
        term = total = 1 / half
        step = half
        while term > total * 1e-15:
            step += 1
            term *= x / step
            total += term
        return max(0.0, 1 - total * scale)
    tiny = 1e-300
    b = x + 1 - half
    c, d = 1 / tiny, 1 / b
    fraction = d
    for i in range(1, 10_000):
        a = -i * (i - half)
        b += 2
        d = 1 / (a * d + b or tiny)
        c = b + a / c or tiny
        fraction *= d * c
        if abs(d * c - 1) < 1e-15:  # noqa: PLR2004
            break
    return min(1.0, fraction * scale)

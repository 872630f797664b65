"""Tables as they come from shops, taxis, factories and web sites: skewed, with nulls, rare values and long tails."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import numpy as np
import polars as pl

Chance = np.random.Generator


def _some_null(chance: Chance, values: list[object], share: float) -> list[object]:
    return [None if gone else value for value, gone in zip(values, chance.random(len(values)) < share, strict=True)]


def _zipf(chance: Chance, words: list[str], rows: int, power: float = 1.4) -> list[object]:
    weights = 1 / np.arange(1, len(words) + 1) ** power
    return [words[int(place)] for place in chance.choice(len(words), rows, p=weights / weights.sum())]


def _cents(values: np.ndarray) -> pl.Series:
    return pl.Series([Decimal(round(float(each) * 100)).scaleb(-2) for each in values], dtype=pl.Decimal(12, 2))


def orders(chance: Chance, rows: int) -> pl.DataFrame:
    """Northwind's orders: a growing key, dates that follow each other, freight with a long tail."""
    ordered = [date(2024, 1, 1) + timedelta(days=int(each)) for each in np.sort(chance.integers(0, 700, rows))]
    shipped = [None if chance.random() < 0.03 else day + timedelta(days=int(chance.gamma(2, 4))) for day in ordered]
    countries = ["USA", "Germany", "Brazil", "France", "UK", "Venezuela", "Austria", "Sweden", "Canada", "Italy", "Mexico",
                 "Spain", "Finland", "Belgium", "Ireland", "Denmark", "Portugal", "Norway", "Poland", "Argentina", "Switzerland"]  # fmt: skip
    return pl.DataFrame(
        {
            "order_id": range(10_248, 10_248 + rows),
            "customer_id": [f"{'ABCDEFGH'[int(each) % 8]}{int(each):04d}" for each in chance.zipf(1.6, rows) % 900],
            "employee_id": chance.integers(1, 10, rows),
            "order_date": ordered,
            "shipped_date": shipped,
            "ship_via": chance.integers(1, 4, rows),
            "freight": _cents(chance.lognormal(3.2, 1.3, rows)),
            "ship_country": _zipf(chance, countries, rows),
            "ship_region": _some_null(
                chance, _zipf(chance, ["WA", "SP", "RJ", "BC", "Isle of Wight", "Táchira"], rows), 0.6
            ),
        }
    )


def order_lines(chance: Chance, rows: int) -> pl.DataFrame:
    """Lines of orders: prices from a list, quantities with a tail, rare discounts."""
    prices = np.round(chance.lognormal(3, 0.8, 77), 2)
    product = chance.integers(1, 78, rows)
    return pl.DataFrame(
        {
            "order_id": np.sort(chance.integers(10_248, 10_248 + rows // 2, rows)),
            "product_id": product,
            "unit_price": _cents(prices[product - 1]),
            "quantity": np.minimum(chance.geometric(0.04, rows), 130),
            "discount": chance.choice([0.0, 0.05, 0.1, 0.15, 0.2, 0.25], rows, p=[0.6, 0.1, 0.1, 0.08, 0.07, 0.05]),
        }
    )


def trips(chance: Chance, rows: int) -> pl.DataFrame:
    """Taxi trips of New York: refunds below zero, rates of 99, missing passengers, some trips of a day."""
    started = np.sort(chance.integers(0, 31 * 86_400, rows))
    pickup = [datetime(2025, 1, 1) + timedelta(seconds=int(each)) for each in started]  # noqa: DTZ001
    seconds = chance.lognormal(6.4, 0.7, rows) + (chance.random(rows) < 0.001) * 80_000
    miles = chance.lognormal(0.6, 0.9, rows) * (chance.random(rows) > 0.01)
    fare = np.round(3 + miles * 2.9 + seconds / 100, 2) * np.where(chance.random(rows) < 0.01, -1, 1)
    return pl.DataFrame(
        {
            "vendor_id": chance.choice([1, 2, 6], rows, p=[0.25, 0.7485, 0.0015]),
            "pickup": pickup,
            "dropoff": [begin + timedelta(seconds=int(each)) for begin, each in zip(pickup, seconds, strict=True)],
            "passenger_count": _some_null(
                chance, [int(each) for each in chance.choice(8, rows, p=[0.015, 0.75, 0.14, 0.04, 0.03, 0.015, 0.0095, 0.0005])], 0.04
            ),
            "trip_distance": np.round(miles, 2),
            "rate_code": chance.choice([1, 2, 3, 4, 5, 6, 99], rows, p=[0.94, 0.04, 0.003, 0.002, 0.0095, 0.0005, 0.005]),
            "store_and_forward": _some_null(chance, ["N" if each > 0.006 else "Y" for each in chance.random(rows)], 0.04),
            "pu_location": chance.zipf(1.3, rows) % 265 + 1,
            "payment_type": chance.choice([1, 2, 3, 4], rows, p=[0.8, 0.17, 0.01, 0.02]),
            "fare": fare,
            "tip": np.round(np.maximum(0, fare * 0.2) * chance.choice([0, 1, 1.5, 8], rows, p=[0.3, 0.6, 0.09, 0.01]), 2),
            "tolls": np.round((chance.random(rows) < 0.08) * chance.choice([6.94, 14.06, 19.38], rows), 2),
            "airport_fee": _some_null(chance, [float(each) for each in chance.choice([0, 1.75], rows, p=[0.92, 0.08])], 0.04),
        }
    )  # fmt: skip


def customers(chance: Chance, rows: int) -> pl.DataFrame:
    """Customers: texts of any length, unique addresses, optional fields, few categories of which some are rare."""
    sizes = chance.geometric(0.1, rows)
    words = [
        "".join("abcdefghijklmnopqrstuvwxyzé"[int(each)] for each in chance.integers(0, 27, int(size) + 1))
        for size in sizes
    ]
    return pl.DataFrame(
        {
            "customer_id": [f"C{each:07d}" for each in chance.permutation(rows * 3)[:rows]],
            "name": words,
            "email": _some_null(chance, [f"{word}{place}@example.com" for place, word in enumerate(words)], 0.02),
            "phone": _some_null(chance, [f"+{int(each)}" for each in chance.integers(10**9, 10**12, rows)], 0.3),
            "segment": _zipf(chance, ["retail", "small business", "enterprise", "public"], rows, 2.2),
            "vat_id": _some_null(chance, [f"DE{int(each)}" for each in chance.integers(10**8, 10**9, rows)], 0.9),
            "newsletter": [bool(each) for each in chance.random(rows) < 0.3],
            "credit_limit": np.round(chance.pareto(2, rows) * 1000, -2),
            "birth_year": _some_null(chance, [int(each) for each in chance.normal(1980, 15, rows)], 0.1),
        }
    )


def lots(chance: Chance, rows: int) -> pl.DataFrame:
    """Lots of a factory: steps in order, quantities that shrink, yields near 1, a few products."""
    start = np.sort(chance.integers(0, 90 * 86_400, rows))
    quantity = chance.choice([24, 25, 50, 100], rows, p=[0.05, 0.7, 0.2, 0.05])
    return pl.DataFrame(
        {
            "lot_id": [f"L{place // 6:06d}" for place in range(rows)],
            "product_code": _zipf(chance, [f"P-{each:03d}" for each in range(40)], rows),
            "process_step": [["ETCH", "CMP", "LITHO", "IMPLANT", "CVD", "TEST"][place % 6] for place in range(rows)],
            "qty_in": quantity,
            "qty_out": quantity - chance.binomial(quantity, 0.01),
            "yield_rate": np.round(1 - chance.beta(1, 60, rows), 4),
            "operator": _some_null(chance, _zipf(chance, [f"op{each}" for each in range(15)], rows, 0.8), 0.01),
            "created_at": [datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=int(each)) for each in start],
            "rework": _some_null(chance, [int(each) for each in chance.poisson(0.05, rows)], 0.002),
        }
    )


def readings(chance: Chance, rows: int) -> pl.DataFrame:
    """Readings of sensors: a season, a drift, spikes, gaps and NaN."""
    place = np.arange(rows)
    values = (
        20
        + 8 * np.sin(place / rows * 9)
        + chance.normal(0, 1, rows)
        + (chance.random(rows) < 0.002) * chance.normal(0, 60, rows)
    )
    values[chance.random(rows) < 0.003] = np.nan
    return pl.DataFrame(
        {
            "sensor": [f"s{each}" for each in chance.integers(1, 30, rows)],
            "at": [datetime(2026, 3, 1, tzinfo=UTC) + timedelta(minutes=int(each)) for each in place],
            "celsius": values,
            "humidity": np.clip(np.round(chance.normal(55, 12, rows)), 0, 100).astype(int),
            "battery": np.round(100 - place / rows * 40 + chance.normal(0, 1, rows), 1),
            "status": chance.choice(["ok", "low", "fail"], rows, p=[0.985, 0.0135, 0.0015]),
        }
    )


def events(chance: Chance, rows: int) -> pl.DataFrame:
    """Events of a web site: identifiers, a long tail of pages, durations, an error now and then."""
    return pl.DataFrame(
        {
            "event_id": [chance.bytes(16).hex() for _ in range(rows)],
            "user_id": _some_null(chance, [int(each) for each in chance.zipf(1.2, rows) % 50_000], 0.25),
            "kind": _zipf(chance, ["view", "click", "search", "cart", "buy", "error", "refund"], rows, 1.8),
            "path": [f"/{'abcdefghij'[int(each) % 10] * (int(each) % 30 + 1)}" for each in chance.zipf(1.5, rows) % 5000],
            "milliseconds": chance.lognormal(5, 1.5, rows).astype(int),
            "status": chance.choice([200, 204, 301, 304, 404, 500, 503], rows, p=[0.88, 0.02, 0.03, 0.04, 0.025, 0.004, 0.001]),
            "referrer": _some_null(chance, _zipf(chance, ["search", "mail", "social", "partner", "print"], rows, 1.1), 0.45),
            "amount": _some_null(chance, [round(float(each), 2) for each in chance.exponential(80, rows)], 0.95),
        }
    )  # fmt: skip


def payments(chance: Chance, rows: int) -> pl.DataFrame:
    """Payments: amounts over five orders of magnitude, currencies, a rare state, sorted by time."""
    return pl.DataFrame(
        {
            "payment_id": np.arange(rows) * 3 + 7,
            "amount": _cents(chance.lognormal(3.5, 2, rows)),
            "currency": _zipf(
                chance, ["EUR", "USD", "GBP", "KRW", "CHF", "SEK", "PLN", "JPY", "AUD", "NOK", "DKK"], rows, 1.7
            ),
            "state": _zipf(chance, ["settled", "pending", "failed", "disputed"], rows, 2.5),
            "fee": np.round(chance.gamma(2, 0.4, rows), 3),
            "booked": [date(2025, 1, 1) + timedelta(days=place * 365 // rows) for place in range(rows)],
            "iban_country": _some_null(chance, _zipf(chance, ["DE", "AT", "FR", "NL", "CH"], rows), 0.08),
            "retries": chance.poisson(0.1, rows),
        }
    )


def employees(chance: Chance, rows: int) -> pl.DataFrame:
    """A small table of people: everything nearly unique."""
    return pl.DataFrame(
        {
            "id": range(1, rows + 1),
            "name": [f"Name {int(each)}" for each in chance.integers(0, rows * 5, rows)],
            "salary": np.round(chance.lognormal(10.8, 0.4, rows), 2),
            "level": chance.choice([1, 2, 3, 4, 5], rows, p=[0.4, 0.3, 0.2, 0.09, 0.01]),
            "manager": _some_null(chance, [int(each) for each in chance.integers(1, rows // 8 + 2, rows)], 0.05),
            "hired": [date(2010, 1, 1) + timedelta(days=int(each)) for each in chance.integers(0, 5500, rows)],
            "remote": _some_null(chance, [bool(each) for each in chance.random(rows) < 0.5], 0.02),
        }
    )


def stock(chance: Chance, rows: int) -> pl.DataFrame:
    """Stock of articles: mostly zero, sometimes below zero, a text with a fixed width."""
    return pl.DataFrame(
        {
            "article": [f"{int(each):013d}" for each in chance.integers(4 * 10**12, 5 * 10**12, rows)],
            "warehouse": _zipf(chance, ["main", "north", "south", "returns"], rows, 1.2),
            "on_hand": np.where(chance.random(rows) < 0.6, 0, chance.negative_binomial(1, 0.02, rows))
            - (chance.random(rows) < 0.004) * 3,
            "weight": _some_null(chance, [round(float(each), 3) for each in chance.weibull(0.8, rows) * 4], 0.06),
            "unit": _zipf(chance, ["pc", "kg", "m", "l", "set"], rows, 2),
            "shelf": _some_null(
                chance, [f"{'ABCDEF'[int(each) % 6]}-{int(each) % 40}" for each in chance.integers(0, 240, rows)], 0.015
            ),
        }
    )


TABLES: dict[str, Callable[[Chance, int], pl.DataFrame]] = {
    each.__name__: each
    for each in (orders, order_lines, trips, customers, lots, readings, events, payments, employees, stock)
}


def table(name: str, seed: int, rows: int) -> pl.DataFrame:
    """Return the table of that name and seed, always the same."""
    return TABLES[name](np.random.default_rng([seed, *name.encode()]), rows)

"""Whether what is published was loaded: seen from the order of the events, and from versions where the order is not enough."""

from dagster import AssetKey, AssetMaterialization, DagsterInstance, MetadataValue

from etl.portal.made import loads_of, newest_made, order_of

PUBLISHED, LOADED = AssetKey(["acme", "extract", "orders"]), AssetKey(["acme", "load", "orders"])


def happen(instance: DagsterInstance, *events: tuple[AssetKey, str, str], table: str = "shop.orders") -> None:
    for asset, partition, version in events:
        metadata = {
            "version": MetadataValue.text(version),
            "dagster/partition_row_count": 7,
            "dagster/table_name": table,
        }
        instance.report_runless_asset_event(AssetMaterialization(asset, partition=partition or None, metadata=metadata))


def test_a_load_after_the_publish_is_enough_and_one_before_it_needs_the_same_version() -> None:
    with DagsterInstance.ephemeral() as instance:
        happen(
            instance,
            (PUBLISHED, "a", "1"), (LOADED, "a", "1"),  # loaded
            (PUBLISHED, "b", "1"), (LOADED, "b", "1"), (PUBLISHED, "b", "2"),  # published again with other rows
            (PUBLISHED, "c", "1"), (LOADED, "c", "1"), (PUBLISHED, "c", "1"),  # published again with the same rows
            (PUBLISHED, "d", "1"),  # never loaded
            (LOADED, "e", "1"),  # nobody knows what was published
        )  # fmt: skip
        made, loaded = (order_of(instance, each, is_whole=False) for each in (PUBLISHED, LOADED))
        found = loads_of(instance, ["a", "b", "c", "d", "e"], made, loaded, "shop.orders")
        assert (found.unknown, found.outdated) == ({"d", "e"}, {"b"})
        newest = newest_made(instance, made, ["b", "z"])
        assert [(each.version, each.rows) for each in newest.values()] == [("2", 7)]
        assert newest_made(instance, made, ["b"], [*newest.values()]) == newest


def test_a_whole_table() -> None:
    with DagsterInstance.ephemeral() as instance:
        happen(instance, (PUBLISHED, "", "1"), (LOADED, "", "1"))
        orders = [order_of(instance, each, is_whole=True) for each in (PUBLISHED, LOADED)]
        assert loads_of(instance, [""], *orders, "shop.orders").outdated == frozenset()
        happen(instance, (PUBLISHED, "", "2"))
        orders = [order_of(instance, each, is_whole=True) for each in (PUBLISHED, LOADED)]
        assert loads_of(instance, [""], *orders, "shop.orders").outdated == {""}


def test_a_load_into_another_table_does_not_count() -> None:
    with DagsterInstance.ephemeral() as instance:
        keys = [f"{number:03}" for number in range(60)]
        happen(instance, *((asset, key, "1") for asset in (PUBLISHED, LOADED) for key in keys))
        made, loaded = (order_of(instance, each, is_whole=False) for each in (PUBLISHED, LOADED))
        assert loads_of(instance, keys, made, loaded, "shop.orders").unknown == frozenset()
        assert loads_of(instance, keys, made, loaded, "shop.orders2").unknown == {*keys}
        happen(instance, (LOADED, "059", "1"), (LOADED, "058", "1"), table="shop.orders2")
        loaded = order_of(instance, LOADED, is_whole=False)
        assert loads_of(instance, keys, made, loaded, "shop.orders").unknown == {"058", "059"}
        assert loads_of(instance, keys, made, loaded, "shop.orders2").unknown == {*keys} - {"058", "059"}


def test_a_load_that_does_not_say_into_which_table_does_not_count() -> None:
    with DagsterInstance.ephemeral() as instance:
        happen(instance, (PUBLISHED, "", "1"), (LOADED, "", "1"), table="")
        orders = [order_of(instance, each, is_whole=True) for each in (PUBLISHED, LOADED)]
        assert loads_of(instance, [""], *orders, "shop.orders").unknown == {""}

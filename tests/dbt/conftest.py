"""The object store that one of these tests reads extracts from."""

from tests.servers.object_store import object_store

__all__ = ["object_store"]

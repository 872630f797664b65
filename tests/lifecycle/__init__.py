"""Tests of a tenant's life: exported, imported, retired, erased; and one person erased."""

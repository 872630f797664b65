"""Data contracts in the Open Data Contract Standard 3.1: exported, imported as pipelines, and compared."""

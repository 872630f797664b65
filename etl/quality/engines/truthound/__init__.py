"""The default engine: Truthound's runtime with the exact semantics of the vocabulary.

Belongs here: the engine and what it needs of the library, one subject per file. Not here: any rule's meaning.
The library is imported when the engine is first used, not before.
"""

from etl.quality.engines.truthound.engine import TruthoundEngine

__all__ = ["TruthoundEngine"]

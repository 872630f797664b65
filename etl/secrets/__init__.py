"""Variables and secrets: what a text may name, who owns it, where it is looked up, and how it stays out of texts.

`EnvTemplate` is a text with `${NAME}` or `${secret:name#key}`; a `Namespace` is what one tenant's templates are
resolved in; `scrub` takes every known secret out of a text that leaves the process.
"""

from etl.secrets.namespace import Namespace
from etl.secrets.scrub import scrub
from etl.secrets.template import EnvTemplate, interpolate

__all__ = ["EnvTemplate", "Namespace", "interpolate", "scrub"]

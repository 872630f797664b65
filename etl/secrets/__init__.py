"""Variables and secrets: what a text may name, who owns it, where it is looked up, and how it stays out of texts.

`template` has `EnvTemplate`, a text with `${NAME}` or `${secret:name#key}`; `namespace` what one tenant's templates are
resolved in; `scrub` takes every known secret out of a text that leaves the process.
"""

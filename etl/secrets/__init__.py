"""Variables and secrets: who owns a name, where its value is looked up, and how a secret stays out of texts.

`template` has `EnvTemplate`, a text with `${NAME}` or `${secret:name#key}`; `namespace` has the values for one tenant's
templates; `scrub` removes every known secret from a text that leaves the process.
"""

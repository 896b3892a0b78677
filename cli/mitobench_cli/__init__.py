"""The ``mitobench`` command: one module per verb, each imported when it is used."""

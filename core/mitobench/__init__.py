"""mitobench: which way of segmenting my mitochondria (or nuclei) is best, and may I trust that answer?

A small core plans and runs a matrix of components; components are plugins; results are files; leaderboards are a pure
function of those files.
"""

from mitobench.hookspecs import hookimpl

__all__ = ["__version__", "hookimpl"]
__version__ = "0.1.0"

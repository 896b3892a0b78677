"""Randomness that depends on what is computed, never on when or where it is computed."""

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

__all__ = ["derive_rng", "derive_seed"]


def derive_seed(seed: int, *names: str | int) -> int:
    """A 64-bit seed for one purpose, e.g. ``derive_seed(0, "gt-box", sample.id)``.

    The same arguments give the same seed on every machine and in every order of execution.
    """
    digest = hashlib.blake2b(digest_size=8)
    for name in (seed, *names):
        text = f"{type(name).__name__}:{name}".encode()
        digest.update(len(text).to_bytes(8, "little") + text)
    return int.from_bytes(digest.digest(), "little")


def derive_rng(seed: int, *names: str | int) -> "np.random.Generator":
    """A generator seeded with :func:`derive_seed`."""
    import numpy as np

    return np.random.default_rng(derive_seed(seed, *names))

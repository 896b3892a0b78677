"""Two compilers that do not share a process in every order: TensorFlow's LLVM, and that of triton, which torch compiles with."""

import sys
from typing import Any, cast

__all__ = ["keep_compilers_apart"]


def keep_compilers_apart() -> None:
    """Where TensorFlow was imported before triton, let ``import triton`` fail from now on.

    It would end the process ("LLVM ERROR: inconsistency in registered CommandLine options", seen with TensorFlow 2.21 and
    triton 3.9), and torchvision tries it. Torch does without triton, except for compiling, where it says that it is absent.
    The other order is safe.
    """
    if "tensorflow" in sys.modules:
        cast("dict[str, Any]", sys.modules).setdefault("triton", None)

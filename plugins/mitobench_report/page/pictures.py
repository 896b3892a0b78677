"""The pictures of a page: each stored once as a style class, within a budget of bytes."""

import base64
import hashlib

__all__ = ["Pictures"]

_KINDS = {b"\xff\xd8": "jpeg", b"\x89P": "png"}


class Pictures:
    """Pictures by content. Many tiles show the same one; the page holds it once, as the background of a class.

    Args:
        budget: bytes that all of them may take in the page.
    """

    def __init__(self, budget: int) -> None:
        self.budget, self.used = budget, 0
        self._rules: dict[str, tuple[str, str]] = {}

    def add(self, *files: tuple[bytes, tuple[int, int]]) -> tuple[str, ...] | None:
        """Store some pictures that belong together.

        Args:
            files: the bytes of a PNG or JPEG file and (H, W) of each.

        Returns:
            their classes; None where the budget does not hold all of them, and then none is stored.
        """
        new = {_digest(data): (data, shape) for data, shape in files if _digest(data) not in self._rules}
        rules = {digest: _rule(data, shape) for digest, (data, shape) in new.items()}
        cost = sum(map(len, rules.values()))
        if self.used + cost > self.budget:
            return None
        self.used += cost
        for digest, rule in rules.items():
            self._rules[digest] = f"p{len(self._rules)}", rule
        return tuple(self._rules[_digest(data)][0] for data, _ in files)

    def __len__(self) -> int:
        return len(self._rules)

    def style(self) -> str:
        """The style sheet that holds them."""
        return "\n".join(f".{name}{{{rule}}}" for name, rule in self._rules.values())


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _rule(data: bytes, shape: tuple[int, int]) -> str:
    encoded = base64.b64encode(data).decode()
    return f"aspect-ratio:{shape[1]}/{shape[0]};background-image:url(data:image/{_KINDS[data[:2]]};base64,{encoded})"

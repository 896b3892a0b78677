"""Which sections a split holds: contiguous blocks with a gap between them, or sections named one by one.

Neighbouring sections of a volume show the same objects, so there is no way here to shuffle them into splits.
"""

from collections.abc import Sequence

from mitobench.errors import DataError

__all__ = ["SPLITS", "block_split", "choose_sections", "parse_sections"]

SPLITS = ("train", "val", "test")


def block_split(count: int, *, train: float, val: float, test: float, gap: int) -> dict[str, range]:
    """Cut 0..count-1 into train, val and test blocks, in this order, with ``gap`` unused items between them.

    Args:
        count: the number of items.
        train, val, test: fractions of the items that are left after the gaps; a split of fraction 0 takes no gap.
        gap: the number of items left out between two blocks.

    Returns:
        one range per split, empty where its fraction is 0.
    """
    fractions = {name: value for name, value in zip(SPLITS, (train, val, test), strict=True) if value > 0}
    usable = max(0, count - gap * (len(fractions) - 1))
    blocks = dict.fromkeys(SPLITS, range(0))
    share, taken, start = 0.0, 0, 0
    for name, fraction in fractions.items():
        share += fraction
        end = min(usable, round(share * usable))
        blocks[name] = range(start, start + end - taken)
        start += end - taken + gap
        taken = end
    return blocks


def parse_sections(given: str | int | Sequence[str | int]) -> list[tuple[int, int | None]]:
    """Parse ``"0-8"``, ``"0-3,7,10-"``, ``5`` or a list of these into inclusive (first, last) ranges; last None = to the end.

    Raises:
        ValueError: anything else.
    """
    parts = given.split(",") if isinstance(given, str) else [given] if isinstance(given, int) else list(given)
    ranges: list[tuple[int, int | None]] = []
    for part in parts:
        if isinstance(part, str) and "," in part:
            ranges += parse_sections(part)
            continue
        first, dash, last = (piece.strip() for piece in str(part).partition("-"))
        if not first.isdecimal() or (last and not last.isdecimal()) or (last and int(last) < int(first)):
            raise ValueError(
                f"{part!r} is no range of sections; expected such as 0-8, 5 or 10- (to the end), counted from 0"
            )
        ranges.append((int(first), int(last) if last else None if dash else int(first)))
    return ranges


def choose_sections(given: str | int | Sequence[str | int], count: int, *, name: str) -> list[int]:
    """The ascending section numbers that ``given`` names of ``count`` sections.

    Raises:
        DataError: a section that is not there.
    """
    chosen: set[int] = set()
    for first, last in parse_sections(given):
        top = count - 1 if last is None else last
        if first >= count or top >= count:
            raise DataError(f"{name}: sections={given} was asked for but there are {count}, numbered 0 to {count - 1}.")
        chosen.update(range(first, top + 1))
    return sorted(chosen)

"""Splitting rows into two parts so that equal inputs stay together."""

import random
from collections import defaultdict
from collections.abc import Sequence

from .row_formats import to_json
from .schema import Row

Groups = dict[str, list[list[int]]]
"""For each value of a column, the positions of the rows with the same input."""


def group_positions(rows: Sequence[Row], inputs: Sequence[str], by: str | None) -> Groups:
    """Return the positions of rows with the same input together, by the values of a column.

    Args:
        rows: the rows.
        inputs: the columns that a model reads.
        by: the column, None for one group of all rows.
    """
    by_input: dict[str, list[int]] = defaultdict(list)
    for position, row in enumerate(rows):
        by_input[" ".join(str(row.get(column)) for column in inputs).strip()].append(position)
    groups: Groups = defaultdict(list)
    for positions in by_input.values():
        groups[to_json(rows[positions[0]].get(by)) if by else ""].append(positions)
    return groups


def draw_positions(groups: Groups, share: float, max_size: int, seed: int) -> set[int]:
    """Return positions that are drawn group by group, from each value its share, until there are
    enough.

    Args:
        groups: what `group_positions` returned; the groups are shuffled in place.
        share: of the rows of each value, between 0 and 1.
        max_size: the largest number of rows.
        seed: the same seed draws the same.
    """
    rng = random.Random(seed)  # noqa: S311 - no secret
    positions = set[int]()
    quota = 0.0
    for key in sorted(groups):
        rng.shuffle(groups[key])
        quota += share * sum(map(len, groups[key]))
        for group in groups[key]:
            if len(positions) + len(group) <= min(round(quota), max_size):
                positions.update(group)
    return positions

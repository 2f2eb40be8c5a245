# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Few combinations of options that show what every pair of values does."""

from __future__ import annotations

import itertools
import typing as t

Options = t.Mapping[str, t.Sequence[t.Any]]
Values = dict[str, t.Any]


def pairwise(options: Options, allowed: t.Callable[[Values], bool] = lambda _values: True) -> list[Values]:
    """Combinations in which each value of an option occurs with each value of every other option.

    The first value of each option is the harmless one: a pair that is not ``allowed`` beside the first values of the others does
    not occur.
    """
    names = list(options)
    plain = dict.fromkeys(names, 0)

    def values(chosen: t.Mapping[str, int]) -> Values:
        return {name: options[name][i] for name, i in chosen.items()}

    wanted = {
        frozenset({(one, i), (other, k)})
        for one, other in itertools.combinations(names, 2)
        for i in range(len(options[one]))
        for k in range(len(options[other]))
        if allowed(values({**plain, one: i, other: k}))
    }
    found = []
    for pair in sorted(wanted, key=sorted):
        if pair in wanted:
            chosen = dict(sorted(pair))
            for name in names:
                if name not in chosen:
                    chosen[name] = _best(name, len(options[name]), chosen, wanted, lambda more: allowed(values({**plain, **more})))
            wanted -= {frozenset(one) for one in itertools.combinations(chosen.items(), 2)}
            found.append(values({name: chosen[name] for name in names}))
    return found


def _best(
    name: str,
    count: int,
    chosen: dict[str, int],
    wanted: set[frozenset[tuple[str, int]]],
    allowed: t.Callable[[dict[str, int]], bool],
) -> int:
    """The value that adds most of the wanted pairs to those that are chosen."""

    def news(i: int) -> int:
        return sum(frozenset({(name, i), one}) in wanted for one in chosen.items())

    return next(i for i in sorted(range(count), key=news, reverse=True) if allowed({**chosen, name: i}))

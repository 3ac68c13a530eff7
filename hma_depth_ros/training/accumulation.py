"""A batch computed in parts, with the loss of the whole of it.

Eq. 6 is no mean over images: its root and its second term are of sums over all valid pixels. The
mean of the parts' losses would be another loss, in which a pixel counts the more, the fewer its
part has. So the parts are gone through twice: first for their sums, without gradients, then each
with its own share of the whole's gradient. That costs another forward pass.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

#: As `all_reduce` of `objective`: takes this part's sums, gives those of the whole batch.
AllReduce = Callable[[Tensor], Tensor]


class WholeSums:
    """Sums over all parts and processes, in the order in which the loss asks for them."""

    def __init__(self) -> None:
        self._sums: list[Tensor] = []
        self._position = 0

    def begin_part(self) -> None:
        """The loss of the next part is going to ask."""
        self._position = 0

    def add(self, sums: Tensor) -> Tensor:
        """As `all_reduce` of the first passage: note the sums of a part."""
        noted = sums.detach()
        if self._position < len(self._sums):
            self._sums[self._position] = self._sums[self._position] + noted
        else:
            self._sums.append(noted)
        self._position += 1
        return sums

    def close(self, all_reduce: AllReduce) -> None:
        """All parts are noted: add up over processes."""
        self._sums = [all_reduce(sums) for sums in self._sums]

    def of_whole(self, world: int) -> AllReduce:
        """As `all_reduce` of the second passage: the whole's sums, which move as the part's do.

        Gradients are averaged over the processes afterwards, hence the factor `world`; the
        `all_reduce` of processes that share a batch has it too.
        """

        def whole(sums: Tensor) -> Tensor:
            found = self._sums[self._position] + world * (sums - sums.detach())
            self._position += 1
            return found

        return whole

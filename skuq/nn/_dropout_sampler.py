"""Draws of a network with dropout, each one function of its input."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch
from torch import nn

from skuq._core._checks import check_count
from skuq.exceptions import InputError
from skuq.nn._dropout_graph import Graphs
from skuq.nn._dropout_masks import Masks
from skuq.nn._dropout_mode import DropoutMode
from skuq.nn._dropout_passes import Passes
from skuq.nn._dropout_prefix import tensors_of
from skuq.nn._dropout_together import Together


class DropoutSampler:
    """Outputs of a network under one dropout mask after another (MC dropout).

    Only dropout is random, and all of it: modules, functions, inside attention and
    between recurrent layers.  All else, batch normalisation above all, is in evaluation
    mode.  What comes before the first dropout is computed once per batch.

    Parameters
    ----------
    module : torch.nn.Module
        The network.
    forward : callable, default=None
        What calls it with a batch; None is `module` itself.
    seed : int, default=0
        At least 0; the same seed gives the same masks, on any device.
    mask : {"shared", "independent"}, default="shared"
        One mask of each draw for all rows, so that outputs do not depend on the batch;
        or one for each row.
    rate : float in (0, 1], default=None
        Share of the units to drop; None for the network's own.
    layers : list of str, default=None
        Names of the modules, as in ``module.named_modules()``, in which units are
        dropped; None for all.
    cache_prefix : bool, default=True
        Compute what comes before the first dropout only once per batch.
    autocast : torch.dtype, default=None
        Run under ``torch.autocast`` with this type.
    chunk_size : int, default=None
        How many draws to compute in one pass; None is one on a CPU, and on a GPU the
        fastest number, which is measured once for each network and shape of a batch.
    compile : bool or str, default=False
        Run what follows the first dropout through ``torch.compile``; a name is that of
        a backend.

    See Also
    --------
    insert_dropout : Adds dropout to a network that has none.

    Notes
    -----
    Shared masks have the shape of one row: one entry per unit, per channel for
    `nn.Dropout2d`, per head, query and key in attention, per time step and unit between
    recurrent layers.  Rows lie along axis 0, or along axis 1 inside modules with
    ``batch_first=False``; else along the one axis that is as long as the batch.

    A function whose rate is 0 in evaluation mode, as in ``scaled_dot_product_attention(
    ..., dropout_p=p if self.training else 0)``, cannot be seen; nor can anything in
    TorchScript.  ``F.dropout(x, training=False)`` does drop.

    A recording holds the outputs of the largest modules that end before the first
    dropout and is dropped with its batch.  Outputs that the network changes in place
    are copied; the first batch is computed both ways, and where they differ the
    network is run in full, with a warning.

    A pass of several draws repeats what enters the first dropout, never the batch
    itself (``torch.vmap``).  The masks are those of single draws, and outputs are the
    same but for rounding.  What torch has no rule for, recurrent layers above all, runs
    one draw at a time.

    What is compiled takes masks, weights and the recording as arguments, and is kept
    for each network and shape of a batch: compiling takes seconds, and pays where there
    are many batches.  The first draw of every batch is computed both ways.

    Examples
    --------
    >>> import torch
    >>> from skuq.nn import DropoutSampler
    >>> net = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Dropout(0.5))
    >>> draws = list(DropoutSampler(net).draws(torch.ones(2, 4), range(3)))
    >>> len(draws), draws[0].shape
    (3, torch.Size([2, 8]))
    >>> torch.equal(draws[0][0], draws[0][1])
    True
    """

    def __init__(
        self,
        module: nn.Module,
        *,
        forward: Callable[[Any], Any] | None = None,
        seed: int = 0,
        mask: str = "shared",
        rate: float | None = None,
        layers: list[str] | None = None,
        cache_prefix: bool = True,
        autocast: torch.dtype | None = None,
        chunk_size: int | None = None,
        compile: bool | str = False,
    ) -> None:
        _check_options(module, mask, rate, layers)
        if chunk_size is not None:
            check_count("chunk_size", chunk_size, 1)
        self.module = module
        self._masks = Masks(seed, shared=mask == "shared")
        self._passes = Passes(
            module,
            module if forward is None else forward,
            self._masks,
            DropoutMode(module, self._masks, rate, layers),
            caches=cache_prefix,
            autocast=autocast,
        )
        backend = "inductor" if compile is True else compile or None
        graphs = Graphs(self._passes, backend)
        self._together = Together(self._passes, graphs, chunk_size)

    def draws(
        self, batch: Any, numbers: Iterable[int], index: int = 0
    ) -> Iterator[Any]:
        """Yield the outputs for `batch` of one draw after another.

        Parameters
        ----------
        batch : torch.Tensor, or tuple, list or dict with tensors
            What the network is called with; rows along axis 0.
        numbers : iterable of int
            The draws, by number: each has its own masks.
        index : int, default=0
            The number of the batch; independent masks depend on it.

        Yields
        ------
        output : torch.Tensor, or what the network returns
            Without gradients.

        Raises
        ------
        skuq.exceptions.InputError
            If nothing is dropped, what is dropped does not reach the output, or the
            network cannot be compiled.
        """
        numbers = list(numbers)
        if not numbers:
            return
        begun, varied = self._passes.begin(batch, numbers[0], index), False
        yield begun.output
        if len(numbers) > 1:
            self._passes.verify(begun)
        for output in self._together.outputs(begun, numbers[1:]):
            if not varied and self._masks.seen is not None:
                varied = not _all_equal(begun.output, output)
                self._masks.seen = None if varied else self._masks.seen
            yield output
        if self._masks.differ and not varied and _rows_differ(begun.output):
            raise InputError(
                "all draws are identical, though their masks differ: what is dropped "
                "does not reach the output. Choose other layers, or insert_dropout."
            )
        self._masks.seen = None

    def expected(self, batch: Any) -> Any:
        """The output with nothing dropped, which is weight scaling.

        Parameters
        ----------
        batch : torch.Tensor, or tuple, list or dict with tensors
            What the network is called with.

        Returns
        -------
        output : torch.Tensor, or what the network returns
            Without gradients.
        """
        return self._passes.expected(batch)


def _check_options(
    module: nn.Module, mask: str, rate: float | None, layers: list[str] | None
) -> None:
    if hasattr(module, "_orig_mod"):
        raise InputError(
            "the network is compiled, which hides its dropout: pass it before "
            "torch.compile."
        )
    if mask not in ("shared", "independent"):
        raise InputError(f"mask must be 'shared' or 'independent', got {mask!r}.")
    if rate is not None and not 0 < rate <= 1:
        raise InputError(f"the dropout rate must be in (0, 1], got {rate}.")
    names = {name for name, _ in module.named_modules()}
    if isinstance(layers, str):
        raise InputError(f"layers must be a list of names, got {layers!r}.")
    if unknown := sorted(set(layers or ()) - names):
        raise InputError(
            f"layers names {unknown}, which the network does not have: choose from "
            f"{sorted(names - {''})}."
        )


def _rows_differ(output: Any) -> bool:
    return any(not torch.equal(t, t[:1].expand_as(t)) for t in tensors_of(output))


def _all_equal(a: Any, b: Any) -> bool:
    pairs = zip(tensors_of(a), tensors_of(b), strict=True)
    return all(torch.equal(x, y) for x, y in pairs)

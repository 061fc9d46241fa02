"""Draws of a network with dropout, each one function of its input."""

import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from skuq.exceptions import InputError, SkuqWarning
from skuq.nn._dropout_masks import Masks
from skuq.nn._dropout_mode import DropoutMode
from skuq.nn._dropout_prefix import OutOfStepError, Prefix, map_tensors, tensors_of

CLOSE = 1e3  # units of rounding by which two ways to the same output may differ


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
    ) -> None:
        _check_options(module, mask, rate, layers)
        self.module = module
        self._forward = module if forward is None else forward
        self._masks = Masks(seed, shared=mask == "shared")
        self._mode = DropoutMode(module, self._masks, rate, layers)
        self._caches = cache_prefix
        self._autocast = autocast
        self._copied: frozenset[int] = frozenset()
        self._copies_input = False
        self._is_new = True  # nothing has been verified yet

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
            If nothing is dropped, or what is dropped does not reach the output.
        """
        prefix, first, varied = None, None, False
        for number in numbers:
            if first is None:
                prefix, first = self._recorded(batch, number, index)
                begin = number
                yield first
                continue
            if self._is_new:
                prefix = self._verified(batch, begin, index, prefix, first)
            output = self._replayed(batch, number, index, prefix)
            if not varied and self._masks.seen is not None:
                varied = not _all_equal(first, output)
                self._masks.seen = None if varied else self._masks.seen
            yield output
        if self._masks.differ and not varied and _rows_differ(first):
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
        self._mode.is_silent = True
        try:
            with self._mode.running(None), self._casting():
                return self._forward(map_tensors(torch.clone, batch))
        finally:
            self._mode.is_silent = False

    def _recorded(self, batch: Any, number: int, index: int) -> tuple[Any, Any]:
        """A full pass: what comes before the first dropout, and the output."""
        prefix = Prefix(self._copied) if self._caches else None
        output = self._pass(batch, number, index, prefix)
        if not self._mode.n_calls:
            raise InputError(
                "no dropout was found in the network: use insert_dropout, check "
                "layers, or call nn.Dropout or F.dropout with a rate above 0."
            )
        if prefix is None:
            return None, output
        prefix.rewind()
        while changed := prefix.changed():
            self._copied |= changed
            prefix = Prefix(self._copied)
            self._pass(batch, number, index, prefix)
            prefix.rewind()
        return prefix, output

    def _verified(
        self, batch: Any, number: int, index: int, prefix: Prefix | None, output: Any
    ) -> Prefix | None:
        """The recording, if it gives the same output as the full pass."""
        self._is_new = False
        if prefix is None and not self._mode.fold.folds:
            return None
        try:
            again = self._pass(batch, number, index, prefix)
            same = _all_close(output, again)
        except OutOfStepError:
            same = False
        if not same:
            self._give_up()
        return prefix if same else None

    def _replayed(self, batch: Any, number: int, index: int, prefix: Any) -> Any:
        prefix = prefix if self._caches else None
        try:
            output = self._pass(batch, number, index, prefix)
        except OutOfStepError:
            self._give_up()
            return self._pass(batch, number, index, None)
        if prefix is not None and prefix.changed():
            self._give_up()
        return output

    def _give_up(self) -> None:
        warnings.warn(
            "what the network computes before its first dropout is not the same each "
            "time: it is run in full for every draw.",
            SkuqWarning,
            stacklevel=5,
        )
        self._caches = False
        self._mode.fold.forget()

    def _pass(self, batch: Any, number: int, index: int, prefix: Prefix | None) -> Any:
        if self._is_new or self._copies_input:
            batch = map_tensors(torch.clone, batch)
        before = [t._version for t in tensors_of(batch)]
        if prefix is not None and prefix.replaying:
            prefix.rewind()
        self._masks.start(number, _n_rows(batch), index)
        with self._mode.running(prefix), self._casting():
            output = self._forward(batch)
            if self._mode.fold.watches:
                self._mode.fold.learn(tensors_of(output))
        self._copies_input |= before != [t._version for t in tensors_of(batch)]
        return output

    def _casting(self) -> Any:
        if self._autocast is None:
            return nullcontext()
        first = next(self.module.parameters(), None)
        kind = "cpu" if first is None else first.device.type
        return torch.autocast(kind, dtype=self._autocast)


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


def _n_rows(batch: Any) -> int:
    tensors = tensors_of(batch)
    if not tensors or tensors[0].ndim == 0:
        raise InputError("a batch must hold a tensor with one entry per row.")
    return tensors[0].shape[0]


def _rows_differ(output: Any) -> bool:
    return any(not torch.equal(t, t[:1].expand_as(t)) for t in tensors_of(output))


def _all_equal(a: Any, b: Any) -> bool:
    pairs = zip(tensors_of(a), tensors_of(b), strict=True)
    return all(torch.equal(x, y) for x, y in pairs)


def _all_close(a: Any, b: Any) -> bool:
    pairs = zip(tensors_of(a), tensors_of(b), strict=True)
    return all(_close(x, y) for x, y in pairs)


def _close(x: Tensor, y: Tensor) -> bool:
    if x.shape != y.shape or not x.is_floating_point():
        return torch.equal(x, y)
    finite = x[x.isfinite()].abs()
    size = float(finite.max()) if finite.numel() else 1.0
    bound = CLOSE * torch.finfo(x.dtype).eps
    return torch.allclose(x, y, rtol=bound, atol=bound * size, equal_nan=True)

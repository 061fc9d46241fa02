"""Dropout for networks that were trained without."""

from collections.abc import Sequence
from copy import deepcopy
from typing import Any

from torch import Tensor, nn

from skuq.exceptions import InputError

NAME = "inserted_dropout"

Kinds = type[nn.Module] | tuple[type[nn.Module], ...] | Sequence[str] | str


def insert_dropout(module: nn.Module, *, after: Kinds, p: float = 0.1) -> nn.Module:
    """A copy of a network with dropout after some of its modules.

    Parameters
    ----------
    module : torch.nn.Module
        The network; it stays as it is.
    after : type, tuple of types, str or list of str
        The modules: their types, or their names as in ``module.named_modules()``.  Of
        types all are taken but the last of the network, which gives the output.
    p : float in (0, 1), default=0.1
        Share of the units that are dropped.

    Returns
    -------
    copy : torch.nn.Module
        With the same parameters under the same names, so that state dicts still fit.

    Raises
    ------
    skuq.exceptions.InputError
        If no module matches, a name is unknown, or `p` is out of range.

    See Also
    --------
    insert_weight_dropout : Drops weights in place of units.
    DropoutSampler : Draws from the copy.

    Notes
    -----
    Dropout that a network was not trained with makes it worse and its spread arbitrary:
    choose `p` on validation data, or train the copy.

    Examples
    --------
    >>> from torch import nn
    >>> from skuq.nn import insert_dropout
    >>> net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
    >>> insert_dropout(net, after=nn.ReLU, p=0.2)[1]
    ReLU(
      (inserted_dropout): Dropout(p=0.2, inplace=False)
    )
    """
    check_share(p)
    copy = deepcopy(module)
    for part in chosen(copy, after, spares_last=True):
        if isinstance(part, nn.Sequential):
            part.add_module(NAME, nn.Dropout(p))  # runs it by itself
        else:
            part.add_module(NAME, nn.Dropout(p))
            part.register_forward_hook(_drop)
    return copy


def _drop(module: nn.Module, args: Any, output: Tensor) -> Tensor:
    """The hook behind a module."""
    return getattr(module, NAME)(output)


def check_share(p: float) -> None:
    """Refuse a share that drops nothing or everything."""
    if not 0 < p < 1:
        raise InputError(f"p must be in (0, 1), got {p}.")


def chosen(module: nn.Module, kinds: Kinds, *, spares_last: bool) -> list[nn.Module]:
    """Modules of some types, without the last one if that is spared; or by name."""
    parts = dict(module.named_modules())
    if isinstance(kinds, (type, tuple)):
        leaves = [part for part in parts.values() if not [*part.children()]]
        found = [part for part in parts.values() if isinstance(part, kinds)]
        if spares_last:
            found = [part for part in found if part is not leaves[-1]]
    else:
        names = [kinds] if isinstance(kinds, str) else list(kinds)
        if unknown := [name for name in names if name not in parts]:
            raise InputError(
                f"{unknown} are names that the network does not have: choose from "
                f"{[name for name in parts if name]}."
            )
        found = [parts[name] for name in names]
    if not found:
        where = "no module before the last" if spares_last else "no module"
        raise InputError(
            f"{where} is one of {kinds!r}: choose from "
            f"{sorted({type(part).__name__ for part in parts.values()})}, or by name."
        )
    return found

"""What all displays share."""

from skuq._core._optional import require


def axes_for(ax, caller):
    """`ax`, or the axes of a new figure; matplotlib is loaded here."""
    pyplot = require("matplotlib.pyplot", caller=caller)
    if ax is not None:
        return ax
    _, ax = pyplot.subplots(figsize=(4.8, 5.6), layout="constrained")
    return ax

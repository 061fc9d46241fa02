"""Where the parts of a reliability diagram stand: histogram, panels, legends."""

from math import ceil
from typing import Any, NamedTuple

import numpy as np

from skuq.displays._base import INK, PAPER, axes_for, legend_above, panels_in, patches

HISTOGRAM = 0.18  # height of the histogram, as a share of the diagram's
MOST_PANELS = 16
X_LABELS = {
    "top-label": "Confidence",
    "positive": "Probability of the positive class",
    "classwise": "Probability of the class",
    "predicted-class": "Confidence in the predicted class",
}
Y_LABELS = {
    "top-label": "Accuracy",
    "positive": "Share of the positive class",
    "classwise": "Share of the class",
    "predicted-class": "Accuracy",
}


class Look(NamedTuple):
    """How a diagram is drawn."""

    style: str
    gap: bool
    band: float | None
    reference: bool
    random_state: int | np.random.Generator | None


def draw_diagonal(ax, look):
    """The line of honest probabilities."""
    if look.reference:
        ax.plot([0, 1], [0, 1], color=INK, lw=1, ls=(0, (4, 3)), zorder=4)


def draw_histogram(ax, edges, share):
    """The share of samples in each bin, in axes below the diagram."""
    below = _axes_below(ax)
    width = np.diff(edges)
    below.bar(edges[:-1], share, width, align="edge", color=PAPER, edgecolor="white")
    below.set(ylim=(0, 1.05 * share.max()), xlim=(0, 1))
    below.set_ylabel("Share")
    ax.tick_params(labelbottom=False)
    return below


def _axes_below(ax):
    """Axes under `ax`, of its width, in a part of the place it had."""
    spec, figure = ax.get_subplotspec(), ax.figure
    if spec is None:  # axes placed by hand: no layout to fit in
        return ax.inset_axes([0, -0.06 - HISTOGRAM, 1, HISTOGRAM], sharex=ax)
    upper, lower = spec.subgridspec(2, 1, height_ratios=[1, HISTOGRAM], hspace=0.08)
    ax.set_subplotspec(upper)
    ax.set_anchor("S")
    return figure.add_subplot(lower, sharex=ax, box_aspect=HISTOGRAM, anchor="N")


def label_square(ax, below, kind):
    """Limits and names of the axes of a diagram and of its histogram."""
    ax.set(xlim=(0, 1), ylim=(0, 1), ylabel=Y_LABELS[kind], aspect="equal")
    (below or ax).set_xlabel(X_LABELS[kind])


def own_legend(ax, label, look, n_lines):
    """The legend of one diagram, where it covers least; bars stand on the ground."""
    handles, labels = ax.get_legend_handles_labels()
    if n_lines > 1:  # the error is that of all of them
        handles, labels = [*patches({label: "none"}), *handles], [label, *labels]
    where = "upper left" if look.style == "bars" else "best"
    ax.legend(handles, labels, loc=where, fontsize="small", framealpha=0.9)


def class_panels(ax, caller, n_classes):
    """Bounding axes, and a square panel for each of the first classes in them."""
    n = min(n_classes, MOST_PANELS)
    n_columns = 3 if n in (5, 6, 9) else min(n, 4)
    n_rows = ceil(n / n_columns)
    ax = axes_for(ax, caller, figsize=(2.2 * n_columns + 0.5, 2.25 * n_rows + 0.8))
    grid = panels_in(ax, n_rows, n_columns)
    for panel in grid.flat[n:]:
        panel.remove()
    panels = grid.flat[:n]
    for i, panel in enumerate(panels):
        panel.set(xlim=(0, 1), ylim=(0, 1), aspect="equal")
        panel.set(xticks=[0, 0.5, 1], yticks=[0, 0.5, 1])
        panel.tick_params(
            labelsize="small",
            labelleft=i % n_columns == 0,
            labelbottom=i + n_columns >= n,
        )
    return ax, panels, n_columns


def label_panels(panels, n_columns, kind):
    """Axis labels at the left and at the bottom only."""
    n = len(panels)
    for i, panel in enumerate(panels):
        if i % n_columns == 0:
            panel.set_ylabel(Y_LABELS[kind], fontsize="small")
        if i + n_columns >= n:
            panel.set_xlabel(X_LABELS[kind], fontsize="small")


def shared_legend(ax, panels, n_classes):
    """One legend for all panels, above them; it says how many are left out."""
    entries: dict[str, Any] = {}
    for panel in panels:
        entries |= dict(zip(*panel.get_legend_handles_labels()[::-1], strict=True))
    left_out = n_classes - len(panels)
    title = f"{len(panels)} of {n_classes} classes, {left_out} left out"
    legend_above(ax, entries.values(), entries.keys(), title if left_out else None)

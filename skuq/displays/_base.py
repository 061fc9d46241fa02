"""What all displays share: matplotlib, axes, colours, and how a model is asked."""

from typing import Any, ClassVar

import numpy as np

from skuq._core._optional import require
from skuq.exceptions import InputError

BAR, GAP, INK, PAPER = "#7fa8d1", "#ee6677", "#333333", "#999999"
# These stay apart for colour-blind readers (the "bright" scheme of P. Tol).
CURVES = ("#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee", "#aa3377", "#bbbbbb")
MOST_POINTS = 2000  # of a drawn line
CHARACTERS = 15  # of small print, per inch
HANDLE = 6  # characters that a legend has beside each entry


def axes_for(ax, caller, figsize=(4.8, 5.6)):
    """`ax`, or the axes of a new figure; matplotlib is loaded here."""
    pyplot = require("matplotlib.pyplot", caller=caller)
    if ax is not None:
        return ax
    _, ax = pyplot.subplots(figsize=figsize, layout="constrained")
    ax.set_prop_cycle(color=CURVES)
    return ax


def panels_in(ax, n_rows, n_columns, **options):
    """A grid of axes in the place of `ax`, which stays above it to hold a legend."""
    ax.set_axis_off()
    spec = ax.get_subplotspec()
    if spec is None:  # axes placed by hand, as large as they are
        box = ax.get_position(original=True)
        top = box.y1 - 0.08 * box.height
        sides = {"left": box.x0, "right": box.x1, "bottom": box.y0, "top": top}
        grid = ax.figure.add_gridspec(n_rows, n_columns, **sides)
    else:
        above, below = spec.subgridspec(2, 1, height_ratios=[0.001, 1])
        ax.set_subplotspec(above)
        grid = below.subgridspec(n_rows, n_columns)
    panels = grid.subplots(squeeze=False, **options)
    for panel in panels.flat:
        panel.set_prop_cycle(color=CURVES)
    return panels


def legend_above(ax, handles, labels, title=None):
    """A legend above the panels, in as few lines as fit their width."""
    room = CHARACTERS * ax.bbox.width / ax.figure.dpi
    needed = [len(label) + HANDLE for label in labels] or [HANDLE]
    n_columns = len(needed) if sum(needed) < room else int(room // max(needed))
    ax.legend(
        handles,
        labels,
        title=title,
        title_fontsize="small",
        fontsize="small",
        ncols=max(n_columns, 1),
        loc="lower center",
        bbox_to_anchor=(0.5, 1.0),
        frameon=False,
    )


def patches(colors):
    """A filled patch for each label, to put in a legend."""
    patch = require("matplotlib.patches", caller="a legend").Patch
    return [
        patch(
            facecolor=color,
            edgecolor="none" if color == "none" else PAPER,
            lw=0.5,
            label=label,
        )
        for label, color in colors.items()
    ]


def colormap(name):
    """A colour map of matplotlib."""
    return require("matplotlib", caller="a display").colormaps[name]


def check_band(band):
    """Refuse a level of a band that is no fraction."""
    if band is not None and not 0 < band < 1:
        raise InputError(f"band must be a fraction in (0, 1) or None, got {band!r}.")


def band_label(band):
    """What a consistency band is called in a legend."""
    return f"{100 * band:g} % band if calibrated"


def thinned(x):
    """Which points of a line with ascending `x` to draw, all if they are few."""
    if len(x) <= MOST_POINTS:
        return slice(None)
    return np.unique(np.searchsorted(x, np.linspace(x[0], x[-1], MOST_POINTS)))


def named(name, text):
    """An entry of a legend: what it says of a model."""
    between = "\n" if "\n" in text else ": "
    return text if name is None else f"{name}{between}{text}"


def once(ax, label):
    """`label`, unless an artist of `ax` has it already."""
    return None if label in ax.get_legend_handles_labels()[1] else label


class ClassifierDisplay:
    """A picture of probabilities, which any classifier can give."""

    from_predictions: ClassVar[Any]

    @classmethod
    def from_estimator(cls, estimator, X, y, *, name=None, ax=None, **options):
        """Draw the picture of a fitted classifier.

        Parameters
        ----------
        estimator : object
            A classifier with `predict_proba`.
        X : array-like of shape (n_samples, ...)
            Samples that neither the classifier nor its calibrator was trained on.
        y : array-like of shape (n_samples, *spatial)
            True labels.
        name : str, default=None
            Name for the legend; None takes the class of the estimator.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a figure.
        **options : dict
            As in `from_predictions`.

        Returns
        -------
        display : object
            The drawn display.
        """
        options.setdefault("labels", getattr(estimator, "classes_", None))
        name = type(estimator).__name__ if name is None else name
        proba = estimator.predict_proba(X)
        return cls.from_predictions(y, proba, name=name, ax=ax, **options)


class RegressorDisplay:
    """A picture of predictions with standard deviations, which some regressors give."""

    from_predictions: ClassVar[Any]

    @classmethod
    def from_estimator(cls, estimator, X, y, *, name=None, ax=None, **options):
        """Draw the picture of a fitted regressor.

        Parameters
        ----------
        estimator : object
            A regressor whose `predict` takes ``return_std=True``.
        X : array-like of shape (n_samples, ...)
            Samples that the regressor was not trained on.
        y : array-like of shape (n_samples, *output)
            Observed values.
        name : str, default=None
            Name for the legend; None takes the class of the estimator.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a figure.
        **options : dict
            As in `from_predictions`.

        Returns
        -------
        display : object
            The drawn display.

        Raises
        ------
        skuq.exceptions.InputError
            If the regressor predicts no standard deviations.
        """
        name = type(estimator).__name__ if name is None else name
        mean, std = mean_and_std(estimator, X)
        return cls.from_predictions(y, mean, std, name=name, ax=ax, **options)


def mean_and_std(estimator, X):
    """Predicted means and standard deviations of a regressor."""
    try:
        mean, std = estimator.predict(X, return_std=True)
    except TypeError as error:
        raise InputError(
            f"{type(estimator).__name__}.predict gave no standard deviations with "
            f"return_std=True ({error}): pass predictions to from_predictions instead."
        ) from error
    return mean, std

"""Sparsification: how the error falls when the least sure predictions are removed."""

import numpy as np

from skuq.displays._base import INK, RegressorDisplay, axes_for, named, once
from skuq.metrics._sparsification import (
    curve_of_errors,
    ranked_errors,
    sparsification_of_state,
)

HEADROOM = 1.25  # for the legend: curves begin at the mean error and fall


class SparsificationDisplay(RegressorDisplay):
    """Sparsification curve: the error left without the least sure; lower is better.

    A curve on its oracle ranks predictions as their errors do, one on the horizontal
    line does not rank them at all.  Make one with `from_predictions`, `from_estimator`
    or `from_state`; draw several models into one picture by passing the `ax_` of the
    first.

    Parameters
    ----------
    state : RankedErrors
        The statistic of `sparsification_error`, for example the `state` of a
        `Streaming` metric.
    n_points : int, default=100
        Number of shares removed: 0, 1 / n_points, ...
    normalize : bool, default=False
        Divide errors by the mean error of all values.
    name : str, default=None
        Name of the model, for the legend.

    Attributes
    ----------
    curve : SparsificationCurve
        Shares removed, and mean errors by uncertainty and by the oracle, in the unit of
        the error.
    area : float
        Area between the two, as `sparsification_error`.
    ax_ : matplotlib Axes
        Axes of the curve.
    figure_ : matplotlib Figure
        The figure.

    See Also
    --------
    skuq.metrics.sparsification_curve : The numbers.
    RiskCoverageDisplay : For classifiers.

    Examples
    --------
    >>> import numpy as np
    >>> from skuq.displays import SparsificationDisplay
    >>> rng = np.random.default_rng(0)
    >>> y_std = rng.uniform(0.5, 2.0, 500)
    >>> y_true = rng.normal(0.0, y_std)
    >>> display = SparsificationDisplay.from_predictions(
    ...     y_true, np.zeros(500), y_std, unit="mm"
    ... )
    >>> display.ax_.get_ylabel()
    'Mean absolute error of those kept (mm)'
    """

    def __init__(self, state, *, n_points=100, normalize=False, name=None):
        self.state = state
        self.normalize = normalize
        self.name = name
        self.curve = curve_of_errors(state, n_points)
        self.area = sparsification_of_state(state, normalize=normalize)

    @classmethod
    def from_predictions(
        cls,
        y_true,
        y_pred,
        uncertainty,
        *,
        sample_weight=None,
        error="absolute",
        n_points=100,
        normalize=False,
        name=None,
        ax=None,
        **plot_options,
    ):
        """Draw the curve of predictions with uncertainties.

        Parameters
        ----------
        y_true : array-like of shape (n_samples, *output)
            Observed values, in the unit of the target.
        y_pred : array-like of shape (n_samples, *output)
            Predictions, in the same unit.
        uncertainty : array-like of shape (n_samples, *output)
            Any numbers that are higher where the prediction is less sure, such as
            standard deviations.
        sample_weight : array-like of shape (n_samples,) or of `y_true`, default=None
            Weights, at least 0.
        error : {"absolute", "squared"}, default="absolute"
            The error of a value.
        n_points : int, default=100
            Number of shares removed.
        normalize : bool, default=False
            Divide errors by the mean error of all values.
        name : str, default=None
            Name for the legend.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a figure.
        **plot_options : dict
            Keywords of `plot`.

        Returns
        -------
        display : SparsificationDisplay
            The drawn display.
        """
        state = ranked_errors(
            y_true, y_pred, uncertainty, sample_weight=sample_weight, error=error
        )
        display = cls(state, n_points=n_points, normalize=normalize, name=name)
        return display.plot(ax=ax, **plot_options)

    @classmethod
    def from_state(
        cls,
        state,
        *,
        n_points=100,
        normalize=False,
        name=None,
        ax=None,
        **plot_options,
    ):
        """Draw the curve of a statistic that was streamed.

        Parameters
        ----------
        state : RankedErrors
            The `state` of ``Streaming(sparsification_error)``.
        n_points : int, default=100
            Number of shares removed.
        normalize : bool, default=False
            Divide errors by the mean error of all values.
        name : str, default=None
            Name for the legend.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a figure.
        **plot_options : dict
            Keywords of `plot`.

        Returns
        -------
        display : SparsificationDisplay
            The drawn display.
        """
        display = cls(state, n_points=n_points, normalize=normalize, name=name)
        return display.plot(ax=ax, **plot_options)

    def plot(self, ax=None, *, oracle=True, random=True, unit=None, name=None):
        """Draw the curve.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw, for example the `ax_` of another model; None makes a figure.
        oracle : bool, default=True
            Draw the curve of removal by the error itself.
        random : bool, default=True
            Draw the line of removal at random: the mean error of all.
        unit : str, default=None
            Unit of the target, for the axis.
        name : str, default=None
            Name for the legend, instead of the display's own.

        Returns
        -------
        self : SparsificationDisplay
            The display, with `ax_` and `figure_`.
        """
        ax = axes_for(ax, "SparsificationDisplay.plot", figsize=(5.2, 4.4))
        name = self.name if name is None else name
        curve, mean = self.curve, self.curve.error[0]
        scale = mean if self.normalize and mean > 0 else 1.0
        label = named(name, f"AUSE = {self.area:.4g}")
        (line,) = ax.plot(
            curve.removed, curve.error / scale, lw=1.8, label=label, zorder=3
        )
        look = {"color": line.get_color(), "lw": 1.2, "ls": (0, (4, 2)), "zorder": 2}
        if oracle:
            label = once(ax, "oracle")
            ax.plot(curve.removed, curve.oracle / scale, label=label, **look)
        if random:
            look |= {"ls": ":", "color": INK}
            label = once(ax, "random removal")
            ax.plot([0, 1], np.full(2, mean / scale), label=label, **look)
        ax.set(xlim=(0, 1), xlabel="Share of predictions removed, least sure first")
        ax.autoscale(axis="y")
        ax.set_ylim(0, HEADROOM * ax.dataLim.ymax or 1.0)
        ax.set_ylabel(self._y_label(unit))
        ax.legend(loc="upper right", ncols=2, fontsize="small")
        self.ax_, self.figure_ = ax, ax.figure
        return self

    def _y_label(self, unit):
        text = f"Mean {self.state.error} error of those kept"
        if self.normalize:
            return f"{text}, relative to all"
        power = "²" if self.state.error == "squared" else ""
        return text if unit is None else f"{text} ({unit}{power})"

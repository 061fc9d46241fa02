"""Prediction intervals with what was observed inside and outside of them."""

import numpy as np
from scipy.special import ndtri

from skuq._core._arrays import as_array, to_numpy
from skuq._core._checks import check_option
from skuq.displays._base import CURVES, GAP, INK, axes_for, mean_and_std, named
from skuq.exceptions import InputError
from skuq.metrics._intervals import interval_coverage_score, interval_width_loss
from skuq.metrics._regression_inputs import check_std

STYLES = ("bars", "band")
ORDERS = ("middle", "width")
HEADROOM = 0.32  # for the legend, as a share of the range of the data


class PredictionIntervalDisplay:
    """Prediction intervals and observed values, misses in a second colour.

    Make one with `from_predictions` or `from_estimator`.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        Observed values.
    y_lower : array-like of shape (n_samples,)
        Lower ends.
    y_upper : array-like of shape (n_samples,)
        Upper ends.
    y_pred : array-like of shape (n_samples,), default=None
        Predictions.
    x : array-like of shape (n_samples,), default=None
        Where to draw each; None draws them in order of their intervals.
    alpha : float in (0, 1), default=None
        Nominal share of misses, for the legend.
    sample_weight : array-like of shape (n_samples,), default=None
        Weights of the coverage.
    name : str, default=None
        Name of the model, for the legend.

    Attributes
    ----------
    missed : ndarray of shape (n_samples,), bool
        Whether the observed value lies outside its interval.
    coverage : float
        Share inside, as `interval_coverage_score`.
    width : float
        Mean width in the unit of the target, as `interval_width_loss`.
    ax_ : matplotlib Axes
        Axes of the picture.
    figure_ : matplotlib Figure
        The figure.

    See Also
    --------
    skuq.metrics.interval_score_loss : A proper score of intervals.
    RegressionCalibrationDisplay : The coverage at all levels.

    Examples
    --------
    >>> import numpy as np
    >>> from skuq.displays import PredictionIntervalDisplay
    >>> x = np.linspace(0.0, 1.0, 50)
    >>> y_true = np.sin(6 * x) + np.random.default_rng(0).normal(0.0, 0.2, 50)
    >>> display = PredictionIntervalDisplay.from_predictions(
    ...     y_true, y_pred=np.sin(6 * x), y_std=np.full(50, 0.2), x=x, xlabel="x (m)"
    ... )
    >>> 0.8 < display.coverage <= 1.0, display.ax_.get_xlabel()
    (True, 'x (m)')
    """

    def __init__(
        self,
        y_true,
        y_lower,
        y_upper,
        *,
        y_pred=None,
        x=None,
        alpha=None,
        sample_weight=None,
        name=None,
    ):
        ends = y_true, y_lower, y_upper
        self.coverage = interval_coverage_score(*ends, sample_weight=sample_weight)
        self.width = interval_width_loss(*ends, sample_weight=sample_weight)
        self.y_true, self.y_lower, self.y_upper = map(_flat, ends)
        self.y_pred = self._aligned("y_pred", y_pred)
        self.x = self._aligned("x", x)
        self.alpha = alpha
        self.name = name
        self.missed = (self.y_true < self.y_lower) | (self.y_true > self.y_upper)

    def _aligned(self, name, values):
        """One value for each observed one, or None."""
        if values is None:
            return None
        values = _flat(values)
        if values.shape != self.y_true.shape:
            raise InputError(
                f"{name} has {len(values)} values and y_true has {len(self.y_true)}: "
                "pass one for each."
            )
        return values

    @classmethod
    def from_estimator(
        cls, estimator, X, y, *, alpha=0.1, x=None, name=None, ax=None, **options
    ):
        """Draw the normal intervals of a fitted regressor.

        Parameters
        ----------
        estimator : object
            A regressor whose `predict` takes ``return_std=True``.
        X : array-like of shape (n_samples, ...)
            Samples that the regressor was not trained on.
        y : array-like of shape (n_samples,)
            Observed values.
        alpha : float in (0, 1), default=0.1
            Nominal share of misses: 0.1 for intervals of 90 %.
        x : array-like of shape (n_samples,), default=None
            Where to draw each; None takes `X` where it has a single column.
        name : str, default=None
            Name for the legend; None takes the class of the estimator.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a figure.
        **options : dict
            As in `from_predictions`.

        Returns
        -------
        display : PredictionIntervalDisplay
            The drawn display.

        Raises
        ------
        skuq.exceptions.InputError
            If the regressor predicts no standard deviations.
        """
        name = type(estimator).__name__ if name is None else name
        mean, std = mean_and_std(estimator, X)
        if x is None and np.ndim(X) == 2 and np.shape(X)[1] == 1:
            x = _flat(X)
        options |= {"alpha": alpha, "x": x, "name": name, "ax": ax}
        return cls.from_predictions(y, y_pred=mean, y_std=std, **options)

    @classmethod
    def from_predictions(
        cls,
        y_true,
        y_lower=None,
        y_upper=None,
        *,
        y_pred=None,
        y_std=None,
        alpha=None,
        x=None,
        sample_weight=None,
        name=None,
        ax=None,
        **plot_options,
    ):
        """Draw intervals, or the central intervals of normal distributions.

        Parameters
        ----------
        y_true : array-like of shape (n_samples,)
            Observed values, in the unit of the target.
        y_lower : array-like of shape (n_samples,), default=None
            Lower ends.
        y_upper : array-like of shape (n_samples,), default=None
            Upper ends, not below the lower ones.
        y_pred : array-like of shape (n_samples,), default=None
            Predictions.
        y_std : array-like of shape (n_samples,), default=None
            Predicted standard deviations, greater than 0; with `y_pred`, in place of
            `y_lower` and `y_upper`.
        alpha : float in (0, 1), default=None
            Nominal share of misses; None is 0.1 where `y_std` is given, and unknown
            otherwise.
        x : array-like of shape (n_samples,), default=None
            Where to draw each, such as a time or the only feature; None draws them in
            order of their intervals.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the coverage, at least 0.
        name : str, default=None
            Name for the legend.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a figure.
        **plot_options : dict
            Keywords of `plot`.

        Returns
        -------
        display : PredictionIntervalDisplay
            The drawn display.
        """
        ends = y_lower is not None, y_upper is not None
        normal = y_std is not None
        if any(ends) != all(ends) or any(ends) == normal or (normal and y_pred is None):
            raise InputError("pass y_lower and y_upper, or y_pred= and y_std=.")
        if alpha is not None and not 0 < alpha < 1:
            raise InputError(
                f"alpha must lie in (0, 1), got {alpha!r}: 0.1 for intervals of 90 %."
            )
        if normal:
            alpha = 0.1 if alpha is None else alpha
            y_lower, y_upper = _normal_ends(y_pred, y_std, alpha)
        display = cls(
            y_true,
            y_lower,
            y_upper,
            y_pred=y_pred,
            x=x,
            alpha=alpha,
            sample_weight=sample_weight,
            name=name,
        )
        return display.plot(ax=ax, **plot_options)

    def plot(
        self,
        ax=None,
        *,
        style=None,
        order="middle",
        max_samples=100,
        xlabel=None,
        unit=None,
        name=None,
    ):
        """Draw the intervals.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; None makes a figure.
        style : {"bars", "band"}, default=None
            A bar for each interval, or a band through all of them; None draws a band
            along `x`, and bars without it.
        order : {"middle", "width"}, default="middle"
            What the samples are sorted by where there is no `x`.
        max_samples : int, default=100
            Of more samples so many are drawn, evenly over the order; coverage and width
            are those of all.
        xlabel : str, default=None
            What `x` is, with its unit.
        unit : str, default=None
            Unit of the target, for the axis.
        name : str, default=None
            Name for the legend, instead of the display's own.

        Returns
        -------
        self : PredictionIntervalDisplay
            The display, with `ax_` and `figure_`.
        """
        check_option("order", order, ORDERS)
        style = ("bars" if self.x is None else "band") if style is None else style
        check_option("style", style, STYLES)
        if max_samples < 1:
            raise InputError(f"max_samples must be at least 1, got {max_samples!r}.")
        ax = axes_for(ax, "PredictionIntervalDisplay.plot", figsize=(7.2, 4.2))
        x, shown = self._shown(order, max_samples)
        self._draw_intervals(ax, x, shown, style)
        self._draw_values(ax, x, shown)
        along = f"Samples in order of the {order} of their interval"
        ax.set_xlabel(along if self.x is None else xlabel or "x")
        ax.set_ylabel("Target" if unit is None else f"Target ({unit})")
        self._draw_legend(ax, len(shown), self.name if name is None else name)
        self.ax_, self.figure_ = ax, ax.figure
        return self

    def _shown(self, order, max_samples):
        """Places along the axis, and the samples drawn there."""
        if self.x is not None:
            by = self.x
        elif order == "width":
            by = self.y_upper - self.y_lower
        else:
            by = self.y_lower / 2 + self.y_upper / 2
        shown = np.argsort(by, kind="stable")
        n = len(shown)
        some = np.arange(n)
        if n > max_samples:
            some = np.unique(np.linspace(0, n - 1, max_samples).round().astype(int))
        shown = shown[some]
        return (some if self.x is None else self.x[shown]), shown

    def _draw_intervals(self, ax, x, shown, style):
        ends = self.y_lower[shown], self.y_upper[shown]
        level = "" if self.alpha is None else f"{100 * (1 - self.alpha):g} % "
        label = f"{level}interval: coverage = {self.coverage:.4f}"
        if style == "band":
            look = {"alpha": 0.25, "linewidth": 0, "zorder": 1}
            ax.fill_between(x, *ends, color=CURVES[0], label=label, **look)
            return
        ax.vlines(x, *ends, color=CURVES[0], alpha=0.6, lw=1.4, label=label, zorder=1)

    def _draw_values(self, ax, x, shown):
        if self.y_pred is not None:
            line = {"color": CURVES[0], "lw": 1.4, "zorder": 2}
            ax.plot(x, self.y_pred[shown], label="predicted", **line)
        missed, y = self.missed[shown], self.y_true[shown]
        dots = {"ls": "", "ms": 3.5, "zorder": 3}
        for which, color, marker, word in (
            (~missed, INK, "o", "inside"),
            (missed, GAP, "D", "outside"),
        ):
            label = f"observed, {word}"
            ax.plot(x[which], y[which], marker, color=color, label=label, **dots)

    def _draw_legend(self, ax, n_shown, name):
        n = len(self.y_true)
        title = None if n_shown == n else f"{n_shown} of {n} samples shown"
        title = title if name is None else named(name, title) if title else name
        low, high = ax.dataLim.ymin, ax.dataLim.ymax
        room = high - low if high > low else 1.0
        ax.set_ylim(low - 0.05 * room, high + HEADROOM * room)
        look = {"title_fontsize": "small", "fontsize": "small", "framealpha": 0.9}
        ax.legend(title=title, loc="upper left", ncols=2, **look)


def _flat(values):
    """The values in one row, on the host."""
    return to_numpy(as_array(values)).reshape(-1).astype(np.float64)


def _normal_ends(y_pred, y_std, alpha):
    """The ends of the central interval of normal distributions."""
    mean, std = to_numpy(as_array(y_pred)), to_numpy(as_array(y_std))
    if mean.shape != std.shape:
        raise InputError(
            f"y_pred has shape {mean.shape} and y_std has shape {std.shape}: both need "
            "one shape."
        )
    check_std(std)
    half = -ndtri(alpha / 2) * std
    return mean - half, mean + half

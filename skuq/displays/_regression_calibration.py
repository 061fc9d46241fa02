"""Calibration of predicted distributions: PIT histogram and quantile reliability."""

import numpy as np
from scipy.stats import binom

from skuq._core._arrays import as_array
from skuq.displays._base import (
    BAR,
    CURVES,
    INK,
    RegressorDisplay,
    axes_for,
    band_label,
    check_band,
    legend_above,
    named,
    panels_in,
)
from skuq.exceptions import InputError, NoSamplesError
from skuq.metrics._quantile_calibration import error_of_shares, level_sums

MOST_BARS = 20
ERROR_NAMES = {
    "l1": "calibration error",
    "l2": "RMS calibration error",
    "max": "largest gap",
}


class RegressionCalibrationDisplay(RegressorDisplay):
    """PIT histogram and quantile reliability; flat and diagonal are calibrated.

    Left the histogram of the probability integral transform: high ends show spreads
    that are too small, a high middle spreads that are too large, a slope a bias.  Right
    the share of values below the quantile of each level.  Make one with
    `from_predictions`, `from_estimator` or `from_state`.

    Parameters
    ----------
    state : LevelSums
        The statistic of `quantile_calibration_error` with ``levels="quantile"``, for
        example the `state` of a `Streaming` metric.
    norm : {"l1", "l2", "max"}, default="l1"
        Norm of the error in the legend.
    name : str, default=None
        Name of the model, for the legend.

    Attributes
    ----------
    level : ndarray of shape (n_levels,)
        Levels, in [0, 1].
    share : ndarray of shape (n_levels,)
        Share of values below the quantile of each level.
    edges : ndarray of shape (n_bins + 1,)
        Edges of the histogram: some of the levels.
    density : ndarray of shape (n_bins,)
        Share of values in each bin over its width; 1 where calibrated.
    error : float
        The quantile calibration error of the same statistic.
    ax_ : matplotlib Axes
        Axes around the two panels.
    axes_ : ndarray of matplotlib Axes of shape (2,)
        Histogram and reliability diagram.
    figure_ : matplotlib Figure
        The figure.

    See Also
    --------
    skuq.metrics.quantile_calibration_error : The error.
    skuq.metrics.probability_integral_transform : The values of the histogram.

    Notes
    -----
    The bands show where bars and line of a calibrated model would lie: between the
    quantiles of binomial shares of as many trials as the weights sum to.  All values
    count as independent.

    An ensemble of M members is compared at the levels ``k / (M + 1)``, where its ranks
    are even if it is calibrated; quantiles are compared at their own levels.

    Examples
    --------
    >>> import numpy as np
    >>> from skuq.displays import RegressionCalibrationDisplay
    >>> y_true = np.random.default_rng(0).normal(size=500)
    >>> display = RegressionCalibrationDisplay.from_predictions(
    ...     y_true, np.zeros(500), np.full(500, 0.5)
    ... )
    >>> histogram, reliability = display.axes_
    >>> reliability.get_xlabel(), bool(display.density[0] > 1.5)
    ('Stated level', True)
    """

    def __init__(self, state, *, norm="l1", name=None):
        if state.kind != "quantile":
            raise InputError(
                f"the state holds shares within central intervals (levels="
                f"{state.kind!r}): use the state of a metric with levels='quantile'."
            )
        if not state.weight > 0:
            raise NoSamplesError("no sample that counts has a weight above zero.")
        self.state = state
        self.norm = norm
        self.name = name
        self.level = np.array(state.levels)
        self.share = state.shares
        self.error = error_of_shares(state, norm=norm)
        self.edges, self.density = _histogram(self.level, self.share)

    @classmethod
    def from_predictions(
        cls,
        y_true,
        y_pred=None,
        y_std=None,
        *,
        members=None,
        y_quantiles=None,
        quantile_levels=None,
        n_levels=None,
        sample_weight=None,
        norm="l1",
        name=None,
        ax=None,
        **plot_options,
    ):
        """Draw the calibration of predicted distributions of one of three kinds.

        Parameters
        ----------
        y_true : array-like of shape (n_samples, *output)
            Observed values.
        y_pred : array-like of the shape of `y_true`, default=None
            Predicted means, in the unit of `y_true`; with `y_std`.
        y_std : array-like of the shape of `y_true`, default=None
            Predicted standard deviations, greater than 0.
        members : array-like of shape (n_members, n_samples, *output), default=None
            Predictions of the members of an ensemble.
        y_quantiles : array-like of shape (n_samples, n_levels, *output), default=None
            Predicted quantiles; with `quantile_levels`.
        quantile_levels : array-like of shape (n_levels,), default=None
            The level of each, in (0, 1), rising.
        n_levels : int, default=None
            Compare at the levels ``k / (n_levels + 1)``; None takes 99 of them, as many
            as there are members, or the levels of the quantiles.
        sample_weight : array-like of shape (n_samples,) or of `y_true`, default=None
            Weights, at least 0.
        norm : {"l1", "l2", "max"}, default="l1"
            Norm of the error in the legend.
        name : str, default=None
            Name for the legend.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a figure.
        **plot_options : dict
            Keywords of `plot`.

        Returns
        -------
        display : RegressionCalibrationDisplay
            The drawn display.
        """
        if members is not None:
            members = as_array(members)
            n_levels = members.shape[0] if n_levels is None else n_levels
        state = level_sums(
            y_true,
            y_pred,
            y_std,
            members=members,
            y_quantiles=y_quantiles,
            quantile_levels=quantile_levels,
            n_levels=n_levels,
            sample_weight=sample_weight,
        )
        return cls(state, norm=norm, name=name).plot(ax=ax, **plot_options)

    @classmethod
    def from_state(cls, state, *, norm="l1", name=None, ax=None, **plot_options):
        """Draw the calibration that a streamed statistic holds.

        Parameters
        ----------
        state : LevelSums
            The `state` of ``Streaming(quantile_calibration_error)``.
        norm : {"l1", "l2", "max"}, default="l1"
            Norm of the error in the legend.
        name : str, default=None
            Name for the legend.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a figure.
        **plot_options : dict
            Keywords of `plot`.

        Returns
        -------
        display : RegressionCalibrationDisplay
            The drawn display.
        """
        return cls(state, norm=norm, name=name).plot(ax=ax, **plot_options)

    def plot(self, ax=None, *, band=0.95, name=None):
        """Draw the histogram and the reliability diagram.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Whose place to divide in two; None makes a figure.
        band : float in (0, 1) or None, default=0.95
            Level of the consistency bands; None draws none.
        name : str, default=None
            Name for the legend, instead of the display's own.

        Returns
        -------
        self : RegressionCalibrationDisplay
            The display, with `ax_`, `axes_` and `figure_`.
        """
        check_band(band)
        ax = axes_for(ax, "RegressionCalibrationDisplay.plot", figsize=(8.6, 4.4))
        left, right = panels = panels_in(ax, 1, 2)[0]
        self._draw_histogram(left, band)
        name = self.name if name is None else name
        label = named(name, f"{ERROR_NAMES[self.norm]} = {self.error:.4f}")
        self._draw_reliability(right, band, label)
        legend_above(ax, *right.get_legend_handles_labels())
        self.ax_, self.axes_, self.figure_ = ax, panels, ax.figure
        return self

    def _draw_histogram(self, ax, band):
        width = np.diff(self.edges)
        bars = {"align": "edge", "color": BAR, "edgecolor": "white"}
        ax.bar(self.edges[:-1], self.density, width, **bars)
        ax.axhline(1, color=INK, lw=1, ls=(0, (4, 3)))
        highest = self.density.max()
        if band is not None:
            low, high = self._binomial(width, band) / width
            highest = max(highest, high.max())
            ax.stairs(high, self.edges, baseline=low, fill=True, **_shade(band))
        ax.set(xlim=(0, 1), ylim=(0, 1.05 * highest), box_aspect=1)
        ax.set(xlabel="Probability integral transform (PIT)")
        ax.set(ylabel="Density of observed values")

    def _draw_reliability(self, ax, band, label):
        ax.plot([0, 1], [0, 1], color=INK, lw=1, ls=(0, (4, 3)), zorder=3)
        x = np.concatenate([[0.0], self.level, [1.0]])
        marker = "o-" if len(self.level) <= MOST_BARS else "-"
        line = {"color": CURVES[0], "lw": 1.8, "ms": 4, "zorder": 4}
        ax.plot(self.level, self.share, marker, label=label, **line)
        if band is not None:
            low, high = self._binomial(x, band)
            ax.fill_between(x, low, high, **_shade(band))
        ax.set(xlim=(0, 1), ylim=(0, 1), box_aspect=1)
        ax.set(xlabel="Stated level", ylabel="Share of observed values below")

    def _binomial(self, probability, band):
        """Ends of the band of shares of these probabilities."""
        n = max(round(self.state.weight), 1)
        tails = np.array([[(1 - band) / 2], [(1 + band) / 2]])
        return binom.ppf(tails, n, probability) / n


def _shade(band):
    look = {"facecolor": INK, "alpha": 0.16, "linewidth": 0, "zorder": 2}
    return look | {"label": band_label(band)}


def _histogram(level, share):
    """Edges and densities of at most twenty bins between levels."""
    edges = np.concatenate([[0.0], level, [1.0]])
    below = np.concatenate([[0.0], share, [1.0]])
    some = np.append(np.diff(edges) > 0, True)  # levels of 0 and 1 are ends already
    edges, below = edges[some], below[some]
    n_bins = len(edges) - 1
    every = -(-n_bins // MOST_BARS)
    chosen = np.unique(np.append(np.arange(0, n_bins, every), n_bins))
    return edges[chosen], np.diff(below[chosen]) / np.diff(edges[chosen])

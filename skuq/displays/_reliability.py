"""The reliability diagram: what a classifier states against what comes true."""

import numpy as np
from scipy.stats import binom

from skuq._core._checks import check_option
from skuq.displays._base import axes_for
from skuq.exceptions import InputError
from skuq.metrics._binned import binned_outcomes, error_of_state
from skuq.metrics._reliability import curve_of_state

BAR, GAP, INK, PAPER = "#7fa8d1", "#ee6677", "#333333", "#999999"
HISTOGRAM = 0.18  # height of the histogram, as a share of the diagram's
STYLES = ("bars", "line")
X_LABELS = {
    "top-label": "Confidence",
    "positive": "Probability of the positive class",
    "classwise": "Probability of the class",
    "predicted-class": "Confidence in the predicted class",
}
ERROR_NAMES = {
    "l1": "ECE",
    "l2": "RMS calibration error",
    "l2-squared": "squared calibration error",
    "max": "MCE",
}
Y_LABELS = {
    "top-label": "Accuracy",
    "positive": "Share of the positive class",
    "classwise": "Share of the class",
    "predicted-class": "Accuracy",
}


class ReliabilityDisplay:
    """Reliability diagram: bars on the diagonal mean honest probabilities.

    Make one with `from_predictions`, `from_estimator` or `from_state`.

    Parameters
    ----------
    state : BinSums or CollectedOutcomes
        The statistic of `expected_calibration_error`, for example the `state` of a
        `Streaming` metric.
    name : str, default=None
        Name of the classifier, for the legend.
    norm : {"l1", "l2", "l2-squared", "max"}, default="l1"
        Norm of the calibration error in the legend.

    Attributes
    ----------
    curve : ReliabilityCurve
        Mean confidence, accuracy and weight of each bin.
    error : float
        The calibration error of the same statistic.
    ax_ : matplotlib Axes
        Axes of the diagram.
    histogram_ax_ : matplotlib Axes or None
        Axes of the confidence histogram.
    figure_ : matplotlib Figure
        The figure.

    See Also
    --------
    skuq.metrics.reliability_curve : The numbers.

    Notes
    -----
    The consistency band [1]_ shows where the bars of a calibrated classifier would lie:
    in a bin with n samples of mean confidence c, between the quantiles of a binomial
    share with n trials of probability c.  Pixels of one image are not independent, so
    on maps the band is too narrow.

    References
    ----------
    .. [1] J. Broecker and L. A. Smith (2007). "Increasing the reliability of
       reliability diagrams". Weather and Forecasting 22(3). `doi:10.1175/WAF993.1
       <https://doi.org/10.1175/WAF993.1>`_

    Examples
    --------
    >>> from skuq.datasets import make_logits
    >>> from skuq.calibration import TemperatureScaler
    >>> from skuq.displays import ReliabilityDisplay
    >>> logits, y = make_logits(2000, n_classes=3, random_state=0)
    >>> proba = TemperatureScaler().fit(logits, y).predict_proba(logits)
    >>> display = ReliabilityDisplay.from_predictions(y, proba, name="calibrated")
    >>> display.ax_.get_ylabel(), display.histogram_ax_.get_xlabel()
    ('Accuracy', 'Confidence')
    """

    def __init__(self, state, *, name=None, norm="l1"):
        self.state = state
        self.name = name
        self.norm = norm
        self.curve = curve_of_state(state)
        self.error = error_of_state(state, norm=norm)

    @classmethod
    def from_estimator(cls, estimator, X, y, *, name=None, ax=None, **options):
        """Draw the diagram of a fitted classifier.

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
        display : ReliabilityDisplay
            The drawn display.
        """
        options.setdefault("labels", getattr(estimator, "classes_", None))
        name = type(estimator).__name__ if name is None else name
        proba = estimator.predict_proba(X)
        return cls.from_predictions(y, proba, name=name, ax=ax, **options)

    @classmethod
    def from_predictions(
        cls,
        y_true,
        y_proba,
        *,
        sample_weight=None,
        labels=None,
        kind=None,
        n_bins=None,
        strategy=None,
        norm="l1",
        closed=None,
        convention="guo2017",
        ignore_index=None,
        name=None,
        ax=None,
        **plot_options,
    ):
        """Draw the diagram of probabilities.

        Parameters
        ----------
        y_true : array-like of shape (n_samples, *spatial)
            True labels.
        y_proba : array-like of shape (n_samples, n_classes, *spatial)
            Probabilities in [0, 1].
        sample_weight : array-like of shape (n_samples,), default=None
            Weights, at least 0.
        labels : array-like of shape (n_classes,), default=None
            The label of each column.
        kind : {"top-label", "positive", "classwise"}, default=None
            What is compared, as in `skuq.metrics.expected_calibration_error`.
        n_bins : int, default=None
            Number of bins, by default 15.
        strategy : {"uniform", "quantile"}, default=None
            Bins of equal width (default) or of equal weight.
        norm : {"l1", "l2", "l2-squared", "max"}, default="l1"
            Norm of the error in the legend.
        closed : {"right", "left", "left-overflow", "right-underflow"}, default=None
            Which edge belongs to a bin.
        convention : str, default="guo2017"
            Whose definition.
        ignore_index : int or str, default=None
            Label of positions that do not count.
        name : str, default=None
            Name for the legend.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a figure.
        **plot_options : dict
            Keywords of `plot`.

        Returns
        -------
        display : ReliabilityDisplay
            The drawn display.
        """
        state = binned_outcomes(
            y_true,
            y_proba,
            sample_weight=sample_weight,
            labels=labels,
            kind=kind,
            n_bins=n_bins,
            strategy=strategy,
            closed=closed,
            convention=convention,
            ignore_index=ignore_index,
        )
        return cls(state, name=name, norm=norm).plot(ax=ax, **plot_options)

    @classmethod
    def from_state(cls, state, *, name=None, norm="l1", ax=None, **plot_options):
        """Draw the diagram of a statistic that was streamed.

        Parameters
        ----------
        state : BinSums or CollectedOutcomes
            The `state` of ``Streaming(expected_calibration_error, ...)``.
        name : str, default=None
            Name for the legend.
        norm : {"l1", "l2", "l2-squared", "max"}, default="l1"
            Norm of the error in the legend.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a figure.
        **plot_options : dict
            Keywords of `plot`.

        Returns
        -------
        display : ReliabilityDisplay
            The drawn display.
        """
        return cls(state, name=name, norm=norm).plot(ax=ax, **plot_options)

    def plot(
        self,
        ax=None,
        *,
        style=None,
        gap=True,
        histogram=True,
        band=0.95,
        reference=True,
        name=None,
    ):
        """Draw the diagram.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; None makes a figure.
        style : {"bars", "line"}, default=None
            None draws bars, and lines for classwise calibration.
        gap : bool, default=True
            Mark the distance between accuracy and confidence (bars only).
        histogram : bool, default=True
            Draw the share of samples in each bin below the diagram.
        band : float in (0, 1) or None, default=0.95
            Level of the consistency band; None draws none.
        reference : bool, default=True
            Draw the diagonal.
        name : str, default=None
            Name for the legend, instead of the display's own.

        Returns
        -------
        self : ReliabilityDisplay
            The display, with `ax_`, `histogram_ax_` and `figure_`.
        """
        one = self.curve.weight.ndim == 1
        style = ("bars" if one else "line") if style is None else style
        check_option("style", style, STYLES if one else ("line",))
        if band is not None and not 0 < band < 1:
            raise InputError(
                f"band must be a fraction in (0, 1) or None, got {band!r}."
            )
        ax = axes_for(ax, "ReliabilityDisplay.plot")
        edges = self.state.edges()
        if reference:
            ax.plot([0, 1], [0, 1], color=INK, lw=1, ls=(0, (4, 3)), zorder=4)
        if style == "bars":
            self._draw_bars(ax, edges[0], gap, name)
        else:
            self._draw_lines(ax, name)
        if band is not None and one:
            self._draw_band(ax, edges[0], band)
        kind = self.state.binning.kind
        ax.set(xlim=(0, 1), ylim=(0, 1), ylabel=Y_LABELS[kind], aspect="equal")
        ax.legend(loc="upper left", fontsize="small", framealpha=0.9)
        self.histogram_ax_ = (
            _draw_histogram(ax, self.curve, edges) if histogram else None
        )
        (self.histogram_ax_ or ax).set_xlabel(X_LABELS[kind])
        self.ax_, self.figure_ = ax, ax.figure
        return self

    def _label(self, name):
        name = self.name if name is None else name
        title = ERROR_NAMES[self.norm]
        error = f"{title} = {self.error:.4f}"
        return error if name is None else f"{name}: {error}"

    def _draw_bars(self, ax, edges, gap, name):
        curve, some = self.curve, self.curve.weight > 0
        left, width = edges[:-1][some], np.diff(edges)[some]
        stated, came = curve.mean_confidence[some], curve.accuracy[some]
        bars = {"width": width, "align": "edge", "linewidth": 1, "zorder": 1}
        ax.bar(
            left, came, color=BAR, edgecolor="white", label=self._label(name), **bars
        )
        if gap:
            ax.bar(
                left,
                came - stated,
                bottom=stated,
                color=GAP,
                alpha=0.5,
                label="gap",
                **(bars | {"zorder": 2, "linewidth": 0}),
            )

    def _draw_lines(self, ax, name):
        rows = zip(
            np.atleast_2d(self.curve.mean_confidence),
            np.atleast_2d(self.curve.accuracy),
            strict=True,
        )
        for i, (stated, came) in enumerate(rows):
            some = np.isfinite(stated)
            label = self._label(name) if i == 0 else None
            ax.plot(stated[some], came[some], "o-", ms=4, lw=1.5, label=label, zorder=2)

    def _draw_band(self, ax, edges, level):
        curve = self.curve
        some = curve.effective_count >= 1
        n = np.round(curve.effective_count[some])
        stated = np.clip(curve.mean_confidence[some], 0, 1)
        low, high = binom.ppf([[(1 - level) / 2], [(1 + level) / 2]], n, stated) / n
        ax.bar(
            edges[:-1][some],
            (high - low),
            np.diff(edges)[some],
            bottom=low,
            align="edge",
            color=INK,
            alpha=0.16,
            linewidth=0,
            label=f"{100 * level:g} % band if calibrated",
            zorder=3,
        )


def _draw_histogram(ax, curve, edges):
    """The share of samples in each bin, in axes below the diagram."""
    below = _axes_below(ax)
    weight = np.atleast_2d(curve.weight)
    share = weight.sum(axis=0) / weight.sum()
    left, width = edges[0][:-1], np.diff(edges[0])
    below.bar(left, share, width, align="edge", color=PAPER, edgecolor="white")
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

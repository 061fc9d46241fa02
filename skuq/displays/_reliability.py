"""The reliability diagram: what a classifier states against what comes true."""

import numpy as np

from skuq._core._arrays import as_array, to_numpy
from skuq._core._checks import check_option
from skuq._core._labels import infer_classes
from skuq.displays._base import CURVES, ClassifierDisplay, axes_for, check_band, named
from skuq.displays._reliability_bins import BinnedDiagram
from skuq.displays._reliability_isotonic import IsotonicDiagram
from skuq.displays._reliability_layout import (
    Look,
    class_panels,
    draw_diagonal,
    draw_histogram,
    label_panels,
    label_square,
    own_legend,
    shared_legend,
)
from skuq.displays._reliability_smooth import SmoothDiagram
from skuq.exceptions import InputError
from skuq.metrics._binned import BinState, binned_outcomes
from skuq.metrics._outcomes import collected_outcomes

WITHOUT_BINS = {"smooth": SmoothDiagram, "isotonic": IsotonicDiagram}
STYLES = ("bars", "line", *WITHOUT_BINS)


class ReliabilityDisplay(ClassifierDisplay):
    """Reliability diagram: bars on the diagonal mean honest probabilities.

    Make one with `from_predictions`, `from_estimator` or `from_state`.

    Parameters
    ----------
    state : BinSums or CollectedOutcomes
        The statistic of `expected_calibration_error`, for example the `state` of a
        `Streaming` metric.  Styles without bins need one that keeps all samples, such
        as that of `score_decomposition`.
    name : str, default=None
        Name of the classifier, for the legend.
    norm : {"l1", "l2", "l2-squared", "max"}, default="l1"
        Norm of the calibration error in the legend, where there are bins.
    style : {"bars", "line", "smooth", "isotonic"}, default=None
        As in `plot`.
    labels : array-like of shape (n_classes,), default=None
        Names of the classes, for the panels of `plot`; None takes column numbers.

    Attributes
    ----------
    curve : ReliabilityCurve, SmoothCurve or IsotonicCurve
        Mean confidence, accuracy and weight of each bin; without bins `probability`
        and `share`, in a list with one curve (or None) per class where there are
        several.
    error : float
        The calibration error of the same statistic: in bins that of `norm`, smooth
        (`smooth_calibration_error`), or isotonic (the miscalibration of
        `score_decomposition`).
    ax_ : matplotlib Axes
        Axes of the diagram, or around the panels.
    axes_ : ndarray of matplotlib Axes
        The panels, or the one diagram.
    histogram_ax_ : matplotlib Axes or None
        Axes of the confidence histogram.
    figure_ : matplotlib Figure
        The figure.

    See Also
    --------
    skuq.metrics.reliability_curve : The numbers.
    skuq.displays.ConfidenceHistogramDisplay : Right and wrong predictions apart.

    Notes
    -----
    The consistency band [1]_ shows where the bars of a calibrated classifier would lie:
    in a bin with n samples of mean confidence c, between the quantiles of a binomial
    share with n trials of probability c.  Pixels of one image are not independent, so
    on maps the band is too narrow.

    "smooth" [2]_ draws the share under a Gaussian kernel whose bandwidth is the smooth
    calibration error itself.  Its band has the exact mean and variance of a calibrated
    model's curve, and the form of beta distributions.

    "isotonic" [3]_ draws the share made to grow with the probability, and takes the
    Brier score apart: miscalibration (MCB) less discrimination (DSC) plus uncertainty
    (UNC).  Its band holds the curves of 500 sets of outcomes drawn from the stated
    probabilities.

    References
    ----------
    .. [1] J. Broecker and L. A. Smith (2007). "Increasing the reliability of
       reliability diagrams". Weather and Forecasting 22(3). `doi:10.1175/WAF993.1
       <https://doi.org/10.1175/WAF993.1>`_
    .. [2] J. Blasiok and P. Nakkiran (2024). "Smooth ECE: principled reliability
       diagrams via kernel smoothing". ICLR. `arXiv:2309.12236
       <https://arxiv.org/abs/2309.12236>`_
    .. [3] T. Dimitriadis, T. Gneiting and A. I. Jordan (2021). "Stable reliability
       diagrams for probabilistic classifiers". PNAS 118(8).
       `doi:10.1073/pnas.2016191118 <https://doi.org/10.1073/pnas.2016191118>`_

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
    >>> smooth = ReliabilityDisplay.from_predictions(y, proba, style="smooth")
    >>> smooth.error < 0.05
    True
    """

    def __init__(self, state, *, name=None, norm="l1", style=None, labels=None):
        if style is not None:
            check_option("style", style, STYLES)
        self.state = state
        self.name = name
        self.norm = norm
        self.style = style
        self.labels = labels
        self._diagram = self._make_diagram(style)
        self.curve = self._diagram.curve
        self.error = self._diagram.error

    def _make_diagram(self, style):
        if style in WITHOUT_BINS:
            return WITHOUT_BINS[style](self.state)
        return BinnedDiagram(self.state, self.norm)

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
        style=None,
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
        style : {"bars", "line", "smooth", "isotonic"}, default=None
            As in `plot`.
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
        data = {
            "sample_weight": sample_weight,
            "labels": labels,
            "ignore_index": ignore_index,
        }
        bins = {"n_bins": n_bins, "strategy": strategy, "closed": closed}
        if style in WITHOUT_BINS:
            _refuse_bins(style, convention, bins)
            data |= {"kind": "top-label" if kind is None else kind}
            state: BinState = collected_outcomes(y_true, y_proba, **data)
        else:
            data |= {"kind": kind, "convention": convention, **bins}
            state = binned_outcomes(y_true, y_proba, **data)
        if labels is None:
            labels = _labels_of(y_true, state, ignore_index)
        display = cls(state, name=name, norm=norm, style=style, labels=labels)
        return display.plot(ax=ax, **plot_options)

    @classmethod
    def from_state(
        cls,
        state,
        *,
        name=None,
        norm="l1",
        style=None,
        labels=None,
        ax=None,
        **plot_options,
    ):
        """Draw the diagram of a statistic that was streamed.

        Parameters
        ----------
        state : BinSums or CollectedOutcomes
            The `state` of ``Streaming(expected_calibration_error, ...)``, or for a
            style without bins that of ``Streaming(score_decomposition, ...)``.
        name : str, default=None
            Name for the legend.
        norm : {"l1", "l2", "l2-squared", "max"}, default="l1"
            Norm of the error in the legend.
        style : {"bars", "line", "smooth", "isotonic"}, default=None
            As in `plot`.
        labels : array-like of shape (n_classes,), default=None
            Names of the classes.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a figure.
        **plot_options : dict
            Keywords of `plot`.

        Returns
        -------
        display : ReliabilityDisplay
            The drawn display.
        """
        display = cls(state, name=name, norm=norm, style=style, labels=labels)
        return display.plot(ax=ax, **plot_options)

    def plot(
        self,
        ax=None,
        *,
        style=None,
        grid=False,
        gap=True,
        histogram=True,
        band=0.95,
        reference=True,
        random_state=0,
        name=None,
    ):
        """Draw the diagram.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; None makes a figure.
        style : {"bars", "line", "smooth", "isotonic"}, default=None
            Bars or a line in bins, a curve under a kernel, or isotonic steps.  None
            takes the style of the display; without one it draws bars, and lines where
            several classes share a diagram.
        grid : bool, default=False
            Draw a small diagram of each class, of at most 16 classes, instead of one
            for all (classwise calibration).
        gap : bool, default=True
            Mark the distance between accuracy and confidence (bars only).
        histogram : bool, default=True
            Draw the share of samples in each bin below the diagram (not in a grid).
        band : float in (0, 1) or None, default=0.95
            Level of the consistency band; None draws none, and several classes in one
            diagram have none.
        reference : bool, default=True
            Draw the diagonal.
        random_state : int, numpy.random.Generator or None, default=0
            Seed of the outcomes drawn for the band of ``style="isotonic"``.
        name : str, default=None
            Name for the legend, instead of the display's own.

        Returns
        -------
        self : ReliabilityDisplay
            The display, with `ax_`, `axes_`, `histogram_ax_` and `figure_`.
        """
        check_band(band)
        alone = grid or self._diagram.n_rows == 1
        style = self.style if style is None else style
        style = ("bars" if alone else "line") if style is None else style
        check_option("style", style, STYLES if alone else STYLES[1:])
        in_bins = style not in WITHOUT_BINS and self.style not in WITHOUT_BINS
        same = in_bins or style == self.style
        diagram = self._diagram if same else self._make_diagram(style)
        label = named(self.name if name is None else name, diagram.label)
        look = Look(style, gap, band if alone else None, reference, random_state)
        draw = self._draw_grid if grid else self._draw_one
        draw(ax, diagram, label, look, histogram)
        self.figure_ = self.ax_.figure
        return self

    def _draw_one(self, ax, diagram, label, look, histogram):
        ax = axes_for(ax, "ReliabilityDisplay.plot")
        draw_diagonal(ax, look)
        rows = [i for i in range(diagram.n_rows) if diagram.has(i)]
        for i in rows:
            name = self._class_name(i) if len(rows) <= len(CURVES) else None
            diagram.draw(ax, i, label if diagram.n_rows == 1 else name, look)
        below = draw_histogram(ax, *diagram.histogram()) if histogram else None
        label_square(ax, below, self.state.binning.kind)
        own_legend(ax, label, look, diagram.n_rows)
        self.ax_, self.axes_, self.histogram_ax_ = ax, np.array([ax]), below

    def _class_name(self, i):
        return str(i if self.labels is None else self.labels[i])

    def _draw_grid(self, ax, diagram, label, look, histogram):
        n = diagram.n_rows
        if n == 1:
            raise InputError("grid=True is for several classes: use kind='classwise'.")
        ax, panels, n_columns = class_panels(ax, "ReliabilityDisplay.plot", n)
        for i, panel in enumerate(panels):
            draw_diagonal(panel, look)
            title = self._class_name(i)
            if diagram.has(i):
                diagram.draw(panel, i, label.replace("\n", ", "), look)
                title += f": {diagram.label_of(i)}"
            panel.set_title(title, fontsize="small")
        label_panels(panels, n_columns, self.state.binning.kind)
        shared_legend(ax, panels, n)
        self.ax_, self.axes_, self.histogram_ax_ = ax, panels, None


def _refuse_bins(style, convention, bins):
    """Options of bins, where there are none."""
    given = [name for name, value in bins.items() if value is not None]
    given += ["convention"] if convention != "guo2017" else []
    if given:
        raise InputError(
            f"style={style!r} has no bins and takes no {', '.join(given)}."
        )


def _labels_of(y_true, state, ignore_index):
    """Labels of the classes, if there are several rows to name."""
    n_rows = state.n_rows if hasattr(state, "n_rows") else len(state.weight)
    if n_rows == 1:
        return None
    return to_numpy(infer_classes(as_array(y_true), n_rows, ignore_index=ignore_index))

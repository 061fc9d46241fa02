"""How confident a classifier is where it is right, and where it is wrong."""

from dataclasses import replace

import numpy as np

from skuq._core._binning import BinSums, sum_in_bins
from skuq._core._outcomes import Outcomes
from skuq.displays._base import BAR, GAP, INK, ClassifierDisplay, axes_for
from skuq.exceptions import InputError, NoSamplesError
from skuq.metrics._binned import binned_outcomes

KINDS = ("top-label", "predicted-class")
N_BINS = 20


class ConfidenceHistogramDisplay(ClassifierDisplay):
    """Histograms of the confidence in right and in wrong predictions.

    Mean confidence above accuracy, the two vertical lines, is over-confidence; two
    histograms that hardly overlap make errors easy to find.  Make one with
    `from_predictions`, `from_estimator` or `from_state`.

    Parameters
    ----------
    state : BinSums or CollectedOutcomes
        The statistic of `expected_calibration_error` of top labels, for example the
        `state` of a `Streaming` metric.
    name : str, default=None
        Name of the classifier, for the legend.

    Attributes
    ----------
    edges : ndarray of shape (n_bins + 1,)
        Edges of the bins of the confidence.
    right : ndarray of shape (n_bins,)
        Share of all samples that lie in each bin and are predicted right.
    wrong : ndarray of shape (n_bins,)
        Share of all samples that lie in each bin and are predicted wrong.
    mean_confidence : float
        Mean of the confidence, in [0, 1].
    accuracy : float
        Share of right predictions, in [0, 1].
    ax_ : matplotlib Axes
        Axes of the histograms.
    figure_ : matplotlib Figure
        The figure.

    See Also
    --------
    ReliabilityDisplay : Whether the confidence is honest, bin by bin.
    skuq.metrics.error_detection_scores : How well it tells right from wrong.

    Examples
    --------
    >>> from scipy.special import softmax
    >>> from skuq.datasets import make_logits
    >>> from skuq.displays import ConfidenceHistogramDisplay
    >>> logits, y = make_logits(2000, n_classes=3, random_state=0)
    >>> proba = softmax(logits, axis=1)
    >>> display = ConfidenceHistogramDisplay.from_predictions(y, proba)
    >>> display.mean_confidence > display.accuracy
    True
    """

    def __init__(self, state, *, name=None):
        if state.binning.kind not in KINDS:
            raise InputError(
                f"kind={state.binning.kind!r} knows no right and wrong predictions: "
                "use the state of a metric with kind='top-label'."
            )
        sums = state if isinstance(state, BinSums) else _in_even_bins(state)
        weight, right = sums.weight.sum(axis=0), sums.outcome.sum(axis=0)
        total = weight.sum()
        if total == 0:
            raise NoSamplesError("no sample that counts has a weight above zero.")
        self.state = state
        self.name = name
        self.edges = sums.edges()[0]
        self.right = right / total
        self.wrong = np.maximum(weight - right, 0) / total
        self.mean_confidence = float(sums.score.sum() / total)
        self.accuracy = float(right.sum() / total)

    @classmethod
    def from_predictions(
        cls,
        y_true,
        y_proba,
        *,
        sample_weight=None,
        labels=None,
        n_bins=N_BINS,
        ignore_index=None,
        name=None,
        ax=None,
        **plot_options,
    ):
        """Draw the histograms of probabilities.

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
        n_bins : int, default=20
            Number of bins of equal width over [0, 1].
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
        display : ConfidenceHistogramDisplay
            The drawn display.
        """
        state = binned_outcomes(
            y_true,
            y_proba,
            sample_weight=sample_weight,
            labels=labels,
            n_bins=n_bins,
            ignore_index=ignore_index,
        )
        return cls(state, name=name).plot(ax=ax, **plot_options)

    @classmethod
    def from_state(cls, state, *, name=None, ax=None, **plot_options):
        """Draw the histograms of a statistic that was streamed.

        Parameters
        ----------
        state : BinSums or CollectedOutcomes
            The `state` of ``Streaming(expected_calibration_error, n_bins=20)``, whose
            bins are those of the histogram; 20 even ones if it keeps all samples.
        name : str, default=None
            Name for the legend.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a figure.
        **plot_options : dict
            Keywords of `plot`.

        Returns
        -------
        display : ConfidenceHistogramDisplay
            The drawn display.
        """
        return cls(state, name=name).plot(ax=ax, **plot_options)

    def plot(self, ax=None, *, each=False, name=None):
        """Draw the histograms.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; None makes a figure.
        each : bool, default=False
            Let the shares of right and of wrong predictions each sum to one, to compare
            their shapes where one of them is rare.
        name : str, default=None
            Name for the legend, instead of the display's own.

        Returns
        -------
        self : ConfidenceHistogramDisplay
            The display, with `ax_` and `figure_`.
        """
        ax = axes_for(ax, "ConfidenceHistogramDisplay.plot", figsize=(5.6, 4.0))
        for share, word, color, order in (
            (self.right, "right", BAR, 1),
            (self.wrong, "wrong", GAP, 2),
        ):
            total = share.sum()
            height = share / total if each and total > 0 else share
            height = np.where(height > 0, height, np.nan)  # no line along the ground
            label = f"{word}: {100 * total:.1f} % of samples"
            look = {"facecolor": f"{color}88", "edgecolor": color, "zorder": order}
            ax.stairs(height, self.edges, fill=True, lw=1.5, label=label, **look)
        for value, word, dashes in (
            (self.accuracy, "accuracy", "-"),
            (self.mean_confidence, "mean confidence", (0, (4, 2))),
        ):
            label = f"{word} = {value:.4f}"
            ax.axvline(value, color=INK, lw=1.2, ls=dashes, label=label, zorder=3)
        of = "right or wrong predictions" if each else "samples"
        ax.set(xlim=(0, 1), xlabel="Confidence", ylabel=f"Share of {of}")
        ax.set_ylim(bottom=0)
        title = self.name if name is None else name
        ax.legend(title=title, fontsize="small", title_fontsize="small")
        self.ax_, self.figure_ = ax, ax.figure
        return self


def _in_even_bins(state):
    """The sums of collected samples in bins of equal width."""
    binning = replace(state.binning, n_bins=N_BINS, strategy="uniform", closed="right")
    part = Outcomes(state.score, state.outcome, state.weight, state.row)
    edges = np.tile(binning.uniform("float64"), (state.n_rows, 1))
    return BinSums(binning, *sum_in_bins(part, edges, binning.closed, state.n_rows))

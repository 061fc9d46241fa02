"""The risk-coverage curve: how wrong a classifier is where it is sure."""

import numpy as np

from skuq._core._checks import check_option
from skuq.displays._base import ClassifierDisplay, axes_for, named, thinned
from skuq.metrics._confidence import ranked_outcomes
from skuq.metrics._risk_coverage import RISKS, area_of_ranks, curve_of_ranks

AREA_NAMES = {"selective": "AURC", "generalized": "AUGRC"}
Y_LABELS = {
    "selective": "Selective risk (errors among those kept)",
    "generalized": "Generalized risk (errors kept among all)",
}


class RiskCoverageDisplay(ClassifierDisplay):
    """Risk-coverage curve: errors among the surest predictions; lower is better.

    The nearer to its oracle, which is sure exactly where the model is right, the better
    a confidence tells when to abstain.  Make one with `from_predictions`,
    `from_estimator` or `from_state`; draw several models into one picture by passing
    the `ax_` of the first.

    Parameters
    ----------
    state : RankedOutcomes
        The statistic of `area_under_risk_coverage_error`, for example the `state` of a
        `Streaming` metric.
    risk : {"selective", "generalized"}, default="selective"
        Errors among the samples kept (AURC), or errors kept among all samples (AUGRC).
    name : str, default=None
        Name of the classifier, for the legend.

    Attributes
    ----------
    curve : RiskCoverageCurve
        Coverage, risk and threshold, the surest first.
    oracle : ndarray of shape (n_thresholds,)
        The least risk that this accuracy allows at each coverage.
    area : float
        Area under the curve, as `area_under_risk_coverage_error`.
    oracle_area : float
        That of the oracle.
    ax_ : matplotlib Axes
        Axes of the curve.
    figure_ : matplotlib Figure
        The figure.

    See Also
    --------
    skuq.metrics.risk_coverage_curve : The numbers.
    SparsificationDisplay : For regression.

    Notes
    -----
    Curves of more than 2000 points are drawn at 2000 of them, evenly over the coverage;
    the areas are those of all.

    Examples
    --------
    >>> from scipy.special import softmax
    >>> from skuq.datasets import make_logits
    >>> from skuq.displays import RiskCoverageDisplay
    >>> logits, y = make_logits(2000, n_classes=3, random_state=0)
    >>> display = RiskCoverageDisplay.from_predictions(y, softmax(logits, axis=1))
    >>> display.oracle_area < display.area < 1
    True
    >>> display.ax_.get_xlabel()
    'Coverage (share of samples kept)'
    """

    def __init__(self, state, *, risk="selective", name=None):
        check_option("risk", risk, RISKS)
        self.state = state
        self.risk = risk
        self.name = name
        self.curve = curve_of_ranks(state)
        self.area = area_of_ranks(state, risk=risk)
        self.oracle_area = self.area - area_of_ranks(state, risk=risk, excess=True)
        coverage = self.curve.coverage
        kept = np.maximum(coverage - (1 - self.curve.risk[-1]), 0)
        self.oracle = kept / coverage if risk == "selective" else kept

    @classmethod
    def from_predictions(
        cls,
        y_true,
        y_proba,
        *,
        sample_weight=None,
        confidence=None,
        uncertainty=None,
        labels=None,
        risk="selective",
        ignore_index=None,
        name=None,
        ax=None,
        **plot_options,
    ):
        """Draw the curve of probabilities.

        Parameters
        ----------
        y_true : array-like of shape (n_samples, *spatial)
            True labels.
        y_proba : array-like of shape (n_samples, n_classes, *spatial)
            Probabilities in [0, 1].
        sample_weight : array-like of shape (n_samples,), default=None
            Weights, at least 0.
        confidence : array-like of the shape of `y_true`, default=None
            How sure the model is; None takes the largest probability.
        uncertainty : array-like of the shape of `y_true`, default=None
            How unsure it is, instead of `confidence`.
        labels : array-like of shape (n_classes,), default=None
            The label of each column.
        risk : {"selective", "generalized"}, default="selective"
            Errors among the samples kept, or errors kept among all samples.
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
        display : RiskCoverageDisplay
            The drawn display.
        """
        state = ranked_outcomes(
            y_true,
            y_proba,
            sample_weight=sample_weight,
            confidence=confidence,
            uncertainty=uncertainty,
            labels=labels,
            ignore_index=ignore_index,
        )
        return cls(state, risk=risk, name=name).plot(ax=ax, **plot_options)

    @classmethod
    def from_state(cls, state, *, risk="selective", name=None, ax=None, **plot_options):
        """Draw the curve of a statistic that was streamed.

        Parameters
        ----------
        state : RankedOutcomes
            The `state` of ``Streaming(area_under_risk_coverage_error)``.
        risk : {"selective", "generalized"}, default="selective"
            Errors among the samples kept, or errors kept among all samples.
        name : str, default=None
            Name for the legend.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a figure.
        **plot_options : dict
            Keywords of `plot`.

        Returns
        -------
        display : RiskCoverageDisplay
            The drawn display.
        """
        return cls(state, risk=risk, name=name).plot(ax=ax, **plot_options)

    def plot(self, ax=None, *, oracle=True, name=None):
        """Draw the curve.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw, for example the `ax_` of another model; None makes a figure.
        oracle : bool, default=True
            Draw the best curve that the accuracy of the model allows.
        name : str, default=None
            Name for the legend, instead of the display's own.

        Returns
        -------
        self : RiskCoverageDisplay
            The display, with `ax_` and `figure_`.
        """
        ax = axes_for(ax, "RiskCoverageDisplay.plot", figsize=(5.2, 4.4))
        name = self.name if name is None else name
        curve, some = self.curve, thinned(self.curve.coverage)
        risk = curve.risk if self.risk == "selective" else curve.generalized_risk
        x, area = curve.coverage[some], AREA_NAMES[self.risk]
        label = named(name, f"{area} = {self.area:.4f}")
        (line,) = ax.plot(x, risk[some], lw=1.8, label=label, zorder=3)
        if oracle:
            look = {"color": line.get_color(), "lw": 1.2, "ls": (0, (4, 2))}
            label = f"its oracle: {self.oracle_area:.4f}"
            ax.plot(x, self.oracle[some], label=label, zorder=2, **look)
        ax.set(xlim=(0, 1), xlabel="Coverage (share of samples kept)")
        ax.set_ylim(bottom=0)
        ax.set_ylabel(Y_LABELS[self.risk])
        ax.legend(fontsize="small")
        self.ax_, self.figure_ = ax, ax.figure
        return self

"""Several confidences side by side, by how well they find the errors of a model."""

from skuq._core._checks import check_option
from skuq.displays._base import ClassifierDisplay, axes_for, legend_above, panels_in
from skuq.displays._failure_curves import failure_curves
from skuq.displays._failure_panels import (
    draw_chance,
    draw_curves,
    draw_oracle,
    label_panels,
)
from skuq.exceptions import InputError
from skuq.metrics._confidence import RankedOutcomes, ranked_outcomes
from skuq.metrics._risk_coverage import RISKS

OWN = "largest probability"


class FailurePredictionDisplay(ClassifierDisplay):
    """ROC, precision-recall and risk-coverage curves of several confidences.

    Shows which confidence finds the errors of a classifier best.  Make one with
    `from_predictions`, `from_estimators`, `from_estimator` or `from_state`.

    Parameters
    ----------
    state : RankedOutcomes or dict of str to RankedOutcomes
        The statistic of `error_detection_scores` for each confidence, by its name, for
        example the `state` of a `Streaming` metric.
    risk : {"selective", "generalized"}, default="selective"
        Errors among the samples kept (AURC), or errors kept among all samples (AUGRC).
    tpr_level : float in (0, 1], default=0.95
        Share of right answers kept, at which the share of errors kept is told.
    name : str, default=None
        Name of the classifier, above the panels.

    Attributes
    ----------
    curves : dict of str to FailureCurves
        For each confidence `errors_kept`, `right_kept`, `errors_found`, `precision`,
        `coverage`, `risk`, `oracle`, `error_rate` and `scores`: "auroc",
        "aupr_error", "aupr_success", "fpr_at_tpr" and "aurc".
    ax_ : matplotlib Axes
        Axes around the panels.
    axes_ : ndarray of matplotlib Axes
        The three panels.
    figure_ : matplotlib Figure
        The figure.

    See Also
    --------
    skuq.metrics.error_detection_scores : The numbers.
    RiskCoverageDisplay : The last panel alone, of several classifiers.

    Notes
    -----
    In the first panel the positives are right answers, as in [1]_: the share of them
    that is kept, against the share of errors that is.  In the second they are errors,
    found by low confidence; the area under the steps is the average precision.  Each
    curve is drawn at 2000 points at most; the scores are those of all.

    References
    ----------
    .. [1] C. Corbiere, N. Thome, A. Bar-Hen, M. Cord and P. Perez (2019). "Addressing
       failure prediction by learning model confidence". NeurIPS. `arXiv:1910.04851
       <https://arxiv.org/abs/1910.04851>`_

    Examples
    --------
    >>> from scipy.special import softmax
    >>> from skuq.datasets import make_logits
    >>> from skuq.displays import FailurePredictionDisplay
    >>> from skuq.uncertainty import entropy, margin_uncertainty
    >>> logits, y = make_logits(2000, n_classes=3, random_state=0)
    >>> proba = softmax(logits, axis=1)
    >>> display = FailurePredictionDisplay.from_predictions(
    ...     y,
    ...     proba,
    ...     confidences={"entropy": -entropy(proba), "mean logit": logits.mean(axis=1)},
    ... )
    >>> scores = {name: curve.scores for name, curve in display.curves.items()}
    >>> scores["entropy"]["auroc"] > scores["mean logit"]["auroc"]
    True
    """

    def __init__(self, state, *, risk="selective", tpr_level=0.95, name=None):
        check_option("risk", risk, RISKS)
        self.state = {OWN: state} if isinstance(state, RankedOutcomes) else dict(state)
        self.risk = risk
        self.tpr_level = tpr_level
        self.name = name
        self.curves = {
            key: failure_curves(one, risk, tpr_level) for key, one in self.state.items()
        }

    @classmethod
    def from_predictions(
        cls,
        y_true,
        y_proba,
        *,
        confidences=None,
        sample_weight=None,
        labels=None,
        risk="selective",
        tpr_level=0.95,
        ignore_index=None,
        name=None,
        ax=None,
        **plot_options,
    ):
        """Draw the curves of confidences in the same answers.

        Parameters
        ----------
        y_true : array-like of shape (n_samples, *spatial)
            True labels.
        y_proba : array-like of shape (n_samples, n_classes, *spatial)
            Probabilities in [0, 1].
        confidences : dict of str to array-like of the shape of `y_true`, default=None
            How sure the model is, in any unit, higher is surer, by name; None in place
            of an array stands for the largest probability, which is all that is drawn
            by default.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights, at least 0.
        labels : array-like of shape (n_classes,), default=None
            The label of each column.
        risk : {"selective", "generalized"}, default="selective"
            Errors among the samples kept, or errors kept among all samples.
        tpr_level : float in (0, 1], default=0.95
            Share of right answers kept, at which the share of errors kept is told.
        ignore_index : int or str, default=None
            Label of positions that do not count.
        name : str, default=None
            Name of the classifier, above the panels.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a figure.
        **plot_options : dict
            Keywords of `plot`.

        Returns
        -------
        display : FailurePredictionDisplay
            The drawn display.
        """
        state = {
            key: ranked_outcomes(
                y_true,
                y_proba,
                sample_weight=sample_weight,
                confidence=confidence,
                labels=labels,
                ignore_index=ignore_index,
            )
            for key, confidence in _by_name(confidences).items()
        }
        display = cls(state, risk=risk, tpr_level=tpr_level, name=name)
        return display.plot(ax=ax, **plot_options)

    @classmethod
    def from_estimator(cls, estimator, X, y, *, name=None, ax=None, **options):
        """Draw the curves of a fitted classifier.

        Its own confidence, if it has `predict_confidence`, else the largest
        probability.

        Parameters
        ----------
        estimator : object
            A classifier with `predict_proba`.
        X : array-like of shape (n_samples, ...)
            Samples that the classifier was not trained on.
        y : array-like of shape (n_samples, *spatial)
            True labels.
        name : str, default=None
            Name above the panels; None takes the class of the estimator.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a figure.
        **options : dict
            As in `from_predictions`.

        Returns
        -------
        display : FailurePredictionDisplay
            The drawn display.
        """
        if hasattr(estimator, "predict_confidence"):
            own = {"its confidence": estimator.predict_confidence(X)}
            options.setdefault("confidences", own)
        return super().from_estimator(estimator, X, y, name=name, ax=ax, **options)

    @classmethod
    def from_estimators(
        cls,
        estimators,
        X,
        y,
        *,
        sample_weight=None,
        risk="selective",
        tpr_level=0.95,
        ignore_index=None,
        name=None,
        ax=None,
        **plot_options,
    ):
        """Draw the curves of several fitted classifiers, or confidences around one.

        Parameters
        ----------
        estimators : dict of str to object
            Classifiers with `predict_proba`, by name.  Of one that has
            `predict_confidence` that is drawn, else the largest probability.
        X : array-like of shape (n_samples, ...)
            Samples that the classifiers were not trained on.
        y : array-like of shape (n_samples, *spatial)
            True labels.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights, at least 0.
        risk : {"selective", "generalized"}, default="selective"
            Errors among the samples kept, or errors kept among all samples.
        tpr_level : float in (0, 1], default=0.95
            Share of right answers kept, at which the share of errors kept is told.
        ignore_index : int or str, default=None
            Label of positions that do not count.
        name : str, default=None
            Name above the panels.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a figure.
        **plot_options : dict
            Keywords of `plot`.

        Returns
        -------
        display : FailurePredictionDisplay
            The drawn display.
        """
        data = {"sample_weight": sample_weight, "ignore_index": ignore_index}
        state = {
            key: ranked_outcomes(
                y,
                estimator.predict_proba(X),
                confidence=_confidence(estimator, X),
                labels=getattr(estimator, "classes_", None),
                **data,
            )
            for key, estimator in _by_name(estimators).items()
        }
        display = cls(state, risk=risk, tpr_level=tpr_level, name=name)
        return display.plot(ax=ax, **plot_options)

    @classmethod
    def from_state(
        cls,
        state,
        *,
        risk="selective",
        tpr_level=0.95,
        name=None,
        ax=None,
        **plot_options,
    ):
        """Draw the curves of statistics that were streamed.

        Parameters
        ----------
        state : RankedOutcomes or dict of str to RankedOutcomes
            The `state` of ``Streaming(error_detection_scores)`` for each confidence.
        risk : {"selective", "generalized"}, default="selective"
            Errors among the samples kept, or errors kept among all samples.
        tpr_level : float in (0, 1], default=0.95
            Share of right answers kept, at which the share of errors kept is told.
        name : str, default=None
            Name of the classifier, above the panels.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a figure.
        **plot_options : dict
            Keywords of `plot`.

        Returns
        -------
        display : FailurePredictionDisplay
            The drawn display.
        """
        display = cls(state, risk=risk, tpr_level=tpr_level, name=name)
        return display.plot(ax=ax, **plot_options)

    def plot(self, ax=None, *, oracle=True, chance=True, name=None):
        """Draw the three panels.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; None makes a figure.
        oracle : bool, default=True
            Draw the least risk that the accuracy of the classifier allows.
        chance : bool, default=True
            Draw what a confidence does that knows nothing.
        name : str, default=None
            Name above the panels, instead of the display's own.

        Returns
        -------
        self : FailurePredictionDisplay
            The display, with `ax_`, `axes_` and `figure_`.
        """
        ax = axes_for(ax, "FailurePredictionDisplay.plot", figsize=(11.4, 4.2))
        panels = panels_in(ax, 1, 3)[0]
        rates = {curves.error_rate: curves for curves in self.curves.values()}
        for curves in self.curves.values():
            draw_curves(panels, curves)
        for rate, curves in rates.items():
            if chance:
                draw_chance(panels, rate, self.risk)
            if oracle:
                draw_oracle(panels, curves)
        label_panels(panels, self.curves.values(), self.risk, self.tpr_level)
        references, names = panels[2].get_legend_handles_labels()
        lines = [*panels[0].lines[: len(self.curves)], *references]
        labels = [*self.curves, *names]
        legend_above(ax, lines, labels, self.name if name is None else name)
        self.ax_, self.axes_, self.figure_ = ax, panels, ax.figure
        return self


def _by_name(things):
    """Confidences or estimators by name; the largest probability where none is."""
    if things is None:
        return {OWN: None}
    if not hasattr(things, "items") or not things:
        raise InputError(
            f"expected a dict with a name for each confidence, got {things!r:.80}: "
            "pass for example {'entropy': values}."
        )
    return dict(things)


def _confidence(estimator, X):
    """An estimator's own confidence, None if it has none."""
    if hasattr(estimator, "predict_confidence"):
        return estimator.predict_confidence(X)
    return None

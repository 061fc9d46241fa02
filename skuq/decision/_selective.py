"""Selective classification: predict where the model is sure, abstain elsewhere."""

import warnings

import numpy as np
from sklearn.utils.validation import check_is_fitted

from skuq._core._arrays import (
    array_namespace,
    as_array,
    is_torch_array,
    to_library_of,
    to_numpy,
)
from skuq._core._checks import host_summary
from skuq._core._labels import distinct_labels
from skuq.base import accuracy
from skuq.decision._confidence import checked_row, confidence_of
from skuq.decision._held_out import HeldOutModel, counted
from skuq.decision._risk_control import at_coverage, at_risk, least_samples
from skuq.exceptions import CalibrationWarning, InputError, NoSamplesError


class SelectiveClassifier(HeldOutModel):
    """A classifier that abstains where it is not sure enough, with a bound on its risk.

    With a fitted model and held-out samples, ``SelectiveClassifier(model,
    target_risk=0.02).fit(X_val, y_val)`` finds out how much of the work may be
    automated.  The model itself is not changed.

    Parameters
    ----------
    estimator : object
        A classifier, as `skuq.calibration.CalibratedModel` takes it.
    confidence : str, callable or object, default="auto"
        How sure the model is: "max_probability", "margin" (largest less second
        largest), "entropy" (minus it); a function of probabilities `(n_samples,
        n_classes, *spatial)`, higher is surer; or a fitted object with a method
        `predict_confidence`, of which `X` is the argument.  "auto" takes that method of
        the model where it has one, else "max_probability".
    target_risk : float in (0, 1), default=None
        The share of errors allowed among predictions that are made: keep as many as the
        bound allows.
    target_coverage : float in (0, 1], default=None
        Keep this share of the held-out samples instead, whatever the risk.  Exactly one
        of both must be given.
    delta : float in (0, 1), default=0.05
        The probability, over held-out sets, with which the bound on the risk may fail.
    reject_label : object, default="auto"
        What `predict` returns where it abstains.  "auto" is -1 for classes that are
        numbers, or one less than the smallest class if that is below 0, and None
        for others, whose predictions are then an array of objects.
    response_method : {"auto", "predict_logits", "decision_function", \
            "predict_log_proba", "predict_proba"}, default="auto"
        The scores from which probabilities are made, as in `CalibratedModel`.
    ignore_index : int or str, default=None
        Label of positions that do not count, such as the void pixels of a map.
    holdout : float, int or None, default=None
        None: `estimator` is fitted already and `fit` chooses the threshold alone.
        Otherwise the share or number of rows that `fit` holds out, by chance, for the
        threshold; a clone of the model is trained on the other rows.
    random_state : int, RandomState or None, default=None
        Draws the rows of `holdout`.

    Attributes
    ----------
    estimator_ : object
        The model: `estimator` itself, or with `holdout` the one that was trained.
    classes_ : ndarray of shape (n_classes,)
        The classes of the model.
    threshold_ : float
        Predictions of at least this confidence are made; minus infinity for all,
        infinity for none.
    coverage_ : float
        Share of the held-out samples that are kept.
    risk_ : float
        Share of errors among these; NaN if there are none.
    risk_bound_ : float
        Upper bound on the true risk, exceeded with a probability of at most `delta`;
        NaN if nothing is kept.
    reject_label_ : object
        What `predict` returns where it abstains.
    n_features_in_ : int
        As `estimator_` has it.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        As `estimator_` has it.

    Warns
    -----
    skuq.exceptions.CalibrationWarning
        If no threshold has a bound of at most `target_risk`: the model always abstains.

    See Also
    --------
    ConformalClassifier : Says several classes where it is not sure of one.
    skuq.metrics.coverage_at_risk_score : Compares confidences.

    Notes
    -----
    The n surest of m held-out samples contain k errors.  The bound on the risk behind
    their threshold is the p of ``P(Binomial(n, p) <= k) = delta / s``.  A target
    risk is met by bisection over n in ``s = ceil(log2(m + 1))`` steps that share
    `delta`: selection with guaranteed risk (SGR) [1]_; a target coverage is one step.

    The guarantee needs held-out samples that are drawn as new ones are, independently,
    and a model and confidence that have not seen them.  Its proof also takes it that
    surer predictions are not more often wrong.  Pixels of one image are not
    independent: maps have no `target_risk`, and no bound.

    Bisection may miss a target that only a narrow range of n meets.  Equal confidences
    stay together.  Predictions are those of the model's own `predict`, so that the
    model runs twice.

    References
    ----------
    .. [1] Y. Geifman and R. El-Yaniv (2017). "Selective classification for deep neural
       networks". NeurIPS. `arXiv:1705.08500 <https://arxiv.org/abs/1705.08500>`_

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.utils import shuffle
    >>> from skuq.decision import SelectiveClassifier
    >>> X, y = shuffle(*load_digits(return_X_y=True), random_state=0)
    >>> model = LogisticRegression(C=0.01, max_iter=1000).fit(X[:500], y[:500])
    >>> selective = SelectiveClassifier(model, target_risk=0.02)
    >>> selective = selective.fit(X[500:1200], y[500:1200])
    >>> labels, accepted = selective.predict_selective(X[1200:])
    >>> wrong = labels != y[1200:]
    >>> print(f"{wrong.mean():.3f} wrong, {wrong[accepted].mean():.3f} if sure enough")
    0.040 wrong, 0.002 if sure enough
    """

    _rule = "the threshold"

    def __init__(
        self,
        estimator,
        *,
        confidence="auto",
        target_risk=None,
        target_coverage=None,
        delta=0.05,
        reject_label="auto",
        response_method="auto",
        ignore_index=None,
        holdout=None,
        random_state=None,
    ):
        self.estimator = estimator
        self.confidence = confidence
        self.target_risk = target_risk
        self.target_coverage = target_coverage
        self.delta = delta
        self.reject_label = reject_label
        self.response_method = response_method
        self.ignore_index = ignore_index
        self.holdout = holdout
        self.random_state = random_state

    def _fit_rule(self, X, y):
        _check_targets(self.target_risk, self.target_coverage, self.delta)
        wrong, sure = self._outcomes(X, y)
        if self.target_risk is None:
            found = at_coverage(sure, wrong, self.target_coverage, self.delta)
        else:
            found = at_risk(sure, wrong, self.target_risk, self.delta)
        self.threshold_ = found.value
        self.coverage_ = found.kept / len(sure)
        self.risk_ = found.errors / found.kept if found.kept else float("nan")
        is_bounded = found.kept and y.ndim == 1
        self.risk_bound_ = found.bound if is_bounded else float("nan")
        self.reject_label_ = self._reject_label()
        if not found.kept:
            self._warn_of_nothing(len(sure))

    def _outcomes(self, X, y):
        """Of each position that counts whether it is wrong, and how sure."""
        if y.ndim > 1 and self.target_risk is not None:
            raise InputError(
                "target_risk bounds the risk of independent samples, and the pixels of "
                "one image are not: give target_coverage for maps."
            )
        self._check_labels(y)
        labels = to_numpy(self.estimator_.predict(X))
        y = to_numpy(y)
        if labels.shape != y.shape:
            raise InputError(
                f"y has shape {y.shape}, but the model predicts labels of shape "
                f"{labels.shape}: pass one label per prediction."
            )
        sure = checked_row(self._confidence(X), labels.shape)
        keep = counted(y, self.ignore_index)
        if not keep.any():
            raise NoSamplesError("there are no labels that count: pass some.")
        return (labels != y).reshape(-1)[keep], sure[keep]

    def _check_labels(self, y):
        """Refuse labels none of which the model knows; a few may be new to it."""
        found = distinct_labels(y, ignore_index=self.ignore_index)
        if not set(found.tolist()) & set(self.classes_.tolist()):
            raise InputError(
                f"y holds {host_summary(found)}, none of which is among the classes of "
                f"the model, {host_summary(self.classes_)}: pass the same labels."
            )

    def _confidence(self, X):
        return confidence_of(self.confidence, self.estimator_, self._scores, X)

    def _reject_label(self):
        if not (isinstance(self.reject_label, str) and self.reject_label == "auto"):
            return self.reject_label
        if self.classes_.dtype.kind not in "iuf":
            return None
        return min(-1, int(self.classes_.min()) - 1)

    def _warn_of_nothing(self, n_samples):
        least = least_samples(self.target_risk, self.delta, n_samples)
        warnings.warn(
            f"no threshold has a bound on the risk of at most {self.target_risk:g}, so "
            f"the model always abstains. Even without an error that takes {least} of "
            f"{n_samples} samples: use more, a better confidence, a higher risk or a "
            "larger delta.",
            CalibrationWarning,
            stacklevel=4,
        )

    def predict_confidence(self, X):
        """How sure the model is; higher is surer.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Samples, as the estimator takes them.

        Returns
        -------
        confidence : array of shape (n_samples, *spatial)
            In the unit of `confidence`; `threshold_` is one of its values.
        """
        check_is_fitted(self)
        return self._confidence(X)

    def predict_selective(self, X):
        """The labels of the model, and where they are sure enough.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Samples, as the estimator takes them.

        Returns
        -------
        labels : array of shape (n_samples, *spatial)
            What the model predicts, everywhere.
        accepted : array of shape (n_samples, *spatial)
            Whether the confidence reaches `threshold_`; False is to abstain.
        """
        check_is_fitted(self)
        labels = as_array(self.estimator_.predict(X))
        accepted = self._confidence(X) >= self.threshold_
        return labels, to_library_of(accepted, labels)

    def predict(self, X):
        """The labels of the model, with `reject_label_` where it abstains.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Samples, as the estimator takes them.

        Returns
        -------
        labels : array of shape (n_samples, *spatial)
            Entries of `classes_`, or `reject_label_`.
        """
        labels, accepted = self.predict_selective(X)
        return _rejected(labels, accepted, self.reject_label_)

    def score(self, X, y, sample_weight=None):
        """Selective accuracy: that of the predictions which are made.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Samples, as the estimator takes them.
        y : array-like of shape (n_samples, *spatial)
            True labels; those equal to `ignore_index` do not count.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights, at least 0.

        Returns
        -------
        accuracy : float
            In [0, 1], higher is better; NaN if the model abstains everywhere.  It rises
            where coverage falls: do not search for a `target_coverage` by it.
        """
        labels, accepted = map(to_numpy, self.predict_selective(X))
        weight = accepted.astype(float)
        if sample_weight is not None:
            given = to_numpy(sample_weight)
            weight *= given.reshape(given.shape + (1,) * (labels.ndim - given.ndim))
        if not (weight.reshape(-1) * counted(to_numpy(y), self.ignore_index)).any():
            return float("nan")
        return accuracy(y, labels, weight, self.ignore_index)


def _check_targets(risk, coverage, delta):
    if (risk is None) == (coverage is None):
        raise InputError(
            f"got target_risk={risk!r} and target_coverage={coverage!r}: give exactly "
            "one of them."
        )
    if risk is not None and not 0 < risk < 1:
        raise InputError(f"target_risk must lie in (0, 1), got {risk!r}.")
    if coverage is not None and not 0 < coverage <= 1:
        raise InputError(f"target_coverage must lie in (0, 1], got {coverage!r}.")
    if not 0 < delta < 1:
        raise InputError(f"delta must lie in (0, 1), got {delta!r}.")


def _rejected(labels, accepted, reject_label):
    """`labels` with `reject_label` where they are not accepted, in a type for both."""
    reject = np.asarray(reject_label)
    if is_torch_array(labels) and reject.dtype.kind in "iuf":
        xp = array_namespace(labels)
        return xp.where(accepted, labels, xp.asarray(reject, device=labels.device))
    labels, accepted = to_numpy(labels), to_numpy(accepted)
    kinds = {labels.dtype.kind, reject.dtype.kind}
    alike = kinds <= set("iuf") or kinds == {"U"}
    smallest = np.min_scalar_type(reject)
    out = labels.astype(np.result_type(labels, smallest) if alike else object)
    out[~accepted] = reject_label
    return out

"""The average of several calibrators, or the best of them, by cross-validation."""

from collections.abc import Callable
from dataclasses import replace
from numbers import Integral
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.model_selection import KFold, StratifiedKFold, check_cv

from skuq._core._arrays import array_namespace, device, to_numpy
from skuq._core._checks import check_option
from skuq.base import BaseCalibrator
from skuq.calibration._beta import BetaCalibrator
from skuq.calibration._ensemble_temperature import EnsembleTemperatureScaler
from skuq.calibration._matrix import StructuredMatrixScaler
from skuq.calibration._mixture import log_mixture, mixture_weights
from skuq.calibration._platt import PlattCalibrator
from skuq.calibration._quadratic import QuadraticCalibrator
from skuq.calibration._spline import SplineCalibrator
from skuq.calibration._temperature import TemperatureScaler
from skuq.calibration._vector import StructuredVectorScaler
from skuq.calibration._venn_abers import VennAbersCalibrator
from skuq.exceptions import InputError
from skuq.metrics._proper import brier_score_terms, log_loss_terms, samples_over

LOSSES: dict[str, Callable[..., Any]] = {
    "neg_log_loss": log_loss_terms,
    "neg_brier_score_loss": brier_score_terms,
}
RULES = ("average", "one-standard-error", "best")
FOLDS = 5


class AutoCalibrator(BaseCalibrator):
    """The average of several calibrators, weighted by cross-validation on the data.

    For those who do not want to choose: it tries what wins on real models, from the
    simplest to the most flexible, and averages their probabilities, or takes the
    simplest that is as good as the best.

    Parameters
    ----------
    input : {"auto", "logit", "proba"}, default="auto"
        What the scores are, resolved once in `fit`; see `TemperatureScaler`.
    classes : array-like of shape (n_classes,), default=None
        The label of each score column.  None learns them from `y`.
    ignore_index : int or str, default=None
        Label of positions that do not count, such as the void pixels of a map.
    candidates : list of calibrators, default=None
        What to try, the simplest first; None stands for no calibration.  By default a
        list for two or for several classes.
    scoring : {"neg_log_loss", "neg_brier_score_loss"}, default="neg_log_loss"
        The proper score of `losses_`, by which the rules other than "average" choose.
    rule : {"average", "one-standard-error", "best"}, default="average"
        Average all candidates, with the weights that make the labels most probable;
        or take the first whose mean loss exceeds the least by no more than one standard
        error of their difference; or the one with the least.
    cv : int or splitter, default=5
        Folds of the calibration data, of samples or of whole images.
    random_state : int or None, default=0
        Seed of the folds, if `cv` is a number.

    Attributes
    ----------
    calibrators_ : dict of str to calibrator or None
        Those that are averaged, or the one that was chosen, fitted to all data; None
        stands for no calibration.
    weights_ : dict of str to float
        Weight of each of `calibrators_`; they sum to one.
    losses_ : dict of str to float
        Mean loss of each candidate on the data it was not fitted to.
    classes_ : ndarray of shape (n_classes,)
        The label of each column of `predict_proba`.
    input_ : {"logit", "proba"}
        What the scores are taken for.
    n_features_in_ : int
        Number of score columns seen in `fit`; 1 for a binary positive-class score.

    See Also
    --------
    StructuredMatrixScaler : Often the best single one for several classes.
    QuadraticCalibrator : Often the best single one for two.

    Notes
    -----
    Every sample is scored by candidates that were fitted without it.  "average" is
    stacking [1]_: the probabilities are ``sum_k w_k p_k(y | x)``, with ``w_k > 0`` that
    maximise the likelihood of such samples and of one more that is divided among the
    candidates evenly.  On 14 real classifiers of two classes and 21 of several, its
    mean rank by log loss was better than that of any single calibrator and of both
    other rules; so it is the default.  The others keep one calibrator that is easy to
    read and fast to apply.

    Losses are compared sample by sample, so their difference has a much smaller error
    than the losses [2]_.  Folds follow the order of the samples and may part copies of
    one, so that a weight of 2 is only nearly a repeated sample; those of maps are of
    images.  Samples without a label that counts are in none.
    Cost: a fit of each candidate in each fold and one to all data.

    References
    ----------
    .. [1] Y. Yao, A. Vehtari, D. Simpson and A. Gelman (2018). "Using stacking to
       average Bayesian predictive distributions". Bayesian Analysis 13.
       `doi:10.1214/17-BA1091 <https://doi.org/10.1214/17-BA1091>`_
    .. [2] T. Hastie, R. Tibshirani and J. Friedman (2009). "The elements of statistical
       learning", section 7.10. `doi:10.1007/978-0-387-84858-7
       <https://doi.org/10.1007/978-0-387-84858-7>`_

    Examples
    --------
    >>> from skuq.calibration import AutoCalibrator
    >>> from skuq.datasets import make_logits
    >>> logits, y = make_logits(2000, n_classes=3, temperature=2.0, random_state=0)
    >>> auto = AutoCalibrator().fit(logits, y)
    >>> auto.predict_proba(logits).shape
    (2000, 3)
    >>> list(AutoCalibrator(rule="one-standard-error").fit(logits, y).weights_)
    ['TemperatureScaler']
    """

    def __init__(
        self,
        *,
        input="auto",
        classes=None,
        ignore_index=None,
        candidates=None,
        scoring="neg_log_loss",
        rule="average",
        cv=FOLDS,
        random_state=0,
    ):
        super().__init__(input=input, classes=classes, ignore_index=ignore_index)
        self.candidates = candidates
        self.scoring = scoring
        self.rule = rule
        self.cv = cv
        self.random_state = random_state

    def _fit(self, table, kind):
        check_option("scoring", self.scoring, tuple(LOSSES))
        check_option("rule", self.rule, RULES)
        candidates = self.candidates
        if candidates is None:
            candidates = default_candidates(table.n_classes)
        if not candidates:
            raise InputError("candidates is empty: pass at least one calibrator.")
        names = [_name(c, i, candidates) for i, c in enumerate(candidates)]
        losses, weight = self._losses(candidates, table, kind)
        means = losses[self.scoring] @ weight / weight.sum()
        self.losses_ = dict(zip(names, means.tolist(), strict=True))
        shares = self._shares(losses, weight)
        self.weights_ = {names[i]: float(share) for i, share in shares.items()}
        self.calibrators_ = {
            names[i]: None
            if candidates[i] is None
            else _fitted(candidates[i], table, kind)
            for i in shares
        }

    def _shares(self, losses, weight):
        """Weights of the candidates that are used, by their number."""
        if self.rule == "average":
            likelihood = np.exp(-losses["neg_log_loss"])
            return dict(enumerate(mixture_weights(likelihood, weight)))
        losses = losses[self.scoring]
        best = int(np.argmin(losses @ weight))
        if self.rule == "best":
            return {best: 1.0}
        simple = (i for i in range(best + 1) if _as_good(losses, weight, i, best))
        return {next(simple): 1.0}

    def _losses(self, candidates, table, kind):
        """Losses of all candidates on unseen samples, by scoring, and weights."""
        losses: dict[str, list] = {s: [] for s in ("neg_log_loss", self.scoring)}
        weights = []
        for train, test in self._folds(table):
            known, unseen = _part(table, train), _part(table, test)
            fitted = [_fitted(candidate, known, kind) for candidate in candidates]
            probas = [calibrator.predict_proba(unseen.scores) for calibrator in fitted]
            for scoring, folds in losses.items():
                samples = [_samples(scoring, unseen, proba) for proba in probas]
                folds.append(np.stack([part.value for part in samples]))
            weight = samples[0].weight
            weights.append(np.ones(len(samples[0])) if weight is None else weight)
        joined = {s: np.concatenate(folds, axis=1) for s, folds in losses.items()}
        return joined, np.concatenate(weights)

    def _folds(self, table):
        """Samples to fit and to score, out of those in which something counts."""
        codes = to_numpy(table.codes)
        some = np.arange(len(codes))
        if table.void is not None:
            counts = (codes != table.void).reshape(len(codes), -1)
            some = np.flatnonzero(counts.any(axis=1))
        labels = codes[some] if codes.ndim == 1 else None
        for train, test in self._splitter(labels, len(some)).split(some, labels):
            yield some[train], some[test]

    def _splitter(self, labels, n_samples):
        if not isinstance(self.cv, Integral):
            return check_cv(self.cv, labels, classifier=True)
        n_folds = min(self.cv, n_samples)
        if n_folds < 2:
            raise InputError(f"cv={self.cv} needs at least 2 folds and 2 samples.")
        rare = (
            labels is None or np.unique(labels, return_counts=True)[1].min() < n_folds
        )
        kind = KFold if rare else StratifiedKFold
        return kind(n_folds, shuffle=True, random_state=self.random_state)

    def _calibrated_logits(self, logits):
        used = self._used()
        if len(used) == 1:
            return used[0]._calibrated_logits(logits)
        parts = [calibrator._calibrated_logits(logits) for calibrator in used]
        return log_mixture(parts, list(self.weights_.values()))

    def _ranking(self, logits):
        used = self._used()
        if len(used) == 1:
            return used[0]._ranking(logits)
        return self._calibrated_logits(logits)

    def _used(self):
        fitted = self.calibrators_.values()
        return [NoCalibrator() if c is None else c for c in fitted]


def default_candidates(n_classes):
    """What to try, the simplest first."""
    if n_classes == 2:
        return [
            None,
            TemperatureScaler(),
            PlattCalibrator(),
            BetaCalibrator(),
            QuadraticCalibrator(),
            SplineCalibrator(),
            VennAbersCalibrator(),
        ]
    return [
        None,
        TemperatureScaler(),
        EnsembleTemperatureScaler(),
        StructuredVectorScaler(),
        StructuredMatrixScaler(),
        QuadraticCalibrator(),
        SplineCalibrator(),
        VennAbersCalibrator(),
    ]


def _name(candidate, i, candidates):
    """The class of a candidate, with its number where there are several of it."""
    names = ["none" if c is None else type(c).__name__ for c in candidates]
    return names[i] if names.count(names[i]) == 1 else f"{names[i]} {i}"


def _as_good(losses, weight, i, best):
    """Whether candidate i is within a standard error of the best one."""
    excess = losses[i] - losses[best]
    mean = excess @ weight / weight.sum()
    spread = np.sqrt((weight * (excess - mean)) @ (weight * (excess - mean)))
    return mean <= spread / weight.sum()


def _samples(scoring, table, proba):
    terms = LOSSES[scoring](
        table.codes,
        proba,
        sample_weight=table.weight,
        labels=np.arange(table.n_classes),
        ignore_index=table.void,
    )
    return samples_over(terms)


def _part(table, index):
    """The samples of `index`."""
    xp = array_namespace(table.scores)
    index = xp.asarray(index, device=device(table.scores))

    def rows(x):
        return None if x is None else xp.take(x, index, axis=0)

    return replace(
        table,
        scores=rows(table.scores),
        codes=rows(table.codes),
        weight=rows(table.weight),
    )


def _fitted(candidate, table, kind):
    candidate = NoCalibrator() if candidate is None else candidate
    calibrator = clone(candidate).set_params(
        input=kind, classes=np.arange(table.n_classes), ignore_index=table.void
    )
    return calibrator.fit(table.scores, table.codes, sample_weight=table.weight)


class NoCalibrator(BaseCalibrator):
    """The probabilities of the scores as they are: what others are compared with."""

    def _fit(self, table, kind):
        """Nothing to learn."""

    def _calibrated_logits(self, logits):
        return logits

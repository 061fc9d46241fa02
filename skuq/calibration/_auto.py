"""The calibrator that cross-validation prefers, if any helps at all."""

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
from skuq.calibration._dirichlet import DirichletCalibrator
from skuq.calibration._ensemble_temperature import EnsembleTemperatureScaler
from skuq.calibration._matrix import StructuredMatrixScaler
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
RULES = ("one-standard-error", "best")
MANY_CLASSES = 50
FOLDS = 5


class AutoCalibrator(BaseCalibrator):
    """The best of several calibrators, or none, by cross-validation on the data.

    For those who do not want to choose: it tries what wins on real models, from the
    simplest to the most flexible, and takes the simplest that is as good as the best.

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
        list for two, for several, or for many classes.
    scoring : {"neg_log_loss", "neg_brier_score_loss"}, default="neg_log_loss"
        The proper score that decides.
    rule : {"one-standard-error", "best"}, default="one-standard-error"
        Take the first candidate whose mean loss exceeds the least by no more than one
        standard error of their difference, or the one with the least.
    cv : int or splitter, default=5
        Folds of the calibration data, of samples or of whole images.
    random_state : int or None, default=0
        Seed of the folds, if `cv` is a number.

    Attributes
    ----------
    calibrator_ : calibrator or None
        The chosen one, fitted to all data; None if none is better.
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
    StructuredMatrixScaler : What it often chooses for several classes.
    TemperatureScaler : What it falls back to.

    Notes
    -----
    Every sample is scored by candidates that were fitted without it.  Losses are
    compared sample by sample, so their difference has a much smaller error than the
    losses.  Samples without a label that counts are in no fold.

    References
    ----------
    .. [1] T. Hastie, R. Tibshirani and J. Friedman (2009). "The elements of statistical
       learning", section 7.10. `doi:10.1007/978-0-387-84858-7
       <https://doi.org/10.1007/978-0-387-84858-7>`_

    Examples
    --------
    >>> from skuq.calibration import AutoCalibrator
    >>> from skuq.datasets import make_logits
    >>> logits, y = make_logits(2000, n_classes=3, temperature=2.0, random_state=0)
    >>> AutoCalibrator().fit(logits, y).calibrator_
    TemperatureScaler(classes=array([0, 1, 2]), input='logit')
    """

    def __init__(
        self,
        *,
        input="auto",
        classes=None,
        ignore_index=None,
        candidates=None,
        scoring="neg_log_loss",
        rule="one-standard-error",
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
        losses, weight = self._losses(candidates, table, kind)
        means = losses @ weight / weight.sum()
        self.losses_ = {
            _name(candidate, i, candidates): float(mean)
            for i, (candidate, mean) in enumerate(zip(candidates, means, strict=True))
        }
        best = int(np.argmin(means))
        chosen = best
        if self.rule == "one-standard-error":
            chosen = next(
                i for i in range(best + 1) if _as_good(losses, weight, i, best)
            )
        self.calibrator_ = None
        if candidates[chosen] is not None:
            self.calibrator_ = _fitted(candidates[chosen], table, kind)

    def _losses(self, candidates, table, kind):
        """Loss of each candidate on every sample, unseen; and the weights."""
        losses, weights = [], []
        for train, test in self._folds(table):
            known, unseen = _part(table, train), _part(table, test)
            rows = []
            for candidate in candidates:
                fitted = _fitted(candidate, known, kind)
                samples = self._samples(unseen, fitted.predict_proba(unseen.scores))
                rows.append(samples.value)
            losses.append(np.stack(rows))
            weight = samples.weight
            weights.append(np.ones(losses[-1].shape[1]) if weight is None else weight)
        return np.concatenate(losses, axis=1), np.concatenate(weights)

    def _samples(self, table, proba):
        labels = np.arange(table.n_classes)
        terms = LOSSES[self.scoring](
            table.codes,
            proba,
            sample_weight=table.weight,
            labels=labels,
            ignore_index=table.void,
        )
        return samples_over(*terms)

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
        return self._chosen._calibrated_logits(logits)

    def _ranking(self, logits):
        return self._chosen._ranking(logits)

    @property
    def _chosen(self):
        return NoCalibrator() if self.calibrator_ is None else self.calibrator_


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
    several = [
        None,
        TemperatureScaler(),
        EnsembleTemperatureScaler(),
        StructuredVectorScaler(),
        StructuredMatrixScaler(),
    ]
    return several if n_classes > MANY_CLASSES else [*several, DirichletCalibrator()]


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

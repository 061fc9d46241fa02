"""Several classes by any calibrator of one score, each class against the rest."""

import numpy as np
from sklearn.base import clone

from skuq._core._arrays import array_namespace, to_library_of, to_numpy
from skuq.calibration._binary import BinaryCalibrator
from skuq.calibration._platt import PlattCalibrator
from skuq.exceptions import InputError


class OneVsRestCalibrator(BinaryCalibrator):
    """Any calibrator of one score, fitted to each class against the rest.

    Makes a calibrator of two classes one of several: a user's own, an `AutoCalibrator`
    that chooses for each class, or a classifier of scikit-learn.  skuq's calibrators of
    two classes do the same by themselves.

    Parameters
    ----------
    calibrator : estimator, default=None
        What is cloned for each class: a calibrator with skuq's parameters `input` and
        `classes`, or an estimator with `fit` and `predict_proba` such as
        `sklearn.linear_model.LogisticRegression`.  It gets one column of log odds and
        labels 0 and 1.  By default `PlattCalibrator`.
    input : {"auto", "logit", "proba"}, default="auto"
        What the scores are, resolved once in `fit`; see `TemperatureScaler`.
    classes : array-like of shape (n_classes,), default=None
        The label of each score column.  None learns them from `y`.
    ignore_index : int or str, default=None
        Label of positions that do not count, such as the void pixels of a map.

    Attributes
    ----------
    maps_ : list of estimators
        The fitted calibrator of each class; of two classes, of the second.
    classes_ : ndarray of shape (n_classes,)
        The label of each column of `predict_proba`.
    input_ : {"logit", "proba"}
        What the scores are taken for.
    n_features_in_ : int
        Number of score columns seen in `fit`; 1 for a binary positive-class score.

    See Also
    --------
    PlattCalibrator : What it takes by default.
    StructuredMatrixScaler : Fits the classes together.

    Notes
    -----
    The score of a class is ``log(p / (1 - p))``, and the calibrated probabilities of
    the classes are divided by their sum.  Probabilities of exactly 0 from an estimator
    without `predict_logits` become the least normal float32.

    References
    ----------
    .. [1] B. Zadrozny and C. Elkan (2002). "Transforming classifier scores into
       accurate multiclass probability estimates". KDD.
       `doi:10.1145/775047.775151 <https://doi.org/10.1145/775047.775151>`_

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> from skuq.calibration import OneVsRestCalibrator
    >>> from skuq.datasets import make_logits
    >>> logits, y = make_logits(2000, n_classes=3, temperature=2.0, random_state=0)
    >>> calibrator = OneVsRestCalibrator(LogisticRegression()).fit(logits, y)
    >>> calibrator.predict_proba(logits).shape
    (2000, 3)
    """

    def __init__(
        self, calibrator=None, *, input="auto", classes=None, ignore_index=None
    ):
        super().__init__(input=input, classes=classes, ignore_index=ignore_index)
        self.calibrator = calibrator

    def _fit_map(self, score, target, weight):
        template = PlattCalibrator() if self.calibrator is None else self.calibrator
        calibrator = clone(template)
        known = {"input": "logit", "classes": np.arange(2)}
        names = calibrator.get_params(deep=False)
        calibrator.set_params(**{k: v for k, v in known.items() if k in names})
        if "classes" not in names and len(np.unique(target)) < 2:
            raise InputError(
                f"{type(calibrator).__name__} cannot be fitted to a class without "
                "samples, or to nothing else: pass a calibrator that has a parameter "
                "classes, such as PlattCalibrator."
            )
        weight = {} if weight is None else {"sample_weight": weight}
        return calibrator.fit(score[:, None], target.astype(np.int64), **weight)

    def _apply(self, fitted, score):
        proba = fitted.predict_proba(to_numpy(score)[:, None])[:, 1]
        p = to_library_of(np.asarray(proba), score)
        return array_namespace(score).astype(p, score.dtype)

    def _apply_log_odds(self, fitted, score):
        if not hasattr(fitted, "predict_logits"):
            return super()._apply_log_odds(fitted, score)
        logits = fitted.predict_logits(score[:, None])
        return logits[:, 1] - logits[:, 0]

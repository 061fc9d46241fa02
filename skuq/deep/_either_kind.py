"""The vocabulary of members for a wrapper that is a classifier or a regressor."""

from sklearn.metrics import r2_score
from sklearn.utils.metaestimators import available_if

from skuq._core._arrays import to_numpy
from skuq.base import accuracy
from skuq.exceptions import InputError
from skuq.uncertainty import ClassifierMembersMixin, RegressorMembersMixin


def classifies(wrapper):
    """Whether a wrapper is a classifier."""
    return wrapper._type() == "classifier"


class EitherKind:
    """Predictions and uncertainties, as `_type` says those of which mixin.

    A subclass has `_type`, `iter_members` and `_statistics`.
    """

    def _vocabulary(self):
        return ClassifierMembersMixin if classifies(self) else RegressorMembersMixin

    @available_if(classifies)
    def predict_proba(self, X):
        """Mean of the draws' probabilities.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Samples, as the network takes them.

        Returns
        -------
        proba : array of shape (n_samples, n_classes, *spatial)
            In [0, 1], sums to one over axis 1.
        """
        return self._vocabulary().predict_proba(self, X)

    def predict(self, X, return_std=False):
        """The class with the largest mean probability, or the mean prediction.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Samples, as the network takes them.
        return_std : bool, default=False
            Also return the standard deviation, of a regressor: that of the draws and
            of the noise together.

        Returns
        -------
        prediction : array of shape (n_samples, *spatial) or (n_samples, *outputs)
            Entries of `classes_`, or values in the unit of the target.
        std : array of the same shape
            In the same unit; only with ``return_std=True``.
        """
        if not classifies(self):
            return self._vocabulary().predict(self, X, return_std)
        if return_std:
            raise InputError(
                "return_std=True is for regressors: use decompose or "
                "predict_uncertainty."
            )
        return self._vocabulary().predict(self, X)

    def predict_members(self, X):
        """What all draws predict, which takes their memory together.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Samples, as the network takes them.

        Returns
        -------
        members : array of shape (n_draws, n_samples, ...)
            What `iter_members` yields.
        """
        return self._vocabulary().predict_members(self, X)

    def predict_uncertainty(self, X, *, kind="total", measure=None):
        """How unsure the prediction is, and why; higher is less sure.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Samples, as the network takes them.
        kind : {"total", "aleatoric", "epistemic"}, default="total"
            Of the mean prediction; what the draws agree cannot be known; or their
            disagreement.
        measure : str, default=None
            Of a classifier "entropy", the default, "variance", "max_probability",
            "margin" or "variation_ratio"; of a regressor "variance", the default, or
            "std".

        Returns
        -------
        uncertainty : array of shape (n_samples, *spatial) or (n_samples, *outputs)
            The formulas are in `MemberStatistics` and `RegressionStatistics`.
        """
        chosen = {} if measure is None else {"measure": measure}
        return self._vocabulary().predict_uncertainty(self, X, kind=kind, **chosen)

    def decompose(self, X, *, measure=None):
        """The total uncertainty and its two parts.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Samples, as the network takes them.
        measure : {"entropy", "variance"}, default=None
            Of a classifier; None is "entropy".  A regressor has its variance alone.

        Returns
        -------
        parts : skuq.uncertainty.Decomposition
            ``total = aleatoric + epistemic``.
        """
        chosen = {} if measure is None else {"measure": measure}
        return self._vocabulary().decompose(self, X, **chosen)

    def score(self, X, y, sample_weight=None):
        """Accuracy of a classifier, R squared of a regressor; higher is better.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Samples, as the network takes them.
        y : array-like of shape (n_samples, *spatial) or (n_samples, *outputs)
            True labels or values.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights, at least 0.

        Returns
        -------
        score : float
            At most 1.
        """
        y_pred = self.predict(X)
        if classifies(self):
            return accuracy(y, y_pred, sample_weight)
        return r2_score(to_numpy(y), to_numpy(y_pred), sample_weight=sample_weight)

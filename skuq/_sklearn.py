"""The only file that touches scikit-learn's private names: one place to mend."""

from sklearn.metrics._scorer import _BaseScorer
from sklearn.utils.metaestimators import _safe_split
from sklearn.utils.validation import _check_method_params

__all__ = ["ProbabilityScorer", "rows_of", "rows_of_params"]


class ProbabilityScorer(_BaseScorer):
    """A scorer of `predict_proba` that tells its metric which classes the columns are.

    scikit-learn's `make_scorer` hands a metric the probabilities alone.  A fold of
    cross-validation that misses a class then cannot be scored, since nobody knows which
    column is whose.  This scorer passes ``estimator.classes_`` as `labels`.  It is a
    scikit-learn scorer in everything else: it shares one call of `predict_proba` among
    several metrics, and takes part in metadata routing.
    """

    def _score(self, method_caller, estimator, X, y_true, **kwargs):
        proba = method_caller(estimator, "predict_proba", X)
        classes = getattr(estimator, "classes_", None)
        options = {"labels": classes, **self._kwargs, **kwargs}
        return self._sign * self._score_func(y_true, proba, **options)


def rows_of(estimator, X, y, index, train_index=None):
    """``X[index], y[index]`` of any container, kernels of `estimator` included."""
    return _safe_split(estimator, X, y, index, train_index)


def rows_of_params(X, params, index):
    """Those of the fit parameters that have one entry per row of `X`, at `index`."""
    return _check_method_params(X, params, index)

"""What the meta-estimators ask of a model and of targets, and pass on from it."""

from sklearn.exceptions import NotFittedError
from sklearn.utils import assert_all_finite
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, column_or_1d

from skuq._core._arrays import as_array, is_numpy_array, to_numpy


def check_y(y):
    """Labels by position: a row for tables, as they are for maps."""
    y = _given(y)
    if is_numpy_array(y) and (y.ndim == 1 or (y.ndim == 2 and y.shape[1] == 1)):
        y = column_or_1d(y, warn=True)
        assert_all_finite(y, input_name="y")
        check_classification_targets(y)
    return y


def check_targets(y):
    """Observed values by position, finite."""
    y = _given(y)
    if is_numpy_array(y):
        assert_all_finite(y, input_name="y")
    return y


def _given(y):
    if y is None:
        raise ValueError(
            "requires y to be passed, but the target y is None: calibration needs the "
            "true values."
        )
    return as_array(y)


def check_fitted(estimator, owner, remedy, *, trains="the calibrator", option="cv"):
    """Refuse a model that is none, with its remedy, or is not fitted.

    `option` of `owner` is None; otherwise it would train the model too.
    """
    if not hasattr(estimator, "fit"):
        raise TypeError(f"estimator must have a fit, got {estimator!r}: {remedy}.")
    if not is_fitted(estimator):
        raise NotFittedError(
            f"this {type(estimator).__name__} is not fitted, and with "
            f"{option}=None {owner} trains {trains} alone: fit the model first, or set "
            f"{option}. Inside a search or cross-validation, which clone, wrap the "
            "fitted model in sklearn.frozen.FrozenEstimator."
        )


def is_fitted(estimator):
    """Whether a model is fitted, of which a skorch net keeps a record."""
    if (ready := getattr(estimator, "initialized_", None)) is not None:
        return ready
    try:
        check_is_fitted(estimator)
    except NotFittedError:
        return False
    return True


def inner_attribute(model, name, *, prefit):
    """An attribute of the estimator in `model`, fitted or, if `prefit`, about to be."""
    inner = getattr(model, "estimator_", None)
    if inner is None and prefit:
        inner = model.estimator
    if inner is None or not hasattr(inner, name):
        raise AttributeError(f"{type(model).__name__} has no attribute {name!r}")
    return getattr(inner, name)


def without_void(classes, scores, params):
    """The classes of the columns: a net's `classes_` may count the void label."""
    classes, void = to_numpy(classes), params.get("ignore_index")
    n_classes = max(2, scores.shape[1] if scores.ndim > 1 else 1)
    if len(classes) == n_classes + 1 and void is not None and void in classes.tolist():
        return classes[classes != void]
    return classes

"""Any classifier with a calibrator behind it, as one scikit-learn classifier."""

import warnings
from copy import deepcopy

from sklearn import get_config
from sklearn.base import BaseEstimator, ClassifierMixin, MetaEstimatorMixin, clone
from sklearn.model_selection import check_cv
from sklearn.utils import Bunch, get_tags, indexable
from sklearn.utils.metadata_routing import (
    MetadataRouter,
    MethodMapping,
    process_routing,
)
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted, has_fit_parameter

from skuq._core._arrays import as_array, to_numpy
from skuq._responses import response_of
from skuq.base import accuracy
from skuq.calibration._cross_fit import cross_scores
from skuq.calibration._model_checks import check_fitted, check_y, without_void
from skuq.calibration._temperature import TemperatureScaler
from skuq.exceptions import SkuqWarning


def _calibrator_has(name):
    def check(self):
        calibrator = getattr(self, "calibrator_", None) or self.calibrator
        return hasattr(TemperatureScaler if calibrator is None else calibrator, name)

    return check


class CalibratedModel(ClassifierMixin, MetaEstimatorMixin, BaseEstimator):
    """A classifier whose probabilities are calibrated on held-out samples.

    With a fitted model and a validation set, one line is enough:
    ``CalibratedModel(model).fit(X_val, y_val)``.  The model itself is not changed.

    Parameters
    ----------
    estimator : object
        A classifier with `predict_logits`, `decision_function` or `predict_proba`; a
        skorch net; a Pipeline or search of one; a `TorchModuleClassifier`.
    calibrator : object, default=None
        A calibrator of `skuq.calibration`; it is cloned.  None is `TemperatureScaler`.
    cv : int, cross-validation generator, iterable or None, default=None
        None: `estimator` is fitted already and `fit` trains the calibrator alone.
        Otherwise `fit` trains everything: the calibrator on scores that models of the
        folds give to samples they have not seen, the model on all samples.
    response_method : {"auto", "predict_logits", "decision_function", \
            "predict_log_proba", "predict_proba"}, default="auto"
        Which scores to calibrate.  "auto" takes the first of: `predict_logits`, the
        forward pass of a skorch net that is trained on logits, `decision_function`,
        `predict_proba`.
    n_jobs : int, default=None
        Folds fitted in parallel, through joblib.

    Attributes
    ----------
    estimator_ : object
        The model: `estimator` itself with ``cv=None``, else one trained on all samples.
    calibrator_ : object
        The fitted calibrator.
    classes_ : ndarray of shape (n_classes,)
        The label of each column of `predict_proba`.
    n_features_in_ : int
        As `estimator_` has it.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        As `estimator_` has it.

    See Also
    --------
    TemperatureScaler : The default calibrator, also for saved scores without a model.

    Notes
    -----
    `X` is handed to the estimator as it is: frames, tensors and images are fine where
    the estimator takes them.  Classes come from the estimator, so the validation set
    may miss some.

    A search or cross-validation clones what it is given, and a clone is not fitted:
    wrap a fitted model in ``sklearn.frozen.FrozenEstimator`` there.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.linear_model import LogisticRegression
    >>> from skuq.calibration import CalibratedModel
    >>> from skuq.metrics import expected_calibration_error
    >>> X, y = load_digits(return_X_y=True)
    >>> X_val, y_val, X_test, y_test = X[200:700], y[200:700], X[700:], y[700:]
    >>> model = LogisticRegression(C=1e6, max_iter=1000).fit(X[:200], y[:200])
    >>> calibrated = CalibratedModel(model).fit(X_val, y_val)
    >>> before = expected_calibration_error(y_test, model.predict_proba(X_test))
    >>> after = expected_calibration_error(y_test, calibrated.predict_proba(X_test))
    >>> after < before / 2
    True
    """

    def __init__(
        self,
        estimator,
        calibrator=None,
        *,
        cv=None,
        response_method="auto",
        n_jobs=None,
    ):
        self.estimator = estimator
        self.calibrator = calibrator
        self.cv = cv
        self.response_method = response_method
        self.n_jobs = n_jobs

    def fit(self, X, y, sample_weight=None, **fit_params):
        """Train the calibrator, and with `cv` the model too.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            With ``cv=None`` samples that the model was not trained on.
        y : array-like of shape (n_samples, *spatial)
            True labels.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the samples in the calibrator, and with `cv` in the model if its
            `fit` takes them.
        **fit_params : dict
            With `cv`: `groups` for the splitter and parameters of the model's `fit`, or
            whatever metadata routing asks for.

        Returns
        -------
        self : CalibratedModel
            The fitted model.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            If ``cv=None`` and the estimator is not fitted.
        skuq.exceptions.InputError
            A ``ValueError``: if labels are unknown to the model, or its scores cannot
            be used.
        """
        y = check_y(y)
        if self.cv is None:
            if fit_params:
                raise TypeError(
                    f"fit() got {sorted(fit_params)}, but with cv=None the model is "
                    "not trained: pass them to the model's own fit, or set cv."
                )
            return self._fit_prefit(X, y, sample_weight)
        return self._fit_cross(X, y, sample_weight, fit_params)

    def _fit_prefit(self, X, y, sample_weight):
        check_fitted(self.estimator)
        scores, kind = response_of(self.estimator, X, self.response_method)
        self.estimator_ = self.estimator
        classes = getattr(self.estimator, "classes_", None)
        return self._fit_calibrator(scores, kind, classes, y, sample_weight)

    def _fit_cross(self, X, y, sample_weight, fit_params):
        X, y, sample_weight = indexable(X, y, sample_weight)
        routed = self._route(sample_weight, fit_params)
        cv = check_cv(self.cv, y, classifier=True)
        splits = list(cv.split(X, y, **routed.splitter.split))
        fit_params = routed.estimator.fit
        self.estimator_ = clone(self.estimator).fit(X, y, **fit_params)
        held_out = cross_scores(
            self.estimator,
            X,
            y,
            splits,
            to_numpy(self.estimator_.classes_),
            method=self.response_method,
            fit_params=fit_params,
            n_jobs=self.n_jobs,
        )
        if sample_weight is not None:
            sample_weight = to_numpy(sample_weight)[held_out.rows]
        return self._fit_calibrator(
            held_out.scores,
            held_out.kind,
            self.estimator_.classes_,
            as_array(y)[held_out.rows],
            sample_weight,
        )

    def _route(self, sample_weight, fit_params):
        """Which parameters go to the splitter and which to the model."""
        if get_config()["enable_metadata_routing"]:
            weight = {} if sample_weight is None else {"sample_weight": sample_weight}
            return process_routing(self, "fit", **weight, **fit_params)
        fit_params = dict(fit_params)
        groups = fit_params.pop("groups", None)
        if sample_weight is not None:
            if has_fit_parameter(self.estimator, "sample_weight"):
                fit_params["sample_weight"] = sample_weight
            else:
                warnings.warn(
                    f"{type(self.estimator).__name__}.fit takes no sample_weight: the "
                    "weights are used for the calibrator alone.",
                    SkuqWarning,
                    stacklevel=4,
                )
        split = {} if groups is None else {"groups": groups}
        return Bunch(splitter=Bunch(split=split), estimator=Bunch(fit=fit_params))

    def _fit_calibrator(self, scores, kind, classes, y, sample_weight):
        template = TemperatureScaler() if self.calibrator is None else self.calibrator
        calibrator = clone(template)
        params = calibrator.get_params(deep=False)
        known = {}
        if params.get("input") == "auto":
            known["input"] = kind
        if classes is not None and params.get("classes", ...) is None:
            known["classes"] = without_void(classes, scores, params)
        calibrator.set_params(**known)
        weight = {} if sample_weight is None else {"sample_weight": sample_weight}
        self.calibrator_ = calibrator.fit(scores, y, **weight)
        self.classes_ = self.calibrator_.classes_
        return self

    def _scores(self, X):
        check_is_fitted(self)
        return response_of(self.estimator_, X, self.response_method).scores

    def predict_proba(self, X):
        """Calibrated probabilities.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Samples, as the estimator takes them.

        Returns
        -------
        proba : array of shape (n_samples, n_classes, *spatial)
            In [0, 1], sums to one over axis 1.
        """
        scores = self._scores(X)
        return self.calibrator_.predict_proba(scores)

    @available_if(_calibrator_has("predict_log_proba"))
    def predict_log_proba(self, X):
        """Natural logarithm of the calibrated probabilities.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Samples, as the estimator takes them.

        Returns
        -------
        log_proba : array of shape (n_samples, n_classes, *spatial)
            At most 0, in nats.
        """
        scores = self._scores(X)
        return self.calibrator_.predict_log_proba(scores)

    @available_if(_calibrator_has("predict_logits"))
    def predict_logits(self, X):
        """Calibrated logits, whose softmax over axis 1 is `predict_proba`.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Samples, as the estimator takes them.

        Returns
        -------
        logits : array of shape (n_samples, n_classes, *spatial)
            In nats.
        """
        scores = self._scores(X)
        return self.calibrator_.predict_logits(scores)

    def predict(self, X):
        """The most probable class.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Samples, as the estimator takes them.

        Returns
        -------
        labels : array of shape (n_samples, *spatial)
            Entries of `classes_`.
        """
        scores = self._scores(X)
        return self.calibrator_.predict(scores)

    def score(self, X, y, sample_weight=None):
        """Accuracy of `predict`; for maps, the share of right positions.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Samples, as the estimator takes them.
        y : array-like of shape (n_samples, *spatial)
            True labels; those equal to the calibrator's `ignore_index` do not count.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights, at least 0.

        Returns
        -------
        accuracy : float
            In [0, 1], higher is better.
        """
        y_pred = self.predict(X)
        void = getattr(self.calibrator_, "ignore_index", None)
        return accuracy(y, y_pred, sample_weight, void)

    @property
    def n_features_in_(self):
        """Number of features, as the fitted model has it."""
        return _attribute(self, "n_features_in_")

    @property
    def feature_names_in_(self):
        """Names of the features, as the fitted model has them."""
        return _attribute(self, "feature_names_in_")

    def get_metadata_routing(self):
        """Where metadata goes: to the model's `fit` and the splitter's `split`.

        Returns
        -------
        routing : MetadataRouter
            As scikit-learn's metadata routing needs it.
        """
        fit_to_fit = MethodMapping().add(caller="fit", callee="fit")
        fit_to_split = MethodMapping().add(caller="fit", callee="split")
        return (
            MetadataRouter(owner=self)
            .add_self_request(self)
            .add(estimator=self.estimator, method_mapping=fit_to_fit)
            .add(splitter=self.cv, method_mapping=fit_to_split)
        )

    def __sklearn_is_fitted__(self):
        """Whether `fit` has run."""
        return hasattr(self, "calibrator_")

    def __sklearn_tags__(self):
        """The model's own tags for `X`; one label per sample or position."""
        tags = super().__sklearn_tags__()
        inner = get_tags(self.estimator)
        tags.input_tags = deepcopy(inner.input_tags)
        tags.non_deterministic = inner.non_deterministic
        if inner.classifier_tags is not None:
            tags.classifier_tags.multi_class = inner.classifier_tags.multi_class
            tags.classifier_tags.poor_score = inner.classifier_tags.poor_score
        return tags


def _attribute(model, name):
    """An attribute of the model inside, fitted or about to be."""
    inner = getattr(model, "estimator_", None)
    if inner is None and model.cv is None:
        inner = model.estimator
    if inner is None or not hasattr(inner, name):
        raise AttributeError(f"{type(model).__name__} has no attribute {name!r}")
    return getattr(inner, name)

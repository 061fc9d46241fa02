"""Any classifier with a calibrator behind it, as one scikit-learn classifier."""

from copy import deepcopy

from sklearn.base import ClassifierMixin, clone
from sklearn.model_selection import check_cv
from sklearn.utils import get_tags, indexable
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from skuq._core._arrays import as_array, to_numpy
from skuq._model_checks import check_fitted, check_y, without_void
from skuq._responses import response_of
from skuq.base import accuracy
from skuq.calibration._around_model import AroundModel
from skuq.calibration._cross_fit import cross_scores
from skuq.calibration._temperature import TemperatureScaler
from skuq.calibration._to_torch import calibrated_module


def _calibrator_has(name):
    def check(self):
        calibrator = getattr(self, "calibrator_", None) or self.calibrator
        return hasattr(TemperatureScaler if calibrator is None else calibrator, name)

    return check


class CalibratedModel(ClassifierMixin, AroundModel):
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
            self._refuse_fit_params(fit_params)
            return self._fit_prefit(X, y, sample_weight)
        return self._fit_cross(X, y, sample_weight, fit_params)

    def _fit_prefit(self, X, y, sample_weight):
        check_fitted(
            self.estimator,
            "CalibratedModel",
            "wrap an nn.Module in skuq.deep.TorchModuleClassifier; calibrate saved "
            "scores with a calibrator such as TemperatureScaler directly",
        )
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

    def to_torch(self):
        """The model and its calibrator as one ``torch.nn.Module``.

        Returns
        -------
        module : skuq.nn.CalibratedModule
            A copy of the model's module in evaluation mode, with the calibrator behind
            it: takes what the module takes, gives the probabilities of
            `predict_proba`, in the order of `classes_`.  ``torch.export`` accepts it
            where it accepts the module.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            Before `fit`.
        skuq.exceptions.InputError
            If the model is neither a `TorchModuleClassifier` nor a skorch net, or the
            calibrator has no `to_torch`.
        """
        check_is_fitted(self)
        return calibrated_module(
            self.estimator_, self.response_method, self.calibrator_
        )

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

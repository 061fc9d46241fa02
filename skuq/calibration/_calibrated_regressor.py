"""Any regressor with a calibrator behind it, as one scikit-learn regressor."""

from copy import deepcopy

from sklearn.base import RegressorMixin, clone
from sklearn.model_selection import check_cv
from sklearn.utils import get_tags, indexable
from sklearn.utils.validation import check_is_fitted, column_or_1d

from skuq._core._arrays import as_array, to_numpy
from skuq._model_checks import check_fitted, check_targets
from skuq.calibration._around_model import AroundModel
from skuq.calibration._conformal import ConformalCalibrator
from skuq.calibration._stated import cross_stated, stated_by
from skuq.calibration._variance import VarianceScaler


class CalibratedRegressor(RegressorMixin, AroundModel):
    """A regressor whose intervals are calibrated on held-out samples.

    With a fitted model and a validation set, one line is enough:
    ``CalibratedRegressor(model).fit(X_val, y_val)``.  The model itself is not changed.

    Parameters
    ----------
    estimator : object
        A regressor, or a Pipeline or search of one.  One with ``predict(X,
        return_std=True)``, such as a Gaussian process, has its standard deviations
        calibrated; any other one has its errors measured.
    calibrator : object, default=None
        `VarianceScaler`, `QuantileCalibrator` or `ConformalCalibrator`; it is cloned.
        None is `VarianceScaler` for a model that states standard deviations, else
        `ConformalCalibrator`.
    cv : int, cross-validation generator, iterable or None, default=None
        None: `estimator` is fitted already and `fit` trains the calibrator alone.
        Otherwise `fit` trains everything: the calibrator on what models of the folds
        predict for samples they have not seen, the model on all samples.
    response_method : {"auto", "predict", "return_std"}, default="auto"
        What to calibrate: "predict" reads means alone, "return_std" standard deviations
        too, "auto" these where the model has them.
    n_jobs : int, default=None
        Folds fitted in parallel, through joblib.

    Attributes
    ----------
    estimator_ : object
        The model: `estimator` itself with ``cv=None``, else one trained on all samples.
    calibrator_ : object
        The fitted calibrator.
    n_features_in_ : int
        As `estimator_` has it.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        As `estimator_` has it.

    See Also
    --------
    VarianceScaler : The default calibrator, also for saved predictions.
    CalibratedModel : The same for classifiers.

    Notes
    -----
    `X` is handed to the estimator as it is.  A search or cross-validation clones what
    it is given, and a clone is not fitted: wrap a fitted model in
    ``sklearn.frozen.FrozenEstimator`` there.

    The coverage that `ConformalCalibrator` guarantees holds with ``cv=None``.  With
    folds the final model has seen more samples than those whose errors were measured,
    so that it tends to cover more, but nothing is proved.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.ensemble import RandomForestRegressor
    >>> from skuq.calibration import CalibratedRegressor
    >>> from skuq.metrics import interval_coverage_score
    >>> X, y = load_diabetes(return_X_y=True)
    >>> model = RandomForestRegressor(random_state=0).fit(X[:200], y[:200])
    >>> calibrated = CalibratedRegressor(model).fit(X[200:300], y[200:300])
    >>> lower, upper = calibrated.predict_interval(X[300:], alpha=0.2)
    >>> interval_coverage_score(y[300:], lower, upper) >= 0.8
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
        y : array-like of shape (n_samples, *output)
            Observed values.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the samples in the calibrator, and with `cv` in the model if its
            `fit` takes them.
        **fit_params : dict
            With `cv`: `groups` for the splitter and parameters of the model's `fit`, or
            whatever metadata routing asks for.

        Returns
        -------
        self : CalibratedRegressor
            The fitted model.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            If ``cv=None`` and the estimator is not fitted.
        skuq.exceptions.InputError
            A ``ValueError``: if what the model predicts cannot be calibrated.
        """
        y = check_targets(y)
        if self.cv is None:
            self._refuse_fit_params(fit_params)
            return self._fit_prefit(X, y, sample_weight)
        return self._fit_cross(X, y, sample_weight, fit_params)

    def _fit_prefit(self, X, y, sample_weight):
        check_fitted(
            self.estimator,
            "CalibratedRegressor",
            "calibrate saved predictions with a calibrator such as VarianceScaler "
            "directly",
        )
        self.estimator_ = self.estimator
        stated = stated_by(self.estimator, X, self.response_method)
        return self._fit_calibrator(stated, y, sample_weight)

    def _fit_cross(self, X, y, sample_weight, fit_params):
        X, y, sample_weight = indexable(X, y, sample_weight)
        routed = self._route(sample_weight, fit_params)
        splits = list(check_cv(self.cv, y).split(X, y, **routed.splitter.split))
        self.estimator_ = clone(self.estimator).fit(X, y, **routed.estimator.fit)
        held_out = cross_stated(
            self.estimator,
            X,
            y,
            splits,
            method=self.response_method,
            fit_params=routed.estimator.fit,
            n_jobs=self.n_jobs,
        )
        if sample_weight is not None:
            sample_weight = to_numpy(sample_weight)[held_out.rows]
        y = as_array(y)[held_out.rows]
        return self._fit_calibrator(held_out.stated, y, sample_weight)

    def _fit_calibrator(self, stated, y, sample_weight):
        if y.ndim == 2 and y.shape[1] == 1 and stated.y_pred.ndim == 1:
            y = column_or_1d(y, warn=True)
        calibrator = self.calibrator
        if calibrator is None:
            has_std = stated.y_std is not None
            calibrator = VarianceScaler() if has_std else ConformalCalibrator()
        self.calibrator_ = clone(calibrator).fit(
            stated.y_pred,
            y,
            y_std=stated.y_std,
            sample_weight=sample_weight,
        )
        return self

    def _stated(self, X):
        check_is_fitted(self)
        return stated_by(self.estimator_, X, self.response_method)

    def predict(self, X, return_std=False):
        """Calibrated means, and standard deviations.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Samples, as the estimator takes them.
        return_std : bool, default=False
            Whether to return standard deviations too, which `VarianceScaler` and
            `QuantileCalibrator` state.

        Returns
        -------
        mean : array of shape (n_samples, *output)
            What the model predicts, moved if the calibrator mends a bias.
        std : array of shape (n_samples, *output)
            Only with ``return_std=True``.
        """
        check_is_fitted(self)
        if not return_std and not self.calibrator_.moves_mean:
            return self.estimator_.predict(X)  # deviations may be costly
        y_pred, y_std = self._stated(X)
        return self.calibrator_.predict(y_pred, y_std=y_std, return_std=return_std)

    def predict_quantiles(self, X, levels):
        """Calibrated quantiles.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Samples, as the estimator takes them.
        levels : float or array-like of shape (n_levels,)
            Levels in (0, 1), in any order.

        Returns
        -------
        quantiles : array of shape (n_samples, n_levels, *output)
            Rising with the level.
        """
        y_pred, y_std = self._stated(X)
        return self.calibrator_.predict_quantiles(y_pred, levels, y_std=y_std)

    def predict_interval(self, X, alpha=0.1):
        """Calibrated central intervals.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Samples, as the estimator takes them.
        alpha : float in (0, 1), default=0.1
            Nominal miscoverage: 0.1 for a 90 % interval (a fraction, not a percentage).

        Returns
        -------
        lower : array of shape (n_samples, *output)
            The lower ends.
        upper : array of shape (n_samples, *output)
            The upper ends.
        """
        y_pred, y_std = self._stated(X)
        return self.calibrator_.predict_interval(y_pred, alpha, y_std=y_std)

    def __sklearn_tags__(self):
        """The model's own tags for `X` and for targets."""
        tags = super().__sklearn_tags__()
        inner = get_tags(self.estimator)
        tags.input_tags = deepcopy(inner.input_tags)
        tags.target_tags = deepcopy(inner.target_tags)
        tags.non_deterministic = inner.non_deterministic
        if inner.regressor_tags is not None:
            tags.regressor_tags = deepcopy(inner.regressor_tags)
        return tags

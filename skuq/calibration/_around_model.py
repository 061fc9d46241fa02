"""What the meta-estimators share: a model, held-out data and where metadata goes."""

import warnings

from sklearn import get_config
from sklearn.base import BaseEstimator, MetaEstimatorMixin
from sklearn.utils import Bunch
from sklearn.utils.metadata_routing import (
    MetadataRouter,
    MethodMapping,
    process_routing,
)
from sklearn.utils.validation import has_fit_parameter

from skuq._model_checks import inner_attribute
from skuq.exceptions import SkuqWarning


class AroundModel(MetaEstimatorMixin, BaseEstimator):
    """A model with a calibrator behind it, prefit where `cv` is None.

    Subclasses have the parameters `estimator` and `cv`, and fit `estimator_` and
    `calibrator_`.
    """

    def _refuse_fit_params(self, fit_params):
        if fit_params:
            raise TypeError(
                f"fit() got {sorted(fit_params)}, but with cv=None the model is "
                "not trained: pass them to the model's own fit, or set cv."
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

    @property
    def n_features_in_(self):
        """Number of features, as the fitted model has it."""
        return inner_attribute(self, "n_features_in_", prefit=self.cv is None)

    @property
    def feature_names_in_(self):
        """Names of the features, as the fitted model has them."""
        return inner_attribute(self, "feature_names_in_", prefit=self.cv is None)

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

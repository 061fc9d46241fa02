"""Estimators around torch modules; needs torch."""

from skuq.deep._auxiliary_error import AuxiliaryErrorNet
from skuq.deep._bbb_classifier import BBBClassifier
from skuq.deep._bbb_regressor import BBBRegressor
from skuq.deep._ensemble_classifier import EnsembleClassifier
from skuq.deep._ensemble_regressor import EnsembleRegressor
from skuq.deep._gal import predictive_log_likelihood
from skuq.deep._heteroscedastic_classifier import HeteroscedasticClassifier
from skuq.deep._heteroscedastic_regressor import HeteroscedasticRegressor
from skuq.deep._image_temperature import ImageTemperatureScaler
from skuq.deep._learned_confidence import LearnedConfidence
from skuq.deep._local_temperature import LocalTemperatureScaler
from skuq.deep._mc_dropout import MCDropoutWrapper
from skuq.deep._probability_confidence import (
    EntropyConfidence,
    MaximumProbabilityConfidence,
    MCDropoutConfidence,
)
from skuq.deep._tcp import TCPConfidence
from skuq.deep._torch_module import TorchModuleClassifier, TorchModuleRegressor
from skuq.deep._trust_score import TrustScore

__all__ = [
    "AuxiliaryErrorNet",
    "BBBClassifier",
    "BBBRegressor",
    "EnsembleClassifier",
    "EnsembleRegressor",
    "EntropyConfidence",
    "HeteroscedasticClassifier",
    "HeteroscedasticRegressor",
    "ImageTemperatureScaler",
    "LearnedConfidence",
    "LocalTemperatureScaler",
    "MCDropoutConfidence",
    "MCDropoutWrapper",
    "MaximumProbabilityConfidence",
    "TCPConfidence",
    "TorchModuleClassifier",
    "TorchModuleRegressor",
    "TrustScore",
    "predictive_log_likelihood",
]

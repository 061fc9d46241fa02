"""Modules of torch: calibration, dropout draws, Bayesian layers; needs torch."""

from skuq.nn._bayes_conv import BayesConv1d, BayesConv2d, BayesConv3d
from skuq.nn._bayes_linear import BayesLinear
from skuq.nn._bayes_module import (
    forward_with_kl,
    kl_divergence,
    posterior_summary,
    prune_weights,
    weight_draw,
)
from skuq.nn._calibrated_module import CalibratedModule
from skuq.nn._calibration import (
    AffineCalibration,
    Calibration,
    MixtureCalibration,
    TemperatureCalibration,
)
from skuq.nn._dropout_insert import insert_dropout
from skuq.nn._dropout_sampler import DropoutSampler
from skuq.nn._dropout_weights import insert_weight_dropout
from skuq.nn._gaussian import BetaNLLLoss, GaussianHead
from skuq.nn._kl_weights import kl_weights
from skuq.nn._likelihoods import LaplaceNLLLoss, LogitNoiseLoss, StudentTNLLLoss
from skuq.nn._local_temperature import LocalTemperatureCalibration, TemperatureTree
from skuq.nn._noise_heads import ConstantNoise, LogitNoiseHead, LogVarianceHead
from skuq.nn._one_vs_rest import (
    BetaCalibration,
    PlattCalibration,
    QuadraticCalibration,
)
from skuq.nn._priors import GaussianPrior, LaplacePrior, ScaleMixturePrior
from skuq.nn._to_bayesian import to_bayesian

__all__ = [
    "AffineCalibration",
    "BayesConv1d",
    "BayesConv2d",
    "BayesConv3d",
    "BayesLinear",
    "BetaCalibration",
    "BetaNLLLoss",
    "CalibratedModule",
    "Calibration",
    "ConstantNoise",
    "DropoutSampler",
    "GaussianHead",
    "GaussianPrior",
    "LaplaceNLLLoss",
    "LaplacePrior",
    "LocalTemperatureCalibration",
    "LogVarianceHead",
    "LogitNoiseHead",
    "LogitNoiseLoss",
    "MixtureCalibration",
    "PlattCalibration",
    "QuadraticCalibration",
    "ScaleMixturePrior",
    "StudentTNLLLoss",
    "TemperatureCalibration",
    "TemperatureTree",
    "forward_with_kl",
    "insert_dropout",
    "insert_weight_dropout",
    "kl_divergence",
    "kl_weights",
    "posterior_summary",
    "prune_weights",
    "to_bayesian",
    "weight_draw",
]

"""Errors and warnings of skuq, all in one tree.

::

    SkuqError
    ├── InputError (ValueError)                   what was passed cannot be used
    │   └── NoSamplesError                        nothing is left that counts
    ├── StateMismatchError (ValueError)           two statistics that cannot be added
    └── MissingDependencyError (ImportError)      an optional library is not installed

    SkuqWarning (UserWarning)
    ├── CalibrationWarning                        the calibration set says too little
    │   ├── SeparableDataWarning                  every label right: temperature -> 0
    │   ├── WorseThanChanceWarning                scores mislead: temperature -> inf
    │   ├── ConstantScoresWarning                 scores that are equal for all classes
    │   └── ZeroProbabilityWarning                probability 0 for what came true
    ├── ConvergenceWarning                        a solver stopped before its tolerance
    ├── NoErrorsWarning                           no error to learn confidence from
    └── MissingClassWarning                       a class without calibration samples

Errors are also the built-in ones that scikit-learn's users catch.
"""

__all__ = [
    "CalibrationWarning",
    "ConstantScoresWarning",
    "ConvergenceWarning",
    "InputError",
    "MissingClassWarning",
    "MissingDependencyError",
    "NoErrorsWarning",
    "NoSamplesError",
    "SeparableDataWarning",
    "SkuqError",
    "SkuqWarning",
    "StateMismatchError",
    "WorseThanChanceWarning",
    "ZeroProbabilityWarning",
]


class SkuqError(Exception):
    """Base of every error that skuq raises itself."""


class InputError(SkuqError, ValueError):
    """An argument has a shape, range or label that cannot be used."""


class NoSamplesError(InputError):
    """There are no samples, or all have no weight or are void."""


class StateMismatchError(SkuqError, ValueError):
    """Two statistics were computed with different settings and cannot be added."""


class MissingDependencyError(SkuqError, ImportError):
    """An optional library is needed and not installed."""


class SkuqWarning(UserWarning):
    """Base of every warning that skuq issues itself."""


class CalibrationWarning(SkuqWarning):
    """The calibration set does not determine the calibrator."""


class SeparableDataWarning(CalibrationWarning):
    """Every calibration label has the highest score, so any sharpening helps."""


class WorseThanChanceWarning(CalibrationWarning):
    """The true class has a lower score than the others on average."""


class ConstantScoresWarning(CalibrationWarning):
    """All classes of every sample have the same score."""


class ZeroProbabilityWarning(CalibrationWarning):
    """A class that came true was given a probability of exactly zero."""


class ConvergenceWarning(SkuqWarning):
    """A solver used up its iterations before it met its tolerance."""


class NoErrorsWarning(SkuqWarning):
    """A classifier answers every sample right, and errors are to be learned."""


class MissingClassWarning(SkuqWarning):
    """A class of the model has no samples where some are needed."""

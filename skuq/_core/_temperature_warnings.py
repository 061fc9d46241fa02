"""What the user is told of a temperature that is no minimum of the log loss."""

import warnings

from skuq._core._batches import Source
from skuq._core._temperature import Outcome, TemperatureFit, count_impossible
from skuq.exceptions import (
    ConstantScoresWarning,
    ConvergenceWarning,
    SeparableDataWarning,
    SkuqWarning,
    WorseThanChanceWarning,
    ZeroProbabilityWarning,
)

_WARNINGS: dict[Outcome, tuple[type[SkuqWarning], str]] = {
    Outcome.SEPARABLE: (
        SeparableDataWarning,
        "every calibration label has the highest score, so the log loss falls for any "
        "lower temperature: stopped at the bound T={temperature:.3g}. Use more, or "
        "unseen, calibration data.",
    ),
    Outcome.WORSE_THAN_CHANCE: (
        WorseThanChanceWarning,
        "the true class has no higher score than the others on average, so uniform "
        "probabilities are best: stopped at the bound T={temperature:.3g}. Check the "
        "order of the columns and the labels.",
    ),
    Outcome.CONSTANT: (
        ConstantScoresWarning,
        "all classes of every sample have the same score, so no temperature changes "
        "anything: T={temperature:g} is kept.",
    ),
    Outcome.OUT_OF_ITERATIONS: (
        ConvergenceWarning,
        "no convergence within max_iter={max_iter} passes, T={temperature:.6g}: raise "
        "max_iter.",
    ),
}


def warn_of_outcome(
    fit: TemperatureFit, name: str, *, max_iter: int, stacklevel: int
) -> None:
    """Warn, in the name of a calibrator, unless the minimum was found."""
    if fit.outcome is Outcome.FOUND:
        return
    category, text = _WARNINGS[fit.outcome]
    message = text.format(temperature=fit.temperature, max_iter=max_iter)
    warnings.warn(f"{name}: {message}", category, stacklevel=stacklevel + 1)


def warn_of_zeros(table: Source, kind: str, name: str, *, stacklevel: int) -> None:
    """Warn, in the name of a calibrator, of true classes with probability 0."""
    if kind == "proba" and (count := count_impossible(table)):
        warnings.warn(
            f"{name}: {count} of the calibration samples have probability 0 for their "
            "true class, and these decide the temperature: prefer scores without exact "
            "zeros, such as logits.",
            ZeroProbabilityWarning,
            stacklevel=stacklevel + 1,
        )

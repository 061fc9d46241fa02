"""Temperature scaling: one number that makes a network's confidence honest."""

from skuq._core._online_temperature import OnlineTemperature
from skuq._core._temperature import Outcome, fit_temperature
from skuq._core._temperature_warnings import warn_of_outcome, warn_of_zeros
from skuq.base import BaseCalibrator
from skuq.calibration._batch_fit import BatchFitMixin
from skuq.calibration._partial_fit import PartialFitMixin
from skuq.calibration._to_torch import ToTorch
from skuq.exceptions import InputError

PRESAMPLE = 4096


class TemperatureScaler(PartialFitMixin, BatchFitMixin, ToTorch, BaseCalibrator):
    """Calibrated probabilities ``softmax(z / T)`` with one fitted temperature T.

    T > 1 softens an over-confident classifier, T < 1 sharpens an under-confident one.
    The predicted class never changes.  With one parameter it needs little data: a few
    hundred held-out samples, and it is the first calibrator to try.

    Parameters
    ----------
    input : {"auto", "logit", "proba"}, default="auto"
        What the scores are, resolved once in `fit` and stored as `input_`: with
        "auto", probabilities if all values lie in [0, 1] and all rows sum to one
        (within 1e-2), logits if some value lies outside [0, 1].  Probabilities become
        the logits ``log(p)``, with p clipped at 2**-126, the smallest normal float32.
    classes : array-like of shape (n_classes,), default=None
        The label of each score column.  None learns them from `y`.
    ignore_index : int or str, default=None
        Label of positions that do not count, such as the void pixels of a map.
    max_iter : int, default=50
        Largest number of passes over the scores; 2 to 7 are usual.
    tol : float, default=1e-6
        The search ends after a Newton step in log(T) smaller than this, or after one
        that promises a next one of 1e-4 of it: steps converge quadratically,
        each is about a constant times the square of the last.
    presample : int, "auto" or None, default="auto"
        Evenly spaced samples of a first rough fit that starts the full one near its
        end.  It saves passes and does not change the result.  "auto" takes 4096 if
        there are at least four times as many samples; None takes none.

    Attributes
    ----------
    temperature_ : float
        T, in the unit of the logits.
    n_iter_ : int
        Passes over all scores in the search.
    converged_ : bool
        Whether T minimises the log loss; False if T was stopped at a bound.
    input_ : {"logit", "proba"}
        What the scores are taken for.
    classes_ : ndarray of shape (n_classes,)
        The label of each column of `predict_proba`.
    n_features_in_ : int
        Number of score columns seen in `fit`; 1 for a binary positive-class score.
    n_samples_seen_ : int
        Samples that `partial_fit` has seen; not set by `fit`.

    Warns
    -----
    skuq.exceptions.SeparableDataWarning
        If every label has the highest score: T stops at its lower bound.
    skuq.exceptions.WorseThanChanceWarning
        If uniform probabilities are best: T stops at its upper bound.
    skuq.exceptions.ConstantScoresWarning
        If the scores of each sample are all equal: T is 1.
    skuq.exceptions.ZeroProbabilityWarning
        If a true class was given probability 0, as forests do: the clipped value then
        decides the temperature.
    skuq.exceptions.ConvergenceWarning
        If `max_iter` passes were not enough.

    See Also
    --------
    CalibratedModel : Calibrates a fitted model with this, in one line.

    Notes
    -----
    T minimises the weighted log loss ``-sum(w * log softmax(z / T)[y]) / sum(w)`` [1]_,
    which is convex in 1/T.  At the minimum ``mean(z_y) = mean(sum_k z_k p_k)``: the
    fitted probabilities reproduce the mean score of the true class.

    The search is a safeguarded Newton iteration on log(1/T).  Each pass yields loss,
    slope and curvature in cache-sized pieces with float64 sums: time is proportional to
    the number of scores, extra memory is at most a tenth of theirs, or a megabyte.

    `fit_batches` runs the same search over batches, and its rough first fit over 4096
    to 8192 evenly spaced positions, whatever number `presample` is.

    `partial_fit` sees each batch once.  The first 1024 positions are fitted together.
    From then on the log loss of the past is replaced by a parabola in b = 1/T about the
    last answer, with the curvatures summed so far: each batch moves b to the minimum of
    that parabola plus its own loss (a Gaussian belief about b, updated by Laplace's
    method).  The answer depends a little on the order of the batches, by an amount that
    falls faster with their number than the standard error of T itself.

    With s the root mean square of the logits about their row's mean, T is sought
    between ``1e-4 * min(1, s)`` and ``1e4 * max(1, s)``.

    For binary problems a single column z stands for the logits ``[0, z]``, so that
    ``p = 1 / (1 + exp(-z / T))``.

    References
    ----------
    .. [1] C. Guo, G. Pleiss, Y. Sun and K. Q. Weinberger (2017). "On calibration of
       modern neural networks". ICML. `arXiv:1706.04599
       <https://arxiv.org/abs/1706.04599>`_

    Examples
    --------
    >>> from skuq.calibration import TemperatureScaler
    >>> from skuq.datasets import make_logits
    >>> logits, y = make_logits(20_000, n_classes=5, temperature=2.0, random_state=0)
    >>> scaler = TemperatureScaler().fit(logits, y)
    >>> round(scaler.temperature_, 1)
    2.0
    >>> scaler.predict_proba(logits).shape
    (20000, 5)
    """

    def __init__(
        self,
        *,
        input="auto",
        classes=None,
        ignore_index=None,
        max_iter=50,
        tol=1e-6,
        presample="auto",
    ):
        super().__init__(input=input, classes=classes, ignore_index=ignore_index)
        self.max_iter = max_iter
        self.tol = tol
        self.presample = presample

    def _fit(self, table, kind):
        warn_of_zeros(table, kind, "TemperatureScaler", stacklevel=3)
        self._set(fit_temperature(table, kind, **self._search_options()))

    def _partial_fit(self, stream, table, kind):
        stream = OnlineTemperature() if stream is None else stream
        stream = stream.updated(table, kind, **self._search_options())
        self._set(stream.fit)
        return stream

    def _set(self, fit):
        self.temperature_ = fit.temperature
        self.n_iter_ = fit.n_iter
        self.converged_ = fit.outcome is Outcome.FOUND
        warn_of_outcome(fit, "TemperatureScaler", max_iter=self.max_iter, stacklevel=4)

    def _search_options(self):
        presample = self._presample_size()
        return {"max_iter": self.max_iter, "tol": self.tol, "presample": presample}

    def _presample_size(self):
        if self.presample == "auto":
            return PRESAMPLE
        if self.presample is None:
            return None
        if isinstance(self.presample, int) and self.presample > 0:
            return self.presample
        raise InputError(
            f"presample must be a positive int, 'auto' or None, got {self.presample!r}."
        )

    def _calibrated_logits(self, logits):
        return logits / self.temperature_

    def _ranking(self, logits):
        """The logits themselves: dividing them could round two into a tie."""
        return logits

    def _module(self, nn):
        return nn.TemperatureCalibration(self.temperature_, input=self.input_)

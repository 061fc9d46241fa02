"""Dirichlet calibration: a linear map of log probabilities."""

import numpy as np

from skuq._core._affine_loss import Affine
from skuq._core._checks import check_option
from skuq._core._links import log_softmax
from skuq.calibration._affine_scaler import AffineScaler, diagonal

VARIANTS = ("full", "diagonal")


class DirichletCalibrator(AffineScaler):
    """Calibrated probabilities ``softmax(A log p + b)``, with ODIR penalties.

    What a model of Dirichlet-distributed probabilities given the class leads to: beta
    calibration for several classes.

    Parameters
    ----------
    input : {"auto", "logit", "proba"}, default="auto"
        What the scores are, resolved once in `fit`; see `TemperatureScaler`.
    classes : array-like of shape (n_classes,), default=None
        The label of each score column.  None learns them from `y`.
    ignore_index : int or str, default=None
        Label of positions that do not count, such as the void pixels of a map.
    variant : {"full", "diagonal"}, default="full"
        All entries of A, or its diagonal only.
    diagonal : float, default=0.1
        Strength of the ridge of the diagonal about temperature scaling, in samples per
        class.
    off_diagonal : float, default=1.0
        Strength of the penalty of the entries off the diagonal, in samples per pair of
        classes.
    intercept : float, default=1.0
        Strength of the penalty of b, in samples per class.
    smoothing : {"laplace", None}, default="laplace"
        "laplace" fits on probabilities after temperature scaling, mixed with 1/(n + 1)
        of the uniform distribution, so that probabilities of 0 do not decide the fit;
        None on the logits as they are.
    max_iter : int, default=500
        Most steps of the search.
    tol : float, default=1e-8
        The search ends when no slope of the loss exceeds it, in coordinates in which
        the loss is nearly round.  It is 1e-4 at least for float32 scores that are more
        than 2**20, whose rounding is near: the loss is then some 1e-8 above its
        minimum for each parameter.

    Attributes
    ----------
    coef_ : ndarray of shape (n_classes, n_classes)
        The matrix, which multiplies the features of a sample from the left.
    intercept_ : ndarray of shape (n_classes,)
        Added to the logits of each class.
    temperature_ : float
        T of temperature scaling, about which the penalty is.
    mixing_ : float
        Share of the uniform distribution in the smoothed probabilities.
    n_iter_ : int
        Passes over the calibration data.
    converged_ : bool
        Whether the search ended by itself.
    classes_ : ndarray of shape (n_classes,)
        The label of each column of `predict_proba`.
    input_ : {"logit", "proba"}
        What the scores are taken for.
    n_features_in_ : int
        Number of score columns seen in `fit`; 1 for a binary positive-class score.

    See Also
    --------
    BetaCalibrator : The same for two classes.
    MatrixScaler : On logits without what a row has in common.

    Notes
    -----
    The linear parametrisation of [1]_ with off-diagonal and intercept regularisation
    (ODIR): the penalties of `MatrixScaler`.  Probabilities are clipped at 2**-126
    before the logarithm.

    References
    ----------
    .. [1] M. Kull, M. Perello-Nieto, M. Kaengsepp, T. Silva Filho, H. Song and P. Flach
       (2019). "Beyond temperature scaling". NeurIPS. `arXiv:1910.12656
       <https://arxiv.org/abs/1910.12656>`_

    Examples
    --------
    >>> from skuq.calibration import DirichletCalibrator
    >>> from skuq.datasets import make_logits
    >>> logits, y = make_logits(5000, n_classes=3, temperature=2.0, random_state=0)
    >>> DirichletCalibrator().fit(logits, y).coef_.shape
    (3, 3)
    """

    _features_without_smoothing = "log_proba"

    def __init__(
        self,
        *,
        input="auto",
        classes=None,
        ignore_index=None,
        variant="full",
        diagonal=0.1,
        off_diagonal=1.0,
        intercept=1.0,
        smoothing="laplace",
        max_iter=500,
        tol=1e-8,
    ):
        super().__init__(
            input=input,
            classes=classes,
            ignore_index=ignore_index,
            smoothing=smoothing,
            max_iter=max_iter,
            tol=tol,
        )
        self.variant = variant
        self.diagonal = diagonal
        self.off_diagonal = off_diagonal
        self.intercept = intercept

    def _plain(self, logits):
        return log_softmax(logits)

    def _smooth(self, log_p):
        return log_p

    def _penalty(self, n_classes, n_samples):
        check_option("variant", self.variant, VARIANTS)
        pairs = n_classes * (n_classes - 1)
        other = self.off_diagonal * pairs / n_samples
        other = np.inf if self.variant == "diagonal" else other
        bias = self.intercept * n_classes / n_samples
        own = self.diagonal * n_classes / n_samples
        return Affine(diagonal(n_classes, own, other), np.full(n_classes, bias))

"""Matrix scaling: a linear map of the logits, kept near a diagonal one."""

import numpy as np

from skuq._core._affine_loss import Affine
from skuq.calibration._affine_scaler import AffineScaler, diagonal


class MatrixScaler(AffineScaler):
    """Calibrated probabilities ``softmax(A z + b)`` with a penalty off the diagonal.

    Mends classes that are mistaken for each other.  A full matrix has K^2 entries;
    without its penalties it over-fits with few samples per class.

    Parameters
    ----------
    input : {"auto", "logit", "proba"}, default="auto"
        What the scores are, resolved once in `fit`; see `TemperatureScaler`.
    classes : array-like of shape (n_classes,), default=None
        The label of each score column.  None learns them from `y`.
    ignore_index : int or str, default=None
        Label of positions that do not count, such as the void pixels of a map.
    diagonal : float, default=0.1
        Strength of the ridge of the diagonal about temperature scaling, in samples per
        class.
    off_diagonal : float, default=1.0
        Strength of the penalty of the entries off the diagonal, in samples per pair of
        classes.  With three strengths of 0, and smoothing=None, it is the
        method as published.
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
    DirichletCalibrator : On log probabilities.
    StructuredMatrixScaler : Also keeps the diagonal near temperature scaling.
    VectorScaler : The diagonal alone.

    Notes
    -----
    Minimises ``log loss + diagonal * K / n * sum (A_ii - 1/T)^2 + off_diagonal * K (K -
    1) / n * sum_{i != j} A_ij^2 + intercept * K / n * sum b^2`` with T of temperature
    scaling: matrix scaling [1]_ with off-diagonal and intercept regularisation (ODIR)
    [2]_, in units that fit any number of classes and samples.  With smoothing, adding a
    constant to all logits of a sample changes nothing.

    References
    ----------
    .. [1] C. Guo, G. Pleiss, Y. Sun and K. Q. Weinberger (2017). "On calibration of
       modern neural networks". ICML. `arXiv:1706.04599
       <https://arxiv.org/abs/1706.04599>`_
    .. [2] M. Kull, M. Perello-Nieto, M. Kaengsepp, T. Silva Filho, H. Song and P. Flach
       (2019). "Beyond temperature scaling". NeurIPS. `arXiv:1910.12656
       <https://arxiv.org/abs/1910.12656>`_

    Examples
    --------
    >>> from skuq.calibration import MatrixScaler
    >>> from skuq.datasets import make_logits
    >>> logits, y = make_logits(5000, n_classes=3, temperature=2.0, random_state=0)
    >>> MatrixScaler().fit(logits, y).coef_.shape
    (3, 3)
    """

    def __init__(
        self,
        *,
        input="auto",
        classes=None,
        ignore_index=None,
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
        self.diagonal = diagonal
        self.off_diagonal = off_diagonal
        self.intercept = intercept

    def _penalty(self, n_classes, n_samples):
        pairs = n_classes * (n_classes - 1)
        return Affine(
            diagonal(
                n_classes,
                self.diagonal * n_classes / n_samples,
                self.off_diagonal * pairs / n_samples,
            ),
            np.full(n_classes, self.intercept * n_classes / n_samples),
        )


class StructuredMatrixScaler(MatrixScaler):
    """Matrix scaling kept near temperature scaling entry by entry (SMS).

    The calibrator to try for several classes: it led a comparison on many real models,
    and falls back to temperature scaling where samples are few.

    Parameters
    ----------
    input : {"auto", "logit", "proba"}, default="auto"
        What the scores are, resolved once in `fit`; see `TemperatureScaler`.
    classes : array-like of shape (n_classes,), default=None
        The label of each score column.  None learns them from `y`.
    ignore_index : int or str, default=None
        Label of positions that do not count, such as the void pixels of a map.
    diagonal : float, default=1.0
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
    StructuredVectorScaler : Without the entries off the diagonal.

    Notes
    -----
    As `MatrixScaler` with a stronger ridge of the diagonal [1]_.

    References
    ----------
    .. [1] E. Berta, D. Holzmueller, M. I. Jordan and F. Bach (2025). "Structured matrix
       scaling for multi-class calibration". `arXiv:2511.03685
       <https://arxiv.org/abs/2511.03685>`_

    Examples
    --------
    >>> from skuq.calibration import StructuredMatrixScaler
    >>> from skuq.datasets import make_logits
    >>> logits, y = make_logits(5000, n_classes=3, temperature=2.0, random_state=0)
    >>> StructuredMatrixScaler().fit(logits, y).coef_.diagonal().round(1)
    array([1., 1., 1.])
    """

    def __init__(
        self,
        *,
        input="auto",
        classes=None,
        ignore_index=None,
        diagonal=1.0,
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
            diagonal=diagonal,
            off_diagonal=off_diagonal,
            intercept=intercept,
            smoothing=smoothing,
            max_iter=max_iter,
            tol=tol,
        )

"""Vector scaling: a scale and a shift of the logit of each class."""

import numpy as np

from skuq._core._affine_loss import Affine
from skuq.calibration._affine_scaler import AffineScaler, diagonal


class VectorScaler(AffineScaler):
    """Calibrated probabilities ``softmax(v * z + b)``, one scale and shift per class.

    Mends what temperature scaling cannot: classes that are over- or under-confident
    each in its own way, and base rates that changed.  Needs some samples of every
    class.

    Parameters
    ----------
    input : {"auto", "logit", "proba"}, default="auto"
        What the scores are, resolved once in `fit`; see `TemperatureScaler`.
    classes : array-like of shape (n_classes,), default=None
        The label of each score column.  None learns them from `y`.
    ignore_index : int or str, default=None
        Label of positions that do not count, such as the void pixels of a map.
    penalty : float, default=1.0
        Strength of the ridge about temperature scaling, in samples: it fades as 1/n.
        0, with smoothing=None, is the method as published.
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
    StructuredVectorScaler : With the stronger penalty that wins in practice.
    TemperatureScaler : One scale for all.

    Notes
    -----
    Minimises ``log loss + penalty / n * (sum (v - 1/T)^2 + sum b^2)`` with T of
    temperature scaling [1]_: convex, so there is one answer.  With smoothing, adding a
    constant to all logits of a sample changes nothing.

    References
    ----------
    .. [1] C. Guo, G. Pleiss, Y. Sun and K. Q. Weinberger (2017). "On calibration of
       modern neural networks". ICML. `arXiv:1706.04599
       <https://arxiv.org/abs/1706.04599>`_

    Examples
    --------
    >>> from skuq.calibration import VectorScaler
    >>> from skuq.datasets import make_logits
    >>> logits, y = make_logits(5000, n_classes=3, temperature=2.0, random_state=0)
    >>> scaler = VectorScaler().fit(logits, y)
    >>> round(scaler.temperature_, 1), scaler.coef_.diagonal().round(1)
    (2.0, array([1., 1., 1.]))
    """

    def __init__(
        self,
        *,
        input="auto",
        classes=None,
        ignore_index=None,
        penalty=1.0,
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
        self.penalty = penalty

    def _penalty(self, n_classes, n_samples):
        strength = self.penalty / n_samples
        return Affine(
            diagonal(n_classes, strength, np.inf), np.full(n_classes, strength)
        )


class StructuredVectorScaler(VectorScaler):
    """Vector scaling with a ridge that grows with the number of classes (SVS).

    Parameters
    ----------
    input : {"auto", "logit", "proba"}, default="auto"
        What the scores are, resolved once in `fit`; see `TemperatureScaler`.
    classes : array-like of shape (n_classes,), default=None
        The label of each score column.  None learns them from `y`.
    ignore_index : int or str, default=None
        Label of positions that do not count, such as the void pixels of a map.
    penalty : float, default=1.0
        Strength of the ridge about temperature scaling, in samples per class.
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
    StructuredMatrixScaler : Also lets classes mix.

    Notes
    -----
    As `VectorScaler`, with the strength ``penalty * K / n`` for K classes [1]_.

    References
    ----------
    .. [1] E. Berta, D. Holzmueller, M. I. Jordan and F. Bach (2025). "Structured matrix
       scaling for multi-class calibration". `arXiv:2511.03685
       <https://arxiv.org/abs/2511.03685>`_

    Examples
    --------
    >>> from skuq.calibration import StructuredVectorScaler
    >>> from skuq.datasets import make_logits
    >>> logits, y = make_logits(5000, n_classes=3, temperature=2.0, random_state=0)
    >>> StructuredVectorScaler().fit(logits, y).coef_.diagonal().round(1)
    array([1., 1., 1.])
    """

    def _penalty(self, n_classes, n_samples):
        return super()._penalty(n_classes, n_samples / n_classes)

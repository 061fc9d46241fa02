"""How good a segmentation is, predicted without the truth."""

import numpy as np
from sklearn.base import BaseEstimator, RegressorMixin, clone
from sklearn.linear_model import RidgeCV
from sklearn.metrics import r2_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import check_consistent_length
from sklearn.utils.validation import check_is_fitted

from skuq._core._arrays import to_numpy, to_real_floating
from skuq._core._checks import check_option
from skuq.decision._aggregate import checked_uncertainty
from skuq.decision._mask_features import mask_features
from skuq.decision._mask_overlap import METRICS, checked_masks, mask_overlap
from skuq.exceptions import InputError

PENALTIES = np.logspace(-2, 3, 11)  # of the ridge, chosen by leaving one out


class SegmentationQualityRegressor(RegressorMixin, BaseEstimator):
    """The quality of segmentations, predicted without the truth; flags the poor ones.

    A segmentation that fails is seldom seen from its mask alone.  Learns from images
    with a known truth how the overlap depends on image, mask and uncertainty map.

    Parameters
    ----------
    regressor : object, default=None
        A regressor of scikit-learn, of which a clone is trained on a table of features;
        None is a ridge regression of standardised features, which needs few images.
    metric : {"dice", "jaccard"}, default="dice"
        The overlap that is predicted, as in `mask_overlap`.
    background : int, str or None, default=0
        Label that is no object; None if every label is one.
    width : float, default=3
        Of the band at the boundary of the mask that features look at, in pixels.
    ignore_index : int or str, default=None
        True label of pixels that do not count.

    Attributes
    ----------
    regressor_ : object
        The trained regressor.
    feature_names_ : list of str
        What the columns of its table are.
    classes_ : ndarray
        The labels of objects in the masks of `fit`.
    uses_uncertainty_ : bool
        Whether `fit` had uncertainty maps.

    See Also
    --------
    mask_overlap : The true quality.
    aggregate_uncertainty : Scores of images that need no learning.
    skuq.evaluation.uncertainty_map : The uncertainty maps.

    Notes
    -----
    After [1]_, with a table of features and any regressor in place of a network.  The
    features are the sizes of mask and classes, the length and roughness of the
    boundary, connected parts; brightness, contrast, and slope at the boundary; and of
    the uncertainty the means over the image, the mask, the band at its boundary and the
    rest, its sum by the sizes of mask and band (a logarithm), and two high quantiles.
    What is predicted is clipped to [0, 1].

    Fit it on images that the segmentation model was not trained on, where its masks are
    better than they will be: held-out ones, or those of
    `skuq.evaluation.cross_val_predict_maps`.
    They must hold poor masks too, or there is nothing to learn.

    `masks` and `uncertainty` have one entry for each image, so that scikit-learn's
    metadata routing passes them through searches and cross-validation:
    ``set_fit_request(masks=True, uncertainty=True)`` and the same for `score`.

    References
    ----------
    .. [1] T. DeVries and G. W. Taylor (2018). "Leveraging uncertainty estimates for
       predicting segmentation quality". `arXiv:1807.00502
       <https://arxiv.org/abs/1807.00502>`_

    Examples
    --------
    >>> import numpy as np
    >>> from skuq.datasets import make_ellipses
    >>> from skuq.decision import SegmentationQualityRegressor
    >>> images, y, _ = make_ellipses(60, shape=(32, 32), n_classes=2, random_state=0)
    >>> masks = (images[:, 0] > 0.45).astype(int)  # poor where the contrast is low
    >>> unsure = 1 / (1 + 20 * np.abs(images[:, 0] - 0.45))
    >>> model = SegmentationQualityRegressor().fit(
    ...     images[:40], y[:40], masks=masks[:40], uncertainty=unsure[:40])
    >>> model.predict(images[40:], masks=masks[40:], uncertainty=unsure[40:]).shape
    (20,)
    """

    def __init__(
        self,
        regressor=None,
        *,
        metric="dice",
        background=0,
        width=3,
        ignore_index=None,
    ):
        self.regressor = regressor
        self.metric = metric
        self.background = background
        self.width = width
        self.ignore_index = ignore_index

    def fit(self, X, y, *, masks, uncertainty=None):
        """Learn from masks whose quality is known.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_channels, *spatial) or \
                (n_samples, *spatial)
            Images.
        y : array-like of shape (n_samples, *spatial) or (n_samples,)
            True labels of the pixels, or the quality of each mask in [0, 1].
        masks : array-like of shape (n_samples, *spatial)
            Predicted labels.
        uncertainty : array-like of shape (n_samples, *spatial), default=None
            Of each pixel; None learns from images and masks alone.

        Returns
        -------
        self : SegmentationQualityRegressor
            The fitted regressor.

        Raises
        ------
        skuq.exceptions.InputError
            For shapes that do not fit, or values that are not finite.
        """
        check_option("metric", self.metric, METRICS)
        masks = checked_masks(masks)
        quality = self._quality(y, masks)
        classes = np.unique(masks)
        self.classes_ = classes[classes != self.background]
        self.uses_uncertainty_ = uncertainty is not None
        features = self._features(X, masks, uncertainty)
        self.feature_names_ = list(features)
        regressor = self.regressor
        if regressor is None:
            regressor = make_pipeline(StandardScaler(), RidgeCV(PENALTIES))
        self.regressor_ = clone(regressor).fit(_table(features), quality)
        return self

    def predict(self, X, *, masks, uncertainty=None):
        """The overlap that each mask is expected to have with the truth.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_channels, *spatial) or \
                (n_samples, *spatial)
            Images.
        masks : array-like of shape (n_samples, *spatial)
            Predicted labels.
        uncertainty : array-like of shape (n_samples, *spatial), default=None
            Of each pixel, if `fit` had one.

        Returns
        -------
        quality : ndarray of shape (n_samples,)
            In [0, 1], higher is better.
        """
        check_is_fitted(self)
        features = self._features(X, checked_masks(masks), uncertainty)
        return np.clip(self.regressor_.predict(_table(features)), 0, 1)

    def review(self, X, *, masks, uncertainty=None, threshold=0.8):
        """The masks that a person should look at.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_channels, *spatial) or \
                (n_samples, *spatial)
            Images.
        masks : array-like of shape (n_samples, *spatial)
            Predicted labels.
        uncertainty : array-like of shape (n_samples, *spatial), default=None
            Of each pixel, if `fit` had one.
        threshold : float in [0, 1], default=0.8
            Masks of a lower predicted quality are flagged.

        Returns
        -------
        flags : ndarray of bool of shape (n_samples,)
            True for a mask to be reviewed.
        """
        if not 0 <= threshold <= 1:
            raise InputError(f"threshold must be in [0, 1], got {threshold!r}.")
        return self.predict(X, masks=masks, uncertainty=uncertainty) < threshold

    def score(self, X, y, sample_weight=None, *, masks, uncertainty=None):
        """Coefficient of determination of the predicted quality; higher is better.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_channels, *spatial) or \
                (n_samples, *spatial)
            Images.
        y : array-like of shape (n_samples, *spatial) or (n_samples,)
            True labels of the pixels, or the quality of each mask in [0, 1].
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the images, at least 0.
        masks : array-like of shape (n_samples, *spatial)
            Predicted labels.
        uncertainty : array-like of shape (n_samples, *spatial), default=None
            Of each pixel, if `fit` had one.

        Returns
        -------
        r2 : float
            1 is perfect, 0 that of the mean.
        """
        predicted = self.predict(X, masks=masks, uncertainty=uncertainty)
        quality = self._quality(y, checked_masks(masks))
        return float(r2_score(quality, predicted, sample_weight=sample_weight))

    def _quality(self, y, masks):
        """The true quality, computed from labels if need be."""
        y = to_numpy(y)
        if y.ndim > 1:
            options = {"background": self.background, "ignore_index": self.ignore_index}
            return mask_overlap(y, masks, metric=self.metric, **options)
        check_consistent_length(y, masks)
        y = to_real_floating(y, "y")
        if not ((y >= 0) & (y <= 1)).all():
            raise InputError(
                f"y runs from {y.min():.4g} to {y.max():.4g}: a quality is in [0, 1]; "
                "or pass the true labels of the pixels."
            )
        return y

    def _features(self, X, masks, uncertainty):
        """The features of masks, by name."""
        if self.uses_uncertainty_ != (uncertainty is not None):
            had = "one" if self.uses_uncertainty_ else "none"
            raise InputError(
                f"uncertainty is {'missing' if uncertainty is None else 'given'}, but "
                f"fit had {had}: pass the same things as to fit."
            )
        images = to_real_floating(to_numpy(X), "X").astype(np.float64)
        images = images[:, None] if images.ndim == masks.ndim else images
        if images.ndim < 3 or (len(images), *images.shape[2:]) != masks.shape:
            raise InputError(
                f"X has shape {np.shape(X)} and masks {masks.shape}: pass images "
                "(n_samples, n_channels, *spatial) of the size of their masks."
            )
        if not np.isfinite(images).all():
            raise InputError("X holds NaN or infinity: repair those images first.")
        if uncertainty is not None:
            uncertainty = checked_uncertainty(uncertainty)
            if uncertainty.shape != masks.shape:
                raise InputError(
                    f"uncertainty has shape {uncertainty.shape} and masks "
                    f"{masks.shape}: pass a number for each pixel."
                )
        return mask_features(
            images,
            masks,
            uncertainty,
            classes=self.classes_,
            background=self.background,
            width=self.width,
        )


def _table(features):
    return np.stack(list(features.values()), axis=1)

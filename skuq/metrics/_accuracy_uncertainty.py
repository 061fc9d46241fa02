"""Accurate or not against certain or not: the four counts and their scores."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from skuq._core._accumulator import Accumulator, summed
from skuq._core._arrays import as_array, to_numpy
from skuq.exceptions import InputError, NoSamplesError
from skuq.metrics._streaming import streams_with


@dataclass(frozen=True)
class PatchCounts(Accumulator):
    """Numbers of patches, accurate or not and certain or not.

    Parameters
    ----------
    threshold : float
        Above it a patch is uncertain.
    counts : ndarray of shape (2, 2)
        Weight of the patches, by accurate (0: no) and certain (0: no).
    """

    threshold: float
    counts: np.ndarray = summed()


def patch_counts(
    y_true: Any,
    y_pred: Any,
    uncertainty: Any,
    *,
    threshold: float,
    sample_weight: Any = None,
    patch_size: int = 1,
    accuracy_threshold: float = 0.5,
    ignore_index: Any = None,
) -> PatchCounts:
    """The mergeable statistic behind `accuracy_uncertainty_scores`."""
    y, pred, unsure = (to_numpy(as_array(x)) for x in (y_true, y_pred, uncertainty))
    if y.shape != pred.shape or y.shape != unsure.shape or y.size == 0:
        raise InputError(
            f"y_true, y_pred and uncertainty have shapes {y.shape}, {pred.shape} and "
            f"{unsure.shape}: they need the same shape, with at least one sample."
        )
    some = np.ones(y.shape, bool) if ignore_index is None else y != ignore_index
    if not np.isfinite(unsure[some]).all():
        raise InputError("uncertainty must be finite: drop or repair NaN and infinity.")
    if np.isnan(threshold):
        raise InputError("threshold must be a number, got NaN.")
    if patch_size < 1 or not 0 <= accuracy_threshold <= 1:
        raise InputError(
            "patch_size must be at least 1 and accuracy_threshold in [0, 1], got "
            f"{patch_size!r} and {accuracy_threshold!r}."
        )
    weight = _sample_weight(sample_weight, len(y))
    right, unsure = some & (y == pred), np.where(some, unsure, 0)
    counts = np.zeros((2, 2))
    for part in _parts(y.shape, patch_size):
        size, hits, total = (
            _patch_sums(x[part], patch_size) for x in (some, right, unsure)
        )
        full = size > 0
        accurate = hits[full] / size[full] >= accuracy_threshold
        certain = total[full] / size[full] <= threshold
        share = np.broadcast_to(
            weight[part].reshape(-1, *[1] * (size.ndim - 1)), size.shape
        )
        place = 2 * accurate + certain
        counts += np.bincount(place, share[full], minlength=4).reshape(2, 2)
    return PatchCounts(float(threshold), counts)


def _parts(shape: tuple[int, ...], patch_size: int) -> list[slice]:
    """Runs of samples: patches of images are summed one image at a time."""
    if patch_size == 1 or len(shape) == 1:
        return [slice(0, shape[0])]
    return [slice(i, i + 1) for i in range(shape[0])]


def _sample_weight(sample_weight: Any, n: int) -> np.ndarray:
    if sample_weight is None:
        return np.ones(n)
    weight = to_numpy(as_array(sample_weight)).astype(np.float64)
    if weight.shape != (n,) or not (weight >= 0).all() or not np.isfinite(weight).all():
        raise InputError(
            f"sample_weight has shape {weight.shape}: it needs one finite weight of at "
            f"least 0 per sample or image, ({n},)."
        )
    return weight


def _patch_sums(images: np.ndarray, size: int) -> np.ndarray:
    """Sums over the patches of each image; those at the far edges may be smaller."""
    sums = np.asarray(images, dtype=np.float64)
    for axis in range(1, sums.ndim if size > 1 else 1):
        starts = np.arange(0, sums.shape[axis], size)
        sums = np.add.reduceat(sums, starts, axis=axis)
    return np.asarray(sums)


def scores_of_counts(state: PatchCounts) -> dict[str, float]:
    """The scores that a statistic holds."""
    counts = state.counts
    if counts.sum() == 0:
        raise NoSamplesError("no sample that counts has a weight above zero.")
    (wrong_unsure, wrong_sure), (_, right_sure) = counts

    def share(part: float, whole: float) -> float:
        return float(part / whole) if whole > 0 else float("nan")

    return {
        "accuracy_vs_uncertainty": share(right_sure + wrong_unsure, counts.sum()),
        "accurate_given_certain": share(right_sure, right_sure + wrong_sure),
        "uncertain_given_inaccurate": share(wrong_unsure, wrong_unsure + wrong_sure),
    }


@streams_with(patch_counts, scores_of_counts)
def accuracy_uncertainty_scores(
    y_true: Any,
    y_pred: Any,
    uncertainty: Any,
    *,
    threshold: float,
    sample_weight: Any = None,
    patch_size: int = 1,
    accuracy_threshold: float = 0.5,
    ignore_index: Any = None,
) -> dict[str, float]:
    """Patch accuracy versus patch uncertainty (PAvPU); higher is better.

    Rewards being certain where accurate and uncertain where not, at one threshold, over
    patches of a segmentation or over the rows of a table.

    Parameters
    ----------
    y_true : array-like of shape (n_samples, *spatial)
        True labels.
    y_pred : array-like of shape (n_samples, *spatial)
        Predicted labels.
    uncertainty : array-like of shape (n_samples, *spatial)
        Any numbers that are higher where the prediction is less sure.
    threshold : float
        A patch is uncertain if its mean uncertainty exceeds it.
    sample_weight : array-like of shape (n_samples,), default=None
        Weights of samples or images, at least 0.
    patch_size : int, default=1
        Side of the square patches, in pixels; 1 takes each pixel or row by itself.
    accuracy_threshold : float in [0, 1], default=0.5
        A patch is accurate if at least this share of its pixels is right.
    ignore_index : int or str, default=None
        Label of positions that do not count.

    Returns
    -------
    scores : dict of str to float
        All in [0, 1], NaN where undefined: "accuracy_vs_uncertainty" (PAvPU),
        "accurate_given_certain" and "uncertain_given_inaccurate".

    Raises
    ------
    skuq.exceptions.InputError
        For shapes that differ, an uncertainty that is not finite, or no samples.

    See Also
    --------
    uncertainty_error_overlap : Of pixels, at one or at the best threshold.

    Notes
    -----
    With the numbers of patches n accurate or inaccurate, certain or uncertain:
    ``PAvPU = (n_ac + n_iu) / (n_ac + n_au + n_ic + n_iu)`` [1]_.  Patches do not
    overlap and may be smaller at the far edges; those without a pixel that counts are
    left out.  Streams exactly.  Tensors are copied to the host.

    References
    ----------
    .. [1] J. Mukhoti and Y. Gal (2018). "Evaluating Bayesian deep learning methods for
       semantic segmentation". `arXiv:1811.12709 <https://arxiv.org/abs/1811.12709>`_

    Examples
    --------
    >>> from skuq.metrics import accuracy_uncertainty_scores
    >>> scores = accuracy_uncertainty_scores(
    ...     [0, 1, 1, 0], [0, 1, 0, 0], [0.1, 0.2, 0.9, 0.8], threshold=0.5
    ... )
    >>> scores["accuracy_vs_uncertainty"], scores["uncertain_given_inaccurate"]
    (0.75, 1.0)
    """
    state = patch_counts(
        y_true,
        y_pred,
        uncertainty,
        threshold=threshold,
        sample_weight=sample_weight,
        patch_size=patch_size,
        accuracy_threshold=accuracy_threshold,
        ignore_index=ignore_index,
    )
    return scores_of_counts(state)

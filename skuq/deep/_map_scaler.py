"""What the calibrators share that learn temperatures of maps."""

from copy import deepcopy
from math import sqrt

import numpy as np
import torch
from sklearn.utils.validation import check_is_fitted

from skuq._core._arrays import (
    as_array,
    device,
    empty_like_shape,
    host_view,
    is_torch_array,
    to_library_of,
)
from skuq._core._blocks import ScoreTable
from skuq._core._checks import resolve_kind
from skuq._core._temperature import Outcome, fit_temperature, moments
from skuq._core._temperature_warnings import warn_of_outcome, warn_of_zeros
from skuq.base import BaseCalibrator
from skuq.deep._map_batches import ImageStatistics, MapBatches, image_of, tensor_of
from skuq.deep._temperature_training import (
    Plan,
    folds_of,
    mean_loss,
    train_across,
    train_tree,
)
from skuq.deep._torch_base import device_named
from skuq.deep._training import check_count, seeded, seeds
from skuq.exceptions import InputError
from skuq.nn import LocalTemperatureCalibration, TemperatureTree

MAX_ITER, TOL, PRESAMPLE = 50, 1e-6, 4096  # of the search for the scalar temperature


class MapTemperatureScaler(BaseCalibrator):
    """Temperatures of maps by a `TemperatureTree`, for all pixels or for each image.

    A subclass says which by `_per_image`.
    """

    _per_image: bool

    def __init__(
        self,
        *,
        input="auto",
        classes=None,
        ignore_index=None,
        kernel_size=5,
        dilation=2,
        alpha=1.0,
        lr=0.01,
        max_epochs=50,
        batch_size=4,
        validation_fraction=0.1,
        device="cpu",
        verbose=False,
        random_state=None,
    ):
        super().__init__(input=input, classes=classes, ignore_index=ignore_index)
        self.kernel_size = kernel_size
        self.dilation = dilation
        self.alpha = alpha
        self.lr = lr
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.validation_fraction = validation_fraction
        self.device = device
        self.verbose = verbose
        self.random_state = random_state

    def fit(  # type: ignore[override]
        self, X, y, image=None, sample_weight=None, groups=None
    ):
        """Fit to the maps of held-out images.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_classes, height, width)
            Scores that a network gave to images it was not trained on: finite logits,
            or probabilities.  A single column is the score of the second class of two.
            numpy array or torch tensor on any device.
        y : array-like of shape (n_samples, height, width)
            True labels, of any type that scikit-learn accepts.
        image : array-like of shape (n_samples, n_channels, height, width) or \
                (n_samples, height, width), default=None
            The images, in any unit.  None learns from the scores alone.
        sample_weight : array-like of shape (n_samples,) or \
                (n_samples, height, width), default=None
            Weights, at least 0.
        groups : array-like of shape (n_samples,), default=None
            The film, device or hospital of each image, of at least two.  Then training
            stops where it no longer helps images of a group that it has not seen, and
            does not begin where it never does; this takes the place of
            `validation_fraction`.

        Returns
        -------
        self : object
            The fitted calibrator.

        Raises
        ------
        skuq.exceptions.InputError
            A ``ValueError``: for scores that are no maps or not finite, images of
            another size than the scores, labels that fit neither the columns nor
            `classes`, and fewer than two groups.
        """
        self._check_parameters()
        scores, y = self._labelled(X, y)
        _check_maps(scores)
        image = _as_images(image, scores)
        n_columns = ScoreTable(scores).n_columns
        classes = self._classes_of(y, n_columns)
        table = self._encoded(scores, y, sample_weight, classes)
        kind = resolve_kind(table, self.input)
        self.n_channels_ = 0 if image is None else int(image.shape[1])
        self._learn(table, kind, image, _as_groups(groups, table.n_samples))
        return self._remember(classes, kind, n_columns)

    def _learn(self, table, kind, image, groups):
        name = type(self).__name__
        warn_of_zeros(table, kind, name, stacklevel=3)
        fit = _one_temperature(table, kind)
        warn_of_outcome(fit, name, max_iter=MAX_ITER, stacklevel=3)
        self.temperature_ = fit.temperature
        place = torch.device(device_named(self.device))
        batches = MapBatches(table, image, place)
        masses = batches.masses(self.batch_size)
        index = np.flatnonzero(masses)
        weight_seed, order_seed = seeds(self.random_state, 2)

        def made(part):
            own = fit
            if len(part) < len(index):
                own = _one_temperature(batches.table_of(part), kind)
            with seeded(weight_seed, place):
                tree = self._tree(table, kind, image, part)
            return LocalTemperatureCalibration(
                tree, own.temperature, per_image=self._per_image, input=kind
            ).to(place)

        training = {
            "batches": batches,
            "masses": masses,
            "plan": self._plan(trains=fit.outcome is Outcome.FOUND),
            "rng": np.random.default_rng(order_seed),
        }
        if groups is None:
            module = made(index)
            course = train_tree(module, **training)
        else:
            folds = folds_of(groups, index)
            module, course = train_across(made, folds=folds, **training)
        self.history_, self.best_epoch_ = course
        self.loss_ = mean_loss(module, batches, index, self.batch_size)
        self.module_ = module.eval().requires_grad_(False).cpu()

    def _plan(self, trains):
        return Plan(
            alpha=self.alpha,
            lr=self.lr,
            epochs=self.max_epochs if trains else 0,
            batch_size=self.batch_size,
            validation_fraction=self.validation_fraction,
            verbose=self.verbose,
        )

    def _tree(self, table, kind, image, index):
        statistics = {}
        if image is not None:
            found = ImageStatistics.of(image, index)
            statistics = {"image_center": found.center, "image_scale": found.scale}
        return TemperatureTree(
            table.n_classes,
            self.n_channels_,
            kernel_size=self.kernel_size,
            dilation=self.dilation,
            logit_scale=sqrt(moments(table, kind, 0.0).curvature) or 1.0,
            **statistics,
        )

    def predict_proba(self, X, image=None):
        """Calibrated probabilities.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_classes, height, width)
            Scores of the kind that `fit` saw, `input_`, of any size.
        image : array-like of shape (n_samples, n_channels, height, width) or \
                (n_samples, height, width), default=None
            The images, if `fit` saw images.

        Returns
        -------
        proba : array of shape (n_samples, n_classes, height, width)
            In [0, 1], sums to one over axis 1; in the library, floating dtype and
            device of `X`.

        Raises
        ------
        skuq.exceptions.InputError
            For scores or images that differ in kind or channels from those of `fit`.
        """
        return self._each(X, image, lambda module, *of: module(*of))

    def predict_log_proba(self, X, image=None):
        """Natural logarithm of the calibrated probabilities, exact if they underflow.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_classes, height, width)
            Scores of the kind that `fit` saw, `input_`, of any size.
        image : array-like of shape (n_samples, n_channels, height, width) or \
                (n_samples, height, width), default=None
            The images, if `fit` saw images.

        Returns
        -------
        log_proba : array of shape (n_samples, n_classes, height, width)
            At most 0, in nats; in the library, floating dtype and device of `X`.
        """
        return self._each(
            X, image, lambda module, *of: module.calibrated_logits(*of).log_softmax(1)
        )

    def predict_logits(self, X, image=None):
        """Calibrated logits, whose softmax over axis 1 is `predict_proba`.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_classes, height, width)
            Scores of the kind that `fit` saw, `input_`, of any size.
        image : array-like of shape (n_samples, n_channels, height, width) or \
                (n_samples, height, width), default=None
            The images, if `fit` saw images.

        Returns
        -------
        logits : array of shape (n_samples, n_classes, height, width)
            In nats.
        """
        return self._each(X, image, lambda module, *of: module.calibrated_logits(*of))

    def temperature_map(self, X, image=None):
        """The temperature of each pixel.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_classes, height, width)
            Scores of the kind that `fit` saw, `input_`, of any size.
        image : array-like of shape (n_samples, n_channels, height, width) or \
                (n_samples, height, width), default=None
            The images, if `fit` saw images.

        Returns
        -------
        temperature : array of shape (n_samples, height, width)
            Above 0, in the unit of the logits; in the library, floating dtype and
            device of `X`.
        """
        return self._each(
            X, image, lambda module, *of: module.temperature_map(*of), n_rows=0
        )

    def to_torch(self):
        """The fitted calibrator as a ``torch.nn.Module``.

        Returns
        -------
        module : skuq.nn.LocalTemperatureCalibration
            Takes a tensor of scores, and the image if `fit` saw images, and gives the
            probabilities of `predict_proba`.
        """
        check_is_fitted(self)
        return deepcopy(self.module_)

    def _ranking(self, logits):
        """The logits themselves: a temperature above 0 keeps their order."""
        return logits

    def _each(self, X, image, function, n_rows=None):
        """Apply `function` to each map by itself, so that no map depends on others."""
        table = self._table(X)
        scores = table.scores
        image = self._fitting_images(image, scores)
        place = self._place(scores)
        module = self.module_
        if place.type != "cpu":
            module = deepcopy(module).to(place)
        rows = (table.n_classes,) if n_rows is None else ()
        out = empty_like_shape(scores, (table.n_samples, *rows, *scores.shape[2:]))
        with torch.no_grad():
            for i in range(table.n_samples):
                one = np.array([i])
                seen = None if image is None else image_of(image, one, place)
                result = function(module, tensor_of(scores, one, place), seen)
                out[i : i + 1, ...] = to_library_of(result, out)
        return to_library_of(out, X) if is_torch_array(X) else out

    def _place(self, scores):
        """Where to predict: where the scores are, if that is an accelerator."""
        if is_torch_array(scores) and device(scores).type != "cpu":
            return device(scores)
        return torch.device(device_named(self.device))

    def _table(self, X):
        table = super()._table(X)
        _check_maps(table.scores)
        return table

    def _fitting_images(self, image, scores):
        """Images that the fitted tree can look at, or None."""
        image = _as_images(image, scores)
        found = 0 if image is None else int(image.shape[1])
        if found != self.n_channels_:
            raise InputError(
                f"image has {found} channel(s), but {type(self).__name__} was fitted "
                f"with {self.n_channels_}: pass the same kind of image as in fit."
            )
        return image

    def _check_parameters(self):
        check_count("max_epochs", self.max_epochs, 0)
        check_count("batch_size", self.batch_size, 1)
        check_count("kernel_size", self.kernel_size, 1)
        check_count("dilation", self.dilation, 1)
        if isinstance(self.alpha, str) or not 0 <= self.alpha < np.inf:
            raise InputError(
                f"alpha must be finite and at least 0, got {self.alpha!r}."
            )
        if isinstance(self.lr, str) or not 0 < self.lr < np.inf:
            raise InputError(f"lr must be finite and above 0, got {self.lr!r}.")
        share = self.validation_fraction
        if share is not None and (isinstance(share, str) or not 0 < share < 1):
            raise InputError(
                f"validation_fraction must be in (0, 1) or None, got {share!r}."
            )


def _one_temperature(table, kind):
    return fit_temperature(table, kind, max_iter=MAX_ITER, tol=TOL, presample=PRESAMPLE)


def _as_groups(groups, n_samples):
    """A group for each sample, or None."""
    if groups is None:
        return None
    groups = np.asarray(groups)
    if groups.shape != (n_samples,):
        raise InputError(
            f"groups has shape {groups.shape}: expected ({n_samples},), a group for "
            "each image."
        )
    return groups


def _check_maps(scores):
    if scores.ndim != 4:
        raise InputError(
            f"X has shape {tuple(scores.shape)}, but temperatures of pixels need maps "
            "(n_samples, n_classes, height, width): for tables use "
            "skuq.calibration.TemperatureScaler."
        )


def _as_images(image, scores):
    """Images with an axis of channels, of the size of the scores; or None."""
    if image is None:
        return None
    image = host_view(as_array(image))
    n, _, height, width = scores.shape
    if tuple(image.shape) == (n, height, width):
        return image[:, None, ...]
    if image.ndim != 4 or tuple(image.shape[:1] + image.shape[2:]) != (
        n,
        height,
        width,
    ):
        raise InputError(
            f"image has shape {tuple(image.shape)}: expected ({n}, n_channels, "
            f"{height}, {width}) or ({n}, {height}, {width}), as the scores; move a "
            "last axis of channels to axis 1, and resize images to the size of the "
            "scores."
        )
    return image

"""Label maps side by side with where they are wrong, and where they are unsure."""

import numpy as np

from skuq._core._arrays import as_array, to_numpy
from skuq._core._checks import check_scores
from skuq._core._labels import check_classes, distinct_labels, infer_classes
from skuq.displays._base import axes_for, panels_in
from skuq.displays._map_panels import (
    draw_classes,
    draw_errors,
    draw_image,
    draw_legends,
    draw_uncertainty,
    image_maps,
    is_image,
)
from skuq.exceptions import InputError
from skuq.metrics._overlap import choose_overlap_threshold, uncertainty_error_overlap
from skuq.metrics._overlap_state import check_threshold
from skuq.metrics._pixels import pixel_table
from skuq.uncertainty._probabilities import entropy

WIDTH, HEIGHT = 1.9, 2.6  # of a panel, in inches, at most


class UncertaintyMapDisplay:
    """Image, prediction, truth, errors and uncertainty of segmented images in rows.

    Make one with `from_predictions` or `from_estimator`.

    Parameters
    ----------
    y_true : array-like of shape (n_samples, height, width)
        True labels.
    y_pred : array-like of shape (n_samples, height, width)
        Predicted labels.
    uncertainty : array-like of shape (n_samples, height, width)
        Numbers that are larger where the model is less sure.
    image : array-like, default=None
        Of shape (n_samples, height, width), with one or three channels as the second or
        as the last axis.
    labels : array-like of shape (n_classes,), default=None
        The labels that there are, in the order of their colours.
    ignore_index : int or str, default=None
        Value of `y_true` where a pixel does not count.
    uncertainty_name : str, default="Uncertainty"
        What the uncertainty is, with its unit, for the colour bar.
    name : str, default=None
        Name of the model, for the legend.

    Attributes
    ----------
    wrong : ndarray of shape (n_samples, height, width), bool
        Whether a pixel that counts is predicted wrong.
    void : ndarray of shape (n_samples, height, width), bool
        Whether a pixel does not count.
    overlap_ : ndarray of shape (n_shown,) or None
        Overlap of uncertain and wrong pixels of each image shown, as
        `uncertainty_error_overlap`; None without a threshold.
    threshold_ : float or None
        The threshold of the uncertainty.
    ax_ : matplotlib Axes
        Axes around all panels.
    axes_ : ndarray of matplotlib Axes of shape (n_shown, n_panels)
        The panels.
    figure_ : matplotlib Figure
        The figure.

    See Also
    --------
    skuq.metrics.uncertainty_error_overlap : Whether uncertain pixels are wrong.
    skuq.uncertainty.entropy : The uncertainty of probabilities.

    Examples
    --------
    >>> from scipy.special import softmax
    >>> from skuq.datasets import make_logits
    >>> from skuq.displays import UncertaintyMapDisplay
    >>> logits, y = make_logits(2, n_classes=3, spatial=(8, 8), random_state=0)
    >>> proba = softmax(logits, axis=1)
    >>> display = UncertaintyMapDisplay.from_predictions(y, proba, threshold="best")
    >>> display.axes_.shape
    (2, 4)
    """

    def __init__(
        self,
        y_true,
        y_pred,
        uncertainty,
        *,
        image=None,
        labels=None,
        ignore_index=None,
        uncertainty_name="Uncertainty",
        name=None,
    ):
        table = pixel_table(y_true, y_pred, uncertainty, ignore_index=ignore_index)
        maps = table.y_true, table.y_pred, table.uncertainty
        self.y_true, self.y_pred, self.uncertainty = map(to_numpy, maps)
        if self.y_true.ndim != 3:
            raise InputError(
                f"y_true has shape {self.y_true.shape}: pass images, of shape "
                "(n_samples, height, width); y[None] makes a stack of one."
            )
        self.image = None if image is None else image_maps(image, self.y_true.shape)
        self.void = np.zeros(self.y_true.shape, dtype=bool)
        if ignore_index is not None:
            self.void = self.y_true == ignore_index
        self.wrong = (self.y_true != self.y_pred) & ~self.void
        self.ignore_index = ignore_index
        self.labels = self._all_labels() if labels is None else to_numpy(labels)
        self.uncertainty_name = uncertainty_name
        self.name = name

    def _all_labels(self):
        """The labels that occur in truth or prediction."""
        true = distinct_labels(self.y_true, ignore_index=self.ignore_index)
        return np.union1d(true, distinct_labels(self.y_pred))

    @classmethod
    def from_estimator(
        cls, estimator, X, y, *, image=None, name=None, ax=None, **options
    ):
        """Draw the maps of a fitted segmentation model.

        Parameters
        ----------
        estimator : object
            A classifier whose `predict_proba` gives maps, of shape (n_samples,
            n_classes, height, width).
        X : array-like of shape (n_samples, ...)
            Samples that the model was not trained on.
        y : array-like of shape (n_samples, height, width)
            True labels.
        image : array-like, default=None
            The images; None takes `X` if it has the shape of images.
        name : str, default=None
            Name for the legend; None takes the class of the estimator.
        ax : matplotlib Axes, default=None
            Whose place to divide; None makes a figure.
        **options : dict
            As in `from_predictions`.

        Returns
        -------
        display : UncertaintyMapDisplay
            The drawn display.
        """
        options.setdefault("labels", getattr(estimator, "classes_", None))
        name = type(estimator).__name__ if name is None else name
        proba = estimator.predict_proba(X)
        if image is None and is_image(np.shape(X), np.shape(y)):
            image = X
        return cls.from_predictions(y, proba, image=image, name=name, ax=ax, **options)

    @classmethod
    def from_predictions(
        cls,
        y_true,
        y_proba=None,
        *,
        y_pred=None,
        uncertainty=None,
        image=None,
        labels=None,
        ignore_index=None,
        uncertainty_name=None,
        name=None,
        ax=None,
        **plot_options,
    ):
        """Draw the maps of predictions.

        Parameters
        ----------
        y_true : array-like of shape (n_samples, height, width)
            True labels.
        y_proba : array-like of shape (n_samples, n_classes, height, width)
            Probabilities in [0, 1]; of the shape of `y_true`, those of the second of
            two classes.
        y_pred : array-like of shape (n_samples, height, width), default=None
            Predicted labels; None takes those of the largest probability.
        uncertainty : array-like of shape (n_samples, height, width), default=None
            Numbers that are larger where the model is less sure; None takes the entropy
            of `y_proba` over its largest value.
        image : array-like, default=None
            Of shape (n_samples, height, width), with one or three channels as the
            second or as the last axis.
        labels : array-like of shape (n_classes,), default=None
            The label of each column; None takes the labels that occur.
        ignore_index : int or str, default=None
            Value of `y_true` where a pixel does not count.
        uncertainty_name : str, default=None
            What the uncertainty is, for the colour bar.
        name : str, default=None
            Name for the legend.
        ax : matplotlib Axes, default=None
            Whose place to divide; None makes a figure.
        **plot_options : dict
            Keywords of `plot`.

        Returns
        -------
        display : UncertaintyMapDisplay
            The drawn display.
        """
        if y_proba is None and (y_pred is None or uncertainty is None):
            raise InputError("pass y_proba, or both y_pred= and uncertainty=.")
        if y_proba is not None:
            p = _with_class_axis(y_proba, y_true)
            labels = _labels_of(y_true, p, labels, ignore_index)
            y_pred = _most_probable(p, labels) if y_pred is None else y_pred
        if uncertainty is None:
            uncertainty = to_numpy(entropy(p, normalize=True))
            uncertainty_name = uncertainty_name or "Normalized entropy"
        display = cls(
            y_true,
            y_pred,
            uncertainty,
            image=image,
            labels=labels,
            ignore_index=ignore_index,
            uncertainty_name=uncertainty_name or "Uncertainty",
            name=name,
        )
        return display.plot(ax=ax, **plot_options)

    def plot(
        self, ax=None, *, threshold=None, max_images=4, vmin=None, vmax=None, name=None
    ):
        """Draw a row of panels for each image.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Whose place to divide; None makes a figure.
        threshold : float, "best" or None, default=None
            Pixels of more uncertainty are laid over the errors, and their overlap is
            told; "best" takes the threshold of `choose_overlap_threshold`.
        max_images : int, default=4
            At most so many images are drawn, the first ones.
        vmin : float, default=None
            Uncertainty at the lower end of the colour bar; None takes 0, or the least
            value if that is below 0.
        vmax : float, default=None
            Uncertainty at its upper end; None takes the largest value shown.
        name : str, default=None
            Name for the legend, instead of the display's own.

        Returns
        -------
        self : UncertaintyMapDisplay
            The display, with `ax_`, `axes_` and `figure_`.
        """
        if max_images < 1:
            raise InputError(f"max_images must be at least 1, got {max_images!r}.")
        n, height, width = self.y_true.shape
        n_rows, n_columns = min(n, max_images), 4 + (self.image is not None)
        self.threshold_ = self._resolved(threshold)
        self.overlap_ = self._overlaps(n_rows)
        panel = min(WIDTH, HEIGHT * width / height)
        size = panel * n_columns + 0.9, (panel * height / width + 0.35) * n_rows + 0.9
        ax = axes_for(ax, "UncertaintyMapDisplay.plot", figsize=size)
        panels = panels_in(ax, n_rows, n_columns)
        for i, row in enumerate(panels):
            self._draw_row(list(row), i)
        draw_uncertainty(panels[:, -1], self, vmin, vmax)
        title = self.name if name is None else name
        draw_legends(ax, panels, self, title)
        self.ax_, self.axes_, self.figure_ = ax, panels, ax.figure
        return self

    def _draw_row(self, row, i):
        """All panels of an image but the last."""
        top = i == 0
        if self.image is not None:
            draw_image(row.pop(0), self.image[i], "image" if top else None)
        prediction, truth, errors, _ = row
        draw_classes(prediction, self, self.y_pred[i], "prediction" if top else None)
        draw_classes(truth, self, self.y_true[i], "truth" if top else None)
        draw_errors(errors, self, i)

    def _resolved(self, threshold):
        """The threshold as a number, or None."""
        if threshold is None:
            return None
        if threshold != "best":
            return check_threshold(threshold)
        maps = self.y_true, self.y_pred, self.uncertainty
        return choose_overlap_threshold(*maps, ignore_index=self.ignore_index)

    def _overlaps(self, n_shown):
        """The overlap of each image shown; NaN where nothing counts."""
        if self.threshold_ is None:
            return None
        options = {"threshold": self.threshold_, "ignore_index": self.ignore_index}
        maps = self.y_true, self.y_pred, self.uncertainty
        parts = [[x[i : i + 1] for x in maps] for i in range(n_shown)]
        return np.array(
            [
                np.nan
                if self.void[i].all()
                else uncertainty_error_overlap(*part, **options)
                for i, part in enumerate(parts)
            ]
        )


def _with_class_axis(y_proba, y_true):
    """Probabilities on the host with their class axis."""
    p = to_numpy(check_scores(y_proba, "y_proba"))
    return p[:, None] if p.ndim == as_array(y_true).ndim else p


def _labels_of(y_true, p, labels, ignore_index):
    """The label of each class of the probabilities."""
    n_classes = max(2, p.shape[1])
    if labels is not None:
        return check_classes(labels, n_classes, name="labels")
    return to_numpy(
        infer_classes(as_array(y_true), n_classes, ignore_index=ignore_index)
    )


def _most_probable(p, labels):
    """The label of the largest probability, the first of equal ones."""
    column = p[:, 0] > 0.5 if p.shape[1] == 1 else np.argmax(p, axis=1)
    return labels[column.astype(np.intp)]

"""The panels of a row of maps, and their legends."""

import numpy as np

from skuq._core._arrays import as_array, to_numpy
from skuq.displays._base import GAP, INK, colormap, legend_above, patches
from skuq.exceptions import InputError

# The first class, most often the background, is pale; the others stay apart for
# colour-blind readers (the "muted" scheme of P. Tol).
CLASSES = (
    "#dddddd",
    "#332288",
    "#ddcc77",
    "#117733",
    "#88ccee",
    "#882255",
    "#44aa99",
    "#999933",
    "#aa4499",
    "#cc6677",
)
VOID, RIGHT = "#ffffff", "#e4e4e4"
CAUGHT, ALARM = "#aa3377", "#ccbb44"
MOST_ENTRIES = 24
CHANNELS = (1, 3)


def is_image(shape, y_shape):
    """Whether an array of this shape holds one image for each map of labels."""
    n, *rest = shape or (0,)
    if len(y_shape) != 3 or n != y_shape[0]:
        return False
    size = list(y_shape[1:])
    return rest == size or any(rest in ([c, *size], [*size, c]) for c in CHANNELS)


def image_maps(image, y_shape):
    """Images as `(n_samples, height, width)`, with three channels last if coloured."""
    x = to_numpy(as_array(image))
    if not is_image(x.shape, y_shape):
        n, height, width = y_shape
        raise InputError(
            f"image has shape {x.shape}: expected ({n}, {height}, {width}), with 1 or "
            "3 channels as the second or as the last axis."
        )
    if x.ndim == 4 and x.shape[2:] == y_shape[1:]:
        x = np.moveaxis(x, 1, -1)
    return x[..., 0] if x.ndim == 4 and x.shape[-1] == 1 else x


def class_colors(n_classes):
    """A colour for each class."""
    if n_classes <= len(CLASSES):
        return CLASSES[:n_classes]
    turbo = colormap("turbo")
    return CLASSES[:1] + tuple(map(tuple, turbo(np.linspace(0, 1, n_classes - 1))))


def draw_image(panel, image, title):
    """One image; colours outside their range are stretched into it."""
    if image.ndim == 3 and image.dtype != np.uint8:
        low, high = np.nanmin(image), np.nanmax(image)
        if low < 0 or high > 1:
            image = (image - low) / max(high - low, np.finfo(np.float64).tiny)
    panel.imshow(image, cmap="gray", interpolation="nearest")
    _finish(panel, title)


def draw_classes(panel, display, y, title):
    """A map of labels in the colours of their classes."""
    colors = class_colors(len(display.labels))
    painted = _canvas(y.shape)
    for label, color in zip(display.labels, colors, strict=True):
        painted[y == label] = _rgb(color)
    panel.imshow(painted, interpolation="nearest")
    _finish(panel, title)


def draw_errors(panel, display, i):
    """Where an image is wrong, and with a threshold where that is known."""
    counts, wrong = ~display.void[i], display.wrong[i]
    painted = _canvas(wrong.shape)
    painted[counts] = _rgb(RIGHT)
    painted[wrong] = _rgb(GAP)
    share = wrong.sum() / max(counts.sum(), 1)
    title = f"errors: {100 * share:.1f} %"
    if display.threshold_ is not None:
        flagged = counts & (display.uncertainty[i] > display.threshold_)
        painted[flagged & wrong] = _rgb(CAUGHT)
        painted[flagged & ~wrong] = _rgb(ALARM)
        title += f"\noverlap: {display.overlap_[i]:.3f}"
    panel.imshow(painted, interpolation="nearest")
    _finish(panel, title)


def draw_uncertainty(panels, display, vmin, vmax):
    """The uncertainty of all images on one scale, with their colour bars."""
    n = len(panels)
    shown = np.ma.masked_array(display.uncertainty[:n], display.void[:n])
    if vmin is None:
        vmin = min(0.0, float(shown.min())) if shown.count() else 0.0
    if vmax is None:
        vmax = float(shown.max()) if shown.count() else 1.0
    vmax = vmax if vmax > vmin else vmin + 1.0
    for i, panel in enumerate(panels):
        scale = {"vmin": vmin, "vmax": vmax, "cmap": "viridis"}
        drawn = panel.imshow(shown[i], interpolation="nearest", **scale)
        _finish(panel, "uncertainty" if i == 0 else None)
        bar = panel.inset_axes((1.04, 0.0, 0.06, 1.0))
        panel.figure.colorbar(drawn, cax=bar)
        bar.set_ylabel(display.uncertainty_name, fontsize="small")
        bar.tick_params(labelsize="small")
        if display.threshold_ is not None and vmin <= display.threshold_ <= vmax:
            bar.axhline(display.threshold_, color="white", lw=2)


def draw_legends(ax, panels, display, title):
    """Classes above all panels, kinds of errors below theirs."""
    n, n_shown = len(display.y_true), len(panels)
    if n_shown < n:
        some = f"{n_shown} of {n} images"
        title = some if title is None else f"{title}, {some}"
    colors = class_colors(len(display.labels))
    maps = np.stack([display.y_true[:n_shown], display.y_pred[:n_shown]])
    entries = {
        str(label): color
        for label, color in zip(display.labels, colors, strict=True)
        if (maps == label).any()
    }
    if len(entries) > MOST_ENTRIES:
        entries = dict(list(entries.items())[:MOST_ENTRIES]) | {"...": VOID}
    if display.void[:n_shown].any():
        entries["does not count"] = VOID
    legend_above(ax, patches(entries), list(entries), title)
    kinds = {"wrong": GAP}
    if display.threshold_ is not None:
        kinds = {
            "wrong, uncertain": CAUGHT,
            "wrong, sure": GAP,
            "right, uncertain": ALARM,
        }
    panels[-1, -2].legend(
        handles=patches(kinds),
        fontsize="small",
        loc="upper center",
        bbox_to_anchor=(0.5, 0.0),
        frameon=False,
    )


def _canvas(shape):
    return np.full((*shape, 3), _rgb(VOID))


def _rgb(color):
    """The three shares of a colour."""
    if isinstance(color, str):
        return [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    return color[:3]


def _finish(panel, title):
    panel.set(xticks=[], yticks=[])
    for spine in panel.spines.values():
        spine.set(color=INK, linewidth=0.5)
    if title is not None:
        panel.set_title(title, fontsize="small")

"""Reliability diagrams in bins: bars, or a line through them."""

from dataclasses import replace

import numpy as np
from scipy.stats import binom

from skuq.displays._base import BAR, GAP, INK, band_label
from skuq.metrics._binned import SUMS, binned, error_of_state
from skuq.metrics._reliability import curve_of_state

ERROR_NAMES = {
    "l1": "ECE",
    "l2": "RMS calibration error",
    "l2-squared": "squared calibration error",
    "max": "MCE",
}


class BinnedDiagram:
    """What was stated and what came true in each bin of each row of a state."""

    def __init__(self, state, norm):
        self.sums = binned(state)
        self.norm = norm
        self.edges = state.edges()
        self.curve = curve_of_state(state)
        self.error = error_of_state(state, norm=norm)
        self.n_rows = len(self.sums.weight)

    @property
    def label(self):
        """The error of all rows."""
        return f"{ERROR_NAMES[self.norm]} = {self.error:.4f}"

    def label_of(self, row):
        """The error of one row."""
        own = {name: getattr(self.sums, name)[[row]] for name in SUMS}
        error = error_of_state(replace(self.sums, **own), norm=self.norm)
        return f"{ERROR_NAMES[self.norm]} = {error:.4f}"

    def has(self, row):
        """Whether a row holds anything."""
        return self.sums.weight[row].sum() > 0

    def histogram(self):
        """Edges, and the share of the weight between them."""
        weight = self.sums.weight.sum(axis=0)
        return self.edges[0], weight / weight.sum()

    def draw(self, ax, row, label, look):
        """One row, with its band."""
        draw = self._draw_bars if look.style == "bars" else self._draw_line
        draw(ax, row, label, look)
        if look.band is not None:
            self._draw_band(ax, row, look.band)

    def _draw_line(self, ax, row, label, look):
        weight, stated, came = self._bins(row)
        some = weight > 0
        line = {"ms": 4, "lw": 1.5, "label": label, "zorder": 2}
        ax.plot(stated[some], came[some], "o-", **line)

    def _draw_bars(self, ax, row, label, look):
        """Bars as high as the share that came true, with the gap."""
        weight, stated, came = self._bins(row)
        some = weight > 0
        left, width = self.edges[row][:-1][some], np.diff(self.edges[row])[some]
        stated, came = stated[some], came[some]
        bars = {"width": width, "align": "edge", "linewidth": 1, "zorder": 1}
        ax.bar(left, came, color=BAR, edgecolor="white", label=label, **bars)
        if look.gap:
            ax.bar(
                left,
                came - stated,
                bottom=stated,
                color=GAP,
                alpha=0.5,
                label="gap",
                **(bars | {"zorder": 2, "linewidth": 0}),
            )

    def _bins(self, row):
        """Weight, mean confidence and accuracy of the bins of a row."""
        curve = self.curve
        arrays = (curve.weight, curve.mean_confidence, curve.accuracy)
        return [np.atleast_2d(array)[row] for array in arrays]

    def _draw_band(self, ax, row, level):
        count = np.atleast_2d(self.curve.effective_count)[row]
        some = count >= 1
        n = np.round(count[some])
        stated = np.clip(self._bins(row)[1][some], 0, 1)
        low, high = binom.ppf([[(1 - level) / 2], [(1 + level) / 2]], n, stated) / n
        ax.bar(
            self.edges[row][:-1][some],
            high - low,
            np.diff(self.edges[row])[some],
            bottom=low,
            align="edge",
            color=INK,
            alpha=0.16,
            linewidth=0,
            label=band_label(level),
            zorder=3,
        )

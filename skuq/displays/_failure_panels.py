"""The three panels of a failure prediction display."""

import numpy as np

from skuq.displays._base import INK, once, thinned
from skuq.displays._risk_coverage import AREA_NAMES, Y_LABELS


def draw_curves(panels, curves):
    """The curves of one confidence, in the same colour."""
    x, y = curves.errors_kept, curves.right_kept
    some = thinned(x + y)
    panels[0].plot(x[some], y[some], lw=1.8, zorder=3)
    x, y = curves.errors_found, curves.precision
    some = thinned(x)
    x, y = np.r_[0, x[some]], np.r_[y[some][:1], y[some]]
    panels[1].plot(x, y, lw=1.8, zorder=3, drawstyle="steps-pre")
    some = thinned(curves.coverage)
    panels[2].plot(curves.coverage[some], curves.risk[some], lw=1.8, zorder=3)


def draw_oracle(panels, curves):
    """The least risk that the accuracy of a classifier allows."""
    some = thinned(curves.coverage)
    look = {"color": INK, "lw": 1.2, "ls": (0, (4, 2)), "zorder": 2}
    look |= {"label": once(panels[2], "oracle")}
    panels[2].plot(curves.coverage[some], curves.oracle[some], **look)


def draw_chance(panels, error_rate, risk):
    """What a confidence does that knows nothing."""
    look = {"color": INK, "lw": 1.2, "ls": ":", "zorder": 2}
    look |= {"label": once(panels[2], "chance")}
    first = error_rate if risk == "selective" else 0
    for panel, ends in zip(
        panels, ((0, 1), (error_rate, error_rate), (first, error_rate)), strict=True
    ):
        panel.plot([0, 1], ends, **look)


def label_panels(panels, curves, risk, tpr_level):
    """Limits, names of axes, and the scores."""
    texts = (
        ("Errors kept (FPR)", "Right answers kept (TPR)"),
        ("Errors found (recall)", "Errors among those flagged (precision)"),
        ("Coverage (share of samples kept)", Y_LABELS[risk]),
    )
    titles = (f"AUROC, FPR{100 * tpr_level:g}", "AUPR-Error", AREA_NAMES[risk])
    for panel, (x_label, y_label), title, entries in zip(
        panels, texts, titles, zip(*map(_score_texts, curves), strict=True), strict=True
    ):
        panel.set(xlabel=x_label, ylabel=y_label, xlim=(0, 1))
        panel.set_ylim(bottom=0, top=None if panel is panels[2] else 1.02)
        panel.legend(
            panel.lines[: len(entries)],
            entries,
            title=title,
            loc="lower right" if panel is panels[0] else "best",
            fontsize="small",
            title_fontsize="small",
        )


def _score_texts(curves):
    """What the legends of the panels say of a confidence."""
    scores = curves.scores
    return (
        f"{scores['auroc']:.3f}, {scores['fpr_at_tpr']:.3f}",
        f"{scores['aupr_error']:.3f}",
        f"{scores['aurc']:.4f}",
    )

"""How Matplotlib's curves look, wherever they are drawn."""

from __future__ import annotations

from hma_depth_ros.visualization.palette import FONT, LIGHT

#: For `matplotlib.rc_context`: fonts and colours of the other pictures, and no box around the axes.
PLOT_STYLE = {
    "font.family": FONT,
    "text.color": LIGHT.ink,
    "figure.facecolor": LIGHT.paper,
    "axes.labelcolor": LIGHT.ink,
    "axes.edgecolor": LIGHT.rule,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titleweight": "bold",
    "axes.titlesize": 11,
    "axes.titlelocation": "left",
    "axes.axisbelow": True,
    "xtick.color": LIGHT.faint_ink,
    "ytick.color": LIGHT.faint_ink,
    "grid.color": LIGHT.rule,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
}

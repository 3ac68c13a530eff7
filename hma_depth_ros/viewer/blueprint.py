"""How the viewer's window is divided, and what stands where in a recording."""

from __future__ import annotations

from typing import Any

from hma_depth_ros.viewer.moment import Contents

#: Of all that is logged; the camera's is what follows the car.
TIMELINE = "time"
WORLD, CAMERA = "world", "world/camera"
CLOUD, LIDAR, TRACK = f"{CAMERA}/cloud", f"{CAMERA}/lidar", "world/track"
IMAGE_PLANE = f"{CAMERA}/image_plane"
IMAGE, DEPTH, ATTENTION, CONFIDENCE = "image", "depth", "attention", "confidence"
MASKS, SHARES, FIGURES = "masks", "shares", "figures"

#: The eye behind and above the car, in the camera's axes (right, down, forward), in metres.
_EYE, _LOOKED_AT = (0.0, -7.0, -13.0), (0.0, 1.0, 18.0)
_BACKGROUND = (20, 22, 26)


def mask_path(index: int) -> str:
    """Entity of a mask, of the coarsest first."""
    return f"{MASKS}/{index}"


def layout(rr: Any, contents: Contents) -> Any:
    """Blueprint of a window for `contents`: pictures on the left, the world and figures right.

    Args:
        rr: the package (`import_rerun`).
        contents: what there will be.

    """
    rrb = rr.blueprint
    far = f"{contents.max_depth:g} m"

    def picture(path: str, name: str) -> Any:
        return rrb.Spatial2DView(origin=path, name=name)

    pictures = [picture(IMAGE, "Image"), picture(DEPTH, f"Depth: near is warm, blue is {far}")]
    if contents.scales:
        names = " ".join(contents.scale_names)
        pictures.append(picture(ATTENTION, f"Attention: which scale decides, of {names}"))
    if contents.confidence:
        pictures.append(picture(CONFIDENCE, "Confidence: white is 1"))
    right = []
    if contents.cloud or contents.lidar:
        what = [
            *(["cloud of the depth"] if contents.cloud else []),
            *(["LiDAR (white)"] if contents.lidar else []),
        ]
        right.append(
            rrb.Spatial3DView(
                origin=CAMERA,
                contents=f"/{WORLD}/**",
                name=f"World: {', '.join(what)}",
                background=_BACKGROUND,
                line_grid=False,
                eye_controls=rrb.EyeControls3D(
                    position=_EYE, look_target=_LOOKED_AT, eye_up=(0.0, -1.0, 0.0)
                ),
            )
        )
    if contents.scales:
        masks = [
            picture(mask_path(index), f"Mask {name}")
            for index, name in enumerate(contents.scale_names)
        ]
        right.append(rrb.Grid(*masks, grid_columns=2))
    curves = [rrb.TimeSeriesView(origin=FIGURES, name="Figures")]
    if contents.scales:
        curves.append(rrb.TimeSeriesView(origin=SHARES, name="Mean weight of the scales"))
    right.append(rrb.Horizontal(*curves))
    heights = [3, *([1.3] if contents.scales else []), 1.1] if len(right) > 1 else None
    return rrb.Blueprint(
        rrb.Horizontal(
            rrb.Vertical(*pictures),
            rrb.Vertical(*right, row_shares=heights[-len(right) :] if heights else None),
            column_shares=[1, 1.25],
        ),
        rrb.TimePanel(timeline=TIMELINE, state="collapsed"),
        rrb.SelectionPanel(state="hidden"),
        rrb.BlueprintPanel(state="collapsed"),
        auto_layout=False,
        auto_views=False,
    )

"""The canvas of the street's surface, and the markings on it."""

import cv2
import numpy as np
from numpy.typing import NDArray

from pdn_ros.simulation.layout import PERIOD, Layout, Plan

ROWS, COLUMNS = 8192, 1024
CLEAR = 4.5
"""From the side road's edge to where the lines of the main road end, in metres."""


class Canvas:
    """A grey plane and a label plane over one period; s downward, t to the right."""

    def __init__(self, layout: Layout) -> None:
        self.half = layout.paved_half
        self.grey = np.zeros((ROWS, COLUMNS), np.uint8)
        self.label = np.zeros((ROWS, COLUMNS), np.uint8)

    def row(self, s: float) -> int:
        """Return the row at s."""
        return round(s / PERIOD * ROWS)

    def column(self, t: float) -> int:
        """Return the column at t."""
        return round((t + self.half) / (2 * self.half) * COLUMNS)

    def area(self, s0: float, s1: float, t0: float, t1: float) -> tuple[slice, slice]:
        """Return the rows and columns between s0, s1 and t0, t1."""
        return (
            slice(max(self.row(s0), 0), min(self.row(s1), ROWS)),
            slice(max(self.column(t0), 0), min(self.column(t1), COLUMNS)),
        )

    def points(self, st: list[tuple[float, float]]) -> NDArray[np.int32]:
        """Return places (s, t) as OpenCV's points."""
        return np.array([(self.column(t), self.row(s)) for s, t in st], np.int32)


def paint_markings(
    canvas: Canvas, layout: Layout, plan: Plan, rng: np.random.Generator, lm: int
) -> None:
    """Paint the lane markings, as id `lm`, into the label plane."""
    _lines(canvas, layout, lm)
    _crossings(canvas, layout, plan, lm)
    _arrows(canvas, layout, plan, lm)
    _limits(canvas, layout, rng, lm)


def _lines(canvas: Canvas, layout: Layout, lm: int) -> None:
    """Paint centre, lane and edge lines, and parking bays."""
    mark, road = canvas.label, layout.road_half
    inner, edge = layout.median / 2, road - layout.parking

    def line(s0: float, s1: float, t: float, width: float = 0.12) -> None:
        mark[canvas.area(s0, s1, t - width / 2, t + width / 2)] = lm

    dash, gap = (3.0, 3.4) if layout.lanes == 1 else (3.0, 5.53)
    if inner > 0:
        for t in (-inner - 0.18, inner + 0.18):
            line(0, PERIOD, t)
    else:
        for s in np.arange(0, PERIOD, dash + gap):
            line(s, s + dash, 0.0)
    for lane in range(1, layout.lanes):
        for s in np.arange(0, PERIOD, dash + gap):
            for side in (-1, 1):
                line(s, s + dash, side * (inner + lane * layout.lane_width))
    for side in (-1, 1):
        if layout.parking:
            for s in np.arange(0, PERIOD, 6.4):
                mark[canvas.area(s, s + 0.1, *sorted((side * edge, side * road)))] = lm
                line(s - 0.6, s + 0.7, side * edge, 0.1)
        else:
            line(0, PERIOD, side * (edge - 0.2))


def _crossings(canvas: Canvas, layout: Layout, plan: Plan, lm: int) -> None:
    """Clear crossings of lines; paint zebra stripes and stop lines."""
    mark, road = canvas.label, layout.road_half
    inner, edge = layout.median / 2, road - layout.parking
    keep = plan.side_half + CLEAR
    for centre, reach in ((plan.zebra, 3.2), (plan.crossroads, keep)):
        mark[canvas.area(centre - reach, centre + reach, -road, road)] = 0
    for centre in (plan.zebra, plan.crossroads - keep - 2.2):
        for t in np.arange(-edge + 0.25, edge - 0.5, 1.0):
            if abs(t + 0.25) > inner:
                mark[canvas.area(centre - 1.9, centre + 1.9, t, t + 0.5)] = lm
    # Stop lines: traffic keeps right, so the vehicles that come along s stand at negative t.
    for side, s in ((-1, plan.crossroads - keep - 5.2), (1, plan.crossroads + keep + 0.8)):
        mark[canvas.area(s, s + 0.45, *sorted((side * (inner + 0.1), side * (edge - 0.1))))] = lm


def _arrows(canvas: Canvas, layout: Layout, plan: Plan, lm: int) -> None:
    """Paint an arrow ahead before the crossroads in every lane."""
    inner, keep = layout.median / 2, plan.side_half + CLEAR
    for side, s in ((-1, plan.crossroads - keep - 16), (1, plan.crossroads + keep + 14)):
        for lane in range(layout.lanes):
            t = side * (inner + (lane + 0.5) * layout.lane_width)
            d = -side
            head = [(s + d * 2.0, t - 0.4), (s + d * 3.6, t), (s + d * 2.0, t + 0.4)]
            shaft = [(s - d * 1.6, t - 0.09), (s + d * 2.1, t - 0.09)]
            shaft += [(q, t + 0.09) for q, _ in reversed(shaft)]
            for shape in (head, shaft):
                cv2.fillPoly(canvas.label, [canvas.points(shape)], lm)


def _limits(canvas: Canvas, layout: Layout, rng: np.random.Generator, lm: int) -> None:
    """Paint two speed limits onto the road."""
    for first in (5.0, 80.0):
        sign = np.zeros((90, 160), np.uint8)
        cv2.putText(sign, "30", (12, 74), cv2.FONT_HERSHEY_SIMPLEX, 2.6, 1, 11)
        s, side = first + float(rng.uniform(0, 20)), int(rng.choice([-1, 1]))
        t = side * (layout.median / 2 + layout.lane_width / 2)
        rows, columns = canvas.area(s, s + 2.6, t - 0.8, t + 0.8)
        patch = canvas.label[rows, columns]
        # Read by a driver who comes along s at negative t: rows grow away from him.
        turned = sign[::-1, ::-1] if side < 0 else sign
        size = (patch.shape[1], patch.shape[0])
        patch[cv2.resize(turned, size, interpolation=cv2.INTER_NEAREST) > 0] = lm

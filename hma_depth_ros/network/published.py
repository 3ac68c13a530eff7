"""Figures of the papers, for tables beside our own."""

from __future__ import annotations

#: Parameters of BTS's models in millions, by encoder (Lee et al., 2019).
BTS_PARAMETERS = {
    "resnet50": 49.5,
    "resnext50_32x4d": 49.0,
    "densenet121": 21.2,
    "densenet161": 47.0,
}

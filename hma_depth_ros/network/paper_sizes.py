"""Figures of the papers, for tables beside our own."""

from __future__ import annotations

#: Parameters of BTS's models in millions, by encoder (Lee et al., 2019).
BTS_PARAMETERS = {
    "resnet50": 49.5,
    "resnext50_32x4d": 49.0,
    "densenet121": 21.2,
    "densenet161": 47.0,
}

#: Of which image size the operations below are: BTS's evaluation crop of KITTI.
BTS_SIZE = (352, 1216)

#: GFLOP of BTS's models, by encoder, as `flops.py` counts ours: PyTorch's counter on the authors'
#: own code (github.com/cleinc/bts, commit 5e3406b, pytorch/bts.py).
BTS_GFLOP = {
    "resnet50": 304.0,
    "resnext50_32x4d": 306.4,
    "densenet121": 226.1,
    "densenet161": 338.5,
}

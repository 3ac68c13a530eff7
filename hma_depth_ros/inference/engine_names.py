"""What engines and precisions are called, for parameters and options; loads none of them."""

from __future__ import annotations

ENGINES = ("auto", "torch", "openvino", "onnxruntime")
PRECISIONS = ("auto", "fp32", "bf16", "fp16", "int8")

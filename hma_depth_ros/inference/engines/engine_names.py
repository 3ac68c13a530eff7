"""Names of engines and precisions, apart from PyTorch, which takes seconds to import."""

from __future__ import annotations

ENGINES = ("auto", "torch", "openvino", "onnxruntime")
PRECISIONS = ("auto", "fp32", "bf16", "fp16", "int8")

"""`compute.deterministic`: set while a run computes, and only then."""

from __future__ import annotations

import os
import warnings
from typing import Any

import pytest
import torch
from torch.nn import functional as F

from hma_depth_ros.training.determinism import deterministic_algorithms
from hma_depth_ros.training.trainer import Trainer


def test_it_is_set_inside_and_restored(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)
    assert not torch.are_deterministic_algorithms_enabled()
    with deterministic_algorithms(False):
        assert not torch.are_deterministic_algorithms_enabled()
    assert "CUBLAS_WORKSPACE_CONFIG" not in os.environ
    with pytest.raises(KeyError), deterministic_algorithms(True):
        assert torch.are_deterministic_algorithms_enabled()
        assert torch.is_deterministic_algorithms_warn_only_enabled()
        assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":4096:8"
        raise KeyError
    assert not torch.are_deterministic_algorithms_enabled()
    memory: Any = torch.utils.deterministic
    assert memory.fill_uninitialized_memory is True


@pytest.mark.parametrize("wanted", [False, True])
def test_a_run_takes_it_from_its_configuration(monkeypatch: pytest.MonkeyPatch, wanted: bool):
    from types import SimpleNamespace

    seen = []

    def run(_self: Any) -> None:
        seen.append(torch.are_deterministic_algorithms_enabled())

    monkeypatch.setattr(Trainer, "_run", run)
    trainer = object.__new__(Trainer)
    trainer.config = SimpleNamespace(compute=SimpleNamespace(deterministic=wanted))  # type: ignore[assignment]
    trainer.run()
    assert seen == [wanted]


@pytest.mark.cuda
def test_upsampling_has_one_gradient_on_cuda():
    """Its threads add in whatever order they come, unless told otherwise."""
    torch.manual_seed(0)
    x = torch.rand(4, 32, 44, 88, device="cuda", requires_grad=True)
    weight = torch.rand(4, 32, 352, 704, device="cuda")
    gradients = []
    with deterministic_algorithms(True), warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(3):
            y = F.interpolate(x, size=(352, 704), mode="bilinear", align_corners=False)
            gradients.append(torch.autograd.grad((y * weight).sum(), x)[0])
    assert all(torch.equal(gradients[0], other) for other in gradients)

"""One step: precision, accumulation, frozen parts, the average, and broken numbers."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from hma_depth_ros.data.semantic_labels import NO_LABEL
from hma_depth_ros.network.checkpoint import Preprocessing
from hma_depth_ros.network.model import HmaDepth, ScaleMaps
from hma_depth_ros.training import step
from hma_depth_ros.training.accumulation import WholeSums
from hma_depth_ros.training.config_file import load_config
from hma_depth_ros.training.initial_weights import initial_model
from hma_depth_ros.training.losses.objective import objective
from hma_depth_ros.training.losses.scale_invariant import scale_invariant_error, silog_loss
from hma_depth_ros.training.optimiser import freeze_stem, make_optimiser, set_learning_rate
from hma_depth_ros.training.processes import Processes
from hma_depth_ros.training.run_config import TrainConfig
from hma_depth_ros.training.step import TrainingStep, precision_on
from hma_depth_ros.training.weight_average import make_average

ALONE = Processes(0, 1, torch.device("cpu"))


def _batch(count: int = 2) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(0)
    image = torch.randint(0, 256, (count, 3, 64, 64), generator=generator, dtype=torch.uint8)
    return {"image": image, "depth": 20 - 15 * image[:, :1].float() / 255}


def _model(config: TrainConfig) -> HmaDepth:
    torch.manual_seed(0)
    return initial_model(config.model)


def _step(
    model: HmaDepth,
    config: TrainConfig,
    *,
    average: float = 0.0,
    fused: bool = False,
    processes: Processes = ALONE,
) -> TrainingStep:
    """`fused` is what a GPU gets by itself; the CPU has it too."""
    optimiser = make_optimiser(model, config.optimiser)
    if fused:
        groups = [{**group, "fused": True} for group in optimiser.param_groups]
        optimiser = torch.optim.AdamW(groups, fused=True)
    averaged = make_average(model, average) if average else None
    return TrainingStep(model, optimiser, averaged, config, Preprocessing(), processes=processes)


def _config(*overrides: str) -> TrainConfig:
    return load_config(preset="tiny", overrides=overrides)


def _weights(model: HmaDepth) -> dict[str, Tensor]:
    return {name: t.clone() for name, t in model.state_dict().items()}


def test_a_step_lowers_the_loss_of_its_batch():
    config = _config()
    take_step = _step(_model(config), config)
    found = [take_step(_batch(), step=i, learning_rate=3e-3) for i in range(20)]
    losses = [figures["loss"] for figures in found if figures is not None]
    assert len(losses) == 20
    assert losses[-1] < 0.7 * losses[0]


def test_a_step_is_a_function_of_seed_and_number():
    config = _config()
    ends: list[dict[str, Tensor]] = []
    for _ in range(2):
        model = _model(config)
        torch.manual_seed(int(torch.randint(1000, ())) + len(ends))  # must not matter
        _step(model, config)(_batch(), step=3, learning_rate=1e-3)
        ends.append(_weights(model))
    assert all(torch.equal(ends[0][name], ends[1][name]) for name in ends[0])


def _uneven_batch() -> dict[str, Tensor]:
    """Two halves that look alike, so that statistics of a half are the whole's.

    One has ground truth everywhere, the other in a twentieth of its pixels, and it is another.
    """
    half = _batch()
    sparse = torch.rand(half["depth"].shape, generator=torch.Generator().manual_seed(1)) < 0.05
    other = torch.where(sparse, 60 - half["depth"], 0)
    labels = (half["depth"] > 12).to(torch.uint8)
    return {
        "image": torch.cat([half["image"], half["image"]]),
        "depth": torch.cat([half["depth"], other]),
        "labels": torch.cat([labels, torch.full_like(labels, NO_LABEL)]),
    }


ALL_LOSSES = (
    "loss.scale_weight=0.3",
    "loss.gradient_weight=0.7",
    "loss.smoothness_weight=2",
    "loss.uncertainty_weight=0.2",
    "model.uncertainty=true",
)


@pytest.mark.parametrize("losses", [(), ("loss.form=eq6",), ALL_LOSSES])
def test_unequal_parts_of_a_batch_add_up_to_it(losses: tuple[str, ...]):
    """Loss and gradient are those of the whole batch; means of the parts' would be others."""
    found, weights = [], []
    for parts in (1, 2):
        config = _config("optimiser.gradient_norm=null", f"optimiser.accumulation={parts}", *losses)
        model = _model(config)
        figures = _step(model, config)(_uneven_batch(), step=0, learning_rate=1e-3)
        assert figures is not None
        found.append(figures)
        weights.append(_weights(model))
    assert found[1] == pytest.approx(found[0], rel=1e-4)
    # The halves' statistics are the whole's, and each half is seen once.
    name = next(n for n in weights[0] if n.endswith("running_mean"))
    counted = f"{name.removesuffix('running_mean')}num_batches_tracked"
    assert [int(w[counted]) for w in weights] == [1, 2]
    before = _weights(_model(config))[name]
    step = weights[0][name] - before
    torch.testing.assert_close(weights[1][name] - before, step + 0.9 * step)


def test_parts_are_the_same_in_both_passages(monkeypatch: pytest.MonkeyPatch):
    """Dropout would else give sums of another network."""
    drawn: list[float] = []
    loss = TrainingStep._loss

    def drawing(self: TrainingStep, *arguments: Any) -> dict[str, Tensor]:
        drawn.append(float(torch.rand(())))
        return loss(self, *arguments)

    monkeypatch.setattr(TrainingStep, "_loss", drawing)
    config = _config("optimiser.accumulation=2")
    _step(_model(config), config)(_batch(), step=0, learning_rate=1e-3)
    assert len(drawn) == 4
    assert drawn[:2] == drawn[2:]
    assert drawn[0] != drawn[1], "nor are the parts alike"


def test_parts_of_several_processes_add_up_too():
    """Two processes with the same share, whose gradients are averaged, as in one passage."""
    share = torch.tensor([[0.2, -0.4], [0.7, 0.1]], requires_grad=True)

    def both(sums: Tensor) -> Tensor:  # all_reduce, of which each process' gradient is the sum
        return 2 * sums

    def loss(x: Tensor, all_reduce: Callable[[Tensor], Tensor]) -> Tensor:
        return all_reduce(x.exp().sum()[None])[0].sqrt() * all_reduce(x.square().sum()[None])[0]

    (expected,) = torch.autograd.grad(loss(share, both), share)
    whole = WholeSums()
    for part in share.detach():
        whole.begin_part()
        loss(part, whole.add)
    whole.close(both)
    for part in share:
        whole.begin_part()
        loss(part, whole.of_whole(2)).backward(retain_graph=True)
    assert share.grad is not None
    torch.testing.assert_close(share.grad, expected)


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_half_precision_stays_near_single(precision: str):
    found = {}
    for name in ("fp32", precision):
        config = _config(f"compute.precision={name}")
        figures = _step(_model(config), config)(_batch(), step=0, learning_rate=1e-3)
        assert figures is not None
        found[name] = figures
    assert found[precision]["loss"] == pytest.approx(found["fp32"]["loss"], rel=0.02)
    assert found[precision]["loss"] != found["fp32"]["loss"]
    assert found[precision]["gradient_norm"] == pytest.approx(
        found["fp32"]["gradient_norm"], rel=0.2
    )


def test_a_fused_step_is_the_same_step():
    """It is queued before anyone knows whether loss and gradient are finite."""
    config = _config("optimiser.adam_epsilon=1e-3")  # or rounding decides where the gradient is 0
    ends = []
    for fused in (False, True):
        model = _model(config)
        take_step = _step(model, config, average=0.9, fused=fused)
        found = [take_step(_batch(), step=i, learning_rate=1e-3) for i in range(3)]
        assert take_step._average is not None
        ends.append((found, _weights(model), _weights(take_step._average.module)))  # type: ignore[arg-type]
    (found, weights, average), (fused_found, fused_weights, fused_average) = ends
    assert fused_found[0] == found[0]
    assert fused_found[2] == pytest.approx(found[2], rel=1e-4)
    for name in weights:
        torch.testing.assert_close(fused_weights[name], weights[name], rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(fused_average[name], average[name], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("fused", [False, True], ids=["plain", "fused"])
@pytest.mark.parametrize("broken", [math.inf, 1e38])
def test_a_broken_batch_changes_nothing_at_all(broken: float, fused: bool):
    config = _config()
    model = _model(config)
    take_step = _step(model, config, average=0.9, fused=fused)
    assert take_step(_batch(), step=0, learning_rate=1e-3) is not None
    before = _weights(model)
    bad = _batch()
    if math.isinf(broken):
        bad["depth"][0, 0, 0, 0] = broken
    else:  # an overflow in the network itself, which running statistics would remember
        with torch.no_grad():
            weight = model.encoder.backbone.get_parameter("conv_stem.weight")
            kept = weight.clone()
            weight.fill_(broken)
    assert take_step(bad, step=1, learning_rate=1e-3) is None
    if not math.isinf(broken):
        with torch.no_grad():
            weight.copy_(kept)
    after = _weights(model)
    different = [n for n in before if not torch.equal(before[n], after[n])]
    assert [n for n in different if not n.endswith("num_batches_tracked")] == []
    counts = {float(values["step"]) for values in take_step._optimiser.state.values()}
    assert counts == {1.0}, "nor does the optimiser count it"
    assert take_step(_batch(), step=2, learning_rate=1e-3) is not None


def test_depthwise_convolutions_of_a_cpu_keep_their_precision_and_names():
    """With bf16 their gradients took six times as long."""
    config = load_config(preset="tiny", overrides=["compute.precision=bf16"])
    model = _model(config)
    names = list(model.state_dict())
    depthwise = {
        name: module
        for name, module in model.named_modules()
        if isinstance(module, nn.Conv2d) and 1 < module.groups == module.in_channels
    }
    assert len(depthwise) > 5
    average = make_average(model, 0.5)
    computed: list[torch.dtype] = []
    convolution = nn.functional.conv2d

    def noted(x: Tensor, weight: Tensor, *rest: Any) -> Tensor:
        if weight.shape[1] == 1 and rest[-1] > 1 and not torch.is_autocast_enabled("cpu"):
            computed.append(x.dtype)
        return convolution(x, weight, *rest)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(nn.functional, "conv2d", noted)
        assert _step(model, config)(_batch(), step=0, learning_rate=1e-3) is not None
    assert computed == [torch.float32] * len(depthwise)
    assert list(model.state_dict()) == names
    # What comes out is of the precision that went in, and the average is as it was.
    name, module = next(iter(depthwise.items()))
    x = torch.rand(1, module.in_channels, 16, 16)
    with torch.autocast("cpu", torch.bfloat16):
        assert module(x.bfloat16()).dtype == torch.bfloat16
    assert type(average.module.get_submodule(name)) is nn.Conv2d
    exact = _model(load_config(preset="tiny"))
    _step(exact, load_config(preset="tiny"))
    assert type(exact.get_submodule(name)) is nn.Conv2d


def test_auto_is_bf16_where_the_device_has_it(monkeypatch: pytest.MonkeyPatch):
    for has, expected in ((True, "bf16"), (False, "fp32")):
        monkeypatch.setattr(step, "has_bf16", lambda has=has: has)
        assert precision_on(torch.device("cpu"), "auto") == expected
        assert precision_on(torch.device("cpu"), "fp32") == "fp32"
    for capability, expected in (((7, 5), "fp32"), ((8, 0), "bf16"), ((9, 0), "bf16")):
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _, c=capability: c)
        assert precision_on(torch.device("cuda"), "auto") == expected
        assert precision_on(torch.device("cuda"), "fp16") == "fp16"
    for preset in ("resnet50", "densenet161", "nyu_resnet50"):
        assert load_config(preset=preset).compute.precision == "auto"


@pytest.mark.cuda
@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
def test_on_cuda_steps_are_those_of_the_cpu(precision: str):
    cpu = _config()
    expected = [_step(_model(cpu), cpu)(_batch(), step=0, learning_rate=1e-3)]
    config = _config(f"compute.precision={precision}")
    model = _model(config).cuda().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    device = torch.device("cuda", 0)
    take_step = _step(model, config, average=0.9, processes=Processes(0, 1, device))
    assert all(group["fused"] for group in take_step._optimiser.param_groups)
    found = take_step(_batch(), step=0, learning_rate=1e-3)
    assert found is not None
    assert expected[0] is not None
    tolerance = 1e-4 if precision == "fp32" else 0.02
    assert found["loss"] == pytest.approx(expected[0]["loss"], rel=tolerance)
    before = _weights(model)
    bad = _batch()
    bad["depth"][0, 0, 0, 0] = math.inf
    assert take_step(bad, step=1, learning_rate=1e-3) is None
    after = _weights(model)
    different = [name for name in before if not torch.equal(before[name], after[name])]
    assert [name for name in different if not name.endswith("num_batches_tracked")] == []
    assert take_step(_batch(), step=2, learning_rate=1e-3) is not None


def test_the_frozen_stem_stays_and_its_statistics_follow():
    config = _config()
    model = _model(config)
    freeze_stem(model)
    take_step = _step(model, config)
    before = _weights(model)
    take_step(_batch(), step=0, learning_rate=1e-2)
    after = _weights(model)
    same = {name for name in before if torch.equal(before[name], after[name])}
    prefix = "encoder.backbone."
    assert f"{prefix}conv_stem.weight" in same
    assert f"{prefix}bn1.weight" in same
    assert f"{prefix}bn1.running_mean" not in same
    assert f"{prefix}blocks.0.0.conv_dw.weight" not in same
    assert not {name for name in same if name.startswith("decoder.") and "weight" in name}


@pytest.mark.parametrize("most", ["null", 0.25])
def test_gradients_beyond_the_norm_are_cut_to_it(most: str | float):
    """Adam's first mean is a tenth of the gradient that it was given."""
    config = _config(f"optimiser.gradient_norm={most}")
    model = _model(config)
    optimiser = make_optimiser(model, config.optimiser)
    take_step = TrainingStep(model, optimiser, None, config, Preprocessing(), processes=ALONE)
    figures = take_step(_batch(), step=0, learning_rate=1e-3)
    assert figures is not None
    means = [state["exp_avg"] for state in optimiser.state.values()]
    given = 10 * math.sqrt(sum(float(mean.square().sum()) for mean in means))
    assert figures["gradient_norm"] > 1, "what is logged is the norm before"
    expected = figures["gradient_norm"] if most == "null" else most
    assert given == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize("epsilon", [1e-8, 1e-3, 1.0])
def test_adams_epsilon_holds_small_gradients_back(epsilon: float):
    """A first step is rate * g / (|g| + epsilon)."""
    config = _config(f"optimiser.adam_epsilon={epsilon}")
    model = _model(config)
    optimiser = make_optimiser(model, config.optimiser)
    name, parameter = next(
        (name, p) for name, p in model.named_parameters() if name.startswith("decoder")
    )
    before = parameter.detach().clone()
    parameter.grad = torch.full_like(parameter, 0.01)
    for group in optimiser.param_groups:
        group["lr"] = 0.1
    optimiser.step()
    moved = before - parameter.detach()
    expected = torch.full_like(moved, 0.1 * 0.01 / (0.01 + epsilon))
    torch.testing.assert_close(moved, expected, rtol=1e-3, atol=1e-6, msg=name)


def test_equation_6_takes_the_steps_of_btss_form():
    """Where that one's loss is 2: its gradient is then 25 times as large."""
    moved = []
    for preset in ("resnet50", "ablation_eq6"):
        config = load_config(preset=preset)
        logarithm = torch.tensor([0.2, -0.2] * 50, requires_grad=True)
        ones = torch.ones(100)
        form = silog_loss if config.loss.form == "silog" else scale_invariant_error
        form(logarithm.exp(), ones, ones > 0, lam=config.loss.lam).backward()
        settings = config.optimiser
        optimiser = torch.optim.AdamW([logarithm], lr=0.1, eps=settings.adam_epsilon)
        before = logarithm.detach().clone()
        optimiser.step()
        moved.append(logarithm.detach() - before)
    torch.testing.assert_close(moved[1], moved[0], rtol=1e-4, atol=1e-6)


def test_the_encoder_learns_at_its_share_of_the_rate():
    config = _config("optimiser.encoder_share=0.25", "optimiser.weight_decay=0")
    model = _model(config)
    before = _weights(model)
    optimiser = make_optimiser(model, config.optimiser)
    for parameter in model.parameters():
        parameter.grad = torch.ones_like(parameter)
    set_learning_rate(optimiser, 0.1, config.optimiser)
    optimiser.step()
    # Of equal gradients AdamW's first step moves each weight by its rate.
    step = 0.1 / (1 + config.optimiser.adam_epsilon)
    parameters = [name for name, _ in model.named_parameters()]
    for name in parameters:
        share = 0.25 if name.startswith("encoder.") else 1.0
        moved = before[name] - _weights(model)[name]
        torch.testing.assert_close(
            moved, torch.full_like(moved, share * step), rtol=1e-4, atol=1e-6
        )
    assert {name.split(".")[0] for name in parameters} == {"encoder", "decoder"}


def test_weight_decay_is_on_the_encoder_alone():
    config = _config("optimiser.weight_decay=0.5", "loss.lam=0")
    model = _model(config)
    before = _weights(model)
    optimiser = make_optimiser(model, config.optimiser)
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    for group in optimiser.param_groups:
        group["lr"] = 0.1
    optimiser.step()
    after = _weights(model)
    weight = "encoder.backbone.conv_stem.weight"
    torch.testing.assert_close(after[weight], 0.95 * before[weight])
    name = next(name for name in before if name.startswith("decoder.") and "weight" in name)
    assert torch.equal(after[name], before[name])


def test_the_average_is_the_exponential_one_with_a_short_start():
    model = _model(_config())
    average = make_average(model, 0.8)
    bias = next(p for name, p in model.named_parameters() if name.endswith("logit.bias"))
    name = next(n for n, p in model.named_parameters() if p is bias)
    expected = None
    for count, value in enumerate([1.0, 2.0, 3.0, 4.0]):
        with torch.no_grad():
            bias.fill_(value)
        average.update_parameters(model)
        decay = min(0.8, (1 + count) / (10 + count))
        expected = value if expected is None else decay * expected + (1 - decay) * value
    found = dict(average.module.named_parameters())[name]
    assert found.item() == pytest.approx(expected)


def test_the_average_has_the_running_statistics_averaged_too():
    """Weights of one time with statistics of another do not fit together."""
    model = _model(_config())
    average = make_average(model, 0.8)
    name = next(n for n, _ in model.named_buffers() if n.endswith("running_mean"))
    for value in (1.0, 2.0):
        with torch.no_grad():
            model.get_buffer(name).fill_(value)
        average.update_parameters(model)
    decay = 2 / 11  # of the second
    found = average.module.get_buffer(name)
    torch.testing.assert_close(found, torch.full_like(found, decay * 1 + (1 - decay) * 2))


@pytest.mark.parametrize("minimum", [1.0, 12.0])
def test_nearer_ground_truth_is_not_trained_on(minimum: float):
    """The gradient of the loss by depth is 0 there, and nowhere else."""
    config = _config(f"data.minimum_depth={minimum}")
    depth = _batch()["depth"].clamp(max=80).requires_grad_()
    maps = ScaleMaps([torch.full_like(depth, 9.0).requires_grad_()], [], (64, 64), (64, 64))
    parts = objective(maps, {"depth": depth}, config.loss, minimum_depth=config.data.minimum_depth)
    (slope,) = torch.autograd.grad(parts["loss"], maps.depths[0])
    assert torch.equal(slope != 0, depth > minimum)


@pytest.mark.parametrize(("form", "lam"), [("silog", 0.85), ("silog", 0.0), ("eq6", 0.3)])
def test_the_objective_is_equation_6_with_the_settings_lambda(form: str, lam: float):
    config = _config(f"loss.form={form}", f"loss.lam={lam}")
    depth = _batch()["depth"]
    maps = ScaleMaps([torch.full_like(depth, 9.0)], [], (64, 64), (64, 64))
    found = objective(maps, {"depth": depth}, config.loss, minimum_depth=1.0)["loss"].item()
    g = math.log(9.0) - depth.double().log()
    expected = (g.square().mean() - lam * g.mean().square()).item()
    expected = 10 * math.sqrt(expected) if form == "silog" else expected
    assert found == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        ([], False),
        (["compute.cudnn_benchmark=true"], True),
        (["compute.cudnn_benchmark=true", "compute.deterministic=true"], False),
    ],
)
def test_cudnn_is_tuned_where_it_is_wanted_and_may_be(
    overrides: list[str], expected: bool, monkeypatch: pytest.MonkeyPatch
):
    """What was tuned may differ from run to run."""
    told: list[bool] = []

    def recording(*, tuned: bool) -> AbstractContextManager[None]:
        told.append(tuned)
        return nullcontext()

    config = _config(*overrides)
    take_step = _step(_model(config), config)
    cuda = Processes(0, 1, torch.device("cuda"))
    monkeypatch.setattr(step, "float32_means_float32", recording)
    monkeypatch.setattr(take_step, "_processes", cuda)
    monkeypatch.setattr(take_step, "_step", lambda *_: None)
    take_step(_batch(), step=0, learning_rate=1e-3)
    assert told == [expected]


@pytest.mark.long
def test_a_compiled_step_is_the_same_step(monkeypatch: pytest.MonkeyPatch):
    """Captured and differentiated as torch.compile does it; its C++ would take a minute."""
    compiled_modules = []

    def compiled_by(module: torch.nn.Module, compiler: Any = torch.compile) -> Any:
        compiled_modules.append(module)
        return compiler(module, backend="aot_eager")

    monkeypatch.setattr(torch, "compile", compiled_by)
    found = []
    for compiled in ("false", "true"):
        config = _config(f"compute.compile={compiled}")
        figures = _step(_model(config), config)(_batch(), step=0, learning_rate=1e-3)
        assert figures is not None
        found.append(figures)
    assert len(compiled_modules) == 1
    assert found[1]["loss"] == pytest.approx(found[0]["loss"], rel=1e-4)
    assert found[1]["gradient_norm"] == pytest.approx(found[0]["gradient_norm"], rel=1e-2)

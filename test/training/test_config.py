"""Configurations: presets, files, overrides, and what is said about mistakes."""

from __future__ import annotations

from pathlib import Path

import pytest

from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.network.model import HmaDepth
from hma_depth_ros.training.config_file import load_config, preset_names, to_yaml
from hma_depth_ros.training.initial_weights import model_config
from hma_depth_ros.training.run_config import OptimiserSection, TrainConfig
from hma_depth_ros.training.schedule import learning_rate

TABLE_1 = {
    "resnet50": "resnet50",
    "resnext50": "resnext50_32x4d",
    "densenet121": "densenet121",
    "densenet161": "densenet161",
}


@pytest.mark.parametrize("name", TABLE_1)
def test_a_row_of_table_1_is_a_preset_with_the_papers_recipe(name: str):
    config = load_config(preset=name)
    model = model_config(config.model)
    assert model.encoder == TABLE_1[name]
    assert (model.scales, model.attention, model.max_depth) == (4, True, 80.0)
    assert (config.optimiser.epochs, config.optimiser.batch_size) == (50, 16)
    assert (config.optimiser.learning_rate, config.optimiser.final_learning_rate) == (1e-4, 1e-5)
    assert config.optimiser.frozen_stem
    assert config.optimiser.gradient_norm is None
    assert (config.loss.form, config.loss.lam) == ("silog", 0.85)
    assert (config.crop.height, config.crop.width, config.crop.region) == (352, 704, "kb_crop")
    assert config.augmentation.rotation == 1.0
    assert config.data.minimum_depth == 1.0


def test_the_papers_open_questions_are_presets():
    assert load_config(preset="ablation_3_scales").model.scales == 3
    assert load_config(preset="ablation_5_scales").model.scales == 5
    assert not load_config(preset="ablation_no_attention").model.attention
    assert load_config(preset="ablation_eq6").loss.form == "eq6"
    nyu = load_config(preset="nyu_densenet161")
    assert (nyu.model.max_depth, nyu.data.minimum_depth, nyu.data.dataset) == (10.0, 0.1, "nyu")
    assert (nyu.crop.height, nyu.crop.width, nyu.crop.focal_length) == (416, 544, None)


@pytest.mark.parametrize("name", preset_names())
def test_every_preset_builds_its_model_and_survives_its_own_file(name: str, tmp_path: Path):
    config = load_config(preset=name)
    file = tmp_path / "config.yaml"
    file.write_text(to_yaml(config))
    assert load_config(file=file) == config
    if name in {"mobile", "tiny"}:
        HmaDepth(model_config(config.model))


def test_file_and_overrides_change_the_preset_in_that_order(tmp_path: Path):
    file = tmp_path / "mine.yaml"
    file.write_text("extends: mobile\noptimiser: {epochs: 7, batch_size: 3}\n")
    config = load_config(
        file=file, overrides=["optimiser.batch_size=5", "optimiser.learning_rate=1e-3"]
    )
    assert (config.model.preset, config.optimiser.epochs) == ("mobile", 7)
    assert (config.optimiser.batch_size, config.optimiser.learning_rate) == (5, 1e-3)
    assert config.optimiser.average_decay == 0.997  # of the preset
    assert load_config() == TrainConfig()


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["optimiser.epoch=3"], r"unknown key 'optimiser.epoch'; did you mean 'optimiser.epochs'"),
        (["optimizer.epochs=3"], r"unknown key 'optimizer'; did you mean 'optimiser'"),
        (["model.scales=6"], r"model.scales: .* not 6"),
        (["optimiser.epochs=many"], r"optimiser.epochs: .*integer.* not 'many'"),
        (["optimiser.batch_size=0"], r"optimiser.batch_size: .*greater than 0.* not 0"),
        (["loss.form=l1"], r"loss.form: .*'silog' or 'eq6'.* not 'l1'"),
        (["model=resnet50"], r"'model' is a section of keys, not 'resnet50'"),
        (["epochs"], r"'epochs' is not of the form section.key=value"),
        (["run.seed=[1"], r"the value is not YAML: while parsing [^\n]*$"),
        (["augmentation.gamma=[1]"], r"augmentation.gamma\[1\]: .*required"),
        (["crop.input_width=8193"], r"crop.input_width goes up to 8192 pixels, 8193 is more"),
        (["optimiser.learning_rate=.inf"], r"optimiser.learning_rate: .*finite.* not inf"),
    ],
)
def test_a_mistake_is_named(overrides: list[str], message: str):
    with pytest.raises(HmaDepthError, match=message):
        load_config(overrides=overrides)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["model.max_depth=1.5", "model.depth_mapping=inverse"], "model: min_depth must be below"),
        (["model.encoder=hf-hub:a/b"], "model: encoder must be the name of a timm model"),
        (["model.aspp_channels=70000"], "model: widths must be numbers of channels up to 65536"),
    ],
)
def test_what_is_no_model_is_named(overrides: list[str], message: str):
    with pytest.raises(HmaDepthError, match=message):
        model_config(load_config(overrides=overrides).model)


def test_a_bad_file_or_preset_is_named(tmp_path: Path):
    file = tmp_path / "c.yaml"
    file.write_text("augmentation: {rotatoin: 2}\n")
    with pytest.raises(HmaDepthError, match=r"c.yaml: unknown key .*'augmentation.rotation'"):
        load_config(file=file)
    file.write_text("a: [")
    with pytest.raises(HmaDepthError, match=r"c.yaml is not YAML"):
        load_config(file=file)
    file.write_text("- 1\n")
    with pytest.raises(HmaDepthError, match=r"does not hold sections"):
        load_config(file=file)
    with pytest.raises(HmaDepthError, match=r"cannot read the configuration"):
        load_config(file=tmp_path / "none.yaml")
    file.write_bytes(b"version https://git-lfs.github.com/spec/v1\n")
    with pytest.raises(HmaDepthError, match=r"c\.yaml: it is a Git LFS pointer"):
        load_config(file=file)
    with pytest.raises(HmaDepthError, match=r"no preset 'resnet5'; did you mean 'resnet50'"):
        load_config(preset="resnet5")


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_file_as_windows_saves_it(tmp_path: Path, encoding: str):
    file = tmp_path / "c.yaml"
    file.write_bytes("model:\r\n  scales: 3\r\n".encode(encoding))
    assert load_config(file=file).model.scales == 3


def test_the_polynomial_is_btss():
    settings = OptimiserSection()
    assert learning_rate(0, 1000, settings) == pytest.approx(1e-4)
    half = (1e-4 - 1e-5) * 0.5**0.9 + 1e-5
    assert learning_rate(500, 1000, settings) == pytest.approx(half)
    assert 1e-5 < learning_rate(999, 1000, settings) < 1.1e-5


def test_one_cycle_rises_to_the_peak_and_falls_to_the_end():
    settings = OptimiserSection(schedule="one_cycle", warm_up=0.3, final_learning_rate=1e-6)
    rates = [learning_rate(step, 100, settings) for step in range(100)]
    assert rates[0] == pytest.approx(1e-4 / 25)
    assert max(rates) == rates[30] == pytest.approx(1e-4)
    assert rates[:31] == sorted(rates[:31])
    assert rates[30:] == sorted(rates[30:], reverse=True)
    assert rates[99] < 1.2e-6

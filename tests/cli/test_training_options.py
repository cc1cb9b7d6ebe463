from pathlib import Path

import pytest
import yaml

from deadpan.api import default_run
from deadpan.cli.output import Reply
from deadpan.cli.training_options import training_options
from deadpan.errors import DeadpanError
from deadpan.models import HCTMG
from deadpan.models.base import hyperparameters
from deadpan.training.settings import Settings, over_configuration, read_configuration


def refusal(*arguments):
    with pytest.raises(DeadpanError) as caught:
        training_options([str(argument) for argument in arguments])
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.fixture
def config(tmp_path):
    def write(text):
        path = tmp_path / "some.yaml"
        path.write_text(text)
        return path

    return write


def test_nothing_but_data_gives_the_defaults():
    given = training_options(["--data", "controlled"])
    defaults = {name: p.default for name, p in hyperparameters(HCTMG).items()}
    assert given.settings == Settings(data="controlled", model_options=defaults)
    assert given.out == default_run(given.settings)
    assert not given.resume


def test_every_setting_and_hyperparameter_is_an_option():
    with pytest.raises(Reply) as caught:
        training_options(["--help"])
    text = str(caught.value)
    names = [name for name in Settings.__dataclass_fields__ if name != "model_options"]
    for name in [*names, *(f"model.{name}" for name in hyperparameters(HCTMG))]:
        assert f"--{name} " in text, name
    assert "model_options" not in text


def test_options_reach_the_settings():
    arguments = "--data d --model HCTMG --model.layers 4 --model.primary=text --epochs=7"
    arguments += " --modalities [text,audio] --gate_learning_rate 1e-2 --data_options.carrier audio"
    settings = training_options([*arguments.split(), "--out", "a b"]).settings
    assert (settings.data, settings.epochs, settings.gate_learning_rate) == ("d", 7, 1e-2)
    assert settings.model_options["layers"] == 4
    assert settings.model_options["primary"] == "text"
    assert settings.modalities == ["text", "audio"]
    assert settings.data_options == {"carrier": "audio"}


def test_layers_of_an_encoder_are_given_by_modality(config):
    wanted = {"text": 8, "audio": 4}
    for arguments in (
        ["--layer_blocks.text", "8", "--layer_blocks.audio=4"],
        ["--layer_blocks", '{"text": 8, "audio": 4}'],
        ["--config", str(config("layer_blocks: {text: 8, audio: 4}"))],
    ):
        assert training_options(["--data", "d", *arguments]).settings.layer_blocks == wanted
    assert "layer_blocks" in refusal("--data", "d", "--layer_blocks.text", "many")


def test_a_home_is_found(config, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    config("data: x\nseed: 7\n")
    given = training_options(["--config=~/some.yaml", "--out=~/run"])
    assert given.settings.seed == 7
    assert given.out == tmp_path / "run"
    assert "nobody here has that home" in refusal("--data=x", "--out=~nobody-of-this-name/run")


def test_to_resume_a_home_is_found(trained, monkeypatch):
    monkeypatch.setenv("HOME", str(trained.parent))
    given = training_options(["--resume", f"--out=~/{trained.name}"])
    assert given.out == trained


def test_a_configuration_stands_below_the_options(config):
    path = config(
        "# a comment\ndata: controlled\nmodel: HCTMG\nmodel_options: {layers: 4, width: 30}\n"
        "data_options: {carrier: audio, clips: 40}\nmodalities: [text]\nlearning_rate: 1e-4\n"
        "gate_learning_rate: null\nepochs: 7\n"
    )
    arguments = ["--config", str(path), "--model.width=10", "--data_options.clips=20"]
    settings = training_options(arguments).settings
    assert settings.model_options["layers"] == 4
    assert settings.model_options["width"] == 10
    assert settings.data_options == {"carrier": "audio", "clips": 20}
    assert settings.modalities == ["text"]
    assert settings.learning_rate == 1e-4  # which YAML reads as text
    assert settings.gate_learning_rate is None
    assert settings.epochs == 7


def test_the_configuration_shown_can_be_given_again(config):
    arguments = ["--data", "controlled", "--model.primary", "text", "--modalities=[text,audio]"]
    with pytest.raises(Reply) as caught:
        training_options([*arguments, "--print_config"])
    assert yaml.safe_load(str(caught.value))["model_options"]["primary"] == "text"
    again = training_options(["--config", str(config(str(caught.value)))])
    assert again.settings == training_options(arguments).settings


def test_the_configuration_of_a_run_can_be_given_again(trained):
    given = training_options(["--config", str(trained / "config.yaml"), "--seed", "3"])
    stored = yaml.safe_load((trained / "config.yaml").read_text())
    assert given.settings.to_dict() == {**stored, "seed": 3}


def test_to_resume_needs_only_the_run(trained):
    given = training_options(["--resume", "--out", str(trained)])
    assert given.resume
    assert given.settings.to_dict() == yaml.safe_load((trained / "config.yaml").read_text())


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("epoch: 3", "unknown setting 'epoch'; did you mean 'epochs'?"),
        ("epochs: three", "--epochs: got 'three', wanted a whole number"),
        ("model_options: {layer: 3}", "unknown option '--model.layer'; did you mean"),
        ("model_options: 3", "model_options wants NAME: VALUE below it; got 3"),
        ("model: HTCMG", "unknown model 'HTCMG'; did you mean 'HCTMG'?"),
        ("- 3", "some.yaml wants values by name; got [3]"),
        ("a: [", "is not valid YAML"),
    ],
)
def test_a_configuration_that_does_not_fit_is_named(text, told, config):
    path = config(text)
    line = refusal("--config", path, "--data", "controlled")
    assert told in line
    assert str(path) in line


def test_a_configuration_of_the_package_is_given_by_its_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    recommended = read_configuration("recommended")
    given = training_options(["--config=recommended", "--data=x", "--model.width=10"]).settings
    assert given.model == recommended["model"]
    assert given.model_options.items() >= {**recommended["model_options"], "width": 10}.items()
    # Another model has other hyperparameters.
    other = training_options(["--config=recommended", "--data=x", "--model=AttentionPool"]).settings
    assert (other.model, "pooling" in other.model_options) == ("AttentionPool", False)


def test_python_lays_settings_over_a_configuration_alike():
    recommended = read_configuration("recommended")
    settings = {"data": "x", "epochs": 2, "model_options": {"width": 10}}
    below = over_configuration("recommended", settings)
    assert below == {**recommended, **settings} | {
        "model_options": {**recommended["model_options"], "width": 10}
    }
    other = over_configuration("recommended", {"data": "x", "model": "AttentionPool"})
    assert "model_options" not in other


def test_a_name_that_is_no_configuration_tells_those_there_are(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    line = refusal("--config", "recomended", "--data", "controlled")
    assert "recomended is missing; give recommended or a YAML file of settings" in line


def test_a_configuration_that_is_not_there_is_told(tmp_path):
    assert "is missing" in refusal("--config", tmp_path / "no.yaml")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ("", "deadpan train needs --data"),
        (
            "--data d --model HCT-MG",
            "unknown model 'HCT-MG'; did you mean 'HCTMG'? known: AttentionPool, ",
        ),
        (
            "--data d --model HTCMG",
            "unknown model 'HTCMG'; did you mean 'HCTMG'? known: AttentionPool, ",
        ),
        ("--data d --model.layer 3", "unknown option '--model.layer'; did you mean '--model.lay"),
        ("--data d --layers 3", "unknown option '--layers'; did you mean '--model.layers'?"),
        ("--data d --model.gate mid", "--model.gate: got 'mid', wanted one of 'post', 'pre'"),
        ("--data d --epochs 0", "epochs must be above 0; got 0"),
    ],
)
def test_a_mistake_is_told_with_the_nearest_name(arguments, told):
    assert refusal(*arguments.split()).startswith(told)


CONFIGS = [
    path
    for path in sorted((Path(__file__).parents[2] / "configs").glob("*.yaml"))
    if "systems" not in yaml.safe_load(path.read_text())  # a grid, for deadpan benchmark
]


def test_how_many_settings_there_are():
    assert len(CONFIGS) == 6


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.name)
def test_the_settings_of_the_paper_are_taken(path):
    given = yaml.safe_load(path.read_text())
    stored = training_options(["--config", str(path), "--data", "x"]).settings.to_dict()
    for name, value in given.items():
        if name.endswith("_options"):
            assert value.items() <= stored[name].items()
        elif name != "data":
            assert stored[name] == value

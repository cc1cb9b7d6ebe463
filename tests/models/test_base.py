import pytest
import torch
from torch import nn

from deadpan.errors import DeadpanError
from deadpan.models import MODELS, check_hyperparameters
from deadpan.models.base import Model, hyperparameters
from deadpan.types import Batch, Output


class Constant(Model):
    """Predicts a number, whatever it is shown.

    Args:
        widths: as every model.
        outputs: as every model.
        depth: counts something.
        scale: multiplies.
    """

    paper = "nobody, nothing"

    def __init__(self, *, widths, outputs, depth: int = 1, scale: float = 1.0):
        super().__init__(widths=widths, outputs=outputs)
        self.number = nn.Parameter(torch.full((depth,), scale))

    def forward(self, batch: Batch) -> Output:
        return Output(prediction=self.number.sum().expand(len(batch), self.outputs))


def test_hyperparameters_are_what_the_data_does_not_settle():
    assert list(hyperparameters(Constant)) == ["depth", "scale"]


def test_a_title_is_the_class_name_unless_set_and_is_not_inherited():
    class Wide(MODELS["HCTMG"]):
        pass

    assert (Constant.title, MODELS["HCTMG"].title, Wide.title) == ("Constant", "HCT-MG", "Wide")


def test_size_at_given_options_leaves_out_what_the_model_lacks():
    assert Constant.parameters_at(widths={"text": 3}, outputs=1, depth=4, layers=9) == 4


def test_a_model_without_a_gate_has_nothing_to_freeze():
    model = Constant(widths={"text": 3}, outputs=1)
    model.end_epoch(torch.zeros(3, 0))
    assert (list(model.gate_parameters()), model.frozen) == ([], False)


def test_a_model_without_a_forward_cannot_be_made():
    with pytest.raises(TypeError, match="abstract"):
        Model(widths={"text": 3}, outputs=1)


def test_modalities_stand_in_canonical_order():
    model = Constant(widths={"eeg": 1, "vision": 2, "text": 3}, outputs=1)
    assert list(model.widths.items()) == [("text", 3), ("vision", 2), ("eeg", 1)]


@pytest.mark.parametrize("name", ["train", "values", "eeg.1"])
def test_a_name_that_torch_cannot_keep_is_refused(name):
    with pytest.raises(DeadpanError, match=f"takes a modality named '{name}'; give it another"):
        Constant(widths={name: 3}, outputs=1)


def test_a_modality_the_batch_lacks_has_no_real_step():
    model = Constant(widths={"text": 3, "audio": 2}, outputs=1)
    batch = Batch(
        ids=("a", "b"),
        sequences={"text": torch.ones(2, 4, 3)},
        masks={"text": torch.tensor([[False, False, True, True], [False, False, False, True]])},
        labels=torch.zeros(2, 1),
    )
    inputs = model.inputs(batch)
    assert {name: tuple(x.shape) for name, (x, _) in inputs.items()} == {
        "text": (2, 2, 3),
        "audio": (2, 1, 2),
    }
    assert inputs["text"][1].tolist() == [[True, True], [True, False]]
    assert not inputs["audio"][1].any()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"deepth": 2}, "unknown option of Constant 'deepth'; did you mean 'depth'?"),
        ({"depth": 0}, "depth of Constant must be a whole number from 1 to 10,000,000; got 0"),
        ({"depth": 2.0}, "depth of Constant must be a whole number from 1 to 10,000,000; got 2.0"),
        ({"scale": -1}, "scale of Constant must be a number of at least 0; got -1"),
    ],
)
def test_options_are_checked_by_name_and_value(options, message):
    with pytest.raises(DeadpanError) as caught:
        check_hyperparameters(Constant, options)
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


def test_good_options_pass():
    check_hyperparameters(Constant, {"depth": 3, "scale": 2})
    check_hyperparameters(Constant, {})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"gate": "psot"},
            "unknown gate of HCTMG 'psot'; did you mean 'post'? known: even, post, pre",
        ),
        ({"sharing": "role"}, "unknown sharing of HCTMG 'role'; did you mean 'roles'?"),
        ({"pooling": "max"}, "unknown pooling of HCTMG 'max'"),
        ({"mask_future": 1}, "mask_future of HCTMG must be true or false; got 1"),
        ({"relu_dropout": 1.0}, "relu_dropout of HCTMG must be a number from 0 to below 1; got 1"),
    ],
)
def test_typos_in_choices_are_refused_from_python_too(options, message):
    kind = MODELS["HCTMG"]
    for refuse in (
        check_hyperparameters,
        lambda kind, options: kind(widths={"text": 3}, **options),
    ):
        with pytest.raises(DeadpanError) as caught:
            refuse(kind, options)
        assert str(caught.value).startswith(message)

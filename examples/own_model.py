"""A model of your own, trained by the same loop and scored beside the baselines.

A model is a subclass of ``deadpan.models.Model``: it gets named, masked
sequences and returns an Output. Behind ``@register`` it has a name for the
command line as well: ``DEADPAN_MODELS=own_model.py deadpan train --model StepMLP``.

    python examples/own_model.py [--clips 1000] [--epochs 10]
"""

import argparse
import tempfile
from pathlib import Path

import torch
from torch import nn

import deadpan
from deadpan.layers.pooling import mean_step
from deadpan.models import Model, register
from deadpan.types import Batch, Output


@register
class StepMLP(Model):
    """A hidden layer at every step, averaged over time, and one for the averages.

    A hidden layer of the averages alone would learn nothing from the controlled
    corpus: there no average of a feature knows the sentiment, only what comes
    together at a step.
    """

    paper = "none: an example"

    def __init__(self, *, widths: dict[str, int], outputs: int, hidden: int = 32) -> None:
        super().__init__(widths=widths, outputs=outputs)
        self.steps = nn.ModuleDict(
            {name: nn.Linear(width, hidden) for name, width in widths.items()}
        )
        self.head = nn.Sequential(
            nn.Linear(len(widths) * hidden, hidden), nn.ReLU(), nn.Linear(hidden, outputs)
        )

    def forward(self, batch: Batch) -> Output:
        means = [
            mean_step(self.steps[name](x).relu(), mask)
            for name, (x, mask) in self.inputs(batch).items()
        ]
        return Output(prediction=self.head(torch.cat(means, dim=1)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clips", type=int, default=1000)
    parser.add_argument("--epochs", type=int, default=10)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        run = deadpan.train(
            "controlled",
            data_options={"clips": chosen.clips},
            model=StepMLP,
            model_options={"hidden": 64},
            epochs=chosen.epochs,
            out=Path(folder) / "run",
        )
        for row in deadpan.evaluate(run.path)["rows"]:
            print(f"{row['system']:<19} Corr {row['metrics']['corr']:.3f}")


if __name__ == "__main__":
    main()

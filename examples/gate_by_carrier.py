"""Which modality does the gate of HCT-MG pick, when we know which one carries the sentiment?

Trains three small models on the embedded ``controlled`` corpus, whose carrying modality can be set,
and prints the gate's weights at the end of each. About three minutes on two cores.

    python examples/gate_by_carrier.py [--clips 1000] [--epochs 10]
"""

import argparse
import tempfile
from pathlib import Path

import deadpan


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clips", type=int, default=1000)
    parser.add_argument("--epochs", type=int, default=10)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for carrier in ("text", "audio", "vision"):
            run = deadpan.train(
                "controlled",
                data_options={"carrier": carrier, "clips": chosen.clips},
                epochs=chosen.epochs,
                out=Path(folder) / carrier,
            )
            gate = run.gate
            weights = ", ".join(
                f"{name} {weight:.3f}"
                for name, weight in zip(gate.modalities, gate.weights[-1], strict=True)
            )
            print(f"{carrier} carries: the gate picked {gate.primary} ({weights})")


if __name__ == "__main__":
    main()

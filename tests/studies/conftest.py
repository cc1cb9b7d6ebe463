"""Scripts of the accuracy and parity studies import what they share from their own folders."""

import sys
from pathlib import Path

STUDIES = Path(__file__).parents[2] / "studies"
sys.path[:0] = [str(STUDIES / "accuracy"), str(STUDIES / "parity")]

"""A study of seconds: every kind of system, two rates, two seeds."""

import yaml
from plan import read_plan

SIZES = {"width": 8, "heads": 2, "layers": 1}
TINY = {
    "seeds": [1, 2],
    "against": "HCT-MG",
    "settings": {"epochs": 1},
    "data": {
        name: {
            "data": "controlled",
            "data_options": {
                "incongruity": rate,
                "clips": 24,
                "text_width": 8,
                "audio_width": 4,
                "vision_width": 4,
            },
        }
        for name, rate in (("congruent", 0.0), ("incongruent 50%", 0.5))
    },
    "systems": {
        "HCT-MG": {"model": "HCTMG", "model_options": SIZES},
        "HCT-T": {
            "model": "HCTMG",
            "model_options": SIZES | {"primary": "text"},
            "only": ["incongruent 50%"],
        },
        "MulT": {"model": "MulT", "model_options": SIZES, "only": ["incongruent 50%"]},
        "LMF-MulT": {"model": "LMFMulT", "model_options": SIZES, "only": ["incongruent 50%"]},
        "LF-LSTM": {"model": "LFLSTM", "model_options": {"hidden": 8}, "only": ["incongruent 50%"]},
    },
    "headline": {"data": "incongruent 50%", "seeds": [3], "systems": ["HCT-MG"]},
    "full": {"data": {"congruent": {"data_options": {"clips": 60}}}},
}


def write(folder, **changed):
    path = folder / "claims.yaml"
    path.write_text(yaml.safe_dump(TINY | changed, sort_keys=False))
    return path


def plan_of(folder, **changed):
    return read_plan(write(folder, **changed))

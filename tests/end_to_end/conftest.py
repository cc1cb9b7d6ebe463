"""What users' code registers is forgotten after each test."""

import pytest

from deadpan.models import MODELS


@pytest.fixture(autouse=True)
def _models_stay_as_they_are():
    known = dict(MODELS)
    yield
    MODELS.clear()
    MODELS.update(known)

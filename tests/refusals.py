"""What a refusal must be: one line that begins with what it is of."""

from collections.abc import Callable

import pytest

from deadpan.errors import DataError


def refusal_of(start: object, action: Callable, /, *arguments: object, **options: object) -> str:
    """The message of the ``DataError`` that an action raises, which begins with ``start``."""
    with pytest.raises(DataError) as caught:
        action(*arguments, **options)
    text = str(caught.value)
    assert text.startswith(str(start))
    assert "\n" not in text
    return text

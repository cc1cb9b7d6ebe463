"""Writes recipes.md and the table of recipes in recordings.md from the recipes themselves.

Run: python docs/write_recipes.py
"""

import itertools
from collections.abc import Iterator
from pathlib import Path

from deadpan.data.components import COMPONENTS
from deadpan.data.feature_recipe import Column
from deadpan.extraction.facet import LIKE_UNITS
from deadpan.extraction.recipes import AUDIO, TEXT, VISION, NamedRecipe, named_recipes

PAGE = Path(__file__).with_name("recipes.md")
MODALITIES = TEXT, AUDIO, VISION
OVERVIEW = Path(__file__).with_name("recordings.md")
BEGIN, END = "<!-- recipes, by docs/write_recipes.py -->\n", "<!-- end of recipes -->\n"
INTRODUCTION = """# Feature recipes

This page is written by `python docs/write_recipes.py` from the recipes themselves;
[Reading your own recordings](recordings.md#recipes) has them side by side.
"""


def page() -> str:
    """The page of all columns."""
    sections = ["\n".join(_section(name, recipe)) for name, recipe in named_recipes().items()]
    return "\n".join([INTRODUCTION, *sections])


def with_overview(text: str) -> str:
    """The page of recordings with the table of recipes in its place."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    table = "\n".join(_overview())
    return f"{before}{BEGIN}{table}\n{END}{after}"


def _overview() -> Iterator[str]:
    """A row for each recipe."""
    yield "| recipe | what it is | text | audio | vision | extras | on the disk |"
    yield "|---|---|---|---|---|---|---|"
    for name, recipe in named_recipes().items():
        kinds = " | ".join(_kind(recipe, modality) for modality in MODALITIES)
        extras = ", ".join(f"`{extra}`" for extra in recipe.extras)
        yield f"| `{name}` | {recipe.about} | {kinds} | {extras} | {_disk(recipe)} |"


def _kind(recipe: NamedRecipe, modality: str) -> str:
    rate = recipe.rates[modality]
    if modality not in recipe.columns:
        return "states a token" if rate is None else f"states at {rate:g} Hz"
    count = len(recipe.columns[modality])
    return f"{count} a word" if rate is None else f"{count} at {rate:g} Hz"


def _disk(recipe: NamedRecipe) -> str:
    """The components, and what else is needed."""
    names = dict.fromkeys(
        file.partition("/")[0] for files in recipe.files.values() for file in files
    )
    size = sum(COMPONENTS[name].size for name in names if name in COMPONENTS)
    return "; ".join([f"{size / 1e6:,.0f} MB of components", *filter(None, [recipe.needs])])


def _section(name: str, recipe: NamedRecipe) -> Iterator[str]:
    """What a recipe consists of, and what it lacks."""
    yield f"## {name}\n"
    if recipe.licence:
        yield f"{recipe.licence}.\n"
    for modality in MODALITIES:
        yield f"- {modality}, {_kind(recipe, modality)}"
        columns = recipe.columns.get(modality, ())
        for source, group in itertools.groupby(columns, lambda x: x.source):
            yield f"    - {source}: {_names(list(group))}"
    yield ""
    for modality, reasons in recipe.lacks.items():
        yield f"Columns of the original that {modality} lacks; none is filled with zeros:\n"
        for reason, lacking in itertools.groupby(reasons, reasons.__getitem__):
            yield f"- {_folded(list(lacking))}: {reason}"
        yield ""
    if VISION in recipe.lacks:
        yield "Blendshapes stand for action units, which they are not, by the movement of both:\n"
        yield f"{', '.join(f'{shape} for {unit}' for unit, (shape, _) in LIKE_UNITS.items())}.\n"


def _names(columns: list[Column]) -> str:
    """Columns with their units and ranges, those of a kind together."""
    listed: list[str] = []
    for (unit, low, high), group in itertools.groupby(columns, lambda x: (x.unit, x.low, x.high)):
        names = _folded([column.name for column in group])
        listed.append(f"{names} ({low:g} to {high:g}{' ' if unit else ''}{unit})")
    return "; ".join(listed)


def _folded(names: list[str]) -> str:
    """Names, of which those that are numbered in a row are written as a range."""
    folded: list[str] = []
    for stem, group in itertools.groupby(names, lambda name: name.rstrip("0123456789")):
        numbered = list(group)
        row = len(numbered) > 2 and stem.endswith("_")
        folded += [f"{numbered[0]} to {numbered[-1]}"] if row else numbered
    return ", ".join(folded)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    recordings = OVERVIEW.read_text(encoding="utf-8")
    OVERVIEW.write_text(with_overview(recordings), encoding="utf-8")

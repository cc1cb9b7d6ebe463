"""What a document has a reader type: commands, scripts and files, in its order."""

import re
import shlex
from pathlib import Path

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(
    r'^```(console|python|yaml)(?: title="(.+?)")?\n(.*?)^```', re.DOTALL | re.MULTILINE
)


def blocks(text):
    """Language, file name ("" for none) and content of each block of commands, Python or YAML."""
    return [(language, title or "", body) for language, title, body in BLOCK.findall(text)]


def typed(text):
    """The commands of a text's blocks of console, as argument lists."""
    bodies = [body for language, _, body in blocks(text) if language == "console"]
    lines = [line for body in bodies for line in re.findall(r"^\$ (.*)$", body, re.MULTILINE)]
    return [shlex.split(line.split("  #")[0]) for line in lines]


def commands(text):
    """The arguments of every deadpan command of a text."""
    return [rest for program, *rest in typed(text) if Path(program).name == "deadpan"]

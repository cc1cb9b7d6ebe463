"""Components: models and word lists that others made and that deadpan uses, each pinned by hash.

The table is ``components.yaml``. Only ``deadpan.data.fetching.components`` uses the network.
"""

import dataclasses
from functools import cache
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deadpan.errors import DataError, unknown_name
from deadpan.files import read_yaml
from deadpan.options import record

if TYPE_CHECKING:
    COMPONENTS: dict[str, "Component"]
    """Every component by name, in the order of display; read when it is first asked for."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class ArchiveMember:
    """A member of an archive.

    Attributes:
        archive: the name of a package of the component, or the ``file`` of one of its archives.
        member: the path inside that archive.
    """

    archive: str
    member: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class ComponentFile:
    """A file of a component, or an archive inside packages.

    Attributes:
        file: its name.
        size: size in bytes.
        sha256: SHA-256 in lower-case hexadecimal.
        pieces: what it consists of, one behind another, in its packages.
    """

    file: str
    size: int
    sha256: str
    pieces: tuple[ArchiveMember, ...]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Package:
    """A file of PyPI.

    Attributes:
        name: the package's name.
        version: the package's version.
        url: address of the file.
        size: size in bytes.
        sha256: SHA-256 in lower-case hexadecimal.
    """

    name: str
    version: str
    url: str
    size: int
    sha256: str

    @property
    def file(self) -> str:
        """The file's name."""
        return self.url.rpartition("/")[2]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Component:
    """The description of a component.

    Attributes:
        name: its name in commands, and of its folder.
        role: what it is used for.
        about: a sentence on what it is.
        version: the version, as its makers name it.
        licence: its licence, as SPDX writes it.
        commercial: whether the licence allows commercial use.
        files: its files.
        packages: the packages that carry them.
        maker: the address at which its makers publish the files, followed by a file's name; None if
            they publish them only in ``packages``, or in another form.
        archives: archives inside the packages that hold the files; they are not kept.
    """

    name: str
    role: str
    about: str
    version: str
    licence: str
    commercial: bool
    files: tuple[ComponentFile, ...]
    packages: tuple[Package, ...]
    maker: str | None = None
    archives: tuple[ComponentFile, ...] = ()

    @property
    def size(self) -> int:
        """Size of all files in bytes."""
        return sum(file.size for file in self.files)

    def path(self, folder: Path) -> Path | None:
        """Find its folder in that of all components, by names and sizes; None if it is not there.

        No hash is computed; see ``deadpan.data.fetching.components.verify_component``.
        """
        home = folder / self.name
        sizes = {home / file.file: file.size for file in self.files}
        here = all(path.is_file() and path.stat().st_size == sizes[path] for path in sizes)
        return home if here else None


def __getattr__(name: str) -> dict[str, Component]:
    if name != "COMPONENTS":
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    return _read_components()


def find_component(name: str) -> Component:
    """Find a component by its name, in upper or lower case; DataError if there is none."""
    components = _read_components()
    for component_name, component in components.items():
        if component_name.lower() == name.lower():
            return component
    raise DataError(unknown_name("component", name, components))


def component_row(component: Component, folder: Path) -> dict[str, Any]:
    """A component's facts, and its path in a folder of components."""
    path = component.path(folder)
    return {
        "name": component.name,
        "role": component.role,
        "about": component.about,
        "version": component.version,
        "size": component.size,
        "licence": component.licence,
        "commercial": component.commercial,
        "path": str(path) if path else None,
        "files": [
            {"file": file.file, "size": file.size, "sha256": file.sha256}
            for file in component.files
        ],
    }


def default_components_folder() -> Path:
    """The folder of all components if the user names none."""
    return Path("data") / "components"


@cache
def _read_components() -> dict[str, Component]:
    with resources.as_file(resources.files(__name__) / "components.yaml") as file:
        rows = read_yaml(file, "install deadpan anew")
        components = [
            record(f"{file}: row {i}", row, Component, unknown="key")
            for i, row in enumerate(rows, 1)
        ]
    return {component.name: component for component in components}

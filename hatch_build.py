"""Build hook of wheels, editable ones too: compiles the C for the processor that builds them."""

import importlib.util
import platform
import sysconfig
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

FOLDER = "src/deadpan/layers/native"


class NativeHook(BuildHookInterface[Any]):
    """Compiles the C; a wheel with it is of one platform, one without it of any."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Run before the files of the wheel are gathered."""
        spec = importlib.util.spec_from_file_location("build", Path(self.root, FOLDER, "build.py"))
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        reason = module.compile_library()
        # git ignores both files, and hatchling leaves out what git ignores.
        name = module.NOT_BUILT if reason else module.LIBRARY
        build_data.setdefault("artifacts", []).append(f"{FOLDER}/{name}")
        if reason:
            self.app.display_warning(f"the C is not compiled, torch will compute: {reason}")
        else:
            build_data |= {"pure_python": False, "tag": f"py3-none-{platform_tag()}"}


def platform_tag() -> str:
    """Platform for which the C was compiled, as the name of a wheel has it."""
    name = sysconfig.get_platform()
    if name.endswith("-universal2"):  # a Python for both processors of macOS; the C is for one
        name = name.removesuffix("universal2") + platform.machine()
    return name.replace("-", "_").replace(".", "_")

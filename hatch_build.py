"""The build hook of an installation: a wheel, editable or not, gets the C compiled."""

import importlib.util
import sysconfig
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

BUILD = "src/deadpan/layers/native/build.py"


class NativeHook(BuildHookInterface[Any]):
    """Compiles the C; a wheel with it is of one platform, one without it of any."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Run before the files of the wheel are gathered."""
        spec = importlib.util.spec_from_file_location("build", Path(self.root, BUILD))
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        if reason := module.compile_library():
            self.app.display_warning(f"the C is not compiled, torch will compute: {reason}")
            return
        platform = sysconfig.get_platform().replace("-", "_").replace(".", "_")
        build_data |= {"pure_python": False, "tag": f"py3-none-{platform}"}

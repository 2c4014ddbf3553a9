"""What an installation without the repository holds."""

import sys
import zipfile
from pathlib import Path

import pytest

from tests.clones import call, copy
from tests.conftest import ROOT


@pytest.mark.slow
def test_the_wheel_has_prompts_templates_and_licence(tmp_path: Path) -> None:
    """Built from what git holds: files that only lie in the checkout aren't counted."""
    folder = copy(tmp_path / "source")
    call(
        folder, sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", ".", "-w", "out"
    )
    (wheel,) = (folder / "out").glob("*.whl")
    packed = set(zipfile.ZipFile(wheel).namelist())
    shipped = {
        str(path.relative_to(ROOT))
        for path in (ROOT / "stages").rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }
    assert {"stages/llm/prompts/filter/zh.yaml", "stages/llm/prompts/resolve/zh.yaml"} <= shipped
    assert shipped <= packed, shipped - packed
    assert any(name.endswith("licenses/LICENSE") for name in packed)

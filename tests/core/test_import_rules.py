"""Who may import whom: read from the source, and tried in a fresh interpreter."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PLUGINS = sorted(path.name for path in (ROOT / "plugins").iterdir() if (path / "__init__.py").is_file())
SHARED = "mitobench_torch"
HEAVY = {"torch", "torchvision", "tensorflow", "keras", "monai", "ultralytics", "segment_anything", "timm", "stardist"}
LIGHT = ("numpy", "torch", "pydantic")


def imports(path: Path) -> set[str]:
    """Every absolute top-level package that a file imports anywhere, at module level or inside functions."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import; write the package's name"
            found.add((node.module or "").partition(".")[0])
        elif isinstance(node, ast.Call) and ast.unparse(node.func) in ("importlib.import_module", "__import__"):
            found |= {
                a.value.partition(".")[0] for a in node.args if isinstance(a, ast.Constant) and isinstance(a.value, str)
            }
    return found


def files(*folders: str) -> list[Path]:
    found = sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))
    assert found
    return found


def rule(paths: list[Path], forbidden: set[str]) -> list[str]:
    return [f"{path.relative_to(ROOT)} imports {name}" for path in paths for name in sorted(imports(path) & forbidden)]


def test_the_reader_sees_every_kind_of_import(tmp_path):
    (tmp_path / "x.py").write_text(
        "import a.b\nfrom c.d import e\ndef f():\n    import g as h\n    importlib.import_module('i.j')\n"
        "if TYPE_CHECKING:\n    from k import l\n"
    )
    assert imports(tmp_path / "x.py") == {"a", "c", "g", "i", "k"}


def test_core_imports_no_plugin_no_cli_and_no_deep_learning():
    assert rule(files("core"), {*PLUGINS, "mitobench_cli", *HEAVY}) == []


def test_the_command_imports_no_plugin():
    assert rule(files("cli"), set(PLUGINS)) == []


ROOMS = {
    "weights": set(),
    "testing": {"weights"},
    "results": set(),
    "ranking": {"results"},
    "sharing": {"results"},
    "predict": {"ranking", "results", "weights"},
    "training": {"ranking", "results", "weights"},
}


@pytest.mark.parametrize("room", sorted(ROOMS))
def test_a_room_of_the_core_uses_only_the_rooms_that_it_may(room):
    found = {
        node.module.split(".")[1]
        for path in files(f"core/mitobench/{room}")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("mitobench.")
    }
    assert (found & set(ROOMS)) - {room} <= ROOMS[room]


def test_every_folder_of_the_core_is_a_room_with_rules():
    folders = {p.name for p in (ROOT / "core" / "mitobench").iterdir() if (p / "__init__.py").is_file()}
    assert folders == set(ROOMS)


@pytest.mark.parametrize("plugin", PLUGINS)
def test_a_plugin_imports_no_other_plugin_and_no_cli(plugin):
    forbidden = {*PLUGINS, "mitobench_cli"} - {plugin, SHARED}
    assert rule(files(f"plugins/{plugin}"), forbidden) == []


def test_the_shared_torch_library_registers_nothing_and_imports_only_core():
    assert rule(files(f"plugins/{SHARED}"), {*PLUGINS, "mitobench_cli"} - {SHARED}) == []
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    registered = project.partition("[project.entry-points.mitobench]")[2].partition("\n[")[0]
    assert SHARED not in registered
    assert all("hookimpl" not in path.read_text(encoding="utf-8") for path in files(f"plugins/{SHARED}"))


@pytest.mark.parametrize("plugin", PLUGINS)
def test_a_plugins_front_module_imports_only_descriptors(plugin):
    front = ROOT / "plugins" / plugin / "__init__.py"
    allowed = {"mitobench", plugin, *sys.stdlib_module_names}
    assert imports(front) - allowed == set()


def test_importing_every_front_module_and_the_light_core_imports_nothing_heavy():
    modules = [
        *PLUGINS,
        "mitobench.plugins",
        "mitobench.specs",
        "mitobench.descriptors",
        "mitobench.errors",
        "mitobench.seeds",
    ]
    code = f"import sys, {', '.join(modules)}\nprint(*[name for name in {LIGHT!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


@pytest.mark.parametrize("folder", ["core", "plugins"])
def test_nothing_outside_the_command_prints(folder):
    printing = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in files(folder)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
    ]
    assert printing == []

"""What is never done with files and names of others: read from the source of every module."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import vp3d_cli
from vp3d_cli.batch import make_plan
from vp3d_cli.errors import DataError

PACKAGE = Path(vp3d_cli.__file__).parent
MODULES = {str(p.relative_to(PACKAGE)): p for p in sorted(PACKAGE.rglob("*.py"))}

# Whatever the arguments.
NEVER = {
    *("eval", "exec", "compile", "__import__", "os.system", "os.popen", "os.startfile"),
    *("marshal.load", "marshal.loads", "shelve.open", "dill.load", "dill.loads", "joblib.load"),
    *("cloudpickle.load", "cloudpickle.loads", "pickle.loads", "pickle.Unpickler", "yaml.load"),
    *("yaml.unsafe_load", "yaml.full_load", "np.load", "numpy.load", "tempfile.mktemp"),
    *("torch.jit.load", "torch.hub.load", "pandas.read_pickle", "subprocess.getoutput"),
    *("subprocess.getstatusoutput", "urllib.request.urlopen", "urllib.request.urlretrieve"),
}
SUBPROCESS = {f"subprocess.{name}" for name in ("run", "call", "check_call", "check_output")}
SUBPROCESS |= {"subprocess.Popen"}
# Between a batch and the processes that it started itself, through pipes of its own.
OWN_PIPES = {"batch/local.py", "batch/worker.py"}


def _name(node: ast.expr) -> str:
    """`a.b.c` of a call; "" for anything else."""
    if isinstance(node, ast.Attribute):
        return f"{_name(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


def _is_text(node: ast.expr) -> bool:
    if isinstance(node, ast.BinOp):
        return _is_text(node.left) or _is_text(node.right)
    text = isinstance(node, ast.Constant) and isinstance(node.value, str)
    return text or isinstance(node, ast.JoinedStr)


def _dangers(source: str, module: str = "x.py") -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and node.module in ("os", "pickle", "subprocess"):
            for alias in node.names:
                if f"{node.module}.{alias.name}" in NEVER | SUBPROCESS | {"pickle.load"}:
                    yield f"{node.lineno}: write {node.module}.{alias.name}, so that it is seen"
        if not isinstance(node, ast.Call):
            continue
        name, given = _name(node.func), {word.arg: word.value for word in node.keywords}
        told = {arg: value.value for arg, value in given.items() if isinstance(value, ast.Constant)}
        if name in NEVER:
            yield f"{node.lineno}: {name}"
        if name == "pickle.load" and module not in OWN_PIPES:
            yield f"{node.lineno}: pickle.load"
        if name == "torch.load" and told.get("weights_only") is not True:
            yield f"{node.lineno}: torch.load without weights_only=True"
        if "shell" in given or told.get("allow_pickle") is True:
            yield f"{node.lineno}: {name} with shell or pickles"
        if name in SUBPROCESS and node.args and _is_text(node.args[0]):
            yield f"{node.lineno}: {name} of a text"


@pytest.mark.parametrize("module", MODULES)
def test_nothing_of_others_is_executed(module: str) -> None:
    source = MODULES[module].read_text(encoding="utf-8")
    assert list(_dangers(source, Path(module).as_posix())) == []


@pytest.mark.parametrize(
    "source",
    [
        "eval(text)",
        "import os\nos.system('ls')",
        "import pickle\npickle.load(stream)",
        "import pickle\npickle.loads(blob)",
        "from pickle import loads",
        "from subprocess import run",
        "import numpy as np\nnp.load(path)",
        "np.lib.format.read_array(stream, allow_pickle=True)",
        "torch.load(path)",
        "torch.load(path, weights_only=False)",
        "torch.load(path, weights_only=flag)",
        "subprocess.run('ffmpeg -i ' + path)",
        "subprocess.Popen(f'ffmpeg {path}')",
        "subprocess.run(command, shell=True)",
        "yaml.load(text)",
        "tempfile.mktemp()",
    ],
)
def test_a_danger_is_noticed(source: str) -> None:
    assert len(list(_dangers(source))) == 1


@pytest.mark.parametrize(
    "source",
    [
        "torch.load(path, weights_only=True)",
        "subprocess.run(['ffmpeg', path])",
        "pickles.load(stream)",
        "np.lib.format.read_array(stream, allow_pickle=False)",
        "json.loads(text)",
    ],
)
def test_what_is_safe_is_allowed(source: str) -> None:
    assert list(_dangers(source)) == []


def test_only_weights_and_live_use_the_network() -> None:
    """No other module opens an address; `urllib.parse` does not."""
    network = {"socket", "http", "urllib.request", "ftplib", "requests", "httpx", "aiohttp"}
    users = set()
    for module, path in MODULES.items():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            if any(name in network or name.partition(".")[0] in network for name in names):
                users.add(Path(module).as_posix())
    assert users <= {
        *("weights/download.py", "weights/fetching.py"),
        *("live/guard.py", "live/listening.py", "live/outputs.py", "live/page.py"),
        *("batch/layout.py", "batch/cluster.py", "batch/ray.py"),  # this machine's name
    }


def test_lists_of_files_cannot_name_a_place_outside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Entries of `--list` that climb out of their folder keep their results in the output."""
    (tmp_path / "here" / "deep").mkdir(parents=True)
    (tmp_path / "other").mkdir()
    for name in ("a.mp4", "other/b.mp4", "here/c.mp4"):
        (tmp_path / name).write_bytes(b"\0")
    monkeypatch.chdir(tmp_path / "here")
    entries = ["../a.mp4", "deep/../../other/b.mp4", str(tmp_path / "here" / "c.mp4"), "./c.mp4"]
    Path("list.txt").write_text("\n".join(entries), encoding="utf-8")
    plan = make_plan((), (Path("list.txt"),), Path("out"))
    assert len(plan) == 3
    for task in plan:
        inside = (Path("out") / task.name).resolve()
        assert inside.is_relative_to(Path("out").resolve())
    for entry in ("http://example.com/a.mp4", "../../nowhere.mp4", "concat:a|b"):
        Path("list.txt").write_text(entry, encoding="utf-8")
        with pytest.raises(DataError, match="no such file"):
            make_plan((), (Path("list.txt"),), Path("out"))


def test_names_in_messages_cannot_command_a_terminal() -> None:
    told = str(DataError("a\x1b[31mb\u202ec\x07\udc80: is odd\nand goes on"))
    assert told == "a\\x1b[31mb\\u202ec\\x07\\udc80: is odd\nand goes on"

"""Below log root and checkpoint root nothing is used but through `tuner/roots`.

Every call in `tuner/` and `workers/` that opens, lists, asks after, writes or removes a file by its
path is found in the source. A module that does so without touching the roots stands in `OTHERS`
with what its files are; of a module that has to do with the roots each single call stands in
`CALLS`. What stands in neither fails, and so does what stands there and is gone.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

_OS = {
    "open", "listdir", "scandir", "walk", "fwalk", "stat", "lstat", "unlink", "remove", "rmdir",
    "removedirs", "mkdir", "makedirs", "rename", "renames", "replace", "link", "symlink",
    "readlink", "truncate", "chmod", "chown", "lchown", "mkfifo", "mknod", "utime", "access",
    "chdir", "statvfs",
}  # fmt: skip
_OS_PATH = {
    "exists", "lexists", "isfile", "isdir", "islink", "realpath", "getsize", "getmtime", "samefile",
}  # fmt: skip
_OF_MODULES = {"shutil": {"which", "get_terminal_size"}, "tempfile": {"gettempdir"}}
_METHODS = {
    "open", "read_text", "read_bytes", "write_text", "write_bytes", "unlink", "mkdir", "rmdir",
    "iterdir", "glob", "rglob", "rename", "replace", "touch", "chmod", "lchmod", "symlink_to",
    "hardlink_to", "exists", "is_file", "is_dir", "is_symlink", "is_fifo", "is_mount", "stat",
    "lstat", "resolve", "samefile", "readlink",
}  # fmt: skip
#: Words that only a module that has to do with the roots knows.
_WORDS = {
    "log_root", "checkpoint_root", "run_dir", "checkpoint_dir", "logdir", "Place",
    "remove_folder",
}  # fmt: skip
#: What is a `Place`, beside names that end so: these open by `tuner.roots` themselves.
_PLACES = frozenset({"self._source", "project", "task.run", "self._checkpoints"})

#: Modules whose files lie elsewhere, and what they are.
OTHERS = {
    "tuner/archives.py": "archives that are given as bytes",
    "tuner/board/landlock.py": "what a process gets rights to: opened as a name only (O_PATH)",
    "tuner/cli/calling.py": "the program that was called",
    "tuner/cli/faults.py": "the reason of a failure: the database's file and its folder",
    "tuner/cli/run_session.py": "the home's service file",
    "tuner/cli/serve.py": "the home's service file",
    "tuner/cli/token.py": "a token's file that the user names",
    "tuner/cli/workers.py": "/.dockerenv",
    "tuner/history/importers/kerastuner_rungs.py": "no path: opened by `folders.Folder`",
    "tuner/history/importers/source.py": "no path: opened by `folders.Folder`",
    "tuner/homes.py": "homes and the pointer to one",
    "tuner/local/commands.py": "the home's commands, specs",
    "tuner/local/doctor/database.py": "the database's file",
    "tuner/local/doctor/gpus.py": "/dev, /proc",
    "tuner/local/home.py": "the home's token, lock, service file; /proc",
    "tuner/local/listed_history.py": "whether a path that a spec lists is there",
    "tuner/local/process.py": "logs of the home",
    "tuner/local/runs.py": "the home's runs",
    "tuner/local/service.py": "the home's service file and log",
    "tuner/queue/redis_access.py": "the private Redis' secrets, in the home",
    "tuner/queue/redis_binary.py": "the redis-server program",
    "tuner/queue/redis_process.py": "the private Redis' folder, in the home",
    "tuner/samplers/bayesian/proposing.py": "no file: a task of the model",
    "tuner/samplers/bayesian/start.py": "no file: a task of the model",
    "tuner/secrecy.py": "/proc of this process",
    "tuner/server/tls.py": "certificates that the operator names",
    "tuner/snapshot/archive.py": "the user's code, before it is submitted",
    "tuner/snapshot/contents.py": "archives that are given as bytes",
    "tuner/snapshot/folder.py": "the user's code, before it is submitted",
    "tuner/snapshot/ignore.py": "the user's code, before it is submitted",
    "tuner/snapshot/provenance.py": "the user's code and data, before it is submitted",
    "tuner/spec/advice.py": "whether what a spec names is there",
    "tuner/spec/history.py": "the one name of a path that a spec lists",
    "tuner/spec/loading.py": "spec files",
    "tuner/spec/yaml_file.py": "spec files",
    "tuner/storage/backup.py": "backup files that the operator names",
    "tuner/storage/database.py": "the database's file",
    "tuner/storage/file_check.py": "the database's file",
    "tuner/storage/opening.py": "the database's file",
    "tuner/storage/restore.py": "a temporary folder for a backup that is read",
    "tuner/storage/revisions.py": "migrations",
    "tuner/surrogate/search.py": "no file: a task of the model",
    "workers/code_cache.py": "the worker's code, in its home",
    "workers/erasing.py": "/proc of this process",
    "workers/linux.py": "/proc of this process",
    "workers/memory.py": "/proc and /sys",
    "workers/message.py": "no file: Redis",
    "workers/missing.py": "whether a module of the user's code is there",
    "workers/orphans.py": "/proc",
    "workers/own_modules.py": "the user's code, unpacked",
    "workers/trial_process.py": "/dev/null, /proc of this process",
}

_SCRATCH = "TensorBoard's scratch folder or view, which this process has made"
_ROOT_ITSELF = "the root itself, as the operator names it"
_SCAN = "a look for runs of ours: names only, and no link is entered"
#: Of modules that have to do with the roots: what their files are, and the calls in their source.
CALLS: dict[str, tuple[str, set[str]]] = {
    "tuner/board/confinement.py": (
        "the interpreter",
        {
            "Path(sys.executable).resolve()",
        },
    ),
    "tuner/board/launcher.py": (
        _SCRATCH,
        {
            "options.ready.exists()",
        },
    ),
    "tuner/board/running.py": (
        _SCRATCH,
        {
            "os.access(_MEMORY, os.W_OK | os.X_OK)",
            "ready.touch()",
            "ready.unlink(missing_ok=True)",
            "self._home.mkdir()",
            "tempfile.TemporaryDirectory(prefix=name)",
            "tempfile.TemporaryDirectory(prefix=name, dir=_MEMORY if _has_memory() else None)",
        },
    ),
    "tuner/board/view.py": (
        _SCRATCH,
        {
            "(self.folder / path / name).unlink(missing_ok=True)",
            "(shown / name).symlink_to(self._source.path / path / name)",
            "folder.mkdir(parents=True)",
            "self.folder.mkdir(exist_ok=True)",
            "shown.mkdir(parents=True, exist_ok=True)",
            "shutil.rmtree(self.folder / path, ignore_errors=True)",
        },
    ),
    "tuner/cli/board.py": (
        _ROOT_ITSELF,
        {
            "root.is_dir()",
        },
    ),
    "tuner/cli/checking.py": (
        "a temporary folder for the code of `tuner check`",
        {
            "code.mkdir()",
            "tempfile.TemporaryDirectory(prefix='tuner-check-')",
        },
    ),
    "tuner/cli/database.py": (
        "backup files that the operator names, and a scratch folder of the home",
        {
            "Path(file).open('rb')",
            "kept.rename(old)",
            "path.exists()",
            "path.with_name(path.name + suffix).unlink(missing_ok=True)",
            "shutil.copyfileobj(source, sys.stdout.buffer)",
            "spool.open('rb')",
            "tempfile.TemporaryDirectory(prefix='.backup-', dir=config.home)",
            "written.open('rb')",
        },
    ),
    "tuner/cli/next_step.py": (
        "the folder that a command runs in",
        {
            "other.resolve()",
        },
    ),
    "tuner/coordinator/integrity/attempts.py": (
        "no file: SQL",
        {
            "attempt.exists()",
        },
    ),
    "tuner/history/importers/folders.py": (
        "`Folder.open`, which goes through tuner.roots",
        {
            "self.open(name)",
        },
    ),
    "tuner/history/importers/listing.py": (
        "somebody else's folder, whose links are followed",
        {
            "Path(self.path).stat()",
            "entry.is_dir()",
            "entry.stat()",
            "os.scandir(self.path)",
        },
    ),
    "tuner/history/importers/scan.py": (
        _SCAN,
        {
            "entry.is_dir(follow_symlinks=False)",
            "opener.open(relative)",
            "os.path.realpath(log_root)",
            "os.scandir(path)",
        },
    ),
    "tuner/history/importers/targets.py": (
        "what a person names on the command line",
        {
            "os.path.lexists(str(url.database))",
            "os.path.realpath(path)",
            "os.path.realpath(str(url.database))",
            "path.exists()",
            "path.is_dir()",
            "path.is_file()",
            "path.lstat()",
        },
    ),
    "tuner/local/closing.py": (
        "modes of the home and of the roots themselves",
        {
            "os.listdir(home)",
            "os.open(path, flags)",
            "path.lstat()",
            "root.mkdir(mode=_FOLDER, exist_ok=True)",
        },
    ),
    "tuner/local/doctor/files.py": (
        "the home, and the roots themselves as the operator names them",
        {
            "Path('/proc/self/mounts').read_text()",
            "home.is_dir()",
            "home.stat()",
            "os.access(home, os.W_OK | os.X_OK)",
            "os.path.realpath(path)",
            "os.statvfs(path)",
            "path.exists()",
            "path.lstat()",
            "tempfile.TemporaryFile(dir=folder)",
            "there.is_dir()",
        },
    ),
    "tuner/local/doctor/service.py": (
        "the home's token",
        {
            "os.path.exists(settings.token_path)",
        },
    ),
    "tuner/local/fleet.py": (
        "the home's fleets; /proc",
        {
            "(settings.home / 'fleets').glob('*.json')",
            "Path(f'/proc/{pid}/cmdline').read_bytes()",
            "self._control.parent.mkdir(mode=448, parents=True, exist_ok=True)",
            "self._control.unlink(missing_ok=True)",
            "self._control.with_name(self._control.name + '.state').read_text()",
            "self._control.with_name(self._control.name + '.state').unlink(missing_ok=True)",
        },
    ),
    "tuner/local/submission.py": (
        "the user's code, before it is submitted",
        {
            "(folder / f'{module}.py').is_file()",
            "(folder / module).is_dir()",
            "at.is_dir()",
            "at.with_name(at.name + '.py').is_file()",
        },
    ),
    "tuner/service/probing.py": (
        _ROOT_ITSELF,
        {
            "root.mkdir(parents=True, exist_ok=True)",
        },
    ),
    "tuner/settings.py": (
        "the home; secrets in files that the operator names",
        {
            "Path(path).read_text()",
            "home.is_file()",
        },
    ),
    "workers/attempt.py": (
        "`AttemptFiles.open`, which goes through tuner.roots",
        {
            "self._files.open(post.environment.config(self._assignment), time.time())",
        },
    ),
    "workers/child.py": (
        "/dev/null",
        {
            "os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)",
        },
    ),
    "workers/options.py": (
        "secrets in files that the operator names",
        {
            "Path(path).read_text()",
        },
    ),
    "workers/run.py": (
        "a temporary folder for a run by hand",
        {
            "run.logdir.mkdir()",
            "tempfile.TemporaryDirectory(prefix='tuner-run-')",
        },
    ),
    "workers/supervisor.py": (
        "the home's file for the number of workers",
        {
            "self._arguments.control.read_bytes()",
            "self._arguments.control.stat()",
        },
    ),
    "workers/trying.py": (
        "a temporary folder for one try",
        {
            "tempfile.TemporaryDirectory(prefix='tuner-try-', ignore_cleanup_errors=True)",
        },
    ),
}


def modules() -> dict[str, str]:
    """Return the source of every module of the product outside of `tuner/roots`."""
    paths = [*(ROOT / "tuner").rglob("*.py"), *(ROOT / "workers").rglob("*.py")]
    sources = {path.relative_to(ROOT).as_posix(): path.read_text() for path in sorted(paths)}
    return {name: text for name, text in sources.items() if not name.startswith("tuner/roots/")}


def file_calls(source: str) -> list[str]:
    """Return what a module does with files by their paths, as it stands in its source."""
    return sorted({ast.unparse(node) for node in _found(ast.parse(source))})


def has_to_do_with_roots(source: str) -> bool:
    """Whether a module knows a path below a root, or where one begins."""
    for node in ast.walk(ast.parse(source)):
        names = {
            ast.Name: lambda n: n.id,
            ast.Attribute: lambda n: n.attr,
            ast.arg: lambda n: n.arg,
            ast.keyword: lambda n: n.arg,
            ast.alias: lambda n: n.name,
        }
        name = names.get(type(node), lambda _node: None)(node)
        if name in _WORDS:
            return True
    return False


def _calls_of(module: str) -> set[str]:
    return CALLS[module][1] if module in CALLS else set()


def _found(tree: ast.AST) -> Iterator[ast.AST]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module in ("os", "shutil", "tempfile", "io"):
            # By another name they would not be found.
            if {alias.name for alias in node.names} & (_OS | {"rmtree", "copyfile", "open"}):
                yield node
        elif isinstance(node, ast.Import):
            if any(a.asname and a.name in ("os", "shutil", "tempfile") for a in node.names):
                yield node
        elif isinstance(node, ast.Call) and _uses_a_file(node):
            yield node


def _uses_a_file(call: ast.Call) -> bool:
    function = call.func
    if isinstance(function, ast.Name):
        return function.id == "open"
    if not isinstance(function, ast.Attribute):
        return False
    owner, name = ast.unparse(function.value), function.attr
    if owner == "os":
        return name in _OS
    if owner == "os.path":
        return name in _OS_PATH
    if owner in _OF_MODULES:
        return name not in _OF_MODULES[owner]
    return name in _METHODS and not _is_safe(call, owner, name)


def _is_safe(call: ast.Call, owner: str, name: str) -> bool:
    """Whether a method is one of a `Place`, of a `Folder` of `tuner.roots`, or of no file."""
    given = len(call.args)
    if owner == "sa" or owner.startswith("sa."):
        return True  # SQL
    if name in ("open", "exists") and not given:
        return owner.endswith("place") or owner.startswith("Place(") or owner in _PLACES
    if name == "stat":
        return given == 1  # Folder.stat(name)
    if name in ("replace", "rename"):
        # str.replace(old, new), dataclasses.replace(this, field=…), Folder.rename(name, to)
        return given != 1 or bool(call.keywords)
    return False


def test_no_module_opens_a_file_below_a_root_by_its_path() -> None:
    unknown = {}
    for name, source in modules().items():
        if name in OTHERS:
            continue
        found = [call for call in file_calls(source) if call not in _calls_of(name)]
        if found:
            unknown[name] = found

    assert unknown == {}, "use tuner.roots, or say here what the files are"


def test_a_module_whose_files_lie_elsewhere_knows_no_root() -> None:
    sources = modules()
    assert [name for name in OTHERS if has_to_do_with_roots(sources[name])] == []


def test_nothing_is_listed_that_is_gone() -> None:
    sources = modules()
    idle = [name for name in OTHERS if name not in sources or not file_calls(sources[name])]
    gone = {
        name: sorted(calls - set(file_calls(sources.get(name, ""))))
        for name, (_, calls) in CALLS.items()
    }

    assert idle == []
    assert {name: calls for name, calls in gone.items() if calls} == {}


@pytest.mark.parametrize(
    "line",
    [
        "(log_root / 'x').read_text()",
        "open(run.logdir / 'trial.json')",
        "place.path.open('rb')",
        "place.path.unlink()",
        "folder.path.iterdir()",
        "os.stat(run_dir)",
        "os.path.isdir(run_dir)",
        "os.replace(old, new)",
        "shutil.rmtree(place.path)",
        "tempfile.mkdtemp(dir=log_root)",
        "Path(log_root).exists()",
        "old.rename(new)",
        "from shutil import rmtree",
        "import os as system",
    ],
)
def test_a_planted_use_of_a_path_is_found(line: str) -> None:
    assert file_calls(f"def f():\n    {line}\n") == [line.replace('"', "'")]


@pytest.mark.parametrize(
    "line",
    [
        "place.open()",
        "Place(root, 'project').open(make=True)",
        "folder.stat('name')",
        "folder.rename('a', 'b')",
        "folder.replace('name', content)",
        "text.replace('a', 'b')",
        "sa.select(t).exists()",
    ],
)
def test_what_goes_through_the_roots_is_not_found(line: str) -> None:
    assert file_calls(line) == []

"""A spec with its code and data, ready to be submitted."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuner.errors import SpecError
from tuner.protocol import BACKENDS, NAME_PATTERN, backend_asked
from tuner.refusal import CodeChoice
from tuner.runtime.system import is_installed
from tuner.settings import Settings
from tuner.snapshot import (
    Snapshot,
    fingerprint_data,
    make_snapshot,
    needed_files,
    read_contents,
    read_git,
    warn_of_standard_names,
)
from tuner.spec import LoadedSpec, StudySpec, load_spec

if TYPE_CHECKING:
    from tuner.client import ApiClient
    from tuner.documents.submission import Retried, Submitted
    from tuner.history.importing import Progress
    from tuner.service.service import Service

#: Endings by which a command's argument names a script, and the length up to which it may be a
#: path.
SCRIPT_ENDS = (".py", ".sh")
MAX_PATH = 1000


@dataclass(frozen=True, kw_only=True)
class Submission:
    """What `submit` sends: the spec, the code it names and the fingerprint of its data."""

    spec: StudySpec
    folder: Path
    warnings: tuple[str, ...]
    #: None if the code is installed where trials run (in the image, or this environment).
    snapshot: Snapshot | None
    data: str | None
    #: `{commit, dirty}` of the folder, None outside a repository.
    git: dict[str, Any] | None
    #: What to do if the study has other code; None: refuse.
    use_code: CodeChoice | None = None
    #: Name of the study, overriding that in the spec.
    name: str | None = None

    @property
    def needed(self) -> tuple[str, ...]:
        """The files of the snapshot that a trial may load: the code of the study."""
        if self.snapshot is None:
            return ()
        files = read_contents(self.snapshot.data) or {}
        return tuple(sorted(needed_files(files, self.spec.modules, self.spec.command)))

    @property
    def preimport(self) -> str:
        """What this study's workers import ahead: a Keras backend, "keras" for theirs, or "none".

        Importing a backend takes seconds, which a worker spends before its first trial. Code that
        cannot be inspected is assumed to use Keras.
        """
        if self.spec.command:
            return "none"
        # A snapshot is stored uncompressed, so it contains the source text.
        code = self.snapshot.data if self.snapshot is not None else b"keras"
        if b"keras" not in code and b"tensorflow" not in code:
            return "none"
        if self.spec.trial.backend:
            return self.spec.trial.backend
        asked = backend_asked([code]).firmly
        return next((name for name in BACKENDS if asked == {name}), "keras")

    def renamed(self, name: str) -> Submission:
        """Return the same submission for a study of this name in the same project.

        Raises:
            SpecError: it is not a valid study name.
        """
        name = name.removeprefix(f"{self.spec.project}/")
        if not re.fullmatch(NAME_PATTERN, name):
            raise SpecError(
                f"{name!r} is not the name of a study: 1 to 63 characters a-z, 0-9 "
                f"and -, first and last not - (the project stays {self.spec.project})"
            )
        spec = self.spec.model_copy(update={"study": name})
        return replace(self, spec=spec, name=name)

    def send(self, api: ApiClient, progress: Progress | None = None) -> Submitted:
        """Import the history that the spec lists, and submit; idempotent.

        Args:
            progress: notified of the import's progress.

        Returns:
            `{study, state, created, changes}`, and `not_taken` as in `Service.submit`.

        Raises:
            ChangedError: the study differs in something that must not change.
        """
        if self.spec.lists_paths:
            # Loading the importers takes half a second.
            from tuner.local.listed_history import import_listed

            import_listed(self.spec, api, progress)
        code = self._put_code(api)
        return api.submit(
            self.spec.to_json(),
            code=code,
            data=self.data,
            git=self.git,
            use_code=self.use_code,
        )

    def retry(self, api: Service | ApiClient, study: str) -> Retried:
        """Try the study's failed trials again with this code. Return `{retried, changes}`."""
        code = self._put_code(api)
        spec = self.spec.to_json()
        return api.retry(study, spec=spec, code=code, data=self.data, git=self.git)

    def _put_code(self, api: Service | ApiClient) -> str | None:
        if self.snapshot is None:
            return None
        api.put_code(self.snapshot.sha256, self.snapshot.data)
        return self.snapshot.sha256


def make_submission(
    path: Path,
    settings: Settings,
    *,
    name: str | None = None,
    use_code: CodeChoice | None = None,
) -> Submission:
    """Load the spec at `path` and take the snapshot of its code.

    Args:
        settings: locates the home, which is left out of the snapshot.
        name: of the study, overriding that in the spec.
        use_code: what to do if the study has other code; None: refuse.

    Raises:
        SpecError: the spec is invalid, its code cannot be included, its objective is not found, or
            `name` is not a valid study name.
    """
    loaded = load_spec(path)
    submission = Submission(
        spec=loaded.spec,
        folder=loaded.folder,
        warnings=tuple(loaded.warnings),
        snapshot=_take_code(loaded, path, settings),
        data=fingerprint_data(loaded.folder, loaded.spec.data.paths if loaded.spec.data else ()),
        git=_read_git(loaded.folder),
        use_code=use_code,
    )
    files = submission.snapshot.files if submission.snapshot is not None else ()
    said = warn_of_standard_names(files, submission.needed)
    submission = replace(submission, warnings=(*submission.warnings, *said))
    return submission if name is None else submission.renamed(name)


def _read_git(folder: Path) -> dict[str, Any] | None:
    state = read_git(folder)
    return None if state is None else dict(state)


def _take_code(loaded: LoadedSpec, path: Path, settings: Settings) -> Snapshot | None:
    """Return the snapshot of the folder if it contains what a trial runs.

    An image or an installed package may contain the code instead; then the folder is not included.
    """
    spec, folder = loaded.spec, loaded.folder
    # All of them are checked, so that every missing one is reported.
    here = [_has_module(loaded, path, key, value) for key, value in _named(spec).items()]
    here += [_has_script(loaded, path, index) for index in range(len(spec.command))]
    here += [_holds(folder, module.partition(".")[0]) for module in spec.modules]
    if not any(here):
        return None
    return make_snapshot(
        folder, leave_out=(settings.home, settings.log_root, settings.checkpoint_root)
    )


def _named(spec: StudySpec) -> dict[str, str]:
    """Return the `module:name` values of the spec, by key."""
    named = {
        "objective": None if spec.is_external else spec.objective,
        "hypermodel": spec.hypermodel,
        "data.loader": spec.data.loader,
    }
    return {key: value for key, value in named.items() if value is not None}


def _has_module(loaded: LoadedSpec, path: Path, key: str, value: str) -> bool:
    """Return whether the folder contains a module of the spec; raise if nothing does."""
    module = value.partition(":")[0]
    top = module.partition(".")[0]
    if _holds(loaded.folder, top):
        _require_module(loaded.folder, path, key, module)
        return True
    if loaded.spec.image or is_installed(top):
        return False
    raise SpecError(
        f"{path}: {key}: {value!r}: there is no {top}.py and no folder {top}/ "
        f"in {loaded.folder}, and no installed module {top!r}"
    )


def _has_script(loaded: LoadedSpec, path: Path, index: int) -> bool:
    """Return whether an argument names a file of the folder; raise for a missing script."""
    text = loaded.spec.command[index]
    place = loaded.folder / text
    if len(text) > MAX_PATH or Path(text).is_absolute() or ".." in Path(text).parts:
        return False
    if place.is_file():
        return True
    if text.endswith(SCRIPT_ENDS) and "{" not in text and not loaded.spec.image:
        raise SpecError(
            f"{path}: command[{index}]: {text!r}: there is no such file in {loaded.folder}"
        )
    return False


def _holds(folder: Path, module: str) -> bool:
    return (folder / f"{module}.py").is_file() or (folder / module).is_dir()


def _require_module(folder: Path, path: Path, key: str, module: str) -> None:
    at = folder.joinpath(*module.split("."))
    if not at.with_name(at.name + ".py").is_file() and not at.is_dir():
        raise SpecError(f"{path}: {key}: there is no module {module!r} in {folder} ({at}.py)")

"""The user side of the HTTP API, with the verbs of the in-process `Service`."""

from __future__ import annotations

import builtins
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from tuner.connection import Connection
from tuner.errors import SetupError, SpecError, StudyError
from tuner.protocol import VERSION
from tuner.refusal import CodeChoice

if TYPE_CHECKING:
    from tuner.documents.demand import WorkerDemand
    from tuner.documents.explanations.explanation import Explanation
    from tuner.documents.explanations.trial_explanation import TrialExplanation
    from tuner.documents.history import (
        HistoryImport,
        HistoryRejection,
        HistoryRemoved,
        HistoryStudy,
        ImportBegun,
        ImportDone,
        RunsTaken,
    )
    from tuner.documents.importance import Importance
    from tuner.documents.proposals import Proposals
    from tuner.documents.study import StudyStatus
    from tuner.documents.submission import Deleted, Edited, Retried, Submitted
    from tuner.documents.tokens import NewToken, TokenRow
    from tuner.documents.trial import EventRow, LogPiece, TrialDetail, TrialRow
    from tuner.documents.workers import Drained, Tested, WorkerRow


class ApiClient(Connection):
    """A connection to a running Tuner server; close it after use.

    Every method returns the same document as the in-process `Service` and raises the same errors,
    and `UnavailableError` if the server does not answer.

    Args:
        url: the server's URL, without `/v1`.
        token: bearer token; None suffices for `health` only.
    """

    def health(self) -> dict[str, Any]:
        """Return `{service, release, protocol, pid}`; needs no token.

        Raises:
            SetupError: something answers at this URL, but it is not a Tuner server.
        """
        try:
            return self._get("/health")
        except (StudyError, SpecError) as exc:
            raise SetupError(
                f"{self.url}: something answers there that is not a Tuner server ({exc}); "
                f"TUNER_API_URL has to be like http://tuner.example:8080"
            ) from exc

    def check_protocol(self) -> None:
        """Raise `SetupError` if the server is not Tuner or speaks another protocol version."""
        health = self.health()
        if health.get("service") != "tuner":
            raise SetupError(f"{self.url}: answers, but is not a Tuner server")
        if health.get("protocol") != VERSION:
            raise SetupError(
                f"{self.url}: Tuner {health.get('release')} speaks protocol "
                f"{health.get('protocol')}, this command speaks {VERSION}; install the same "
                f"release on both sides"
            )

    def put_code(self, digest: str, content: bytes) -> None:
        """Upload a code snapshot; idempotent."""
        self._call("PUT", f"/code/{digest}", content=content)

    def submit(
        self,
        spec: Mapping[str, Any],
        code: str | None = None,
        data: str | None = None,
        git: Mapping[str, Any] | None = None,
        use_code: CodeChoice | None = None,
    ) -> Submitted:
        """Create the study, or return the existing one."""
        body = {"spec": spec, "code": code, "data": data, "git": git}
        if use_code is not None:
            # A server of an earlier release does not know this field.
            body["use_code"] = use_code
        return self._do("POST", "/studies", body)

    def list(self) -> builtins.list[StudyStatus]:
        """Return the status of every study."""
        return self._get("/studies")

    def status(self, study: str) -> StudyStatus:
        """Return the state of a study."""
        return self._get(_path(study))

    def best(self, study: str, n: int = 10, *, all: bool = False) -> builtins.list[TrialRow]:
        """Return the best trials, best first; with several metrics, the Pareto front."""
        return self._get(_path(study, "best"), n=n, all=str(all).lower())

    def trials(
        self, study: str, state: str | None = None, limit: int = 1000, offset: int = 0
    ) -> builtins.list[TrialRow]:
        """Return trials in number order."""
        chosen = {"state": state} if state else {}
        return self._get(_path(study, "trials"), limit=limit, offset=offset, **chosen)

    def show(self, study: str, number: int) -> TrialDetail:
        """Return one trial with its attempts, reports and events."""
        return self._get(_path(study, "trials", number))

    def log(
        self, study: str, number: int, offset: int = 0, limit: int = 65536, *, raw: bool = False
    ) -> LogPiece:
        """Return a piece of the trial's output.

        With `raw`, `base64` holds the exact bytes in place of the text; a server of an earlier
        release sends the text anyway.
        """
        # A server of an earlier release ignores query parameters that it does not know.
        path = _path(study, "trials", number, "log")
        return self._get(path, offset=offset, limit=limit, raw=str(raw).lower())

    def importance(self, study: str) -> Importance:
        """Return how much each parameter matters."""
        return self._get(_path(study, "importance"))

    def explain(self, study: str, limit: int = 100, *, gain: bool = True) -> Explanation:
        """Return what the study took from history: sources, trust, and gain."""
        return self._get(_path(study, "explanation"), limit=limit, gain=str(gain).lower())

    def explain_trial(self, study: str, number: int) -> TrialExplanation:
        """Return why a trial was proposed, and the historic runs nearest to it."""
        return self._get(_path(study, "trials", number, "explanation"))

    def proposals(self, study: str, offset: int = 0, limit: int = 1000) -> Proposals:
        """Return the records of proposals."""
        return self._get(_path(study, "proposals"), offset=offset, limit=limit)

    def artifact(self, study: str, key: str) -> bytes:
        """Return the study's stored history by the key that its proposals name."""
        return self._send("GET", _path(study, "artifacts", key)).content

    def events(self, study: str, after: int = 0, limit: int = 1000) -> builtins.list[EventRow]:
        """Return what happened after event `after`, oldest first."""
        return self._get(_path(study, "events"), after=after, limit=limit)

    def pause(self, study: str) -> StudyStatus:
        """Start no further trials until `resume`."""
        return self._do("POST", _path(study, "pause"))

    def resume(self, study: str) -> StudyStatus:
        """Continue a paused or stopped study."""
        return self._do("POST", _path(study, "resume"))

    def stop(self, study: str, *, now: bool = False) -> StudyStatus:
        """Finish the study: running trials complete, or with `now` are cancelled."""
        return self._do("POST", _path(study, "stop"), {"now": now})

    def cancel(self, study: str, number: int | None = None) -> StudyStatus:
        """Cancel one trial, or the whole study with its running trials."""
        steps = () if number is None else ("trials", number)
        return self._do("POST", _path(study, *steps, "cancel"))

    def edit(self, study: str, changes: Mapping[str, Any]) -> Edited:
        """Change settings of the study, by keys such as `budget.trials`."""
        return self._do("PATCH", _path(study), {"changes": changes})

    def retry(
        self,
        study: str,
        *,
        spec: Mapping[str, Any] | None = None,
        code: str | None = None,
        data: str | None = None,
        git: Mapping[str, Any] | None = None,
    ) -> Retried:
        """Run the failed trials again; new trials use the code given here."""
        body = {"spec": spec, "code": code, "data": data, "git": git}
        return self._do("POST", _path(study, "retry"), body)

    def delete(self, study: str) -> Deleted:
        """Delete the study's rows, logs and checkpoints."""
        return self._do("DELETE", _path(study))

    def workers(self) -> builtins.list[WorkerRow]:
        """Return every worker that was seen recently."""
        return self._get("/workers")

    def demand(
        self, device: str | None = None, gpus: int | None = None, image: str | None = None
    ) -> WorkerDemand:
        """Return how many workers the studies could use now."""
        given = (("device", device), ("gpus", gpus), ("image", image))
        query: dict[str, str | int] = {name: value for name, value in given if value is not None}
        return self._get("/demand", **query)

    def test(self, name: str) -> Tested:
        """Have a worker test itself as soon as it is idle."""
        return self._do("POST", f"/workers/{quote(name, safe='')}/test")

    def drain(self, name: str) -> Drained:
        """Let a worker finish its running trial and leave."""
        return self._do("POST", f"/workers/{quote(name, safe='')}/drain")

    def history(self) -> builtins.list[HistoryStudy]:
        """Return every study of the history, newest first."""
        return self._get("/history")

    def history_rejected(self) -> builtins.list[HistoryRejection]:
        """Return what an import named and could not use."""
        return self._get("/history/rejected")

    def history_imports(self) -> builtins.list[HistoryImport]:
        """Return every import with its stamp."""
        return self._get("/history/imports")

    def history_runs(self, key: str) -> dict[str, str]:
        """Return the stamp of every run of an imported study."""
        return self._get(f"/history/{quote(key, safe='')}/runs")

    def history_begin(self, key: str, kind: str, locator: str) -> ImportBegun:
        """Begin an import into a study."""
        return self._do("POST", "/history", {"key": key, "kind": kind, "locator": locator})

    def history_put(self, number: int, runs: Sequence[Mapping[str, Any]]) -> RunsTaken:
        """Add runs to an import."""
        return self._do("POST", f"/history/imports/{number}/runs", {"runs": list(runs)})

    def history_finish(self, number: int, document: Mapping[str, Any]) -> ImportDone:
        """Put an import in place."""
        return self._do("POST", f"/history/imports/{number}/finish", document)

    def remove_history(self, key: str) -> HistoryRemoved:
        """Remove an imported study from history."""
        return self._do("DELETE", f"/history/{quote(key, safe='')}")

    def tokens(self) -> builtins.list[TokenRow]:
        """Return every token without its secret, newest first."""
        return self._get("/tokens")

    def create_token(
        self,
        name: str,
        scopes: Collection[str],
        projects: Collection[str] | None = None,
        expires_s: float | None = None,
        image: str | None = None,
        lock: str | None = None,
        files: str | None = None,
    ) -> NewToken:
        """Create a token; `token` in the answer is the secret, which is shown only this once."""
        where = None if projects is None else sorted(projects)
        body = {"name": name, "scopes": sorted(scopes), "projects": where}
        # A server of an earlier release does not know other fields.
        compared = {key: value for key, value in (("lock", lock), ("files", files)) if value}
        bound = {"expires_s": expires_s, "image": image, **compared}
        return self._do("POST", "/tokens", {**body, **bound})

    def revoke_token(self, name: str) -> TokenRow:
        """Revoke a token."""
        return self._do("DELETE", f"/tokens/{quote(name, safe='')}")


def _path(study: str, *steps: str | int) -> str:
    project, _, name = study.partition("/")
    parts = [quote(str(part), safe="") for part in ("studies", project, name, *steps)]
    return "/" + "/".join(parts)

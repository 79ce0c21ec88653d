"""A submission that conflicts with an existing study: what differs, and the ways to proceed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, Self

from tuner.errors import StudyError

#: Sent with a request by clients that can read a refusal; for others, a problem document has no
#: extra fields.
REFUSAL_HEADER = "X-Tuner-Refusal"
#: If the code differs from the study's: continue with the study's, or with the new one from now on.
CodeChoice = Literal["old", "new"]


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """Why a submission was refused.

    Attributes:
        study: the study's name.
        texts: what differs, one line each.
        code_only: nothing but the code differs.
        sibling: a free name in that project; None: there is none.
        learns: whether a study of that name would find this one in its history.
        failed: whether trials have failed, which corrected code could retry.
    """

    study: str
    texts: tuple[str, ...]
    code_only: bool
    sibling: str | None
    learns: bool
    failed: bool

    def message(
        self,
        command: str = "tuner run",
        spec: str = "SPEC",
        name: str = "",
        options: Sequence[str] = (),
    ) -> str:
        """Return what differs and the commands to proceed with.

        Args:
            spec: path of the spec, quoted as one word of a shell.
            name: the name that the spec is run under, if that is not its own.
            options: other options that were given, quoted for a shell.
        """
        what = "its code differs" if self.code_only else "differs in what may not change"
        submit = " ".join([command, spec, *options])
        ways = self._ways(submit, spec, f" --as {name}" if name else "")
        width = max((len(way) for way, _ in ways), default=0)
        back = "take this change back" if len(self.texts) == 1 else "take these changes back"
        return "\n".join(
            [
                f"study {self.study} exists and {what}:",
                *(f"  {text}" for text in self.texts),
                f"{back}, or continue in one of these ways:" if ways else back,
                *(f"  {way:{width}}  {meaning}" for way, meaning in ways),
            ]
        )

    def _ways(self, submit: str, spec: str, named: str) -> list[tuple[str, str]]:
        ways = []
        if self.code_only:
            ways += [
                (f"{submit}{named} --code old", "with the code that the study has"),
                (f"{submit}{named} --code new", "with the new code, for trials from now on"),
            ]
        if self.sibling is not None:
            seed = ", which learns from this one" if self.learns else ""
            ways.append((f"{submit} --as {self.sibling}", f"as a study of its own{seed}"))
        if self.code_only and self.failed:
            retry = f"tuner retry {self.study} --spec {spec}"
            ways.append((retry, "with the new code, and the failed trials again"))
        return ways

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {**asdict(self), "texts": list(self.texts)}

    @classmethod
    def from_json(cls, data: Any) -> Self | None:
        """Invert `to_json`; None if this is not a refusal, for example from another release."""
        try:
            known = {name: data[name] for name in cls.__dataclass_fields__}
            return cls(**{**known, "texts": tuple(map(str, data["texts"]))})
        except (TypeError, KeyError):
            return None


class ChangedError(StudyError):
    """A study of this name exists and differs in something that may not change."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.message())
        self.refusal = refusal

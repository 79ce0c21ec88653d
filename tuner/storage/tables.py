"""Our tables, which stand beside Optuna's in the same database.

Times are seconds since the epoch (UTC) of the database's clock. Columns ending in `_json` hold
JSON text. Optuna's own tables are called `studies`, `trials`, …; ours all start with `tuner_`.
"""

from __future__ import annotations

import sqlalchemy as sa

metadata = sa.MetaData()

studies = sa.Table(
    "tuner_studies",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("project", sa.String(63), nullable=False),
    sa.Column("name", sa.String(63), nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("reason", sa.Text, nullable=False, default=""),
    sa.Column("optuna_id", sa.Integer, nullable=False),
    sa.Column("spec_json", sa.Text, nullable=False),
    sa.Column("identity", sa.String(64), nullable=False),
    # Hash of the code of trials proposed from now on; a trial keeps the code it was created with.
    sa.Column("code", sa.String(64)),
    # Files of the code that trials have imported: complements the search for imports in the text.
    sa.Column("modules_json", sa.Text, nullable=False, default="[]"),
    sa.Column("data", sa.String(64)),
    # Commit, and whether the submitter's folder had changes; for `config.json`.
    sa.Column("git_json", sa.Text, nullable=False, default="null"),
    sa.Column("seed", sa.BigInteger, nullable=False),
    # What a claim has to match; copied from the spec so that SQL can select on it.
    sa.Column("device", sa.String(8), nullable=False),
    # Number of GPUs that a trial owns; NULL, from an earlier release: one if the device is a GPU.
    sa.Column("gpus", sa.Integer),
    sa.Column("image", sa.Text),
    sa.Column("priority", sa.Integer, nullable=False, default=0),
    sa.Column("parallel", sa.Integer),
    sa.Column("next_number", sa.Integer, nullable=False, default=0),
    # Counter given to every trial told to the sampler: the order in which the sampler learned of
    # results.
    sa.Column("told", sa.Integer, nullable=False, default=0),
    # Value of `told` when the study's own run in the log root was last updated.
    sa.Column("filed", sa.Integer, nullable=False, default=-1),
    # Numbers of failed trials whose configuration the user wants to try again.
    sa.Column("retry_json", sa.Text, nullable=False, default="[]"),
    # Changes with every edit by the user, so that the coordinator reloads the study.
    sa.Column("revision", sa.Integer, nullable=False, default=0),
    sa.Column("created", sa.Float, nullable=False),
    sa.Column("started", sa.Float),
    sa.Column("finished", sa.Float),
    sa.Column("running_since", sa.Float),
    sa.Column("active_s", sa.Float, nullable=False, default=0.0),
    sa.UniqueConstraint("project", "name"),
    # By default the number of a deleted study or event would be reused.
    sqlite_autoincrement=True,
)

trials = sa.Table(
    "tuner_trials",
    metadata,
    sa.Column("study_id", sa.Integer, sa.ForeignKey("tuner_studies.id"), primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("state", sa.String(8), nullable=False),
    sa.Column("params_json", sa.Text, nullable=False),
    # That of the study when the trial was created: every attempt of it runs exactly this code.
    sa.Column("code", sa.String(64)),
    sa.Column("git_json", sa.Text, nullable=False, default="null"),
    sa.Column("seed", sa.BigInteger, nullable=False),
    sa.Column("proposal_json", sa.Text, nullable=False),
    sa.Column("optuna_id", sa.Integer, nullable=False),
    sa.Column("objective", sa.Float(53)),
    sa.Column("values_json", sa.Text),
    sa.Column("metrics_json", sa.Text),
    sa.Column("cause", sa.String(16)),
    sa.Column("error", sa.Text, nullable=False, default=""),
    # Whether the trial counts towards the budget once it has ended.
    sa.Column("counted", sa.Boolean, nullable=False, default=True),
    sa.Column("told", sa.Integer),
    sa.Column("outcome_attempt", sa.String(64)),
    sa.Column("created", sa.Float, nullable=False),
    sa.Column("started", sa.Float),
    sa.Column("finished", sa.Float),
    sa.Column("duration_s", sa.Float),
    sa.Index("tuner_trials_state", "study_id", "state"),
    sa.Index("tuner_trials_objective", "study_id", "objective"),
    sa.Index("tuner_trials_told", "study_id", "told"),
    # Every proposal looks up the highest id, because ids are never reused.
    sa.Index("tuner_trials_optuna", "optuna_id"),
)

attempts = sa.Table(
    "tuner_attempts",
    metadata,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("study_id", sa.Integer, sa.ForeignKey("tuner_studies.id"), nullable=False),
    sa.Column("number", sa.Integer, nullable=False),
    sa.Column("no", sa.Integer, nullable=False),
    sa.Column("state", sa.String(10), nullable=False),
    sa.Column("excluded_json", sa.Text, nullable=False, default="[]"),
    sa.Column("token", sa.String(64), unique=True),
    sa.Column("worker", sa.String(80)),
    sa.Column("host", sa.String(255)),
    sa.Column("lease_until", sa.Float),
    sa.Column("wanted", sa.String(10), nullable=False, default="continue"),
    sa.Column("run_dir", sa.Text, nullable=False),
    sa.Column("created", sa.Float, nullable=False),
    # Not offered before this time (e.g. a retry after a full disk waits).
    sa.Column("not_before", sa.Float, nullable=False, default=0.0),
    sa.Column("claimed", sa.Float),
    sa.Column("finished", sa.Float),
    sa.Column("cause", sa.String(16)),
    sa.Column("error", sa.Text, nullable=False, default=""),
    sa.Column("duration_s", sa.Float),
    sa.Column("exit_status", sa.Integer),
    sa.Column("finish_digest", sa.String(64)),
    # False until the files of an ended attempt were found complete in the log root.
    sa.Column("filed", sa.Boolean, nullable=False, default=False),
    # False while there are reports that no pruner has seen.
    sa.Column("judged", sa.Boolean, nullable=False, default=True),
    # Whether its worker was heard of since the claim, so that the answer must have arrived.
    sa.Column("heard", sa.Boolean, nullable=False, default=False),
    # The token (`tuner_tokens.id`) it was claimed with; NULL: the server's own.
    sa.Column("bearer", sa.Integer),
    # The image it was given to: `image`, `lock`, `files`, `image_verified`, as in `config.json`.
    sa.Column("image_json", sa.Text),
    sa.UniqueConstraint("study_id", "number", "no"),
    sa.Index("tuner_attempts_state", "state", "study_id"),
    sa.Index("tuner_attempts_filed", "filed", "finished"),
    # What a worker holds: queried at every claim. Few attempts are leased at any time.
    sa.Index(
        "tuner_attempts_leased",
        "worker",
        sqlite_where=sa.text("state = 'leased'"),
        postgresql_where=sa.text("state = 'leased'"),
    ),
    sa.Index(
        "tuner_attempts_unjudged",
        "study_id",
        sqlite_where=sa.text("NOT judged"),
        postgresql_where=sa.text("NOT judged"),
    ),
)

reports = sa.Table(
    "tuner_reports",
    metadata,
    sa.Column("study_id", sa.Integer, primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("no", sa.Integer, primary_key=True),
    sa.Column("step", sa.Integer, primary_key=True),
    # NULL stands for a non-finite value, whose name is in `special`.
    sa.Column("value", sa.Float(53)),
    sa.Column("special", sa.String(4)),
    sa.Column("metrics_json", sa.Text),
    sa.Column("time", sa.Float, nullable=False),
)

workers = sa.Table(
    "tuner_workers",
    metadata,
    sa.Column("name", sa.String(80), primary_key=True),
    sa.Column("host", sa.String(255), nullable=False),
    sa.Column("pid", sa.Integer, nullable=False),
    sa.Column("device", sa.String(8), nullable=False),
    # Several ids are separated by commas.
    sa.Column("device_id", sa.Text),
    # Number of GPUs that it owns; NULL, from an earlier release: one if the device is a GPU.
    sa.Column("gpus", sa.Integer),
    sa.Column("image", sa.Text),
    sa.Column("release", sa.Text, nullable=False, default=""),
    sa.Column("state", sa.String(10), nullable=False),
    sa.Column("drain", sa.Boolean, nullable=False, default=False),
    sa.Column("drain_reason", sa.Text, nullable=False, default=""),
    # Attempts that count against the worker since its last success, oldest first.
    sa.Column("failed_json", sa.Text, nullable=False, default="[]"),
    # Why it gets no attempts; empty: it is in service.
    sa.Column("out_reason", sa.Text, nullable=False, default=""),
    sa.Column("out_since", sa.Float),
    # When its next self-test is due, and the number of self-tests since its last success.
    sa.Column("test_after", sa.Float),
    sa.Column("test_tries", sa.Integer, nullable=False, default=0),
    sa.Column("attempt", sa.String(64)),
    # The token (`tuner_tokens.id`) it calls with, NULL: the server's own; the projects of that
    # token, `null`: all; and why its image does not match the token, empty: it does.
    sa.Column("bearer", sa.Integer),
    sa.Column("projects_json", sa.Text, nullable=False, default="null"),
    sa.Column("image_problem", sa.Text, nullable=False, default=""),
    # What it reports of its image (`WorkerInfo`), and how far that is verified
    # (`protocol.Verified`).
    sa.Column("lock", sa.String(64)),
    sa.Column("files", sa.String(64)),
    sa.Column("files_built", sa.String(64)),
    sa.Column("image_verified", sa.String(8)),
    # Its process, and the supervisor that runs one process at a time under this name.
    sa.Column("process", sa.String(32)),
    sa.Column("keeper", sa.String(32)),
    sa.Column("first_seen", sa.Float, nullable=False),
    sa.Column("last_seen", sa.Float, nullable=False),
    sa.Index("tuner_workers_seen", "last_seen"),
)

events = sa.Table(
    "tuner_events",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("study_id", sa.Integer),
    sa.Column("number", sa.Integer),
    sa.Column("attempt", sa.String(64)),
    # Who requested it, as user@host reported by the client; NULL: the service or a worker.
    sa.Column("actor", sa.String(120)),
    sa.Column("time", sa.Float, nullable=False),
    sa.Column("kind", sa.String(32), nullable=False),
    sa.Column("text", sa.Text, nullable=False),
    sa.Index("tuner_events_study", "study_id", "id"),
    sqlite_autoincrement=True,
)

snapshots = sa.Table(
    "tuner_snapshots",
    metadata,
    sa.Column("hash", sa.String(64), primary_key=True),
    sa.Column("content", sa.LargeBinary, nullable=False),
    sa.Column("created", sa.Float, nullable=False),
)

#: What could not be written to or removed from the log root and checkpoint root, and when to try
#: again. What is not listed here is fine, or has not been tried yet.
unfiled = sa.Table(
    "tuner_unfiled",
    metadata,
    # "run", "study" (the study's own run), "checkpoints" (those to be removed) or "root".
    sa.Column("kind", sa.String(12), primary_key=True),
    # 0 for a root.
    sa.Column("study_id", sa.Integer, primary_key=True, autoincrement=False),
    # For a run, the id of its attempt; for a root, its name; otherwise empty.
    sa.Column("key", sa.String(64), primary_key=True),
    sa.Column("number", sa.Integer),
    sa.Column("reason", sa.Text, nullable=False),
    # Whether the file system has not answered yet: then the files themselves are not at fault.
    sa.Column("waiting", sa.Boolean, nullable=False, default=False),
    sa.Column("tries", sa.Integer, nullable=False, default=1),
    sa.Column("since", sa.Float(53), nullable=False),
    sa.Column("next_try", sa.Float(53), nullable=False),
    sa.Index("tuner_unfiled_next", "kind", "next_try"),
    sa.Index("tuner_unfiled_study", "study_id"),
)

#: Imported studies. A study is "loading" under a name of its own while it is imported.
history = sa.Table(
    "tuner_history",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("key", sa.String(160), nullable=False, unique=True),
    sa.Column("state", sa.String(8), nullable=False),
    # As in `tuner.history.store.records`, or "none" for a source without runs, with its rejections.
    sa.Column("kind", sa.String(12), nullable=False),
    # Path or URL, without password and query.
    sa.Column("locator", sa.Text, nullable=False),
    # Fingerprint of all its files as they were when read, and of the options.
    sa.Column("stamp", sa.String(64), nullable=False),
    # Fingerprint of all its trials, wherever they came from.
    sa.Column("digest", sa.String(64), nullable=False, default=""),
    # What is known of the study: metrics, parameters, space, constants, fingerprints, notes.
    sa.Column("facts_json", sa.Text, nullable=False),
    # Numbers of trials kept; of runs of this database's own studies, not kept; and of rejections.
    sa.Column("trials", sa.Integer, nullable=False, default=0),
    sa.Column("own", sa.Integer, nullable=False, default=0),
    sa.Column("rejected", sa.Integer, nullable=False, default=0),
    sa.Column("finished", sa.Float(53)),
    sa.Column("imported", sa.Float(53), nullable=False),
    # The number of a removed one is not reused.
    sqlite_autoincrement=True,
)

history_trials = sa.Table(
    "tuner_history_trials",
    metadata,
    sa.Column("history_id", sa.Integer, sa.ForeignKey("tuner_history.id"), primary_key=True),
    sa.Column("key", sa.String(200), primary_key=True),
    # Fingerprint of the files that it was read from.
    sa.Column("stamp", sa.String(64), nullable=False),
    # As in `tuner.history.store.records`, or "open" if nothing says how it ended.
    sa.Column("state", sa.String(8), nullable=False),
    sa.Column("cause", sa.String(16)),
    sa.Column("params_json", sa.Text, nullable=False),
    sa.Column("metrics_json", sa.Text, nullable=False),
    sa.Column("curves_json", sa.Text, nullable=False),
    sa.Column("started", sa.Float(53)),
    sa.Column("finished", sa.Float(53)),
)

history_rejected = sa.Table(
    "tuner_history_rejected",
    metadata,
    sa.Column("history_id", sa.Integer, sa.ForeignKey("tuner_history.id"), primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("path", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("count", sa.Integer, nullable=False),
)

#: What was computed from the history and can be recomputed.
artifacts = sa.Table(
    "tuner_artifacts",
    metadata,
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("study_id", sa.Integer),
    sa.Column("content", sa.LargeBinary, nullable=False),
    sa.Column("receipt_json", sa.Text, nullable=False),
    sa.Column("created", sa.Float(53), nullable=False),
    sa.Index("tuner_artifacts_study", "study_id"),
)

#: The API's tokens except the server's own, which is a file.
tokens = sa.Table(
    "tuner_tokens",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("name", sa.String(63), nullable=False),
    # SHA-256 of the token; the token itself is not stored.
    sa.Column("digest", sa.String(64), nullable=False, unique=True),
    sa.Column("scopes_json", sa.Text, nullable=False),
    # `null`: all.
    sa.Column("projects_json", sa.Text, nullable=False),
    # The image that a worker with this token runs in: a reference by digest, or the digest alone.
    sa.Column("image", sa.Text),
    # What the workers of that image report: the hash of its lock file, and of what is installed.
    sa.Column("lock", sa.String(64)),
    sa.Column("files", sa.String(64)),
    # Whether workers with other tokens are not trusted when they report this image.
    sa.Column("closes_image", sa.Boolean, nullable=False, default=False),
    sa.Column("created", sa.Float(53), nullable=False),
    # Who created it, as user@host reported by the client.
    sa.Column("actor", sa.String(120)),
    sa.Column("expires", sa.Float(53)),
    sa.Column("revoked", sa.Float(53)),
    # Approximate: updated every few minutes.
    sa.Column("last_used", sa.Float(53)),
    # Only one token of a name is valid at a time; revoked tokens keep their name.
    sa.Index(
        "tuner_tokens_name",
        "name",
        unique=True,
        sqlite_where=sa.text("revoked IS NULL"),
        postgresql_where=sa.text("revoked IS NULL"),
    ),
    # Attempts and workers refer to it: the number of a removed one is not reused.
    sqlite_autoincrement=True,
)

#: A single row, rewritten regularly to check whether writes succeed (`probe.py`).
probe = sa.Table(
    "tuner_probe",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("time", sa.Float(53), nullable=False),
    sa.Column("filler", sa.LargeBinary, nullable=False),
)

leader = sa.Table(
    "tuner_leader",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("holder", sa.String(120), nullable=False),
    sa.Column("epoch", sa.Integer, nullable=False),
    sa.Column("lease_until", sa.Float, nullable=False),
)

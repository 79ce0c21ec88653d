"""A real Slurm of one node on the loopback, from Debian's packages; it needs root."""

from __future__ import annotations

import contextlib
import ctypes
import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.patience import clock

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "scontrol", "scancel", "squeue", "sinfo")
#: Of the node, by what Slurm is told.
GPUS = 4
START_S = 60.0
_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None)
_CONF = """
ClusterName=tunertest
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmctldPort={ctld}
SlurmdPort={slurmd}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SlurmdParameters=config_overrides
ReturnToService=2
KillWait=30
MinJobAge=300
SchedulerParameters=sched_interval=1,sched_min_interval=0
GresTypes=gpu
NodeName={host} NodeAddr=127.0.0.1 CPUs=4 Gres=gpu:4 State=UNKNOWN
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
PartitionName=debug Nodes={host} Default=YES MaxTime=60 PriorityTier=1 State=UP
PartitionName=urgent Nodes={host} MaxTime=60 PriorityTier=9 State=UP
"""


class Slurm:
    """A cluster: daemons in the foreground, their files in one folder.

    Args:
        folder: of its own; every parent may be entered by everybody, as munge asks.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environ = {**os.environ, "SLURM_CONF": str(folder / "slurm.conf")}
        self._processes: list[subprocess.Popen[bytes]] = []

    def start(self) -> None:
        """Start the daemons; return when the node can take jobs."""
        for name in ("state", "spool"):
            (self.folder / name).mkdir()
        # Slurm asks for nothing but a device of that name, and gives GPUs out by its number.
        for number in range(GPUS):
            (self.folder / f"gpu{number}").symlink_to("/dev/null")
        (self.folder / "gres.conf").write_text(
            f"AutoDetect=off\nName=gpu Flags=nvidia_gpu_env File={self.folder}/gpu[0-{GPUS - 1}]\n"
        )
        host = socket.gethostname().partition(".")[0]
        ctld, slurmd = _free_ports()
        (self.folder / "slurm.conf").write_text(
            _CONF.format(host=host, ctld=ctld, slurmd=slurmd, folder=self.folder)
        )
        key = self.folder / "munge.key"
        key.write_bytes(secrets.token_bytes(1024))
        key.chmod(0o400)
        self._daemon(
            "munged", "--foreground", "--force", f"--key-file={key}",
            f"--socket={self.folder / 'munge.socket'}", f"--pid-file={self.folder / 'munged.pid'}",
            f"--log-file={self.folder / 'munged.log'}", f"--seed-file={self.folder / 'munge.seed'}",
        )  # fmt: skip
        self._wait(lambda: (self.folder / "munge.socket").exists(), "munged")
        conf = str(self.folder / "slurm.conf")
        self._daemon("slurmctld", "-D", "-f", conf)
        self._wait(self._answers, "slurmctld")
        self._daemon("slurmd", "-D", "-f", conf)
        self._wait(lambda: "idle" in self.run("sinfo", "--noheader", "--format=%T"), "slurmd")

    def run(self, *command: str) -> str:
        """Run a program of Slurm's; return what it says."""
        done = subprocess.run(
            command, env=self.environ, capture_output=True, text=True, check=False, timeout=60
        )
        return done.stdout + done.stderr

    def requeue(self, job: str) -> None:
        """Requeue a job that runs, and have it start again at once: by itself it waits 2 minutes.

        Args:
            job: number, of an array with that of its task: `12_0`.
        """
        assert not self.run("scontrol", "requeue", job)

        def runs_again() -> bool:
            # It is taken only once what ran has ended.
            self.run("scontrol", "update", f"JobId={job}", "StartTime=now")
            said = self.run("scontrol", "show", "job", job)
            return "JobState=RUNNING" in said and "Restarts=1" in said

        self._wait(runs_again, f"{job}, requeued,")

    def stop(self) -> None:
        """End every job and every daemon."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.run("scancel", "--user=root")
        deadline = clock() + 20
        while self.run("squeue", "--noheader").strip() and clock() < deadline:
            time.sleep(0.2)
        for process in reversed(self._processes):
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def explain(self) -> str:
        """Return the ends of the daemons' logs."""
        logs = sorted(self.folder.glob("*.log"))
        return "\n".join(f"--- {log.name}\n{log.read_text()[-2000:]}" for log in logs)

    def _daemon(self, *command: str) -> None:
        with (self.folder / f"{command[0]}.out.log").open("ab") as output:
            self._processes.append(
                subprocess.Popen(
                    command,
                    env=self.environ,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    start_new_session=True,
                    preexec_fn=_die_with_parent,
                )
            )

    def _answers(self) -> bool:
        return "UP" in self.run("scontrol", "ping")

    def _wait(self, holds: Callable[[], bool], what: str) -> None:
        deadline = clock() + START_S
        while not holds():
            assert self._processes[-1].poll() is None, f"{what} ended:\n{self.explain()}"
            assert clock() < deadline, f"{what} is not there:\n{self.explain()}"
            time.sleep(0.1)


@contextlib.contextmanager
def slurm_or_skip() -> Iterator[Slurm]:
    """A running cluster; without the programs, or without root, the test is skipped."""
    missing = [name for name in PROGRAMS if shutil.which(name, path=_path()) is None]
    if missing:
        pytest.skip(f"needs Slurm (slurmctld slurmd slurm-client munge): no {', '.join(missing)}")
    if os.geteuid() != 0:
        pytest.skip("needs root to run the daemons of Slurm")
    folder = Path(tempfile.mkdtemp(prefix="tuner-slurm-", dir="/tmp"))
    folder.chmod(0o755)
    slurm = Slurm(folder)
    slurm.environ["PATH"] = _path()
    try:
        slurm.start()
        yield slurm
    finally:
        slurm.stop()
        shutil.rmtree(folder, ignore_errors=True)


def _die_with_parent() -> None:
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def _path() -> str:
    return os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"])


def _free_ports() -> tuple[int, int]:
    with socket.socket() as first, socket.socket() as second:
        for probe in (first, second):
            probe.bind(("127.0.0.1", 0))
        return first.getsockname()[1], second.getsockname()[1]

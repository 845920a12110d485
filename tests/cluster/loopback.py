"""Daemons of a cluster in the foreground on loopback, ended by their own process ids."""

from __future__ import annotations

import contextlib
import getpass
import os
import secrets
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from helpers import IMGPIPE

SLURM_TOOLS = ("slurmctld", "slurmd", "munged", "sbatch", "squeue", "sinfo")
SSH_TOOLS = ("sshd", "ssh", "ssh-keygen")

_SLURM_CONF = """\
ClusterName=imgpipe
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller}
SlurmdPort={node}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket,cred_expire=5
CredType=cred/munge
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
ProctrackType=proctrack/pgid
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
MpiDefault=none
SwitchType=switch/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerParameters=sched_interval=1,bf_interval=1,sched_min_interval=0
SlurmdParameters=config_overrides
NodeName={host} NodeAddr=127.0.0.1 CPUs=2 RealMemory=4000
PartitionName=main Nodes={host} Default=YES MaxTime=INFINITE State=UP
"""
"""Both daemons bind to 127.0.0.1 only. A requeued job waits until its old credential has expired."""

_SSHD_CONFIG = """\
Port {port}
ListenAddress 127.0.0.1
ListenAddress 127.0.0.2
HostKey {folder}/host
AuthorizedKeysFile {folder}/client.pub
PidFile {folder}/sshd.pid
UsePAM no
StrictModes no
PasswordAuthentication no
PermitRootLogin prohibit-password
MaxStartups 100
SetEnv {environment}
"""

_SSH_CONFIG = """\
Host one
    HostName 127.0.0.1
Host two
    HostName 127.0.0.2
Host *
    Port {port}
    User {user}
    IdentityFile {folder}/client
    IdentitiesOnly yes
    UserKnownHostsFile {folder}/known
    StrictHostKeyChecking accept-new
    LogLevel ERROR
"""


def tool(name: str) -> str | None:
    """The path of a program, also of one that the PATH of people has not; None where it is not installed."""
    return shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/sbin")


def free_ports(count: int, addresses: tuple[str, ...] = ("127.0.0.1",)) -> list[int]:
    """Ports that nobody listens on just now, at none of the addresses."""
    with contextlib.ExitStack() as stack:
        found = []
        while len(found) < count:
            first = stack.enter_context(socket.create_server((addresses[0], 0)))
            port = first.getsockname()[1]
            with contextlib.suppress(OSError):
                for address in addresses[1:]:
                    stack.enter_context(socket.create_server((address, port)))
                found.append(port)
        return found


def wait_until(ready: Callable[[], bool], what: str, seconds: float = 30) -> None:
    """Ask until it is so."""
    deadline = time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < deadline, f"{what}: not within {seconds} s"
        time.sleep(0.05)


@contextlib.contextmanager
def daemon(folder: Path, *command: str, env: Mapping[str, str] | None = None) -> Iterator[subprocess.Popen]:
    """Run it in the foreground; what it says is in a file of `folder`."""
    name, *args = command
    with open(folder / f"{name}.out", "wb") as said:
        # sshd wants to be called by its whole path.
        process = subprocess.Popen(
            [tool(name), *args],
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def output_of(*command: str, env: Mapping[str, str]) -> str:
    """What a short command prints, whatever its status."""
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=30, check=False)
    return done.stdout.strip()


@contextlib.contextmanager
def slurm(folder: Path) -> Iterator[dict[str, str]]:
    """A cluster of one node with two cores; yields the environment that its commands take."""
    host, user = socket.gethostname().partition(".")[0], getpass.getuser()
    controller, node = free_ports(2)
    for name in ("state", "spool"):
        (folder / name).mkdir()
    values = {"host": host, "user": user, "controller": controller, "node": node, "folder": folder}
    (folder / "slurm.conf").write_text(_SLURM_CONF.format(**values))
    key = folder / "munge.key"
    key.touch(0o600)
    key.write_bytes(secrets.token_bytes(128))
    files = [f"--{name}-file={folder}/munge.{name}" for name in ("key", "log", "pid", "seed")]
    munged = ["munged", "--foreground", "--force", f"--socket={folder}/munge.socket", *files]
    own = {"SLURM_CONF": f"{folder}/slurm.conf"}
    env = {**os.environ, **own}
    with contextlib.ExitStack() as stack:
        stack.enter_context(daemon(folder, *munged))
        wait_until((folder / "munge.socket").exists, "munged")
        stack.enter_context(daemon(folder, "slurmctld", "-D", "-i", "-L", f"{folder}/ctld.log", env=env))
        stack.enter_context(daemon(folder, "slurmd", "-D", "-N", host, "-L", f"{folder}/slurmd.log", env=env))
        wait_until(lambda: output_of("sinfo", "-h", "-o", "%T", env=env) == "idle", "Slurm")
        try:
            yield own
        finally:
            # The tests of a failed assertion leave their jobs; the processes of those end here.
            output_of("scancel", "--user", user, env=env)
            wait_until(lambda: not output_of("squeue", "-h", env=env), "scancel")


@contextlib.contextmanager
def sshd(folder: Path, environment: Mapping[str, str]) -> Iterator[dict[str, str]]:
    """A server on 127.0.0.1 and 127.0.0.2, called one and two; yields what makes parallel connect there.

    Args:
        folder: For keys, configurations and what the server says.
        environment: What commands find there, beside imgpipe on their PATH.
    """
    for name in ("host", "client"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / name], check=True)
    if os.getuid() == 0:
        # Debian's package leaves it to the service to make; sshd insists on it.
        os.makedirs("/run/sshd", mode=0o755, exist_ok=True)
    (port,) = free_ports(1, ("127.0.0.1", "127.0.0.2"))
    path = f"{Path(IMGPIPE).parent}:{os.environ['PATH']}"
    pairs = " ".join(f'"{name}={value}"' for name, value in {**environment, "PATH": path}.items())
    values = {"port": port, "folder": folder, "user": getpass.getuser(), "environment": pairs}
    (folder / "sshd_config").write_text(_SSHD_CONFIG.format(**values))
    (folder / "ssh_config").write_text(_SSH_CONFIG.format(**values))
    client = f"ssh -F {folder}/ssh_config"
    with daemon(folder, "sshd", "-D", "-e", "-f", str(folder / "sshd_config")) as server:

        def answers() -> bool:
            assert server.poll() is None, (folder / "sshd.out").read_text()
            said = [output_of(*client.split(), host, "echo here", env=os.environ) for host in ("one", "two")]
            return said == ["here", "here"]

        wait_until(answers, "sshd")
        yield {"PARALLEL_SSH": client}

"""Where one agent keeps everything: one data root, shown by `ringrift-agent paths`.

With `--home DIR` (or `RINGRIFT_HOME`) all of it is in that one folder, keys included. Without, the
folders of the XDG base directory specification (or the platform's own) are used.
"""

import contextlib
import dataclasses
import fcntl
import hashlib
import os
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

import platformdirs

_socket_path_bytes_max = 100  # sockaddr_un holds 104 (macOS) or 108 (Linux) with the closing zero
network_file_systems = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "fuse.sshfs", "fuse.glusterfs"}
)


class HomeError(RuntimeError):
    """The home cannot be used; the message says why and what to do."""


class AlreadyRunning(HomeError):
    """Another agent has this home."""


@dataclasses.dataclass(frozen=True, slots=True)
class Home:
    """The folders of one agent."""

    config: Path
    """Keys, certificates and settings; what must be backed up."""
    data: Path
    """The record store, and the running agent's lock and socket."""

    @classmethod
    def find(cls, folder: str | None) -> "Home":
        """Return the home at `folder`, or at `RINGRIFT_HOME`, or the user's default one.

        Raises `HomeError` if `~` stands for nobody's folder.
        """
        chosen = folder or os.environ.get("RINGRIFT_HOME")
        if chosen:
            try:
                root = Path(chosen).expanduser().absolute()
            except RuntimeError:
                raise HomeError(f"there is no folder {chosen}: no such user") from None
            return cls(config=root, data=root)
        directories = platformdirs.PlatformDirs("ringrift-agent", appauthor=False)
        return cls(config=directories.user_config_path, data=directories.user_data_path)

    @property
    def settings(self) -> Path:
        """What the operator has decided for this box; see `docs/settings.md`."""
        return self.config / "settings.toml"

    @property
    def store(self) -> Path:
        """The record store's database."""
        return self.data / "records.db"

    @property
    def lock(self) -> Path:
        """The file whose kernel lock says that an agent runs here."""
        return self.data / "agent.lock"

    @property
    def socket(self) -> Path:
        """The Unix socket on which the running agent answers its operator.

        Beside the records, because a session's own folder (`XDG_RUNTIME_DIR`) is removed when the
        user logs out and unknown to cron. Only where that path is too long, in /tmp.
        """
        wanted = self.data / "agent.sock"
        if len(os.fsencode(wanted)) <= _socket_path_bytes_max:
            return wanted
        name = hashlib.sha256(os.fsencode(self.data)).hexdigest()[:16]
        # Not `TMPDIR`: it differs between a login, a service and cron.
        return Path("/tmp") / f"ringrift-{os.getuid()}" / f"{name}.sock"

    def prepare(self) -> None:
        """Create what is missing, private to the user. Raises `HomeError`."""
        for folder in (self.config, self.data, self.socket.parent):
            _make_private(folder)
        _refuse_network_file_system(self.data)

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the home for this process. Raises `AlreadyRunning` or another `HomeError`.

        The kernel frees the lock when the process ends, however it ends: there is no stale lock.
        """
        with contextlib.ExitStack() as opened:
            try:
                file = opened.enter_context(self.lock.open("w"))
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise AlreadyRunning(
                    f"an agent already runs with the home {self.data}; "
                    "use another --home for a second one on this box"
                ) from None
            except OSError as error:
                raise HomeError(f"cannot lock {self.lock}: {error.strerror}") from None
            yield


def _make_private(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = folder.stat()
        if found.st_uid != os.getuid():
            raise HomeError(f"the folder {folder} belongs to another user; choose another --home")
        if stat.S_IMODE(found.st_mode) & 0o077:
            if any(folder.iterdir()):
                raise HomeError(
                    f"the folder {folder} is open to other users; "
                    f"make it private: chmod 700 {folder}"
                )
            folder.chmod(0o700)
    except FileExistsError:
        raise HomeError(f"{folder} is a file, not a folder; choose another --home") from None
    except OSError as error:
        raise HomeError(f"cannot use the folder {folder}: {error.strerror}") from None


def _refuse_network_file_system(folder: Path) -> None:
    kind = file_system(folder)
    if kind in network_file_systems:
        raise HomeError(
            f"{folder} is on a network file system ({kind}), where the record store cannot be "
            "kept safely; choose a --home on a local disk"
        )


def is_read_only(folder: Path) -> bool:
    """Return whether the file system that holds `folder`, which exists, is mounted read-only."""
    return bool(os.statvfs(folder).f_flag & os.ST_RDONLY)


def file_system(folder: Path) -> str | None:
    """Return the type of the file system that holds `folder`, where the kernel tells (Linux)."""
    if not sys.platform.startswith("linux"):
        return None
    best, kind = "", None
    target = f"{folder.resolve()}/"
    try:
        mounts = Path("/proc/self/mountinfo").read_text(errors="surrogateescape")
    except OSError:
        return None  # some sandboxes have no /proc
    for line in mounts.split("\n")[:-1]:
        before, _, after = line.partition(" - ")
        mount = before.split()[4].replace("\\040", " ")
        if target.startswith(mount.rstrip("/") + "/") and len(mount) >= len(best):
            best, kind = mount, after.split()[0]
    return kind

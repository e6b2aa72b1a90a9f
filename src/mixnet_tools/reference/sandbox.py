"""Take rights away from this process: no written files, no new programs, no connections, bounded memory. Linux.

A model file is data, but frameworks run the operations that it names. The operations are checked before
(:mod:`mixnet_tools.reference.operations`); these limits hold where a check has a hole. They need no privileges and no
package: ``setrlimit``, Landlock (kernel 5.13 and newer, https://docs.kernel.org/userspace-api/landlock.html) and a
seccomp filter. What a kernel does not offer is left out, and said.
"""

from __future__ import annotations

import ctypes
import os
import platform
import struct
from collections.abc import Iterable
from pathlib import Path

_PR_SET_PDEATHSIG, _PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP = 1, 38, 22
_SIGKILL = 9

# Landlock: include/uapi/linux/landlock.h. The system calls have these numbers on every architecture.
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_VERSION_ONLY = 1
_RULE_PATH_BENEATH = 1
_READ_FILE, _READ_DIR = 1 << 2, 1 << 3
_FILE_RIGHTS_BY_ABI = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 4: (1 << 15) - 1}
_NEWEST_FILE_RIGHTS = (1 << 16) - 1
_TCP_BIND_AND_CONNECT = 3
_SOCKETS_AND_SIGNALS = 3  # of processes outside, since ABI 6

# seccomp: architecture -> (its AUDIT_ARCH value, numbers of clone, clone3, and of the calls that are refused outright).
# include/uapi/linux/audit.h and the tables of system calls. In the order of the lines: fork, vfork, execve, execveat,
# socket, io_uring_setup; kill, tkill, rt_sigqueueinfo, pidfd_send_signal; and what Landlock does not see: chmod, chown,
# utime and setxattr in all their forms.
_SYSTEM_CALLS = {
    "x86_64": (0xC000003E, 56, 435, (
        57, 58, 59, 322, 41, 425,
        62, 200, 129, 424,
        90, 91, 268, 452, 92, 93, 94, 260, 132, 235, 261, 280, 188, 189, 190, 463, 197, 198, 199, 466,
    )),
    "aarch64": (0xC00000B7, 220, 435, (
        221, 281, 198, 425,
        129, 130, 138, 424,
        52, 53, 452, 54, 55, 88, 5, 6, 7, 463, 14, 15, 16, 466,
    )),
}  # fmt: skip
_CLONE_THREAD = 0x00010000
_ALLOW, _REFUSE, _UNKNOWN_CALL = 0x7FFF0000, 0x00050001, 0x00050026  # SECCOMP_RET_ERRNO | EPERM, | ENOSYS


_LIBRARIES, _COMPUTING, _COPIES = 4 << 30, 4 << 30, 8


def die_with_parent() -> None:
    """End this process when the one that started it ends."""
    if platform.system() == "Linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, _SIGKILL, 0, 0, 0)


def restrict(readable: Iterable[Path], memory: int, growth: int = 0) -> tuple[str, ...]:
    """Leave this process the right to compute, and to read what lies at or below ``readable``.

    ``memory`` bounds the address space, in bytes. ``growth`` is how many bytes a file may grow to that is open for
    writing already, or that lies in memory: Landlock lets no other be opened.

    Call it while no other thread runs: Landlock and seccomp bind the calling thread and those that it starts. Returns
    what is in force, a line each.
    """
    in_force = [*_limits(memory, growth)]
    if platform.system() != "Linux":
        return tuple(in_force)
    library = ctypes.CDLL(None, use_errno=True)
    library.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    in_force += _landlock(library, readable)
    in_force += _seccomp(library)
    return tuple(in_force)


def address_space(model: int) -> int:
    """How many bytes of address space a model of ``model`` bytes may take, on this machine.

    Libraries and the reserves of threads take some GiB that are never used. A model is there several times while it is
    loaded, and no more memory is of use than the machine has.
    """
    try:
        machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # AttributeError: Windows
        return _LIBRARIES + _COMPUTING + _COPIES * model
    return _LIBRARIES + min(machine, _COMPUTING + _COPIES * model)


def _limits(memory: int, growth: int) -> Iterable[str]:
    try:
        import resource
    except ImportError:  # Windows
        return
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (growth, growth))
    yield "no file grows (RLIMIT_FSIZE)" if growth == 0 else f"no file grows beyond {growth >> 20} MiB (RLIMIT_FSIZE)"
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    bound = memory if hard == resource.RLIM_INFINITY else min(memory, hard)
    try:
        resource.setrlimit(resource.RLIMIT_AS, (bound, bound))
    except (ValueError, OSError):  # macOS reserves more than that for any process, and takes no such bound
        return
    yield f"{bound >> 20} MiB of address space (RLIMIT_AS)"


def _landlock(library: ctypes.CDLL, readable: Iterable[Path]) -> Iterable[str]:
    abi = library.syscall(_CREATE_RULESET, None, 0, _VERSION_ONLY)
    if abi < 1:
        return
    handled = _FILE_RIGHTS_BY_ABI.get(abi, _NEWEST_FILE_RIGHTS)
    attributes = struct.pack("=QQQ", handled, _TCP_BIND_AND_CONNECT, _SOCKETS_AND_SIGNALS)
    attributes = attributes[: 24 if abi >= 6 else 16 if abi >= 4 else 8]
    ruleset = library.syscall(_CREATE_RULESET, attributes, len(attributes), 0)
    if ruleset < 0:
        return
    try:
        for path in readable:
            _allow_reading(library, ruleset, path)
        if library.syscall(_RESTRICT_SELF, ruleset, 0) != 0:
            return
    finally:
        os.close(ruleset)
    yield f"reads the model and libraries, writes nothing (Landlock ABI {abi})"
    if abi >= 4:
        yield f"no TCP connections (Landlock ABI {abi})"
    if abi >= 6:
        yield f"no signals to other processes (Landlock ABI {abi})"


def _allow_reading(library: ctypes.CDLL, ruleset: int, path: Path) -> None:
    try:
        place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return  # what is not there needs no right
    try:
        rights = _READ_FILE | _READ_DIR if path.is_dir() else _READ_FILE
        library.syscall(_ADD_RULE, ruleset, _RULE_PATH_BENEATH, struct.pack("=Qi", rights, place), 0)
    finally:
        os.close(place)


def _seccomp(library: ctypes.CDLL) -> Iterable[str]:
    """Threads may be made, processes, programs and sockets not."""
    if platform.machine() not in _SYSTEM_CALLS:
        return
    architecture, clone, clone3, refused = _SYSTEM_CALLS[platform.machine()]
    load_architecture, load_call, load_flags = (0x20, 0, 0, 4), (0x20, 0, 0, 0), (0x20, 0, 0, 16)
    # Each test is (code, jump if true, jump if false, value); jumps count instructions to skip.
    tests = [*refused, clone3, clone]
    program = [load_architecture, (0x15, 1, 0, architecture), (0x06, 0, 0, _ALLOW), load_call]
    ends = 3  # after the tests: allow, refuse, unknown call, and the look at clone's flags
    for index, call in enumerate(tests):
        left = len(tests) - index - 1
        target = left + {clone3: 2, clone: ends}.get(call, 1)
        program.append((0x15, target, 0, call))
    program += [(0x06, 0, 0, _ALLOW), (0x06, 0, 0, _REFUSE), (0x06, 0, 0, _UNKNOWN_CALL)]
    program += [load_flags, (0x45, 0, 1, _CLONE_THREAD), (0x06, 0, 0, _ALLOW), (0x06, 0, 0, _REFUSE)]
    code = b"".join(struct.pack("=HBBI", *instruction) for instruction in program)
    buffer = ctypes.create_string_buffer(code, len(code))
    header = struct.pack("@HP", len(program), ctypes.addressof(buffer))
    if library.prctl(_PR_SET_SECCOMP, 2, ctypes.c_char_p(header), 0, 0) == 0:
        yield "no new processes, programs, sockets or signals, no changed modes of files (seccomp)"

#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""Kills whoever writes a user's own \\Seen, and whoever writes the dictionary of who shares with whom, at every system
call that changes the disk, and makes each fail.  What was said to be durable is there, what others wrote is there, and
the next one goes on at once.  Needs strace.  TAP."""
import os, shutil, subprocess, sys, tempfile

BUILD = os.path.abspath(os.environ.get("top_builddir", "."))
WRITER = f"{BUILD}/t/crash/shared_writer"
root = tempfile.mkdtemp(prefix="shared_files_")
CALLS = [(c, "signal=KILL") for c in ("openat", "openat2", "write", "fsync", "renameat", "unlinkat", "fchmod")] + \
        [(c, "error=ENOSPC") for c in ("write", "renameat")] + [("fsync", "error=EIO")]
SEEN = "origin-guid.seen"
OTHERS = ["some/key", "value", "shared/shared-boxes/user/x/eve", "1", "shared/shared-boxes/anyone/fay", "1"]


def run(*args, wrap=()):
    p = subprocess.run([*wrap, WRITER, *args], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=60, text=True)
    return p.stdout.split(), p.returncode


def points(make, args, check, call, how):
    """The Nth such call is killed or fails, until it is not reached."""
    n = 0
    for when in range(1, 100):
        shutil.rmtree(f"{root}/d", ignore_errors=True)
        os.mkdir(f"{root}/d")
        make()
        said, _ = run(*args, wrap=("strace", "-f", "-qq", "-o", f"{root}/trace", "-e", "trace=" + call, "-e", f"inject={call}:{how}:when={when}"))
        trace = open(f"{root}/trace").read()
        if "INJECTED" not in trace and "killed by SIGKILL" not in trace:
            return n
        n += 1
        check(said)
    return n


# ---------------------------------------------------------------- \Seen: a line each, and written anew after many

def sets():
    have = set()
    lines = open(f"{root}/d/{SEEN}").read().split("\n")
    assert lines[0] == "postern-seen 1 7", lines[0]
    for line in lines[1:-1]:                       # the last one has no end, or is empty
        for one in line[1:].split(",") if line[0] in "+-" else ():
            first, _, last = one.partition(":")
            some = set(range(int(first), int(last or first) + 1))
            have = have | some if line[0] == "+" else have - some
    return have


def seen_make():
    with open(f"{root}/d/{SEEN}", "w") as f:
        f.write("postern-seen 1 7\n+1:10\n-5\n" + "+11\n" * 195)


def seen_check(said):
    have, old = sets(), set(range(1, 12)) - {5}
    told = {int(x) for x in said}
    assert old | told <= have, ("lost", said, sorted(have))
    assert have <= old | set(range(20, 26)) and len(have - old - told) <= 1, ("from nowhere", said, sorted(have))
    again, status = run("seen", f"{root}/d", "30", "31")
    assert status == 0 and again == ["30", "31"], again
    assert sets() == have | {30, 31} and os.listdir(f"{root}/d").count(SEEN + ".lock") == 0, sorted(sets())


# ---------------------------------------------------------------- the dictionary

def dict_make():
    with open(f"{root}/d/shared", "w") as f:
        f.write("\n".join(OTHERS) + "\nshared/shared-boxes/user/gone/al\n1\n")
    for name in ("new", "cur", "tmp"):
        os.makedirs(f"{root}/d/mail/{name}")
    with open(f"{root}/d/mail/dovecot-acl", "w") as f:
        f.write("user=bob lr\ngroup=staff lr\n")


def pairs():
    lines = open(f"{root}/d/shared").read().split("\n")
    assert lines.pop() == "" and len(lines) % 2 == 0, lines
    assert lines[:len(OTHERS)] == OTHERS, lines
    return sorted(lines[len(OTHERS)::2])


BEFORE = ["shared/shared-boxes/user/gone/al"]
AFTER = ["shared/shared-boxes/group/staff/al", "shared/shared-boxes/user/bob/al"]


def dict_check(said):
    have = pairs()
    assert have == AFTER if said else have in (BEFORE, AFTER), (said, have)
    assert run("dict", f"{root}/d", f"{root}/d/mail") == (["done"], 0)
    assert pairs() == AFTER and not [f for f in os.listdir(f"{root}/d") if f.endswith((".lock", ".tmp"))], os.listdir(f"{root}/d")


if not shutil.which("strace"):
    print("1..0 # SKIP no strace")
    sys.exit(0)
bad = n = 0
for title, make, args, check in (("seen", seen_make, ("seen", f"{root}/d", "20", "25"), seen_check),
                                 ("dictionary", dict_make, ("dict", f"{root}/d", f"{root}/d/mail"), dict_check)):
    for call, how in CALLS:
        n += 1
        try:
            met = points(make, args, check, call, how)
            assert met or call in ("openat", "openat2"), "no such call was made: nothing was tried"
            print(f"ok {n} - {title}: {call} {how} at {met} points", flush=True)
        except Exception as e:
            bad += 1
            print(f"not ok {n} - {title}: {call} {how}\n# {type(e).__name__}: {e}"[:1500], flush=True)
print(f"1..{n}")
shutil.rmtree(root, ignore_errors=True)
sys.exit(1 if bad else 0)

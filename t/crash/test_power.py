#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""test_power.py - power cuts under load: what was acknowledged is there, whole

A loop image is shut down by the GOINGDOWN ioctl (no log flush), unmounted, and
mounted again: what the journal does not hold is gone.  CUTS=n, FS=ext4|xfs."""
import fcntl, os, random, shutil, struct, subprocess, sys, tempfile, time

CUTS = int(os.environ.get("CUTS", "8"))
GOINGDOWN = 0x8004587D
writer = os.path.abspath(os.environ.get("top_builddir", ".") + "/t/crash/queue_writer")


def skip(why):
    print("1..0 # SKIP " + why)
    sys.exit(0)


if os.getuid() != 0:
    skip("needs root for a loop device")
if "POWER_ALONE" not in os.environ and shutil.which("unshare"):
    # In a mount namespace of its own: a copy of the mount in somebody else's would keep the dead file system alive.
    os.environ["POWER_ALONE"] = "1"
    os.execvp("unshare", ["unshare", "--mount", "--propagation", "private", sys.executable] + sys.argv)
dir = tempfile.mkdtemp(prefix="postern-power-")
image, point = dir + "/image", dir + "/mnt"
os.mkdir(point)
fs = os.environ.get("FS", "ext4")
with open(image, "wb") as f:
    f.truncate(320 << 20 if fs == "xfs" else 64 << 20)
mkfs = shutil.which("mkfs." + fs, path=os.environ["PATH"] + ":/sbin:/usr/sbin")
if not mkfs or subprocess.run([mkfs, "-q", "-f" if fs == "xfs" else "-F", image], capture_output=True).returncode:
    shutil.rmtree(dir)
    skip("no mkfs." + fs)


def mount():
    return subprocess.run(["mount", "-o", "loop", image, point], capture_output=True).returncode == 0


if not mount():
    shutil.rmtree(dir)
    skip("no loop device")
print("1..%d" % CUTS)
failed = 0
try:
    for n in range(1, CUTS + 1):
        shutil.rmtree(point + "/queue", ignore_errors=True)
        subprocess.run([writer, "check", point + "/queue"], check=True)
        os.sync()
        acks = dir + "/acks"
        with open(acks, "wb") as out:
            p = subprocess.Popen([writer, "write", point + "/queue"], stdout=out)
            while os.path.getsize(acks) == 0 and p.poll() is None:
                time.sleep(0.005)
            time.sleep(random.random() * 0.3)
            fd = os.open(point, os.O_RDONLY)
            # Owed is what was acknowledged before the cut began: during it the kernel fails some calls and not
            # others (seen: fsync and then syncfs succeed on what is gone), which no real machine lives to tell.
            owed = os.path.getsize(acks)
            fcntl.ioctl(fd, GOINGDOWN, struct.pack("I", 2))
            os.close(fd)
            p.kill()
            p.wait()
        subprocess.run(["umount", point], check=True)
        assert mount()
        told = [l for l in open(acks, "rb").read(owed).decode().split("\n") if l]
        c = subprocess.run([writer, "check", point + "/queue"], capture_output=True, text=True)
        there = set(c.stdout.split("\n"))
        lost = [l for l in told if l not in there]
        good = not lost and c.returncode == 0 and told
        failed += not good
        print("%sok %d - %d acknowledged, %d lost" % ("" if good else "not ", n, len(told), len(lost)))
        if not good:
            print("# " + c.stderr[:500].replace("\n", "\n# "), lost[:5])
        sys.stdout.flush()
finally:
    subprocess.run(["umount", point], capture_output=True)
    shutil.rmtree(dir, ignore_errors=True)
sys.exit(1 if failed else 0)

#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""small_commands.py - postlock and postkick"""
import fcntl, os, subprocess, sys
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from instance import *

t = Tap()
with Instance(master="f fifo n - n - - smtpd\nu unix n - n - - smtpd\n", programs={"smtpd": "t/system/echo"}, only=("postlogd",)) as i:
    def run(name, *words):
        return subprocess.run([f"{i.dir}/sbin/{name}", "-c", i.dir + "/etc", *words], capture_output=True, text=True, timeout=90)
    box = i.dir + "/box"
    r = run("postlock", box, "sh", "-c", f"ls {box}.lock; exit 7")
    t.ok(r.returncode == 7 and r.stdout.strip() == box + ".lock", "postlock: the command's status, and a dotlock meanwhile", r)
    t.ok(not os.path.exists(box + ".lock"), "which is gone afterwards")
    probe = f"import fcntl\ntry: fcntl.lockf(open({box!r}, 'a'), fcntl.LOCK_EX | fcntl.LOCK_NB)\nexcept OSError: print('held')"
    r = run("postlock", "-l", "fcntl", box, sys.executable, "-c", probe)
    t.ok(r.stdout == "held\n", "-l fcntl", r)
    t.ok(run("postlock", box).returncode == 64, "usage")
    i.start()
    for service in ("f", "u"):
        before = i.log().count("echo begins")
        r = run("postkick", "public", service, "W")
        t.ok(r.returncode == 0 and wait_for(lambda: i.log().count("echo begins") > before), f"postkick public {service}", r, i.log())
    r = run("postkick", "public", "nobody", "W")
    t.ok(r.returncode == 1 and "cannot trigger" in r.stderr, "postkick: nobody there", r)
    t.ok(run("postkick", "secret", "u", "W").returncode == 1, "usage")
t.end()

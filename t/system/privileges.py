#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""privileges.py - what the kernel allows each program is what its promises say

Each program runs with --probe in its own place: after it has read what it needs, a child closes
itself in as the program would and tries one act.
"""
import os, subprocess, sys
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from instance import *

t = Tap()
port = free_port()
with Instance(main="quota = maildir:User quota\n", master=f"127.0.0.1:{port} inet n - n - - smtpd\n", programs={"smtpd": "t/system/echo"}) as i:
    t.ok(i.start().returncode == 0, "start")
    confined = 0
    for name in sorted(os.listdir(i.dir + "/libexec")):
        if name in ("master", "tables", "smtpd"):
            continue
        about = subprocess.run([f"{i.dir}/libexec/{name}", "--describe"], capture_output=True, text=True, timeout=60)
        if not about.stdout.startswith("@program"):
            continue  # not a program that master starts
        own = ["--", "user=nobody", "argv=/bin/true"] if name in ("pipe", "spawn") else []
        r = subprocess.run([f"{i.dir}/libexec/{name}", "--probe", "-c", i.dir + "/etc", *own], capture_output=True, text=True, timeout=120)
        lines = [l.split("\t") for l in r.stdout.splitlines() if "\t" in l]
        wrong = [l for l in lines if l[1] != "either" and l[1] != l[2]]
        refused = sum(l[2] == "refused" for l in lines)
        if r.returncode == 0 and "not confined" in r.stdout:
            t.ok(True, f"{name} # SKIP {r.stdout.strip()[2:]}")
            continue
        confined += 1
        t.ok(r.returncode == 0 and not wrong and refused >= 20, f"{name}: {refused} of {len(lines)} acts are refused", r.stderr, wrong)
    for pid in i.children():
        with open(f"/proc/{pid}/status") as f:
            status = dict(l.rstrip("\n").split(":\t", 1) for l in f if ":\t" in l)
        if confined and status["Name"] in ("anvil", "postlogd", "dnsd", "dialer"):
            t.ok(status["Seccomp"] == "2" and status["NoNewPrivs"] == "1", f"{status['Name']} runs confined", status)
            if os.getuid() == 0:
                t.ok("0" not in status["Uid"].split() and status["CapEff"].strip("0") == "", f"{status['Name']} is not root", status)
t.end()

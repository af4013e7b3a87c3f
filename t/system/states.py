#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""states.py - how many of Postfix's parameters work here, by postconf -S

Grade A: each works, or is accepted without effect and the note says why.  Grade B: at least 95 % of them.
"""
import collections, os, subprocess, sys
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from instance import *

t = Tap()
with Instance() as i:
    r = subprocess.run([i.dir + "/sbin/postconf", "-c", i.dir + "/etc", "-S"], capture_output=True, text=True, timeout=60)
    rows = [l.split("\t") for l in r.stdout.splitlines()]
    t.ok(len(rows) == 941 and all(len(row) == 4 for row in rows), "a line for each graded parameter", len(rows), r.stderr)
    t.ok({row[2] for row in rows} <= {"works", "nothing", "later", "refused"}, "four states", {row[2] for row in rows})
    mute = [row[0] for row in rows if row[2] == "nothing" and len(row[3]) < 9]
    t.ok(not mute, "what has no effect says why", *mute)
    count = {g: collections.Counter(row[2] for row in rows if row[1] == g) for g in "ABC"}
    for g in "ABC":
        print("# grade", g, dict(count[g]))
    here = lambda row: row[2] in ("works", "nothing")
    missing = [row[0] for row in rows if row[1] == "A" and not here(row)]
    t.ok(not missing, "grade A: all of them", *missing)
    share = sum(map(here, (row for row in rows if row[1] == "B"))) / sum(count["B"].values())
    t.ok(share >= 0.95, f"grade B: {share:.0%} work or need not", *[row[0] for row in rows if row[1] == "B" and not here(row)])
    r = subprocess.run([i.dir + "/sbin/postconf", "-c", i.dir + "/etc", "-S", "biff", "myhostname"], capture_output=True, text=True)
    t.ok([l.split("\t")[:3] for l in r.stdout.splitlines()] == [["biff", "A", "nothing"], ["myhostname", "A", "works"]],
         "postconf -S name ...", r.stdout)
t.end()

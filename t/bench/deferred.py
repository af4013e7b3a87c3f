#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""deferred.py - what a deep deferred queue costs: memory a message, and the time of fresh mail

    top_builddir=. t/bench/deferred.py [COUNT=100000]
"""
import os, sys, time
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "crash"))
from stage import Stage, agent, become_nobody, resolver, wait_for

become_nobody()
count = int(sys.argv[1]) if len(sys.argv) > 1 else 100000


def rss(pid):
    with open(f"/proc/{pid}/smaps_rollup") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("Private_Dirty"))


def cpu(pid):
    with open(f"/proc/{pid}/stat") as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measure(s, n):
    times = []
    for _ in range(n):
        (one,) = s.fill("incoming", 1, "x@example.net")
        begin = time.monotonic()
        s.notice(one)
        wait_for(lambda: not os.path.exists(f"{s.queue}/incoming/{one}") and not os.path.exists(f"{s.queue}/active/{one}"))
        times.append((time.monotonic() - begin) * 1000)
    return sorted(times)


def play(s):
    def deliver(d):
        for r in d.rcpts:
            d.status(r)
        d.done()
    s.play("role/mail/rewrite", resolver(lambda a: ("smtp", "example.net")))
    s.play("private/smtp", agent(deliver))


with Stage() as s:
    play(s)
    s.start()
    measure(s, 5)
    empty, t = rss(s.process.pid), measure(s, 50)
    print(f"empty queue:     {empty} KiB private, fresh mail {t[len(t) // 2]:.1f} ms (median of 50)")
    s.kill()
    begin = time.monotonic()
    s.fill("deferred", count, "late%d@example.net", due=86400)
    print(f"filled with {count} deferred messages in {time.monotonic() - begin:.0f} s")
    s.start()
    began = time.monotonic()
    t = measure(s, 20)
    print(f"while it starts: fresh mail {t[len(t) // 2]:.1f} ms, worst {t[-1]:.1f} ms")
    last = [0.0]

    def quiet():
        time.sleep(0.3)
        before, last[0] = last[0], cpu(s.process.pid)
        return last[0] - before < 0.02
    wait_for(quiet, 120)
    full, t = rss(s.process.pid), measure(s, 50)
    print(f"deep queue:      {full} KiB private, fresh mail {t[len(t) // 2]:.1f} ms (median of 50), "
          f"walked in {cpu(s.process.pid):.2f} s of CPU")
    print(f"memory:          {(full - empty) * 1024 / count:.0f} bytes a deferred message")

#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""test_load.py - ten clients of cleanup at once, and cleanup killed under them: what was committed is there, once"""
import os, signal, sys, threading
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from programs import *

tap = Tap()
h = House()
h.start("rewrite", "private/rewrite")
h.start("cleanup", "public/cleanup")
CLIENTS, EACH = 10, int(os.environ.get("EACH", "30"))
committed, tried, lock = {}, [0], threading.Lock()
stop = threading.Event()


def client(n):
    talk, k = None, 0
    while k < EACH:
        token = b"%d-%d" % (n, k)
        try:
            if talk is None:
                talk = Talk(h.queue + "/public/cleanup")
            ident, (verb, fields) = submit(talk, b"Subject: " + token + b"\r\n\r\n" + b"x" * 3000 + b"\r\n", ["u@example.net"])
        except (OSError, ValueError):
            verb, talk = None, None
        with lock:
            tried[0] += 1
            if verb == "committed":
                committed[ident] = token
        if verb is None:
            time.sleep(0.01)
            continue
        k += 1


def run(disturb):
    threads = [threading.Thread(target=client, args=(n,)) for n in range(CLIENTS)]
    begin = time.time()
    for t in threads:
        t.start()
    while disturb and any(t.is_alive() for t in threads):
        time.sleep(0.1)
        h.stop("cleanup")
        h.start("cleanup", "public/cleanup")
    for t in threads:
        t.join()
    return time.time() - begin


def account(name):
    there = {f: read_message(h.queue + "/incoming/" + f)[2].split(b"\r\n")[0][9:] for f in h.messages("incoming")}
    tap.ok(all(there.get(i) == t for i, t in committed.items()), "%s: all %d that were committed are there, under their ids" % (name, len(committed)))
    return there


seconds = run(False)
print("# %.0f messages a second, with Python at the other end" % (len(committed) / seconds))
there = account("undisturbed")
tap.ok(len(there) == len(committed) == CLIENTS * EACH, "and no other", (len(there), len(committed)))
run(True)
there = account("cleanup killed again and again")
tap.ok(len(there) - len(committed) <= CLIENTS * 100, "at most a few more, whose answer was lost", (len(there), len(committed)))
h.stop("cleanup")
tap.ok(len(set(h.messages("incoming"))) == len(there), "ids are different")
h.end()
tap.done()

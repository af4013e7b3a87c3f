#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""proxymap.py - proxymap answers for the tables that the configuration names, and for no other

Plays master: descriptors 3 (status), 4 (log), 5 (listener) as lib/service/service.h says.
"""
import os, shutil, socket, struct, subprocess, sys, tempfile

top = os.environ.get("top_builddir", ".")
d = tempfile.mkdtemp()
os.chmod(d, 0o755)
os.makedirs(d + "/queue")
owner = "map_owner = nobody\nauth_owner = nobody\n" if os.getuid() == 0 else ""
with open(d + "/main.cf", "w") as f:
    f.write(f"data_directory = {d}/data\nqueue_directory = {d}/queue\n{owner}"
            f"virtual_alias_maps = proxy:hash:{d}/v\nrelay_recipient_maps = proxy:regexp:{d}/none\n"
            f"mine = proxy:texthash:{d}/v\n")
open(d + "/master.cf", "w").close()
with open(d + "/v", "w") as f:
    f.write("a@b c\n")

listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
listener.bind(d + "/sock")
os.chmod(d + "/sock", 0o666)
listener.listen(5)
status, status_end = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
log, log_end = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)


def give_descriptors():
    for i, s in enumerate([status_end, log_end, listener]):
        os.dup2(s.fileno(), 50 + i)
    for i in range(3):
        os.dup2(50 + i, 3 + i)


program = subprocess.Popen([top + "/guard/proxymap", "-n", "proxymap", "-t", "unix", "-c", d, "-s", "private/proxymap",
                            "-m", "10", "-k", "10"], preexec_fn=give_descriptors, close_fds=False)
status_end.close()
number = failed = 0


def ok(good, title):
    global number, failed
    number += 1
    failed += not good
    print(("ok" if good else "not ok"), number, "-", title, flush=True)


def frame(verb, **fields):
    return verb + b"\0" + b"".join(k.encode() + b"\0" + struct.pack(">I", len(v)) + v.encode() for k, v in fields.items())


try:
    status.settimeout(20)
    ok(status.recv(1000).startswith(b"ready"), "proxymap is ready")
    client = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    client.settimeout(20)
    client.connect(d + "/sock")
    for table, key, verb, holds in (
            (f"hash:{d}/v", "A@b", b"found", b"c"), (f"hash:{d}/v", "x", b"missing", b""),
            ("unix:passwd.byname", "root", b"found", b"root:x:0:0:"), ("unix:passwd.byname", "no such", b"missing", b""),
            ("hash:/etc/shadow", "x", b"refused", b"not configured for table"),
            (f"texthash:{d}/v", "a@b", b"refused", b"not configured for table"), (f"regexp:{d}/none", "x", b"failed", b"No such file")):
        client.send(frame(b"find", table=table, key=key))
        answer = client.recv(70000)
        ok(answer.startswith(verb + b"\0") and holds in answer, f"{table.split('/')[0]} {key}: {verb.decode()}")
    client.send(frame(b"drop", table="x"))
    ok(client.recv(1000) == b"", "another verb ends the conversation")
    status.close()
    ok(program.wait(20) == 0, "it ends with its master")
finally:
    program.kill()
    shutil.rmtree(d)
print(f"1..{number}")
sys.exit(1 if failed else 0)

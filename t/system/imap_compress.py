#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""imap_compress.py - COMPRESS=DEFLATE (RFC 4978): both ways, in pieces of any size, refused twice.  TAP."""
import os, re, shutil, subprocess, sys, tempfile, zlib

BUILD = os.path.abspath(os.environ.get("top_builddir", "."))
root = tempfile.mkdtemp(prefix="imap_compress_")
n, failed = 0, 0


def ok(good, name):
    global n, failed
    n += 1
    failed += not good
    print(f"{'ok' if good else 'not ok'} {n} - {name}")


class Client:
    def __init__(self):
        self.p = subprocess.Popen([BUILD + "/t/system/imapd_stdio", "maildir:" + root + "/m"], stdin=subprocess.PIPE,
                                  stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, bufsize=0)
        self.have, self.out, self.back, self.wire = b"", None, None, 0

    def line(self):
        while b"\r\n" not in self.have:
            data = os.read(self.p.stdout.fileno(), 65536)
            if not data:
                return "gone"
            self.wire += len(data)
            self.have += self.back.decompress(data) if self.back else data
        line, self.have = self.have.split(b"\r\n", 1)
        return line.decode()

    def send(self, text, piece=10 ** 9):
        data = text.encode()
        if self.out:
            data = self.out.compress(data) + self.out.flush(zlib.Z_SYNC_FLUSH)
        for i in range(0, len(data), piece):
            self.p.stdin.write(data[i:i + piece])

    def ask(self, command, piece=10 ** 9):
        self.send("t " + command + "\r\n", piece)
        lines = []
        while not lines or not (lines[-1].startswith("t ") or lines[-1] == "gone"):
            lines.append(self.line())
        return lines


c = Client()
ok("COMPRESS=DEFLATE" in c.line(), "it is announced")
ok(c.ask("COMPRESS NOSUCH")[-1].startswith("t BAD"), "an unknown mechanism is refused")
ok(c.ask("COMPRESS DEFLATE")[-1].startswith("t OK"), "the answer comes plain")
c.out, c.back = zlib.compressobj(wbits=-15), zlib.decompressobj(wbits=-15)
ok("COMPRESS" not in c.ask("CAPABILITY")[0], "it is not announced once it is on")
ok(c.ask("COMPRESS DEFLATE")[-1].startswith("t NO [COMPRESSIONACTIVE]"), "twice is refused")
body = "Subject: x\r\n\r\n" + "the same line again and again\r\n" * 20000
ok(c.ask("APPEND INBOX {%d+}\r\n%s" % (len(body), body))[-1].startswith("t OK"), "a large message, well compressed, arrives whole")
c.ask("SELECT INBOX")
before = c.wire
lines = c.ask("FETCH 1 (RFC822.SIZE BODY.PEEK[])")
ok(f"RFC822.SIZE {len(body)} " in lines[0] and lines[-3] == "the same line again and again" and lines[-2] == ")", "and comes back")
ok(c.wire - before < len(body) // 20, "in few bytes")
ok(c.ask("NOOP", 1)[-1].startswith("t OK"), "byte by byte")
c.send("".join(f"p{i} NOOP\r\n" for i in range(3000)))
ok([c.line()[:6].split()[0] for _ in range(3000)] == [f"p{i}" for i in range(3000)], "3000 commands in one piece")
c.send("t IDLE\r\n")
ok(c.line().startswith("+"), "IDLE waits")
c.send("DONE\r\n")
ok(c.line().startswith("t OK"), "and ends")
c.p.stdin.write(b"\xff" * 100)
ok(c.line() == "gone", "what is no deflate ends the session")
print(f"1..{n}")
c.p.stdin.close()
c.p.wait()
shutil.rmtree(root, ignore_errors=True)
sys.exit(1 if failed else 0)

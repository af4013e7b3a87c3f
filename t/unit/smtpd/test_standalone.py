#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""test_standalone.py - sendmail -bs: smtpd on standard input, into maildrop while nothing runs but the logger"""
import glob, os, subprocess, sys

sys.path.insert(0, os.environ["top_srcdir"] + "/t/system")
from instance import Instance, Tap

t = Tap()
with Instance(main="mydestination = mail.example.net\nlocal_recipient_maps =\n",
              master="postlog unix-dgram n - n - 1 postlogd\n") as i:
    t.ok(i.start().returncode == 0, "the logger runs")
    for end in ("\n", "\r\n"):
        said = end.join(["EHLO x", "MAIL FROM:<a@example.net>", "RCPT TO:<user@mail.example.net>", "DATA",
                         "Subject: hi", "", "..", "text", ".", "QUIT", ""])
        r = subprocess.run([f"{i.dir}/sbin/sendmail", "-C", f"{i.dir}/etc", "-bs"], input=said.encode(), capture_output=True)
        heard = r.stdout.decode()
        t.ok("250 2.0.0 Ok: queued as" in heard and heard.endswith("221 2.0.0 Bye\r\n"), f"a dialogue with lines that end with {end!r}",
             heard, r.stderr.decode())
    files = glob.glob(f"{i.dir}/queue/maildrop/*")
    t.ok(len(files) == 2, "two messages in maildrop")
    for f in files:
        with open(f, "rb") as m:
            content = m.read()
        t.ok(b"Subject: hi\r\n\r\n.\r\ntext\r\n" in content and b"user@mail.example.net" in content, "whole", content)
t.end()

#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""first_mail.py - a message goes in by SMTP and comes out in a Maildir, through every program in its sandbox,
and conf/master.cf as it is shipped starts"""
import glob, os, smtplib, sys, threading
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from instance import *

t = Tap()
top = os.environ.get("top_srcdir") or os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
port = free_port()
master = open(f"{top}/conf/master.cf").read().replace("\nsmtp        inet", f"\n127.0.0.1:{port} inet", 1)
master += "nosuch unix - n n - - pipe\n    flags=F user=no-such-user argv=/bin/true $recipient\n"   # as in stock files
uid, gid = (5000, 5000) if os.getuid() == 0 else (os.getuid(), os.getgid())
with Instance(master=master) as i:
    os.mkdir(i.dir + "/boxes")
    os.chmod(i.dir + "/boxes", 0o777)
    i.configure(f"mydestination =\nvirtual_mailbox_domains = example.net\nvirtual_mailbox_maps = inline:{{u@example.net=u/}}\n"
                f"virtual_mailbox_base = {i.dir}/boxes\nvirtual_uid_maps = static:{uid}\nvirtual_gid_maps = static:{gid}\n"
                f"virtual_minimum_uid = 1\n", master)
    r = i.run("check")
    t.ok(r.returncode == 0, "check", r.stderr)
    t.ok(i.start().returncode == 0, "start")
    s = smtplib.SMTP("127.0.0.1", port, timeout=60)
    s.sendmail("a@example.com", ["u@example.net"], "Subject: first\r\n\r\nhello\r\n.dot\r\n")
    try:
        s.sendmail("a@example.com", ["nobody@example.net"], "Subject: no\r\n\r\n")
        t.ok(False, "an unknown user is refused in the session")
    except smtplib.SMTPRecipientsRefused as e:
        code, text = e.recipients["nobody@example.net"]
        t.ok(code == 550 and b"User unknown in virtual mailbox table" in text, "an unknown user is refused in the session", e)
    s.quit()
    files = wait_for(lambda: glob.glob(f"{i.dir}/boxes/u/new/*"))
    t.ok(len(files or []) == 1, "delivered", i.log())
    if files:
        text = open(files[0]).read()
        t.ok(text.endswith("\n\nhello\n.dot\n") and "Delivered-To: u@example.net\n" in text, "as it was sent", text)
        t.ok(os.stat(files[0]).st_uid == uid, "to its owner")
    t.ok(wait_for(lambda: ": removed" in i.log()), "and the queue is empty", i.log())
    for dead in ("smtpd", "cleanup", "qmgr", "virtual", "trivial-rewrite"):
        pid = wait_for(lambda: i.named(dead)) or []
        t.ok(len(pid) == 1, f"{dead} runs", pid)
        os.kill(pid[0], 9)

    def again():
        try:
            with smtplib.SMTP("127.0.0.1", port, timeout=20) as c:
                c.sendmail("a@example.com", ["u@example.net"], "Subject: again\r\n\r\nhello\r\n")
            return True
        except (smtplib.SMTPException, OSError):
            return False
    t.ok(wait_for(again, 30), "all of them killed: mail is taken again", i.log())
    t.ok(wait_for(lambda: len(glob.glob(f"{i.dir}/boxes/u/new/*")) == 2), "and delivered", i.log())

    # reload loses no connection: four senders, each on one connection, while all processes are replaced
    sent, faults, going = [], [], True

    def send(number):
        try:
            with smtplib.SMTP("127.0.0.1", port, timeout=60) as c:
                k = 0
                while going or k < 20:
                    c.sendmail("a@example.com", ["u@example.net"], f"Subject: load\r\n\r\nload {number}-{k}\r\n")
                    sent.append(f"load {number}-{k}")
                    k += 1
        except (smtplib.SMTPException, OSError) as e:
            faults.append(e)
    senders = [threading.Thread(target=send, args=(n,)) for n in range(4)]
    for s in senders:
        s.start()
    for n in range(5):
        before = i.log().count("reload -- version")
        i.run("reload")
        wait_for(lambda: i.log().count("reload -- version") > before)
        done = len(sent)
        wait_for(lambda: len(sent) > done + 40 or faults, 10)
    going = False
    for s in senders:
        s.join(60)
    t.ok(not faults and len(sent) > 100, f"reload loses no connection: {len(sent)} messages", faults)

    def delivered():
        texts = [open(f).read() for f in glob.glob(f"{i.dir}/boxes/u/new/*")]
        return sorted(x.rstrip().rsplit("\n", 1)[1] for x in texts if "Subject: load" in x)
    t.ok(wait_for(lambda: len(delivered()) >= len(sent), 60) and delivered() == sorted(sent), "and each is delivered once",
         len(delivered()), i.log()[-3000:])
    t.ok(i.run("stop").returncode == 0, "stop")
    t.ok("killed by signal 31" not in i.log(), "no program made a call that its sandbox forbids", i.log())
t.end()

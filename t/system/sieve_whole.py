#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""sieve_whole.py - scripts in the whole system: from SMTP through the queue into folders, on to others, and answers back"""
import glob, os, pwd, smtplib, sys
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from instance import Instance, Tap, free_port, wait_for

PORT = free_port()
t = Tap()
SCRIPTS = {
    "filer": 'require ["fileinto", "mailbox"]; fileinto :create "Lists";',
    "forwarder": 'redirect "keeper@v.example";',
    # two who forward to each other
    "ping": 'redirect "pong@v.example";', "pong": 'redirect "ping@v.example";',
    "away": 'require "vacation"; vacation "I am away.";', "gone": 'require "vacation"; vacation :addresses "gone@v.example" "I am gone.";',
    "picky": 'require "reject"; reject "No, thanks.";', "keeper": "", "sender": "",
}


def main():
    root = os.getuid() == 0
    owner = pwd.getpwnam("nobody") if root else pwd.getpwuid(os.getuid())
    i = Instance()
    try:
        base = f"{i.dir}/mail"
        for user, script in SCRIPTS.items():
            os.makedirs(f"{base}/{user}/Maildir")
            if script:
                with open(f"{base}/{user}/.dovecot.sieve", "w") as f:
                    f.write(script)
        for top, dirs, files in os.walk(base):
            for p in [top] + [f"{top}/{f}" for f in files]:
                os.chown(p, owner.pw_uid, owner.pw_gid)
        maps = ", ".join(f"{u}@v.example={u}/Maildir/" for u in SCRIPTS)
        i.configure(f"mydestination =\nlocal_recipient_maps =\nvirtual_mailbox_domains = v.example\nvirtual_mailbox_base = {base}\n"
                    f"virtual_mailbox_maps = inline:{{ {maps} }}\nvirtual_uid_maps = static:{owner.pw_uid}\n"
                    f"virtual_gid_maps = static:{max(owner.pw_gid, 1)}\nvirtual_minimum_uid = 1\nmynetworks = 127.0.0.0/8\n",
                    f"127.0.0.1:{PORT} inet n - n - - smtpd\npickup unix n - n 60 1 pickup\ncleanup unix n - n - 0 cleanup\n"
                    "qmgr unix n - n 300 1 qmgr\nbounce unix - - n - 0 bounce\ndefer unix - - n - 0 bounce\ntrace unix - - n - 0 bounce\n"
                    "virtual unix - n n - - virtual\nsmtp unix - - n - - smtp\nerror unix - - n - - error\nretry unix - - n - - error\n")
        if not t.ok(i.start().returncode == 0, "the system starts", i.log()):
            return

        def mail(user, folder=""):
            return [open(p, "rb").read().decode() for p in sorted(glob.glob(f"{base}/{user}/Maildir/{folder}new/*"))]

        def send(to, sender="sender@v.example", head=""):
            with smtplib.SMTP("127.0.0.1", PORT, timeout=30) as s:
                s.sendmail(sender, [to], f"From: sender@v.example\r\nTo: {to}\r\nSubject: to {to}\r\nMessage-ID: <{to}>\r\n{head}\r\nhello\r\n")

        def empty():
            return wait_for(lambda: not [f for d in ("incoming", "active", "deferred", "maildrop") for f in
                                         glob.glob(f"{i.dir}/queue/{d}/**", recursive=True) if os.path.isfile(f)])

        send("filer@v.example")
        t.ok(wait_for(lambda: mail("filer", ".Lists/")), "fileinto :create", i.log()[-2000:])
        send("forwarder@v.example")
        got = wait_for(lambda: mail("keeper"))
        t.ok(got and "Delivered-To: forwarder@v.example\n" in got[0] and "X-Sieve-Redirected-From: forwarder@v.example\n" in got[0]
             and "Return-Path: <sender@v.example>\n" in got[0], "redirect, with the sender that it had", got, i.log()[-2000:])
        t.ok(not mail("forwarder"), "and the forwarder has nothing")
        send("ping@v.example")
        got = wait_for(lambda: mail("sender"))
        t.ok(got and "5.4.6" in got[0] and "loop" in got[0], "two who forward to each other: a bounce to the sender", got, i.log()[-2000:])
        send("picky@v.example")
        got = wait_for(lambda: [m for m in mail("sender") if "No, thanks." in m])
        t.ok(got and "5.7.1" in got[0] and "Return-Path: <>" in got[0], "reject: a notice to the sender", got)
        before = len(mail("sender"))
        send("away@v.example")
        got = wait_for(lambda: [m for m in mail("sender") if "I am away." in m])
        t.ok(got and "Return-Path: <>\n" in got[0] and "Auto-Submitted: auto-replied (vacation)\n" in got[0] and "\nDate: " in got[0]
             and "\nMessage-ID: " in got[0].replace("Message-Id", "Message-ID"), "vacation: an answer to the sender", got, i.log()[-2000:])
        t.ok(wait_for(lambda: mail("away")), "who is away has the message")
        send("away@v.example")
        t.ok(wait_for(lambda: len(mail("away")) == 2) and empty() and len(mail("sender")) == before + 1, "a second message is not answered")
        # two who are away write to each other
        send("away@v.example", sender="gone@v.example")
        t.ok(wait_for(lambda: [m for m in mail("gone") if "I am away." in m]) and empty(), "one who is away gets an answer")
        t.ok(len([m for m in mail("away") if "I am gone." in m]) == 0, "and answers no answer")
        send("picky@v.example", sender="")
        t.ok(empty(), "reject of a notice ends nowhere")
        log = i.log()
        t.ok("status=sent (sieve: stored mail into mailbox 'Lists')" in log and "status=sent (sieve: forwarded to <keeper@v.example>)" in log
             and "status=bounced (Rejected by recipient: No, thanks.)" in log, "the log tells it", log[-3000:])
        t.ok("panic" not in log and "killed by signal" not in log, "nothing died")
    finally:
        i.__exit__()
    t.end()


main()

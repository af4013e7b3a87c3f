#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""verify.py - reject_unverified_recipient and reject_unverified_sender: probes, the cache, what is said; sendmail -bv and -v

The servers that are probed are fakes, which see RCPT and QUIT and never DATA.
"""
import os, re, smtplib, sys, time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from instance import *
from fake_smtp import *

t = Tap()
known = {"RCPT": lambda s, a: "550 5.1.1 no such user here" if "nobody" in a else "450 4.2.0 later please" if "later" in a else "250 2.1.5 Ok"}
with FakeServer(known) as f:
    port = free_port()
    master = f"""
127.0.0.1:{port} inet n - n - - smtpd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
smtp unix - - n - - smtp
relay unix - - n - - smtp
local unix - n n - - local
pickup unix n - n 60 1 pickup
"""
    main = f"""
relayhost = [127.0.0.1]:{f.port}
mynetworks = 127.0.0.0/8
mydestination = here.example
local_recipient_maps =
smtpd_recipient_restrictions = reject_unverified_recipient, reject_unverified_sender
smtpd_relay_restrictions = permit_mynetworks, reject
smtpd_error_sleep_time = 0s
unverified_recipient_reject_code = 550
address_verify_poll_delay = 1s
address_verify_poll_count = 10
address_verify_map = btree:{{}}/data/verify_cache
"""
    with Instance(master=master) as i:
        i.configure(main.replace("{}", i.dir), master)
        r = i.start()
        t.ok(r.returncode == 0, "it starts", r.stderr)

        def rcpt(to, sender="friend@example.org"):
            with smtplib.SMTP("127.0.0.1", port, timeout=60) as c:
                c.ehlo("client.example.org")
                c.mail(sender)
                code, text = c.rcpt(to)
                return code, text.decode()

        def probes(address):
            return [s for s in f.sessions if any(address in c for c in s.commands)]

        code, text = rcpt("user@example.com")
        t.ok(code == 250, "who exists is taken", code, text, i.log())
        p = probes("user@example.com")
        t.ok(len(p) == 1 and not any(c.startswith("DATA") for c in p[0].commands), "by a probe that ends before DATA",
             [s.commands for s in f.sessions])
        t.ok(p and any("MAIL FROM:<double-bounce@" in c for c in p[0].commands), "from double-bounce", p and p[0].commands)
        t.ok(wait_for(lambda: p and p[0].commands and p[0].commands[-1] in ("QUIT", "RSET")), "which says good-bye", p and p[0].commands)
        t.ok(re.search(r"to=<user@example.com>, relay=127.0.0.1\[127.0.0.1\]:\d+, .*dsn=2.1.5, status=deliverable \(250 2.1.5 Ok\)", i.log()),
             "status=deliverable is logged", i.log())
        t.ok(not f.messages, "nothing is delivered", f.messages)
        code, text = rcpt("user@example.com")
        t.ok(code == 250 and len(probes("user@example.com")) == 1, "the second time the cache answers", code, text)

        code, text = rcpt("nobody@example.com")
        t.ok(code == 550 and re.match(r"5.1.1 <nobody@example.com>: Recipient address rejected: unverified address: "
                                      r"host 127.0.0.1\[127.0.0.1\] said: 550 5.1.1 no such user here \(in reply to RCPT TO command\)", text),
             "who does not exist is refused, with what his server said", code, text, i.log()[-3000:])
        t.ok(i.logged("status=undeliverable (host 127.0.0.1"), "status=undeliverable is logged")
        t.ok(re.search(r"NOQUEUE: reject: RCPT from .*: 550 5.1.1 <nobody@example.com>: Recipient address rejected: unverified address:", i.log()),
             "and the refusal")
        n = len(probes("nobody@example.com"))
        rcpt("nobody@example.com")
        t.ok(len(probes("nobody@example.com")) == n == 1, "failures are cached")

        code, text = rcpt("later@example.com")
        t.ok(code == 450 and text.startswith("4.1.1 <later@example.com>: Recipient address rejected: unverified address: host"),
             "who is not known now is put off", code, text)
        code, text = rcpt("user@example.com", "nobody@else.example.org")
        t.ok(code == 450 and text.startswith("4.1.7 <nobody@else.example.org>: Sender address rejected: unverified address:"),
             "an unverified sender is put off (450 by default)", code, text)
        code, text = rcpt("user@example.com", "")
        t.ok(code == 250, "the null sender is not looked at", code, text)
        code, text = rcpt("user@example.com", "double-bounce@mail.example.net")
        t.ok(code == 250 and not any("RCPT TO:<double-bounce" in c for s in f.sessions for c in s.commands), "nor is our own probe's", code, text)

        r = i.run("reload")
        t.ok(r.returncode == 0, "reload", r.stderr)
        code, text = rcpt("user@example.com")
        t.ok(code == 250 and len(probes("user@example.com")) == 1, "the cache outlives its process", code, text, i.log()[-2000:])
        i.run("stop")
        t.ok(i.start().returncode == 0, "again")
        code, text = rcpt("user@example.com")
        t.ok(code == 250 and len(probes("user@example.com")) == 1, "and the system's end", code, text)
        t.ok(wait_for(lambda: i.log().count(": removed") >= 4), "probes leave the queue", i.log())

        # a server that is away: the client waits no longer than poll count x delay
        i.configure(main.replace("{}", i.dir).replace("poll_count = 10", "poll_count = 2") + f"""
address_verify_relayhost = [127.0.0.1]:{free_port()}
unverified_recipient_reject_reason = Address lookup failed
unverified_recipient_tempfail_action = defer
address_verify_sender = probe@mail.example.net
""", master)
        i.run("stop")
        i.start()
        code, text = rcpt("other@example.com")
        t.ok(code == 450 and text == "4.1.1 <other@example.com>: Recipient address rejected: Address lookup failed",
             "reject_reason replaces the words, address_verify_relayhost sends probes elsewhere", code, text, i.log()[-2500:])
        t.ok(not probes("other@example.com"), "not to relayhost")
        t.ok(wait_for(lambda: "to=<other@example.com>" in i.log() and "status=undeliverable (" in i.log()), "which is undeliverable, not deferred")
        t.ok(re.search(r"from=<probe@mail.example.net>", i.log()), "address_verify_sender")

        # an address of our own: local is asked, nothing is delivered
        code, text = rcpt("double-bounce@here.example")
        code, text = rcpt("no-such-user-at-all@here.example")
        t.ok(code in (450, 550) and "rejected" in text, "a local address is looked at by local", code, text, i.log()[-2500:])
        t.ok(re.search(r"to=<no-such-user-at-all@here.example>, relay=local, .*status=undeliverable", i.log()), "in its own words")

        # a sender that changes with time, and what comes back to it
        i.configure(main.replace("{}", i.dir).replace("mydestination = ", "mydestination = mail.example.net, ") + "address_verify_sender_ttl = 1h\n", master)
        i.run("stop")
        i.start()
        code, text = rcpt("third@example.com")
        p = probes("third@example.com")
        sender = p and re.search("MAIL FROM:<(double-bounce[0-9a-z]{3,}@mail.example.net)>", str(p[0].commands))
        t.ok(code == 250 and sender, "address_verify_sender_ttl: a sender that changes with time", code, text, p and p[0].commands)
        sender = sender[1] if sender else "x@y"
        code, text = rcpt(sender)
        t.ok(code == 250 and not probes(f"RCPT TO:<{sender}"), "is an address that needs no probe", code, text)
        with smtplib.SMTP("127.0.0.1", port, timeout=60) as c:
            c.sendmail("friend@example.org", [sender], "Subject: back\r\n\r\nx\r\n")
        t.ok(wait_for(lambda: f"to=<{sender}>" in i.log() and "status=sent (undeliverable postmaster notification discarded)" in i.log()),
             "and whose mail is discarded", i.log()[-1500:])

        # sendmail -bv and -v
        i.configure(main.replace("{}", i.dir), master)
        i.run("reload")
        sendmail = [f"{i.dir}/sbin/sendmail", "-C", f"{i.dir}/etc"]
        r = subprocess.run(sendmail + ["-f", "me@example.org", "-bv", "nobody@example.com", "user@example.com"], input="", capture_output=True, text=True, timeout=60)
        t.ok(r.returncode == 0 and "Mail Delivery Status Report will be mailed to" in r.stdout, "sendmail -bv", r)
        report = lambda: [m for m in f.messages if b"Subject: Mail Delivery Status Report" in m]
        t.ok(wait_for(report), "the report is mail", i.log()[-3000:])
        m = (report() or [b""])[0].decode()
        t.ok("Content-Type: multipart/report" in m and "Action: undeliverable" in m and "Action: deliverable" in m and "Subject: Mail Delivery Status Report" in m and
             "Final-Recipient: rfc822; nobody@example.com" in m, "in DSN's shape, with each recipient's fate", m)
        before = len(f.messages)
        r = subprocess.run(sendmail + ["-f", "me@example.org", "-v", "user@example.com"], input="Subject: hello\n\nx\n", capture_output=True, text=True, timeout=60)
        t.ok(wait_for(lambda: len(f.messages) >= before + 2), "sendmail -v delivers and reports", r, i.log()[-2000:])
        t.ok(any(b"Subject: hello" in m and b"multipart/report" not in m for m in f.messages[before:]) and
             any(b"multipart/report" in m and b"Action: relayed" in m for m in f.messages[before:]), "both", *f.messages[before:])
        with open(f"{i.dir}/etc/main.cf", "a") as out:
            out.write("address_verify_map = memcache:/etc/x\n")
        r = i.run("check")
        t.ok(r.returncode != 0 and "memcache" in r.stderr + r.stdout, "a cache of a type that we have not is an error", r)
t.end()

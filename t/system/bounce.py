#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""bounce.py - smtpd, cleanup, qmgr, bounce and rewrite under master; the delivery agent is played here

Failure, success, delay and double-bounce notices as RFC 3461 and 3464 want them, and requeueing.
"""
import email, os, smtplib, subprocess, sys, threading
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "crash")]
import stage
from instance import BUILD, Instance, Tap, free_port, wait_for

tap = Tap()
got, lock, late = [], threading.Lock(), {"is": True}


def deliver(d):
    content = d.head.fds[0]
    for r in d.rcpts:
        user = r["address"].split("@")[0]
        if user.startswith("bad"):
            d.status(r, "bounced", "5.1.1", "host mx.example[192.0.2.1] said: 550 5.1.1 no\r\nX-Injected: yes",
                     diagnostic="550 5.1.1 no", mta="mx.example", relay="mx.example[192.0.2.1]:25")
        elif user.startswith("late") and late["is"]:
            d.status(r, "deferred", "4.2.0", "greylisted")
        else:
            body = b"".join(os.pread(content, int(p.split("+")[1]), int(p.split("+")[0]))
                            for p in d.head.get("pieces").split(","))
            with lock:
                got.append((d.head.get("sender"), r["address"], body, r))
            d.status(r, relay="mx.example[192.0.2.1]:25")
    d.done()


def mail_to(address, sender=None):
    return [g for g in list(got) if g[1] == address and (sender is None or g[0] == sender)]


def parts(message):
    m = email.message_from_bytes(message)
    return m, [p for p in m.get_payload()]


port = free_port()
MAIN = """mydestination =
default_transport = fake:
mynetworks = 127.0.0.0/8
smtpd_recipient_restrictions = permit_mynetworks, reject
notify_classes = bounce, 2bounce, delay
bounce_notice_recipient = copies@example.net
2bounce_notice_recipient = doubles@example.net
delay_notice_recipient = delays@example.net
delay_warning_time = 1s
virtual_alias_domains =
virtual_alias_maps = inline:{{team@example.org = team@example.org, two@example.org}}
minimal_backoff_time = 2s
maximal_backoff_time = 2s
bounce_size_limit = 3000
"""
MASTER = f"""127.0.0.1:{port} inet n - n - - smtpd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
bounce unix - - n - 0 bounce
"""
with Instance(main=MAIN, master=MASTER) as i:
    if i.start().returncode:
        print("1..0 # SKIP the system does not start here")
        raise SystemExit(0)
    path = f"{i.dir}/queue/private/fake"
    stage.Player(path, stage.agent(deliver))
    os.chmod(path, 0o666)

    def send(sender, rcpts, text, mail_options=(), rcpt_options=()):
        with smtplib.SMTP("127.0.0.1", port) as s:
            return s.sendmail(sender, rcpts, text.replace("\n", "\r\n"), mail_options, rcpt_options)

    send("a@example.net", ["bad1@example.org", "good@example.org"], "Subject: one\n\nhello\n",
         ["ENVID=QQ314159", "RET=FULL"])
    tap.ok(wait_for(lambda: mail_to("a@example.net", "")), "a failure comes back, from the null sender")
    m, p = parts(mail_to("a@example.net")[0][2])
    tap.ok(m.get_content_type() == "multipart/report" and m["Auto-Submitted"] == "auto-replied" and m["Message-Id"],
           "as a multipart/report with an id")
    report = p[1].as_string()
    tap.ok("Original-Envelope-Id: QQ314159" in report and "Final-Recipient: rfc822; bad1@example.org" in report and
           "Status: 5.1.1" in report and "Remote-MTA: dns; mx.example" in report and "good@" not in report,
           "which tells of the failed recipient alone")
    tap.ok(not any("X-Injected" in line[:12] for line in mail_to("a@example.net")[0][2].decode().split("\r\n")),
           "and lets no remote text make a header")
    tap.ok(p[2].get_content_type() == "message/rfc822" and "hello" in p[2].as_string(), "with the message (RET=FULL)")
    tap.ok(wait_for(lambda: mail_to("copies@example.net")), "the postmaster gets a copy, as notify_classes says")
    m, p = parts(mail_to("copies@example.net")[0][2])
    tap.ok(p[2].get_content_type() == "text/rfc822-headers" and mail_to("copies@example.net")[0][0].startswith("double-bounce@"),
           "of the headers, from an address that nobody answers")
    got.clear()
    send("a@example.net", ["bad2@example.org"], "Subject: two\n\nhello\n", ["RET=HDRS"])
    wait_for(lambda: mail_to("a@example.net"))
    tap.ok(parts(mail_to("a@example.net")[0][2])[1][2].get_content_type() == "text/rfc822-headers", "RET=HDRS: headers alone")
    got.clear()
    send("a@example.net", ["bad3@example.org"], "Subject: three\n\n" + "x" * 70 + "\n" + ("y" * 70 + "\n") * 60)
    wait_for(lambda: mail_to("a@example.net"))
    tap.ok(parts(mail_to("a@example.net")[0][2])[1][2].get_content_type() == "text/rfc822-headers",
           "larger than bounce_size_limit: headers alone")
    got.clear()
    send("a@example.net", ["bad4@example.org"], "Subject: x\n\nx\n", (), ["NOTIFY=NEVER"])
    send("a@example.net", ["fine@example.org"], "Subject: x\n\nx\n", (), ["NOTIFY=SUCCESS"])
    tap.ok(wait_for(lambda: mail_to("a@example.net")), "NOTIFY=SUCCESS is told")
    report = parts(mail_to("a@example.net")[0][2])[1][1].as_string()
    tap.ok("Action: relayed" in report and "fine@example.org" in report, "that it was relayed")
    tap.ok(len(mail_to("a@example.net")) == 1, "NOTIFY=NEVER is not")
    got.clear()
    send("a@example.net", ["team@example.org"], "Subject: x\n\nx\n", (), ["NOTIFY=SUCCESS"])
    tap.ok(wait_for(lambda: mail_to("a@example.net"),5), "NOTIFY=SUCCESS to an alias is told", i.log()[-3000:])
    report = parts(mail_to("a@example.net")[0][2])[1][1].as_string()
    tap.ok("Action: expanded" in report and "Final-Recipient: rfc822; team@example.org" in report and "two@" not in report and "Action: relayed" not in report,
           "that it was expanded, and not of its members (RFC 3461, 5.2.7.3)", report)
    tap.ok(wait_for(lambda: mail_to("two@example.org") and mail_to("team@example.org")), "who have their mail, the alias's own address, too")
    tap.ok(all(g[3].get("notify") == "1" for g in mail_to("two@example.org")), "with NOTIFY=NEVER", [g[3] for g in mail_to("two@example.org")])
    got.clear()
    send("", ["bad5@example.org"], "Subject: null\n\nx\n")
    tap.ok(wait_for(lambda: mail_to("doubles@example.net")), "what has no sender goes to 2bounce_notice_recipient")
    tap.ok(not mail_to("") and mail_to("doubles@example.net")[0][0].startswith("double-bounce@"), "and makes no loop")
    got.clear()
    send("double-bounce@mail.example.net", ["bad6@example.org"], "Subject: again\n\nx\n")
    tap.ok(wait_for(lambda: "undeliverable postmaster notification discarded" in i.log()), "nor does a double bounce")
    send("slow@example.net", ["late1@example.org"], "Subject: late\n\nx\n")
    tap.ok(wait_for(lambda: mail_to("slow@example.net"), 30), "after delay_warning_time the sender is told")
    report = parts(mail_to("slow@example.net")[0][2])[1][1].as_string()
    tap.ok("Action: delayed" in report and "Will-Retry-Until:" in report and "4.2.0" in report, "that it is late, and until when")
    tap.ok(wait_for(lambda: mail_to("delays@example.net")), "and the postmaster, as notify_classes says")
    wait_for(lambda: i.log().count("late1@example.org>") >= 3, 30)
    tap.ok(len(mail_to("slow@example.net")) == 1, "once")
    deferred = wait_for(lambda: [f for _, _, ff in os.walk(f"{i.dir}/queue/deferred") for f in ff])
    r = subprocess.run([f"{i.dir}/sbin/postsuper", "-c", f"{i.dir}/etc", "-r", deferred[0]], capture_output=True, text=True)
    tap.ok(wait_for(lambda: f"{deferred[0]}: requeued as 4" in i.log(), 30), "postsuper -r gives it a new id", r.stderr, i.log()[-2000:])
    late["is"] = False
    tap.ok(wait_for(lambda: mail_to("late1@example.org"), 30) and len(mail_to("late1@example.org")) == 1,
           "under which it arrives, once")
    tap.ok(wait_for(lambda: not [f for d in ("incoming", "active", "deferred") for _, _, ff in os.walk(f"{i.dir}/queue/{d}")
                                 for f in ff]), "nothing is left")
    for kind in ("sender non-delivery", "postmaster non-delivery", "sender delay", "postmaster delay", "sender delivery status"):
        tap.ok(i.logged(f" {kind} notification: 4"), f"the log has: {kind} notification")
    # --- words of the administrator's own (bounce(5)), and threads ---
    with open(f"{i.dir}/etc/templates", "w") as f:
        f.write("failure_template = <<EOF\nCharset: us-ascii\nFrom: Postbote (Mail)\nSubject: It did not go\n"
                "Postmaster-Subject: Look at this\n\nSorry, says $myhostname after $maximal_queue_lifetime_hours h.\n\nEOF\n")
    got.clear()
    i.configure(MAIN + f"bounce_template_file = {i.dir}/etc/templates\nenable_threaded_bounces = yes\ndisable_dns_lookups = yes\n", MASTER)
    i.run("reload")
    tap.ok(wait_for(lambda: "reload" in i.log()), "reloaded")
    send("a@example.net", ["bad7@example.org"], "Subject: seven\nMessage-Id: <seven@example.net>\nReferences: <six@example.net>\n\nhello\n")
    tap.ok(wait_for(lambda: mail_to("a@example.net", "") and mail_to("copies@example.net")), "a failure comes back")
    m, p = parts(mail_to("a@example.net")[0][2])
    tap.ok(m["Subject"] == "It did not go" and m["From"] == "Mail <Postbote@mail.example.net>", "with the template's header", m["Subject"], m["From"])
    tap.ok("Sorry, says mail.example.net after 120 h." in p[0].get_payload() or "after 120 h." in p[0].get_payload(), "and text", p[0].get_payload())
    tap.ok("<bad7@example.org>" in p[0].get_payload() and p[1].get_content_type() == "message/delivery-status", "and the report as ever")
    tap.ok(m["References"].split() == ["<six@example.net>", "<seven@example.net>"] and m["In-Reply-To"] == "<seven@example.net>",
           "below the message that it is about", m["References"], m["In-Reply-To"])
    tap.ok(parts(mail_to("copies@example.net")[0][2])[0]["Subject"] == "Look at this", "the postmaster's copy has a subject of its own")
    print("\n".join("# " + line for line in i.log().splitlines() if "warning" in line or "fatal" in line or "panic" in line))
tap.end()

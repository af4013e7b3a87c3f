#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""mailbox_login.py - reading mail through the real programs: imap-login, pop3-login, authd, imapd, pop3d

What a client sees that logs in by IMAP and POP3, in clear on loopback, by
STARTTLS and by TLS from the start; and what the log says of it.
"""
import imaplib, os, poplib, pwd, re, socket, ssl, struct, subprocess, sys, time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from instance import Instance, free_port, wait_for

PORTS = {name: free_port() for name in ("imap", "imaps", "pop3", "pop3s")}
MASTER = f"""
127.0.0.1:{PORTS['imap']}   inet n - n - - imap-login
127.0.0.1:{PORTS['imaps']}  inet n - n - - imap-login -o imap_tls_wrappermode=yes
127.0.0.1:{PORTS['pop3']}   inet n - n - - pop3-login
127.0.0.1:{PORTS['pop3s']}  inet n - n - - pop3-login -o pop3_tls_wrappermode=yes
"""
MESSAGE = (b"From: a@example.net\nTo: alice@example.net\nSubject: one\n"
           b"Message-ID: <1@example.net>\nDate: Fri, 20 Nov 2026 12:00:00 +0000\n\n.dot\nl\xc3\xb6sung\n")
count = 0
failed = 0


def ok(good, name):
    global count, failed
    count += 1
    failed += not good
    print(f"{'ok' if good else 'not ok'} {count} - {name}", flush=True)


def make_certificate(directory):
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
                    "-keyout", f"{directory}/key.pem", "-out", f"{directory}/cert.pem"], check=True, capture_output=True)


def make_mailbox(home, uid, gid):
    for d in ("new", "cur", "tmp"):
        os.makedirs(f"{home}/Maildir/{d}")
    with open(f"{home}/Maildir/new/1700000000.M1P1.host", "wb") as f:
        f.write(MESSAGE)
    for top, dirs, files in os.walk(home):
        os.chown(top, uid, gid)
        for f in files:
            os.chown(f"{top}/{f}", uid, gid)


def refused(call):
    try:
        call()
    except (imaplib.IMAP4.error, poplib.error_proto) as e:
        return str(e)
    return ""


def lost_in_the_middle(i, home, owner):
    """More than sockets hold: the log says why, and what did not arrive was not seen."""
    path = f"{home}/Maildir/new/1700000009.M9P9.host"
    with open(path, "wb") as f:
        f.write(b"Subject: huge\n\n" + b"0123456789abcde\n" * (1 << 20))
    os.chown(path, owner.pw_uid, owner.pw_gid)
    s = socket.create_connection(("127.0.0.1", PORTS["pop3"]), timeout=30)
    s.sendall(b"USER alice\r\nPASS wonder land\r\nRETR 3\r\n")
    got = b""
    while b"Subject: huge" not in got:
        got += s.recv(4096)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    s.close()
    end = wait_for(lambda: re.search(r": Disconnected: (.*) top=0/0, (.*), del=0/3, size=\d{8}\n", i.log()))
    ok(end and end.groups() == ("connection lost", "retr=0/0"), f"a connection that is lost within RETR: {end and end.groups()}")
    ok([x for x in os.listdir(f"{home}/Maildir/new") + os.listdir(f"{home}/Maildir/cur") if x.startswith("1700000009.") and "S" not in x.partition(":2,")[2]],
       "leaves the message unseen")


def main():
    root = os.getuid() == 0
    owner = pwd.getpwnam("nobody") if root else pwd.getpwuid(os.getuid())
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    i = Instance(master=MASTER)
    try:
        home = f"{i.dir}/home/alice"
        make_certificate(i.dir)
        make_mailbox(home, owner.pw_uid, owner.pw_gid)
        with open(f"{i.dir}/users", "w") as f:
            f.write(f"alice:{{PLAIN}}wonder land:{owner.pw_uid}:{owner.pw_gid}::{home}::\n"
                    f"locked:{{PLAIN}}x:{owner.pw_uid}:{owner.pw_gid}::{home}::nologin\n")
        i.configure(f"auth_mechanisms = plain login\nauth_passdb = passwd-file:{i.dir}/users\n"
                    f"auth_userdb = passwd-file:{i.dir}/users\nauth_failure_delay = 0s\n"
                    f"smtpd_tls_cert_file = {i.dir}/cert.pem\nsmtpd_tls_key_file = {i.dir}/key.pem\n", MASTER)
        started = i.start()
        ok(started.returncode == 0, "the system starts")
        if started.returncode:
            print(i.log())
            return

        m = imaplib.IMAP4("127.0.0.1", PORTS["imap"])
        ok("STARTTLS" in m.capabilities and "AUTH=PLAIN" in m.capabilities, "IMAP offers STARTTLS and AUTH=PLAIN")
        ok("AUTHENTICATIONFAILED" in refused(lambda: m.login("alice", "wrong")), "a wrong password is refused")
        m.starttls(ssl_context=context)
        ok(m.login("alice", "wonder land")[0] == "OK", "IMAP login after STARTTLS")
        ok(m.select()[1] == [b"1"], "INBOX has one message")
        typ, data = m.fetch("1", "(RFC822.SIZE BODY.PEEK[])")
        ok(data[0][1] == MESSAGE.replace(b"\n", b"\r\n"), "its content is identical to the byte, with CRLF")
        ok(m.logout()[0] == "BYE", "LOGOUT is answered")

        m = imaplib.IMAP4_SSL("127.0.0.1", PORTS["imaps"], ssl_context=context)
        ok(m.authenticate("PLAIN", lambda _: b"\0alice\0wonder land")[0] == "OK", "AUTHENTICATE PLAIN over TLS")
        ok(m.append("INBOX", None, None, MESSAGE)[0] == "OK", "APPEND through login program and pump")
        big = b"Subject: big\r\n\r\n" + b"0123456789abcdef" * 65536
        ok(m.append("INBOX", None, None, big)[0] == "OK", "a megabyte goes up")
        m.select()
        typ, data = m.fetch("3", "(BODY.PEEK[])")
        ok(data[0][1] == big, "and comes down the same")
        m.logout()

        p = poplib.POP3("127.0.0.1", PORTS["pop3"])
        ok("STLS" in p.capa() and "UIDL" in p.capa(), "POP3 offers STLS and UIDL")
        p.stls(context)
        p.user("alice")
        ok(p.pass_("wonder land").startswith(b"+OK"), "USER and PASS after STLS, a password with a blank")
        ok(p.stat()[0] == 3, "STAT counts three")
        lines = p.retr(1)[1]
        ok(b"\r\n".join(lines) + b"\r\n" == MESSAGE.replace(b"\n", b"\r\n"), "RETR gives the message, dots undone")
        ok(p.top(1, 1)[1][-1] == b".dot", "TOP gives one line of the body")
        ids = p.uidl()[1]
        ok(len(set(x.split()[1] for x in ids)) == 3, "UIDL gives three different ids")
        p.dele(1)
        p.rset()
        ok(p.stat()[0] == 3, "RSET takes DELE back")
        p.dele(2)
        p.quit()
        p = poplib.POP3_SSL("127.0.0.1", PORTS["pop3s"], context=context)
        p.user("alice")
        p.pass_("wonder land")
        ok(p.stat()[0] == 2, "what was DELE'd is gone after QUIT")
        p.dele(1)
        p.close()
        p = poplib.POP3_SSL("127.0.0.1", PORTS["pop3s"], context=context)
        ok("AUTH" in refused(lambda: (p.user("locked"), p.pass_("x"))), "nologin is refused")
        p.user("alice")
        p.pass_("wonder land")
        ok(p.stat()[0] == 2, "a lost connection deletes nothing")
        p.quit()
        lost_in_the_middle(i, home, owner)

        s = socket.create_connection(("127.0.0.1", PORTS["imap"]))
        s.recv(4096)
        s.sendall(b"a STARTTLS\r\nb NOOP\r\n")
        got = b""
        while True:
            part = s.recv(4096)
            if not part:
                break
            got += part
        ok(b"b OK" not in got, "what came with STARTTLS in one packet ends the connection")

        s = socket.create_connection(("127.0.0.1", PORTS["imap"]))
        s.recv(4096)
        s.sendall(b"a LOGIN {2000000000+}\r\n")
        s.sendall(b"x" * 70000)
        s.settimeout(10)
        try:
            while s.recv(4096):
                pass
            closed = True
        except (ConnectionError, TimeoutError) as e:
            closed = not isinstance(e, TimeoutError)
        ok(closed, "a literal of 2 GB before login ends the connection")

        log = i.log()
        ok(re.search(r"dovecot\[\d+\]: imap-login: Login: user=<alice>, method=PLAIN, rip=127.0.0.1, lip=127.0.0.1, mpid=\d+, TLS, session=<", log),
           "the login is logged in Dovecot's shape")
        ok("auth: passwd-file(alice,127.0.0.1): Password mismatch" in log, "and so is the wrong password")
        with open(f"{i.dir}/users", "a") as f:
            f.write(f"bob:{{PLAIN}}b:{owner.pw_uid}:{owner.pw_gid}::{home}::\n")
        m = imaplib.IMAP4("127.0.0.1", PORTS["imap"])
        ok(m.login("bob", "b")[0] == "OK", "a user who was added to the passwd-file can log in at once")
        before = m.socket()
        r = i.run("reload")
        ok(r.returncode == 0 and m.noop()[0] == "OK", "a session lives through reload")
        i.run("stop")
        ok("killed" not in i.log(), "stop ends a session that idles, without a kill")
        try:
            m.noop()
            ended = False
        except (imaplib.IMAP4.abort, OSError):
            ended = True
        ok(ended, "and the client sees it")
    finally:
        if failed:
            print("# " + i.log().replace("\n", "\n# "))
        i.__exit__()
        print(f"1..{count}")


main()

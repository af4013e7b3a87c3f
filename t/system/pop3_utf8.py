#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""pop3_utf8.py - internationalized messages by POP3 (RFC 6856), to clients that say UTF8 and to clients that do not

Python's parser says whether a surrogate (RFC 6857) means what the message meant; curl and fetchmail, who never say UTF8,
fetch them, too. And users whose names and passwords are UTF-8.
"""
import email, email.policy, os, poplib, pwd, shutil, socket, ssl, subprocess, sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from instance import Instance, Tap, attach, free_port, wait_for

PORT = free_port()
MASTER = f"127.0.0.1:{PORT} inet n - n - - pop3-login\n"
WIDE = """Return-Path: <søren@example.org>
Received: from a (b [192.0.2.1]) by c with UTF8SMTP for <jürgen@example.net>; Mon, 30 Nov 2026 12:00:00 +0000
From: Søren Müller <soren@bücher.example>
To: jürgen@example.net, "Ärger, Über" <a@example.net>, plain@example.net
Cc: =?iso-8859-2?Q?=A9ediv=FD?= <s@example.net>, ü@example.net
Subject: =?utf-8?Q?Gr=C3=BC=C3=9Fe?= aus Köln: 日本語のとても長い件名がここにあります、折り返されるはずです and words behind
Message-ID: <ä@example.org>
Date: Mon, 30 Nov 2026 12:00:00 +0000
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary="grenze"

--grenze
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: 8bit

Grüße
.punkt
--grenze
Content-Type: application/octet-stream; name=übersicht.bin
Content-Disposition: attachment; filename="übersicht mit einem sehr langen Namen, der über eine Zeile hinausgeht – ja wirklich.bin"

data
--grenze
Content-Type: message/rfc822

From: innen@example.org
Subject: Geschachtelt: ä

ä
--grenze--
""".encode()
OPEN = "Subject: ohne Zeilenende, ä\nFrom: a@example.org\n\nä".encode()
LATIN = b"Subject: gr\xfc\xdfe\nFrom: a@example.org\n\n\xe4\n"
BODY = "Subject: plain\nFrom: a@example.org\n\nGrüße\n".encode()
MESSAGES = [WIDE, OPEN, LATIN, BODY]
t = Tap()
ok = t.ok


def make_certificate(directory):
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=localhost",
                    "-keyout", f"{directory}/key.pem", "-out", f"{directory}/cert.pem"], check=True, capture_output=True)


def put(home, owner, number, content, more=""):
    path = f"{home}/Maildir/new/17000{number:05d}.M1P1.host{more}"
    with open(path, "wb") as f:
        f.write(content)
    os.chown(path, owner.pw_uid, owner.pw_gid)
    return path


def lock(path, owner):
    os.chmod(path, 0)
    if os.getuid() == 0:
        os.chown(path, 0, 0)


def unlock(path, owner):
    os.chown(path, owner.pw_uid, owner.pw_gid)
    os.chmod(path, 0o600)


def make_home(directory, owner, messages):
    for d in ("new", "cur", "tmp"):
        os.makedirs(f"{directory}/Maildir/{d}")
    for n, content in enumerate(messages):
        put(directory, owner, n, content)
    for top, dirs, files in os.walk(directory):
        os.chown(top, owner.pw_uid, owner.pw_gid)


def wire(content):
    content = content.replace(b"\n", b"\r\n")
    return content if content.endswith(b"\n") else content + b"\r\n"


def login(user, password, utf8=False):
    p = poplib.POP3("127.0.0.1", PORT, timeout=30)
    if utf8:
        p.utf8()
    p.user(user)
    p.pass_(password)
    return p


def fetch(p):
    return [b"".join(x + b"\r\n" for x in p.retr(n + 1)[1]) for n in range(p.stat()[0])]


def agree(p, what):
    """LIST, LIST n, STAT and the word behind +OK are the octets that RETR sends (RFC 1939, 11)."""
    listed = [int(x.split()[1]) for x in p.list()[1]]
    got = fetch(p)
    single = [int(p.list(n + 1).split()[2]) for n in range(len(got))]
    told = [int(p.retr(n + 1)[0].split()[1]) for n in range(len(got))]
    lengths = [len(x) for x in got]
    ok(listed == lengths == single == told and p.stat()[1] == sum(listed), f"{what}: all sizes agree", listed, lengths, single, told, p.stat())
    return got, listed


def addresses(field):
    return [str(x) for x in field.addresses]


def meaning(got):
    m = email.message_from_bytes(got, policy=email.policy.default)
    text, attachment, inner = m.iter_parts()
    ok(got.split(b"--grenze\r\n")[0].isascii(), "the header is ASCII", got)
    ok(m["Subject"] == "Grüße aus Köln: 日本語のとても長い件名がここにあります、折り返されるはずです and words behind", "Subject means the same", m["Subject"])
    ok(addresses(m["From"]) == ["Søren Müller <soren@xn--bcher-kva.example>"], "From can be answered", m["From"])
    groups = m["To"].groups
    ok(groups[0].display_name == "jürgen@example.net" and not groups[0].addresses
       and addresses(m["To"]) == ['"Ärger, Über" <a@example.net>', "plain@example.net"], "an address without another form is an empty group", m["To"])
    ok(addresses(m["Cc"]) == ["Šedivý <s@example.net>"], "a name in an older charset, in a field that is written anew", m["Cc"])
    ok(m["Message-ID"] is None and m["Downgraded-Message-ID"] == "<ä@example.org>" and m["Return-Path"] is None, "ids stand aside", m.items())
    ok("jürgen" not in m["Received"] and "30 Nov 2026" in m["Received"], "Received has no FOR", m["Received"])
    ok(attachment.get_filename() == "übersicht mit einem sehr langen Namen, der über eine Zeile hinausgeht – ja wirklich.bin", "a file's name",
       attachment.get_filename())
    ok(attachment["Content-Type"].params["name"] == "übersicht.bin", "and by Content-Type", attachment["Content-Type"])
    ok(text.get_content() == "Grüße\r\n.punkt", "an 8bit body is as it was", text.get_content())
    ok(inner.get_content()["Subject"] == "Geschachtelt: ä" and "Geschachtelt: ä".encode() not in got, "a message inside", got)
    ok(all(len(x) <= 78 for x in got.split(b"\r\n") if b"=?" in x), "lines with encoded words are short", got)


def clients(i, want):
    url = f"pop3://127.0.0.1:{PORT}/1"
    if not shutil.which("curl"):
        ok(True, "curl # SKIP curl is not installed")
    else:
        p = subprocess.run(["curl", "-sS", "--max-time", "30", "--user", "alice:secret", url], capture_output=True)
        ok(p.stdout == want, "curl fetches the surrogate", p.stdout, p.stderr)
    if not shutil.which("fetchmail"):
        ok(True, "fetchmail # SKIP fetchmail is not installed")
        return
    home = f"{i.dir}/fetch"
    os.mkdir(home)
    with open(f"{home}/rc", "w") as f:
        f.write(f"poll localhost service {PORT} protocol pop3 timeout 20\n  user alice password secret is root here keep fetchall no rewrite nomimedecode sslproto ''\n"
                f"  mda \"/bin/sh -c 'cat >> {home}/got'\"\n")
    os.chmod(f"{home}/rc", 0o600)
    p = subprocess.run(["fetchmail", "-f", f"{home}/rc", "--nosyslog", "--nodetach", "--pidfile", f"{home}/pid", "-i", f"{home}/ids"],
                       capture_output=True, timeout=60, env=dict(os.environ, HOME=home, FETCHMAILHOME=home, LC_ALL="C"))
    got = open(f"{home}/got", "rb").read() if os.path.exists(f"{home}/got") else b""
    ok(p.returncode == 0 and b"Downgraded-Message-ID: =?utf-8?B?" in got and got.count(b"\nSubject:") == len(MESSAGES) + 1,
       "fetchmail fetches all", p, got)


def cache(i, home, owner):
    """Twenty messages are worth a file; what is in it, and rubbish in its place, change nothing that a client sees."""
    for n in range(20):
        put(home, owner, 100 + n, b"Subject: x\n\nx\n")
    path = f"{home}/Maildir/postern.pop3"
    first, _ = agree(login("alice", "secret"), "many messages")
    ok(os.path.exists(path), "what was looked at is kept")
    again, listed = agree(login("alice", "secret"), "the next session")
    ok(again == first, "which gets the same")
    whole = open(path, "rb").read()
    lines = whole.splitlines(True)
    older = b"a " + lines[0].split()[1] + b" 9999\n"
    ok(len(lines) > 3, "it has lines to lose", whole)
    for rubbish in (b"", older, b"\0" * 5000, whole[:-3], *(b"".join(lines[:n]) for n in range(1, len(lines)))):
        with open(path, "wb") as f:
            f.write(rubbish)
        p = login("alice", "secret")
        ok([int(x.split()[1]) for x in p.list()[1]] == listed, f"rubbish in its place: {rubbish[:8]!r}")
        p.quit()
    os.remove(path)
    os.mkdir(path)
    got, _ = agree(login("alice", "secret"), "a directory in its place")
    ok(got == first, "the same")


def find(home, name):
    return next(x for d in ("new", "cur") for x in (f"{home}/Maildir/{d}/{n}" for n in os.listdir(f"{home}/Maildir/{d}")) if os.path.basename(x).split(":")[0] == name)


def fetch_of(p, *numbers):
    return [b"".join(x + b"\r\n" for x in p.retr(n)[1]) for n in numbers]


def sizes(p):
    return [int(x.split()[1]) for x in p.list()[1]]


def unreadable(home, owner):
    """One that cannot be read keeps no other from being looked at once; when it can be read, its sizes are right, too."""
    path = f"{home}/Maildir/postern.pop3"
    locked = [put(home, owner, n, OPEN, more) for n, more in ((1, ""), (2, f",S={len(OPEN)},W={len(OPEN) + 3}"))]
    for x in locked:
        lock(x, owner)
    for n in range(40):
        put(home, owner, 10 + n, OPEN if n == 30 else b"Subject: x\n\nx\n")
    p = login("carol", "secret")
    p.stat()
    ok(os.path.exists(path), "one that cannot be read keeps nothing else from being remembered")
    refused = 0
    for n in (1, 2):
        try:
            p.retr(n)
        except poplib.error_proto as e:
            refused += b"SYS/TEMP" in e.args[0]
    ok(refused == 2, "it is refused")
    p.quit()
    ok(not any("S" in os.path.basename(find(home, os.path.basename(x))).partition(":2,")[2] for x in locked), "and not marked as seen")
    p = login("carol", "secret")
    ok([sizes(p)[2], sizes(p)[32]] == [len(x) for x in fetch_of(p, 3, 33)], "behind it sizes are right")
    for x in locked:
        unlock(find(home, os.path.basename(x)), owner)
    told = [int(p.retr(n)[0].split()[1]) for n in (1, 2)]
    ok(told == [len(x) for x in fetch_of(p, 1, 2)] == sizes(p)[:2], "now it can be read: as many octets as it says", told, sizes(p)[:2])
    p.quit()
    agree(login("carol", "secret"), "it can be read at the next login")
    agree(login("carol", "secret", utf8=True), "and with UTF8")


def broken(i, home, owner):
    """A disk that does not give one message, whose size its name does not say either, keeps its owner from no other."""
    path = put(home, owner, 1, b"Subject: lost\n\nx\n")
    put(home, owner, 2, b"Subject: here\n\nx\n")
    names = [w for x in (path, path.replace("/new/", "/cur/"), path.replace("/new/", "/cur/") + ":2,") for w in ("-P", x)]
    tracer = attach(i.named("pop3d")[0], "-o", f"{i.dir}/trace", "-e", "trace=pread64", "-e", "inject=pread64:error=EIO:syscall=getpid", *names)
    if not tracer:
        ok(True, "a message that the disk does not give # SKIP no strace that may attach to a process")
        return
    try:
        p = login("frida", "secret")
        ok(p.stat()[0] == 2 and fetch_of(p, 2) == [b"Subject: here\r\n\r\nx\r\n"], "a message that the disk does not give keeps nobody from the others", p.stat())
        refusal = ""
        try:
            p.retr(1)
        except poplib.error_proto as e:
            refusal = str(e)
        ok("SYS/TEMP" in refusal, "it is refused", refusal)
        p.quit()
    except poplib.error_proto as e:
        ok(False, "a message that the disk does not give keeps nobody from the others", e)
    finally:
        tracer.terminate()
        tracer.wait()
    with open(f"{i.dir}/trace") as f:
        ok("INJECTED" in f.read(), "the disk did not give it")
    ok(i.logged(f"{home}/Maildir: message 1: read: Input/output error"), "the log says which one it is", i.log()[-600:])
    got, _ = agree(login("frida", "secret"), "when the disk gives it again")
    ok(len(got) == 2 and b"lost" in got[0], "it is there")


def hidden(home, owner):
    """A message that was not to be seen at the look, though its UID is below those that were: a rename hides one from readdir."""
    name = os.path.basename(put(home, owner, 10, WIDE))
    for n in range(20):
        put(home, owner, 20 + n, b"Subject: x\n\nx\n")
    p = login("erik", "secret", utf8=True)
    ids = p.uidl()[1]
    p.quit()
    path = find(home, name)
    os.rename(path, f"{home}/aside")
    p = login("erik", "secret")
    ok(p.stat()[0] == 20 and os.path.exists(f"{home}/Maildir/postern.pop3"), "the others are looked at", p.stat())
    p.quit()
    os.rename(f"{home}/aside", path)
    p = login("erik", "secret")
    ok(p.uidl()[1] == ids, "it comes back with its UID", p.uidl()[1], ids)
    got, _ = agree(p, "one that was hidden")
    ok(got[0].split(b"--grenze")[0].isascii() and b"Downgraded-Message-ID" in got[0], "it comes as a surrogate", got[0])
    p.quit()


def open_ended(home, owner):
    """W= counts no line end that the message lacks; RETR adds it."""
    plain = b"Subject: x\n\nabc"
    for n in range(20):
        put(home, owner, 6000 + n, plain, f",S={len(plain)},W={len(plain) + 2}")
    for utf8 in (True, False, True, False):
        got, _ = agree(login("dora", "secret", utf8=utf8), f"no last line end, with W= in the name, UTF8: {utf8}")
        ok(got == [wire(plain)] * 20, "it gets one")
    put(home, owner, 6100, b"", ",S=0,W=0")
    put(home, owner, 6101, b"x: y\n\na\r\r", ",S=9,W=11")
    _, told = agree(login("dora", "secret"), "an empty one, and one with a CR at its end")
    ok(told[20:] == [0, 13], "they have their sizes", told)


def asked_one_by_one(home, owner):
    """Who asks for messages and never for all sizes; what was found then, sizes that no name tells, too, is known to the next session."""
    contents = [b"Subject: x\n\n%s" % (b"x\n" * n) for n in range(30)] + [OPEN, WIDE]
    paths = [put(home, owner, n, x) for n, x in enumerate(contents)]
    p = login("gina", "secret")
    one = int(p.list(31).split()[2])
    got = [p.retr(n + 1) for n in range(len(contents))]
    lengths = [sum(len(x) + 2 for x in g[1]) for g in got]
    ok(one == lengths[30] and [int(g[0].split()[1]) for g in got] == lengths, "LIST of one, and RETR without STAT, tell true sizes", one, lengths)
    p.quit()
    wait_for(lambda: os.path.exists(f"{home}/Maildir/postern.pop3"))
    for x in paths:
        lock(find(home, os.path.basename(x)), owner)
    p = login("gina", "secret")
    ok(sizes(p) == lengths and p.stat()[1] == sum(lengths), "the next session knows them without a look", sizes(p), lengths)
    p.quit()
    for x in paths:
        unlock(find(home, os.path.basename(x)), owner)
    agree(login("gina", "secret", utf8=True), "then with UTF8")
    agree(login("gina", "secret"), "and without it")


def pipelined():
    """Many commands at once: what they are answered comes whole and in their order, behind one that is long, too."""
    with socket.create_connection(("127.0.0.1", PORT), timeout=30) as s:
        s.sendall(b"USER gina\r\nPASS secret\r\n")
        s.sendall(b"".join(b"RETR %d\r\nNOOP\r\nLIST %d\r\n" % (n, n) for n in range(1, 33)) * 20 + b"QUIT\r\n")
        s.shutdown(socket.SHUT_WR)
        got = b""
        while part := s.recv(65536):
            got += part
    p = login("gina", "secret")
    want = b""
    for n in range(1, 33):
        content = p.retr(n)
        want += content[0] + b"\r\n" + b"".join(x + b"\r\n" for x in content[1]).replace(b"\r\n.", b"\r\n..") + b".\r\n+OK\r\n" + p.list(n) + b"\r\n"
    p.quit()
    ok(got.partition(b"Logged in.\r\n")[2] == want * 20 + b"+OK Logging out.\r\n", "pipelined commands", len(got), len(want) * 20)


def names(context):
    p = poplib.POP3("127.0.0.1", PORT, timeout=30)
    ok(p.capa().get("UTF8") == ["USER"] and p.capa().get("LANG") == [], "UTF8 USER and LANG are offered", p.capa())
    p.stls(context)
    ok(p.utf8().startswith(b"+OK"), "UTF8 behind STLS")
    p.user("jürgen")
    ok(p.pass_("pässwörd").startswith(b"+OK"), "name and password in UTF-8, in UTF-8 mode")
    p.quit()
    p = login("jürgen", "pässwörd")
    ok(p.stat() == (0, 0), "and without")
    p.quit()
    p = poplib.POP3("127.0.0.1", PORT, timeout=30)
    p.utf8()
    p.encoding = "latin-1"
    refusal = ""
    try:
        p.user("jürgen")
    except poplib.error_proto as e:
        refusal = str(e)
    ok("-ERR" in refusal, "in an older charset they are refused in UTF-8 mode", refusal)
    p.close()


def cut_short(home, owner):
    """A file that another program makes shorter while it is sent: the client must not take what it has for the message."""
    path = put(home, owner, 7000, b"Subject: x\n\n" + b"line\n" * 8000000)
    with socket.create_connection(("127.0.0.1", PORT), timeout=30) as s:
        s.sendall(b"USER hanna\r\nPASS secret\r\nRETR 1\r\n")
        got = b""
        while b"octets\r\nSubject" not in got:
            got += s.recv(100)
        os.truncate(find(home, os.path.basename(path)), 30000000) # far more than lies between the file and the client
        s.sendall(b"DELE 1\r\nQUIT\r\n")
        while part := s.recv(1 << 20):
            got = got[-100:] + part
    ok(b"\r\n.\r\n" not in got and os.path.exists(find(home, os.path.basename(path))), "a message that becomes shorter meanwhile has no end, and nothing behind it is done", got[-100:])


def main():
    owner = pwd.getpwnam("nobody") if os.getuid() == 0 else pwd.getpwuid(os.getuid())
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    i = Instance(master=MASTER)
    try:
        home = f"{i.dir}/home/alice"
        make_certificate(i.dir)
        make_home(home, owner, MESSAGES)
        for x in ("j", "carol", "dora", "erik", "frida", "gina", "hanna"):
            make_home(f"{i.dir}/home/{x}", owner, [])
        with open(f"{i.dir}/users", "w", encoding="utf-8") as f:
            f.write("".join(f"{x}:{{PLAIN}}secret:{owner.pw_uid}:{owner.pw_gid}::{i.dir}/home/{x}::\n" for x in ("alice", "carol", "dora", "erik", "frida", "gina", "hanna")) +
                    f"jürgen:{{PLAIN}}pässwörd:{owner.pw_uid}:{owner.pw_gid}::{i.dir}/home/j::\n")
        i.configure(f"auth_mechanisms = plain login\nauth_passdb = passwd-file:{i.dir}/users\nauth_userdb = passwd-file:{i.dir}/users\n"
                    f"auth_failure_delay = 0s\nsmtpd_tls_cert_file = {i.dir}/cert.pem\nsmtpd_tls_key_file = {i.dir}/key.pem\n", MASTER)
        started = i.start()
        ok(started.returncode == 0, "the system starts")
        if started.returncode:
            print(i.log())
            return
        p = login("alice", "secret", utf8=True)
        got, _ = agree(p, "UTF8")
        ok(got == [wire(x) for x in MESSAGES], "in UTF-8 mode messages are as they are", got)
        ids = p.uidl()[1]
        p.quit()
        p = login("alice", "secret")
        got, _ = agree(p, "no UTF8")
        ok(got[2:] == [wire(x) for x in MESSAGES[2:]], "what is no UTF-8, and what is of the body, is as it is", got[2:])
        ok(p.uidl()[1] == ids, "unique ids are the same")
        ok(got[1].startswith(b"Subject: ohne Zeilenende, =?utf-8?B?w6Q=?=\r\n"), "a message without a last line end", got[1])
        top = b"".join(x + b"\r\n" for x in p.top(1, 3)[1])
        ok(got[0].startswith(top) and top.endswith(b"\r\n\r\n--grenze\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n"), "TOP is of the surrogate", top)
        p.quit()
        meaning(got[0])
        clients(i, got[0])
        cache(i, home, owner)
        unreadable(f"{i.dir}/home/carol", owner)
        hidden(f"{i.dir}/home/erik", owner)
        broken(i, f"{i.dir}/home/frida", owner)
        open_ended(f"{i.dir}/home/dora", owner)
        asked_one_by_one(f"{i.dir}/home/gina", owner)
        pipelined()
        cut_short(f"{i.dir}/home/hanna", owner)
        names(context)
    finally:
        if t.failed:
            print("# " + i.log().replace("\n", "\n# "))
        i.__exit__()
    t.end()


main()

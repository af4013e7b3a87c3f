#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""remote_tables.py - sqlite:, socketmap:, tcp:, memcache: are asked through proxymap, by commands and by mail; a server that is away is 4xx"""
import glob, os, smtplib, socket, sqlite3, sys, threading
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from instance import *
import subprocess

t = Tap()


class Server:
    """Answers by `reply`, bytes to bytes (None: hangs up), what `read` takes off the stream."""
    def __init__(self, read, reply, port=0):
        self.read, self.reply, self.asked, self.open = read, reply, [], []
        self.s = socket.create_server(("127.0.0.1", port))
        self.port = self.s.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        try:
            while True:
                c, _ = self.s.accept()
                self.open.append(c)
                threading.Thread(target=self.serve, args=(c,), daemon=True).start()
        except OSError:
            pass

    def serve(self, c):
        f = c.makefile("rwb")
        try:
            while (q := self.read(f)):
                self.asked.append(q)
                a = self.reply(q)
                if a is None:
                    break
                f.write(a)
                f.flush()
        except (OSError, ValueError):
            pass
        c.close()

    def stop(self):
        self.s.shutdown(socket.SHUT_RDWR)
        self.s.close()
        for c in self.open:
            try:
                c.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            c.close()


def netstring(f):
    n = b""
    while (c := f.read(1)) not in (b":", b""):
        n += c
    return f.read(int(n) + 1)[:-1] if n else b""


def socketmap_reply(q):
    name, key = q.split(b" ", 1)
    a = {b"box User@Example.com": b"OK here", b"box gone": b"NOTFOUND ", b"box bad": b"TEMP tired", b"box never": b"PERM no",
         b"box long": b"OK " + b"x" * 90000, b"box strange": b"HM", b"box who@example.net": b"OK u@example.net",
         b"box empty": b"OK "}.get(q, b"NOTFOUND ")
    return None if key == b"hangup" else b"%d:%s," % (len(a), a)


def tcp_reply(q):
    return {b"get User%20%25@x\n": b"200 a%20b%25\n", b"get gone\n": b"500 not here\n", b"get bad\n": b"400 tired\n",
            b"get strange\n": b"900 x\n", b"get code\n": b"200 a%zz\n",
            b"get twice\n": b"200 first\n200 second\n", b"get after\n": b"200 own\n"}.get(q, b"500 no\n")


def memcache_reply(q):
    key = q.split()[1].decode()
    return {"p:one@e.com": b"VALUE p:one@e.com 0 3\r\nuno\r\nEND\r\n", "p:lies": b"HELLO\r\n"}.get(key, b"END\r\n")


sm, tcp, mc = Server(netstring, socketmap_reply), Server(lambda f: f.readline(), tcp_reply), Server(lambda f: f.readline(), memcache_reply)
port = free_port()
MASTER = f"""
127.0.0.1:{port} inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
bounce unix - - n - 0 bounce
virtual unix - n n - - virtual
"""
uid, gid = (5000, 5000) if os.getuid() == 0 else (os.getuid(), os.getgid())


def rcpt(address):
    with smtplib.SMTP("127.0.0.1", port, timeout=60) as c:
        c.helo("x")
        c.docmd("MAIL FROM:<>")
        return c.docmd(f"RCPT TO:<{address}>")


with Instance() as i:
    def postmap(spec, key, *more):
        r = subprocess.run([f"{i.dir}/sbin/postmap", "-c", f"{i.dir}/etc", *more, "-q", key, spec], capture_output=True, text=True, timeout=60)
        return r.returncode, r.stdout.rstrip("\n"), r.stderr

    def table(name, **rows):
        path = f"{i.dir}/etc/{name}.cf"
        with open(path, "w") as f:
            f.writelines(f"{k} = {v}\n" for k, v in rows.items())
        os.chmod(path, 0o600)       # passwords: root reads it, before it becomes map_owner
        return path

    def answers(spec, *cases):
        for key, value in cases:
            code, out, err = postmap(spec, key)
            want = (0, value) if value else (1, "")
            t.ok((code, out) == want and (value is not None or not err), f"{spec.split('/')[0].split(':')[0]}: {key!r}", code, out[:200], err)

    def fails(spec, key, text=""):
        code, out, err = postmap(spec, key)
        t.ok(code == 1 and not out and "fatal" in err and text in err, f"{spec.split(':')[0]}: {key!r} fails", code, out, err)

    os.mkdir(i.dir + "/boxes")
    os.chmod(i.dir + "/boxes", 0o777)
    if postmap("inline:{a=b}", "a")[1] != "b":
        t.ok(False, "postmap", postmap("inline:{a=b}", "a"))

    # ---- sqlite ----
    db = f"{i.dir}/mail data.db"
    d = sqlite3.connect(db)
    d.executescript("""create table alias (address text, goto text, n int);
insert into alias values ('a@example.net', 'u@example.net', 1), ('two@example.net', 'x@e.com', 2), ('two@example.net', 'y@e.com', 3),
 ('o''brien@example.net', 'ob@e.com', 4), ('null@example.net', null, 5), ('empty@example.net', '', 6), ('@example.org', 'all@e.com', 7);
create table box (user text, domain text, path text);
insert into box values ('u', 'example.net', 'u/'), ('v', 'example.net', 'v/');""")
    d.commit()
    os.chmod(db, 0o644)
    has_sqlite = "sqlite" in subprocess.run([f"{i.dir}/sbin/postconf", "-c", f"{i.dir}/etc", "-m"], capture_output=True, text=True).stdout.split()
    alias = table("alias", dbpath=db, query="SELECT goto FROM alias WHERE address = '%s'")
    box = table("box", dbpath=db, query="SELECT path FROM box WHERE user = '%u' AND domain = '%d'", domain="example.net, .example.org")
    if has_sqlite:
        answers("sqlite:" + alias, ("A@example.NET", "u@example.net"), ("two@example.net", "x@e.com,y@e.com"), ("o'brien@example.net", "ob@e.com"),
                ("nobody@example.net", None), ("null@example.net", None), ("empty@example.net", None), ("@example.org", "all@e.com"))
        answers("sqlite:" + alias, ("' OR '1'='1", None), ("x' UNION SELECT path FROM box --", None), ("x';DELETE FROM alias;--@example.net", None),
                ("x\\' OR 1=1 --", None), ("\xff\xfe", None))
        t.ok(d.execute("select count(*) from alias").fetchone()[0] == 7, "and nothing was changed")
        answers("sqlite:" + box, ("u@example.net", "u/"), ("u", None), ("@example.net", None), ("u@example.com", None))
        answers("sqlite:" + table("format", dbpath=db, query="SELECT goto FROM alias WHERE address='%s'", result_format="%u+%U@%d"),
                ("a@example.net", "u+a@example.net"))
        answers("proxy:sqlite:" + alias, ("a@example.net", "u@example.net"))
        answers("pipemap:{sqlite:" + alias + ",sqlite:" + box + "}", ("a@example.net", "u/"))
        answers("unionmap:{sqlite:" + alias + ",inline:{a@example.net=b}}", ("a@example.net", "u@example.net,b"))
        answers("sqlite:" + table("old", dbpath=db, table="alias", select_field="goto", where_field="address", additional_conditions="and n < 3"),
                ("two@example.net", "x@e.com"))
        fails("sqlite:" + table("limit", dbpath=db, query="SELECT goto FROM alias WHERE address='%s'", expansion_limit=1), "two@example.net", "expansion_limit")
        fails("sqlite:" + table("none", dbpath=i.dir + "/none.db", query="SELECT 1"), "x", "unable to open")
        fails("sqlite:" + table("wrong", dbpath=db, query="SELECT nonesuch FROM alias"), "x", "no such column")
        fails("sqlite:" + table("word", dbpath=db, query="SELECT '%q'"), "x", "no such word")
        fails("sqlite:" + table("noquery", dbpath=db), "x", "query is missing")
        wal = sqlite3.connect(f"{i.dir}/wal.db")
        wal.executescript("pragma journal_mode=wal; create table t (a, b); insert into t values ('k', 'v');")
        for f in glob.glob(f"{i.dir}/wal.db*"):
            os.chmod(f, 0o644)
        answers("sqlite:" + table("wal", dbpath=f"{i.dir}/wal.db", query="SELECT b FROM t WHERE a='%s'"), ("k", "v"))

        i.configure(f"""mine_dbpath = {i.dir}/mail data.db
mine_query = SELECT goto FROM alias WHERE address = '%s'
yours_query = x
virtual_alias_maps = proxy:sqlite:mine
""", "")
        answers("sqlite:mine", ("a@example.net", "u@example.net"), ("'", None))
        said = subprocess.run([f"{i.dir}/sbin/postconf", "-c", f"{i.dir}/etc", "-n"], capture_output=True, text=True).stderr
        t.ok("mine_" not in said and "unused parameter: yours_query=x" in said, "parameters of a table in main.cf are known", said)
        i.configure("", "")

    # ---- socketmap, tcp, memcache ----
    s = f"socketmap:inet:127.0.0.1:{sm.port}:box"
    answers(s, ("User@Example.com", "here"), ("user@example.com", None), ("gone", None), ("empty", None))
    for key, text in (("bad", "tired"), ("never", "no"), ("strange", "something else"), ("long", "too long"), ("hangup", "")):
        fails(s, key, text)
    fails("socketmap:inet:127.0.0.1:1:box", "x", "refused")
    fails("socketmap:box", "x", "expected inet:")
    s = f"tcp:127.0.0.1:{tcp.port}"
    answers(s, ("User %@x", "a b%"), ("gone", None))
    fails(s, "bad", "tired")
    fails(s, "strange")
    fails(s, "code")
    r = subprocess.run([f"{i.dir}/sbin/postmap", "-c", f"{i.dir}/etc", "-q", "-", s], input="twice\nafter\n", capture_output=True, text=True, timeout=60)
    t.ok(r.stdout.split() == ["twice", "first", "after", "own"], "what a server says unasked is not the answer to the next key", r.stdout, r.stderr)
    with open(f"{i.dir}/etc/backup", "w") as f:
        f.write("two@e.com dos\nlies wahr\n")
    s = "memcache:" + table("mc", memcache=f"inet:127.0.0.1:{mc.port}", key_format="p:%s")
    answers(s, ("one@e.com", "uno"), ("two@e.com", None), ("a b", None), ("x\r\nflush_all", None))
    fails(s, "lies")
    t.ok(not [q for q in mc.asked if b"flush" in q], "a key is no command")
    answers("memcache:" + table("mcb", memcache=f"inet:127.0.0.1:{mc.port}", key_format="p:%s", backup=f"texthash:{i.dir}/etc/backup"),
            ("one@e.com", "uno"), ("two@e.com", "dos"), ("lies", "wahr"))
    t.ok("nis" in postmap("nis:x", "x")[2] and postmap("nis:x", "x")[0] == 1, "nis: is refused, and why")
    answers("randmap:{a}", ("x", "a"))
    answers("environ:x", ("no_such_variable", None))
    code, out, err = postmap(f"mysql:{table('m', hosts='inet:127.0.0.1:1', query='x')}", "x")
    t.ok(code == 1 and not out and err, "a server that is away, or a type that is not built, is no answer", err)

    # ---- mail ----
    maps = f"sqlite:{alias}" if has_sqlite else "inline:{a@example.net=u@example.net}"
    boxes = f"proxy:sqlite:{box}" if has_sqlite else "inline:{u@example.net=u/}"
    i.configure(f"""mydestination =
virtual_mailbox_domains = example.net
virtual_alias_maps = {maps}, socketmap:inet:127.0.0.1:{sm.port}:box
virtual_mailbox_maps = {boxes}
virtual_mailbox_base = {i.dir}/boxes
virtual_uid_maps = static:{uid}
virtual_gid_maps = static:{gid}
virtual_minimum_uid = 1
transport_maps = tcp:127.0.0.1:{tcp.port}
smtpd_peername_lookup = no
smtpd_recipient_restrictions = check_recipient_access sr_map, reject_unauth_destination
""".replace("check_recipient_access sr_map, ", ""), MASTER)
    r = i.run("check")
    t.ok(r.returncode == 0, "check", r.stderr)
    t.ok(i.start().returncode == 0, "start")
    t.ok(rcpt("nobody@example.net")[0] == 550, "an address that no table has is unknown", rcpt("nobody@example.net"), i.log())
    with smtplib.SMTP("127.0.0.1", port, timeout=60) as c:
        c.helo("x")
        c.sendmail("s@example.com", ["a@example.net", "who@example.net"], "Subject: one\r\n\r\nhello\r\n")
    t.ok(wait_for(lambda: glob.glob(f"{i.dir}/boxes/u/new/*")), "mail by aliases in sqlite and socketmap, a mailbox in sqlite, a transport by tcp", i.log())
    t.ok(b"box a@example.net" not in sm.asked and b"box who@example.net" in sm.asked and b"box @example.net" not in sm.asked,
         "whole keys only, and only where the table before has nothing", sm.asked)
    at = sm.port
    sm.stop()
    code, text = rcpt("nobody2@example.net")
    t.ok(code == 451, "the socketmap server is away: 451, not unknown", code, text, i.log()[-2000:])
    t.ok(wait_for(lambda: f"warning: socketmap:inet:127.0.0.1:{at}:box: 127.0.0.1:{at}: " in i.log()), "with a warning that names it", i.log()[-2000:])
    sm = Server(netstring, socketmap_reply, at)
    t.ok(wait_for(lambda: rcpt("nobody3@example.net")[0] == 550), "it is back", i.log()[-2000:])
    tcp_at = tcp.port
    tcp.stop()
    if has_sqlite:
        os.rename(db, db + "-")
        os.kill(i.named("proxymap")[0], 9)
        code, text = wait_for(lambda: rcpt("v@example.net"))
        t.ok(code == 451, "the database is gone: 451", code, text, i.log()[-2000:])
        os.rename(db + "-", db)
    tcp = Server(lambda f: f.readline(), tcp_reply, tcp_at)
    t.ok(wait_for(lambda: rcpt("u@example.net")[0] == 250), "all are back: accepted", i.log()[-2000:])
    with open(alias, "a") as f:
        f.write("query = SELECT 'v@example.net' WHERE '%s' = 'new@example.net'\n")
    if has_sqlite:
        t.ok(wait_for(lambda: rcpt("new@example.net")[0] == 250, 30), "a table's file is edited: it is read again", i.log()[-2000:])
    t.ok("panic" not in i.log() and "signal 31" not in i.log(), "nobody dies", i.log())
t.end()

#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""client_suites.py - what client libraries do with Dovecot they do with Postern

Perl's Mail::IMAPClient, npm's imapflow (found by NODE_PATH or IMAPFLOW, a
directory with node_modules) and offlineimap work a mailbox step by step, each
step "ok NAME" or "not ok NAME", first with Dovecot and then with Postern: every
step that passes there must pass here.  Without Dovecot all steps must pass.
What is not installed is skipped, and said.  TAP.
"""
import os, re, shutil, subprocess, sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import takeover as t

PERL = r'''
use Mail::IMAPClient; use strict;
my ($port) = @ARGV;
sub step { my ($name, $good) = @_; print $good ? "ok" : "not ok", " $name\n"; }
my $c = Mail::IMAPClient->new(Server => "127.0.0.1", Port => $port, User => "alice", Password => "secret", Uid => 1, Timeout => 30);
step("login", $c && $c->IsAuthenticated) or exit;
step("capability", grep(/IMAP4rev1/, $c->capability));
step("has_capability", $c->has_capability("IDLE"));
step("separator", $c->separator eq "/");
step("namespace", $c->namespace);
step("create", $c->create("perl"));
step("create nested", $c->create("perl/in ner"));
step("exists", $c->exists("perl/in ner"));
step("folders", (grep { $_ eq "perl/in ner" } $c->folders) == 1);
step("subscribe", $c->subscribe("perl") && grep { $_ eq "perl" } $c->subscribed);
my $mail = "From: a\@example.net\r\nTo: b\@example.net\r\nSubject: first\r\nMessage-ID: <1\@x>\r\nContent-Type: text/plain\r\n\r\nhello {12}\r\n";
my $uid = $c->append_string("perl", $mail, "\\Seen", "20-Nov-2026 12:00:00 +0000");
step("append_string", $uid);
step("select", $c->select("perl"));
step("messages", ($c->messages)[0] == $uid);
step("message_count", $c->message_count == 1);
step("message_string", $c->message_string($uid) eq $mail);
step("body_string", $c->body_string($uid) eq "hello {12}\r\n");
step("size", $c->size($uid) == length $mail);
step("internaldate", $c->internaldate($uid) =~ /20-Nov-2026/);
step("subject", $c->subject($uid) eq "first");
step("parse_headers", $c->parse_headers($uid, "Subject", "To")->{To}[0] =~ /b\@example/);
step("get_envelope", $c->get_envelope($uid)->subject eq "first");
step("get_bodystructure", lc($c->get_bodystructure($uid)->bodytype) eq "text");
step("flags", grep { $_ eq "\\Seen" } $c->flags($uid));
step("seen", ($c->seen)[0] == $uid);
step("mark", $c->mark($uid) && grep { $_ eq "\\Flagged" } $c->flags($uid));
step("unmark", $c->unmark($uid) && !grep { $_ eq "\\Flagged" } $c->flags($uid));
step("deny_seeing", $c->deny_seeing($uid) && $c->unseen_count == 1);
step("set_flag keyword", $c->set_flag("perlish", $uid));
step("search", ($c->search("SUBJECT", $c->Quote("first")))[0] == $uid);
step("search body", ($c->search("BODY", $c->Quote("hello")))[0] == $uid);
step("search or", ($c->search("OR", "SUBJECT", "nothing", "KEYWORD", "perlish"))[0] == $uid);
step("sort", ($c->sort("SUBJECT", "UTF-8", "ALL"))[0] == $uid);
step("thread", $c->thread("REFERENCES", "UTF-8", "ALL"));
step("copy", $c->copy("perl/in ner", $uid));
step("move", $c->move("perl/in ner", $uid) || $c->noop);
step("status", $c->status("perl/in ner", "MESSAGES"));
step("fetch_hash", keys %{$c->fetch_hash("FLAGS", "RFC822.SIZE") || {}} >= 0);
step("expunge", $c->expunge);
step("select inner", $c->select("perl/in ner"));
step("delete_message", $c->delete_message($c->messages) && $c->expunge);
my $idle = $c->idle;
step("idle", $idle && $c->done($idle));
step("noop", $c->noop);
step("close", $c->close);
step("rename", $c->rename("perl/in ner", "perl/out er"));
step("delete", $c->delete("perl/out er"));
step("unsubscribe", $c->unsubscribe("perl"));
step("a name that is not there", !$c->select("nothing"));
step("logout", $c->logout);
'''

NODE = r'''
const { ImapFlow } = require("imapflow");
const step = (name, good) => console.log((good ? "ok " : "not ok ") + name);
(async () => {
  const c = new ImapFlow({ host: "127.0.0.1", port: +process.argv[2], secure: false, logger: false, auth: { user: "alice", pass: "secret" }, qresync: true });
  const attempt = async (name, f) => { try { step(name, await f()); } catch (e) { step(name, false); console.log("# " + name + ": " + e.message); } };
  await c.connect();
  step("connect", c.authenticated);
  await attempt("mailboxCreate", async () => (await c.mailboxCreate(["flow", "L\u00f6sung & Co"])).created);
  await attempt("list", async () => (await c.list({ statusQuery: { messages: true, uidNext: true } })).some(m => m.name === "L\u00f6sung & Co"));
  await attempt("listTree", async () => (await c.listTree()).folders.length > 0);
  await attempt("subscribe", async () => await c.mailboxSubscribe("flow/L\u00f6sung & Co"));
  await attempt("append", async () => (await c.append("flow/L\u00f6sung & Co", "Subject: one\r\nMessage-ID: <one@x>\r\n\r\nbody\r\n", ["\\Seen", "flowing"], new Date("2026-11-20"))).uid > 0);
  await attempt("append second", async () => (await c.append("flow/L\u00f6sung & Co", "Subject: =?utf-8?q?zw=C3=B6lf?=\r\n\r\nbody 2\r\n")).uid > 0);
  await attempt("status", async () => (await c.status("flow/L\u00f6sung & Co", { messages: true, unseen: true, highestModseq: true })).messages === 2);
  const lock = await c.getMailboxLock("flow/L\u00f6sung & Co");
  await attempt("fetchOne", async () => { const m = await c.fetchOne("*", { envelope: true, bodyStructure: true, flags: true, size: true, source: true, internalDate: true }); return m.envelope.subject === "zw\u00f6lf" && m.source.toString().endsWith("body 2\r\n"); });
  await attempt("fetch", async () => { let n = 0; for await (const m of c.fetch("1:*", { uid: true, flags: true, headers: ["subject"], bodyParts: ["text"], threadId: true })) n++; return n === 2; });
  await attempt("changedSince", async () => { let n = 0; for await (const m of c.fetch("1:*", { flags: true }, { changedSince: 1n })) n++; return n === 2; });
  await attempt("search", async () => (await c.search({ or: [{ subject: "one" }, { keyword: "nothing" }] })).length === 1);
  await attempt("search charset", async () => (await c.search({ subject: "zw\u00f6lf" })).length === 1);
  await attempt("flagsAdd", async () => await c.messageFlagsAdd("1", ["\\Flagged"]));
  await attempt("flagsSet unchangedSince", async () => await c.messageFlagsSet("1", ["\\Seen"], { unchangedSince: c.mailbox.highestModseq + 1000000000000n }));
  await attempt("download", async () => { const d = await c.download("1"); let s = ""; for await (const b of d.content) s += b; return s.includes("body"); });
  await attempt("copy", async () => (await c.messageCopy("1", "INBOX")).uidMap.size === 1);
  await attempt("move", async () => (await c.messageMove("1", "INBOX")).uidMap.size === 1);
  await attempt("delete", async () => await c.messageDelete("1:*"));
  await attempt("quota", async () => (await c.getQuota()) !== undefined);
  lock.release();
  await attempt("mailboxRename", async () => (await c.mailboxRename("flow/L\u00f6sung & Co", "flow/neu")).newPath === "flow/neu");
  await attempt("mailboxDelete", async () => (await c.mailboxDelete("flow/neu")).path === "flow/neu");
  await attempt("noop", async () => { await c.noop(); return true; });
  await c.logout();
  step("logout", true);
})().catch(e => { console.log("not ok session\n# " + e); process.exit(1); });
'''

OFFLINE = """[general]
accounts = a
metadata = {base}/offline-{server}
ui = quiet
[Account a]
localrepository = near
remoterepository = far
[Repository near]
type = Maildir
localfolders = {base}/offline-mail-{server}
[Repository far]
type = IMAP
remotehost = 127.0.0.1
remoteport = {port}
remoteuser = alice
remotepass = secret
ssl = no
starttls = no
auth_mechanisms = LOGIN
folderfilter = lambda name: name in ("INBOX", "Archive/2026", "two words")
"""


def perl(server):
    return ["perl", "-e", PERL, str(t.IMAP)], None


def node(server):
    return ["node", "-e", NODE, "x", str(t.IMAP)], None


def offlineimap(server):
    """Twice: all comes, and the second time nothing changes."""
    rc = f"{t.base}/offline-{server}.rc"
    with open(rc, "w") as f:
        f.write(OFFLINE.format(base=t.base, server=server, port=t.IMAP))
    mail = f"{t.base}/offline-mail-{server}"
    script = (f"offlineimap -o -c {rc} >{rc}.log 2>&1 && echo ok first || {{ echo not ok first; sed 's/^/# /' {rc}.log | tail -5; }}; "
              f"n=$(find {mail} -type f -path '*/[cn]*/*' | wc -l); echo \"# $n files\"; [ $n = 30 ] && echo ok all came || echo not ok all came; "
              f"find {mail} -type f | sort >{rc}.1; offlineimap -o -c {rc} >/dev/null 2>&1 && echo ok second || echo not ok second; "
              f"find {mail} -type f | sort | cmp -s - {rc}.1 && echo ok nothing changed || echo not ok nothing changed")
    return ["sh", "-c", script], None


def missing(name):
    if name == "perl":
        return subprocess.run(["perl", "-MMail::IMAPClient", "-e", "1"], capture_output=True).returncode and "libmail-imapclient-perl is not installed"
    if name == "node":
        if not shutil.which("node"):
            return "node is not installed"
        return subprocess.run(["node", "-e", 'require("imapflow")'], capture_output=True, env=ENV).returncode and "npm's imapflow is not there (IMAPFLOW=directory)"
    return not shutil.which("offlineimap") and "offlineimap3 is not installed"


SUITES = {"perl": perl, "node": node, "offlineimap": offlineimap}
ENV = dict(os.environ, HOME=t.base, NODE_PATH=os.pathsep.join(filter(None, (os.environ.get("NODE_PATH"), os.environ.get("IMAPFLOW", "") + "/node_modules"))))


def fill():
    shutil.rmtree(t.HOME, ignore_errors=True)
    for box in ("", "/.Archive.2026", "/.two words"):
        for d in ("cur", "new", "tmp"):
            os.makedirs(f"{t.MAIL}{box}/{d}")
        for n in range(10):
            with open(f"{t.MAIL}{box}/cur/{1700000000 + n}.M{n}P1.host:2,S", "w") as f:
                f.write(t.body(n))
    for top, dirs, files in os.walk(t.HOME):
        for name in ["."] + files:
            t.own(f"{top}/{name}")


def steps(server, name):
    """{step: passed} and what the suite said besides."""
    fill()
    with server:
        r = subprocess.run(SUITES[name](server.name)[0], capture_output=True, text=True, timeout=120, env=ENV)
    return {m[2]: m[1] == "ok" for m in re.finditer(r"^(ok|not ok) (.*)$", r.stdout, re.M)}, \
        [line for line in r.stdout.splitlines() if line.startswith("#")] + r.stderr.splitlines()[-5:]


def main():
    with open(f"{t.base}/users", "w") as f:
        f.write(f"alice:{{PLAIN}}secret:{t.OWNER.pw_uid}:{t.OWNER.pw_gid}::{t.HOME}::\n")
    dovecot = t.Dovecot() if os.path.exists(t.DOVECOT) and os.path.exists("/usr/lib/dovecot/pop3") else None
    postern = t.Postern("imap_namespace_separator = /\n")
    for name in SUITES:
        why = missing(name)
        if why:
            t.tap.ok(True, f"{name} # SKIP {why}")
            continue
        theirs, _ = steps(dovecot, name) if dovecot else ({}, [])
        ours, said = steps(postern, name)
        worse = [step for step, passed in (theirs or dict.fromkeys(ours, True)).items() if passed and not ours.get(step)]
        t.tap.ok(ours and not worse, f"{name}: {sum(ours.values())} of {len(ours)} steps pass, with Dovecot {sum(theirs.values())} of {len(theirs)}", worse, *said)
    with postern.i:
        pass


main()
t.end()

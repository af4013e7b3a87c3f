#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""side_by_side.py - Debian's Postfix and Postern with the same configuration, message by message

Each configuration is run by both systems, one after the other, on the same stage (sides_stage.py): the same
envelopes go in, and replies (code and enhanced code), fates of recipients, headers and places are compared.
Six configurations are our own (sides_configs.py); POSTFIX_CONFIGS names a directory with more, a folder each.

Last run, 30 November 2026, Debian's Postfix 3.7.11, every session of sides_mail.py (SMTP, TLS, AUTH, sendmail) and
200 drawn envelopes (fincham: 10; it probes and greets slowly): no difference beside EXPECTED in virtual, aliases and lists
of our own and in ARF20NET, Bun, DanWin (onion), Edouard, FeministWiki, HON95, Haran, JoeKun, Nothing4You, StefanManninen, WinniW31,
alexamiryan, Froxlor, catatsuy, debian, filegarden, fincham, hardware and postfix-upstream-3.12.  Karmak23 has no relay
restriction: both refuse to start, in the same words.

  SIDES_ONLY=name,name   these configurations alone     SIDES_MESSAGES=name,name   these messages alone
  SIDES_DRAWN=200        so many envelopes drawn from a seed (SIDES_SEED) as well
  SIDES_TEXT=1           reply texts count too          SIDES_KEEP=directory       both logs are kept there
"""
import os, re, subprocess, sys, time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from instance import Instance, Tap, wait_for
import sides_configs, sides_stage
from sides_fakes import *
from sides_mail import *
from sides_stage import *

CONFIGS = os.environ.get("POSTFIX_CONFIGS", "")
ONLY = [n for n in os.environ.get("SIDES_ONLY", "").split(",") if n]
MESSAGES = [n for n in os.environ.get("SIDES_MESSAGES", "").split(",") if n]
DRAWN, SEED, TEXT = int(os.environ.get("SIDES_DRAWN", "20")), int(os.environ.get("SIDES_SEED", "1")), os.environ.get("SIDES_TEXT")


# ---- configurations

class Config:
    def __init__(self, name, main, master, folder=None, files=None):
        self.name, self.main, self.master, self.folder, self.files = name, main, master, folder, files or {}


def filled(text):
    """Templates of installers: what an administrator would have them say."""
    text = re.sub(r"\{\{ if eq .DBDRIVER \"ldap\" \}\}.*?\{\{ else \}\}", "", text, flags=re.S)
    text = re.sub(r"\{\{ *\.(\w+) *\}\}", r"{{ .\1 }}", text)
    text = re.sub(r"\{%-? if .*?%\}|\{%-? endif ?-?%\}|\{% for .*?\{% endfor %\}|\{\{ end \}\}", "", text, flags=re.S)
    for a, b in (("{{ fqdn }}", "mail.sides.test"), ("{{ domains[0] }}", "sides.test"), ("{{ ', '.join(domains) }}", "sides.test, second.test"), ("{{ ' '.join(whitelist_hosts) }}", "127.0.0.0/8"),
                 ("${MAIL_DOMAIN}", "froxlor.sides.test"), ("${MY_NETWORKS}", "127.0.0.0/8"), ("${MESSAGE_SIZE_LIMIT}", "52428800"), ("{{ .RECIPIENT_DELIMITER }}", "+"), ("{{ .FQDN }}", "mail.sides.test"),
                 ("{{ .DOMAIN }}", "sides.test"), ("{{ .RELAY_NETWORKS }}", ""), ("{{ .FULLCHAIN }}", "/etc/ssl/sides/full.pem"), ("{{ .KEYFILE }}", "/etc/ssl/sides/key.pem"), ("{{ .DBDRIVER }}", "mysql"),
                 ("{{ .VMAILUID }}", "5000"), ("{{ .VMAILGID }}", "5000"), ("myhostname = yourhostname", "myhostname = host.yourdomain.test"), ("yourdomainname", "yourdomain.test"), ("your_eai_domain", "eai.test")):
        text = text.replace(a, b)
    if "$_postmaster_address" in text:
        text += "\n_postmaster_address = alice@outside.test\n"
    return re.sub(r"(?m)^( *\S+ *=[^\n]*?)\{\{ .*? \}\}", r"\1", text)


def outside():
    """What the directory holds: a folder with main.cf (or a part of one) and perhaps master.cf."""
    stock = f"{CONFIGS}/debian-postfix-3.7.11/master.cf.dist"
    for path in sorted(subprocess.run(["find", CONFIGS, "-name", "main.cf", "-o", "-name", "main.cf.debian"], capture_output=True, text=True).stdout.split()):
        folder = path.rsplit("/", 1)[0]
        name = path[len(CONFIGS) + 1:].split("/")[0] + ("-clearnet" if "clearnet" in path else "")
        main = open(path).read()
        if path.endswith(".debian"):
            main += open(f"{folder}/main.cf.tls").read()
        master = next((p for p in (f"{folder}/master.cf", f"{folder}/master.cf.dist", stock) if os.path.exists(p)), None)
        yield Config(name, filled(main), open(master).read() if master else sides_configs.STOCK, folder)


def configurations():
    for name, c in sides_configs.OWN.items():
        yield Config(name, c["main"], c["master"], files=c["files"])
    if CONFIGS:
        yield from outside()


def parameter(name):
    r = subprocess.run(["/usr/sbin/postconf", "-c", "/etc/postfix", "-x", "-h", name], capture_output=True, text=True)
    return r.stdout.strip()


def words_of(value):
    """The domains of a list, tables and files opened."""
    found = []
    for w in re.findall(r"[^\s,{}]+", value):
        path = re.sub(r"^(proxy:)?(hash|texthash|btree|lmdb):", "", w)
        if path.startswith("/") and os.path.isfile(path):
            found += [l.split()[0] for l in open(path) if l.strip() and l[0] != "#"]
        elif re.match(r"^[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+$", w):
            found.append(w)
    return found


def domains_of():
    """One domain of each class; of our own the least ordinary local one last."""
    def first(name):
        found = [w for w in words_of(parameter(name)) if not w.startswith("localhost")]
        return found[0] if found else None
    return {"local": first("mydestination"), "virtual": first("virtual_mailbox_domains"), "alias": first("virtual_alias_domains") if "$" not in parameter("virtual_alias_domains") and
            parameter("virtual_alias_domains") != parameter("virtual_alias_maps") else None,
            "relay": next((w for w in words_of(parameter("relay_domains")) if not w.startswith("localhost") and w not in words_of(parameter("mydestination"))), None), "hostname": parameter("myhostname")}


def fill_templates(folder):
    for name in os.listdir(folder):
        path = f"{folder}/{name}"
        if os.path.isfile(path) and "{{ ." in (text := open(path, errors="surrogateescape").read()):
            with open(path, "w", errors="surrogateescape") as f:
                f.write(filled(text))


def install(config):
    """/etc/postfix for both.  The domains."""
    for name in os.listdir("/etc/postfix"):
        if name not in ("post-install", "postfix-files", "postfix-files.d", "postfix-script", "dynamicmaps.cf", "dynamicmaps.cf.d", "makedefs.out"):
            path = f"/etc/postfix/{name}"
            shutil.rmtree(path) if os.path.isdir(path) else os.unlink(path)
    if config.folder:
        for name in os.listdir(config.folder):
            source = f"{config.folder}/{name}"
            if os.path.isdir(source):
                shutil.copytree(source, f"/etc/postfix/{name}", dirs_exist_ok=True)
            elif name not in ("main.cf", "master.cf", "dynamicmaps.cf"):
                shutil.copy(source, f"/etc/postfix/{name}")
        subprocess.run(["chmod", "-R", "u+w", "/etc/postfix"])
        fill_templates("/etc/postfix")
    for name, text in config.files.items():
        write(f"/etc/postfix/{name}", text)
    shutil.rmtree("/srv/tables", ignore_errors=True)
    write("/etc/aliases", ALIASES)
    text = main_for(logical(config.main), {})
    write("/etc/postfix/main.cf", text)
    write("/etc/postfix/master.cf", master_for(config.master))
    named = [w for n in ("mydestination", "virtual_mailbox_domains") for w in words_of(parameter(n)) if not w.startswith("localhost")]
    virtual = [w for w in words_of(parameter("virtual_mailbox_domains"))]
    values, master = supply(text, master_for(config.master), virtual or ["box.test"] if not named else virtual or ["box.test"])
    write("/etc/postfix/main.cf", "".join(f"{k} = {v}\n" for k, v in values.items()))
    write("/etc/postfix/master.cf", master)
    make_tables(values)
    make_tables({"x": master, "alias_maps": "hash:/etc/aliases"})
    return domains_of()


# ---- neighbours

def places(text):
    """(kind, where) of every neighbour that the files name."""
    found = set()
    for name, value in [*logical(text[0]).items(), *re.findall(r"-o\s*\{?\s*(\w+)\s*=\s*((?:(?! -o )[^\n}])*)", text[1])]:
        if name.endswith("milters"):
            found |= {("milter", w) for w in re.findall(r"(?:unix|inet):[^\s,]+", value)}
        found |= {("policy", w) for w in re.findall(r"check_policy_service\s+\{?\s*((?:unix|inet):[^\s,]+)", value)}
        if name == "smtpd_sasl_path":
            found.add(("auth", "unix:" + re.sub("^unix:", "", value.strip())))
        found |= {("lmtp", w) for w in re.findall(r"lmtp:((?:unix|inet):[^\s,]+)", value)}
        found |= {("socketmap", w) for w in re.findall(r"socketmap:(inet:[\d.]+:\d+)", value)}
        if name == "content_filter" and (m := re.match(r"[\w-]+:\[(127\.0\.0\.1|localhost)\]:(\d+)", value)):
            found.add(("filter", f"inet:127.0.0.1:{m.group(2)}"))
    for table in re.findall(r"lmtp:(?:inet:127\.0\.0\.1:\d+)", "".join(open(f"/etc/postfix/{n}", errors="replace").read() for n in os.listdir("/etc/postfix") if os.path.isfile(f"/etc/postfix/{n}"))):
        found.add(("lmtp", table[5:]))
    found = {(k, w.replace("localhost:", "127.0.0.1:")) for k, w in found}
    return sorted(found)


def fake_paths(where):
    """A relative path is in the queue directory; an absolute one may be meant from inside it (chroot)."""
    if where.startswith("inet:"):
        return [where[5:]]
    path = where[5:]
    if path.startswith(QUEUE) or not path.startswith("/"):
        return [path if path.startswith("/") else f"{QUEUE}/{path}"]
    return [path, QUEUE + path]


class Neighbours:
    def __init__(self, text):
        certificate = ("/srv/cert.pem", "/srv/key.pem")
        self.sinks = [Sink(f"{SINK}:{port}", f"sink:{port}", certificate) for port in (25, 587)]
        self.fakes = []
        spawned = set(re.findall(r"(?m)^(\S+)\s+unix\s.*\sspawn\b", text[1]))
        for kind, where in places(text):
            if kind == "policy" and where.startswith("unix:private/") and where[13:] in spawned:
                continue                                # a service of master's own
            for path in fake_paths(where):
                if path.startswith("/"):
                    os.makedirs(os.path.dirname(path), exist_ok=True)
                label = f"{kind} {where}"
                if kind in ("lmtp", "filter"):
                    self.sinks.append(Sink(path, label, hand_on=("127.0.0.1", int(path.split(":")[1]) + 1) if kind == "filter" else None, lmtp=kind == "lmtp"))
                else:
                    serve = {"milter": milter(re.sub(r"\W+", "-", where)), "policy": policy, "auth": dovecot_auth, "socketmap": socketmap}[kind]
                    self.fakes.append(Fake(path, serve))

    def close(self):
        for s in [*self.sinks, *self.fakes]:
            s.close()


# ---- one system's run

class Run:
    """What one system did with all sessions."""
    def __init__(self):
        self.check = self.started = None
        self.replies, self.places, self.fates, self.log = {}, {}, {}, ""


def run(system, sessions, text):
    out = Run()
    clean()
    for name, data in text.items():
        write(f"/etc/postfix/{name}", data)
    system.adapt()
    neighbours = Neighbours((text["main.cf"], text["master.cf"]))
    try:
        act(system, sessions, neighbours, out)
    finally:
        neighbours.close()
    return out


def act(system, sessions, neighbours, out):
    out.check = system.run("check")
    started = system.run("start")
    out.started = started.returncode == 0 and wait_for(lambda: answers((MAIL_HOST, 25)) or answers((MAIL_HOST, 587)) or answers((MAIL_HOST, 1025)), 20)
    if not out.started:
        out.log = started.stdout + started.stderr + log_text()
        system.run("stop")
        return
    try:
        for s in sessions:
            out.replies[s.name] = submit(system, s) if isinstance(s, Submission) else converse(s)
        out.settled = settle()
        for token, place, envelope, data in arrivals(neighbours.sinks):
            out.places.setdefault(token, []).append((place, envelope, header_shape(data), body_shape(data)))
        out.places = {token: merged(found) for token, found in out.places.items()}
        out.log = log_text()
        out.fates = fates(out.log)
    finally:
        system.run("stop")
        wait_for(system.gone, 20)


def submit(system, s):
    r = subprocess.run([*system.sendmail(), *s.arguments], input=s.text.encode("utf-8", "surrogateescape"), capture_output=True, timeout=60)
    return [("sendmail " + " ".join(s.arguments), Reply([f"{r.returncode:03d} {r.stderr.decode().strip()}"]))]


def merged(found):
    """Recipients of one sender who got the same at one place: which of them shared a transaction is a matter of order."""
    out = {}
    for place, envelope, header, body in found:
        sender, arrow, rcpts = envelope.partition(" -> ")
        out.setdefault((place, sender, arrow, tuple(header), body), []).extend(rcpts.split(", "))
    return [(place, sender + arrow + ", ".join(sorted(rcpts)) if arrow else sender, list(header), body) for (place, sender, arrow, header, body), rcpts in out.items()
            for _ in ([0] if arrow else rcpts)]


def answers(where):
    try:
        with socket.create_connection(where, 5) as s:
            return s.recv(3) == b"220"
    except OSError:
        return False


# ---- comparing

# What differs on purpose: message, what, Postfix's, Postern's, each a regular expression; and why.
EXPECTED = (
    (r"", r"HELP$", r"500", r"214", "RFC 5321, 4.5.1 wants HELP"),
    (r"auth-syntax|drawn-.*", r"AUTH PLAIN !!!!", r"535", r"501 5\.5\.2", "RFC 4954, 4: 501 to what is no base64"),
    (r"syntax", r"MAIL FROM:<(\.a|a\.\.b)@", r"250", r"501", "strict_rfc821_envelopes: RFC 5321, 4.1.2 has no such local part"),
    (r"syntax", r"RCPT TO:< alice@", r"250", r"501", "strict_rfc821_envelopes: no blank within the path"),
    (r"", r"RCPT TO:<.*\.>$|fate of .*\.$", r"250", r"501", "strict_rfc821_envelopes: RFC 5321, 4.1.2 has no dot at a domain's end"),
    (r"final-dot-twin", r"fate of alice@|went to|envelope at|header at", r"(\S+ )?(sent 2\.0\.0|deferred 4\.\d\.\d) |(maildir|mbox|pipe|sink) |<friend@|Received: .* ID; DATE$", r"none|nowhere like it|<friend@\S+ -> <[^,]*$|sent 2\.0\.0 (local|dovecot)|Received: .* for <alice@", "user@domain. and user@domain are one recipient, not two"),
    (r"sendmail-(nobody|no-arguments|bad-option)", r"^sendmail", r"075", r"064", "who is called wrongly says EX_USAGE (sysexits.h): trying again would not help"),
    (r".* notice", r"header at", r"\(order\) [\w,-]*MIME-Version,Content-Type,Message-Id(,X-Milter-[\w-]+)?$", r"Content-Transfer-Encoding: 8bit$", "smtputf8_enable = no: RFC 2045, 6.4 wants eight bits within to be told"),
    (r"bare-names( notice)?", r"fate of alice@localhost$|body at", r"(\S* ?bounced 5\.4\.4|Diagnostic-Code).* for name=localhost", r"(\S* ?bounced 5\.4\.6|Diagnostic-Code).*mail for localhost loops back", "localhost is this machine, whatever DNS says (RFC 6761, 6.3)"),
    (r"aliases-broken", r"fate of loop2?@", r"(\S+ )?bounced 5\.4\.6|none", r"(\S+ )?bounced 5\.4\.6|none", "which name of a circle of aliases is told"),
    (r"aliases-broken notice", r"body at", r".*alias database loop", r".*alias database loop", "the same"),
    (r"drawn.*", r"fate of \S+\+@", r"\S+\+@", r"none", "an empty extension is not copied to what an alias leads to"),
    (r"drawn.*", r"fate of", r"none", r"\S+\+@\S+ sent", "the other half of that"),
    (r"", r"header at sink", r"\(order\)", r"X-Milter-\S+ seen$", "milters see mail that REDIRECT sends elsewhere"),
    (r"routes.*|quoted|drawn-.*", r"envelope at", r"<\S* -> .*(%|!|;@)", r"<\S* -> ", "with no_address_mappings and a filter: site!user and user%site are resolved before the filter, there behind it"),
    (r"routes.*|quoted|drawn-.*", r"header at", r"Received: .* for <[^>]*[%!@][^>]*@[^>]*>; DATE$", r"Received: .* for <[^>]*>; DATE$", "the same"),
    (r"routes.*|quoted|drawn-.*", r"fate of [^@%]*[@%]\S+@", r"sent 2\.0\.0 |\S+ sent 2\.0\.0 ", r"none", "the same"),
    (r"routes.*|quoted|drawn-.*", r"fate of [^@%]*@\S+$", r"none|\S*[%@]\S+@\S+ sent 2\.0\.0 ", r"(\S*[%@!]\S+@\S+ )?sent 2\.0\.0 ", "the same"),
    (r"drawn-.*", r"fate of spam@|envelope at", r"\S+@\S+ sent 2\.0\.0 |<\S* -> <spam@outside.test> ORCPT=\S+$", r"\S+@\S+ sent 2\.0\.0 |<\S* -> <spam@outside.test> ORCPT=\S+$", "REDIRECT of several recipients: whose copy it was"),
    (r"drawn-.*", r"header at", r"(Resent-)?From: MAILER-DAEMON@\S+$", r"(Resent-)?From: MAILER-DAEMON$", "what .forward or an alias sends on is not rewritten once more"),
    (r"", r"fate of", r"(\S+ )?deferred 4\.3\.5 \S+ \(mail system configuration error\)", r"(\S+ )?sent 2\.0\.0 ", "pipe's flag D with many recipients a delivery: one after the other here, an error there"),
)
MASKED_REPLY = [(re.compile(r"queued as \S+"), "queued as ID")]


def reply_rows(name, a, b):
    rows = []
    for n in range(max(len(a), len(b))):
        (step, x), (other, y) = a[n] if n < len(a) else ("-", Reply([])), b[n] if n < len(b) else ("-", Reply([]))
        label = step if step != "-" else other
        text_x, text_y = mask(x.text), mask(y.text)
        for pattern, replacement in MASKED_REPLY:
            text_x, text_y = pattern.sub(replacement, text_x), pattern.sub(replacement, text_y)
        if (x.code, x.status) != (y.code, y.status):
            rows.append((name, label[:60], f"{x.code} {x.status} {text_x}", f"{y.code} {y.status} {text_y}"))
            if not x.lines or not y.lines:
                break
        elif label.startswith("EHLO") and x.keywords() != y.keywords():
            rows.append((name, "EHLO keywords", " ".join(w for w in x.keywords() if w not in y.keywords()), " ".join(w for w in y.keywords() if w not in x.keywords())))
        elif TEXT and text_x != text_y:
            rows.append((name, "text: " + label[:50], text_x, text_y))
    return rows


def fate_rows(name, a, b):
    rows, gone = [], list(b)
    for f in a:
        same = next((g for g in gone if g[:5] == f[:5]), None)
        if same:
            gone.remove(same)
            if TEXT and same[5] != f[5]:
                rows.append((name, "fate text " + f[0], f[5], same[5]))
            continue
        near = next((g for g in gone if g[0] == f[0]), None)
        if near:
            gone.remove(near)
        rows.append((name, "fate of " + f[0], " ".join(f[1:]), " ".join(near[1:]) if near else "none"))
    return rows + [(name, "fate of " + g[0], "none", " ".join(g[1:])) for g in gone]


def place_rows(name, a, b):
    rows, left = [], sorted(b, key=str)
    for p in sorted(a, key=str):
        same = next((q for q in left if q == p), None) or next((q for q in left if q[:3] == p[:3]), None) or next((q for q in left if q[:2] == p[:2]), None) or next((q for q in left if q[0] == p[0]), None)
        if not same:
            rows.append((name, "went to", f"{p[0]} {p[1]}", "nowhere like it"))
            continue
        left.remove(same)
        if same[1] != p[1]:
            rows.append((name, "envelope at " + p[0], p[1], same[1]))
        if same[2] != p[2] and not (name.endswith(" notice") and sorted(same[2]) == sorted(p[2])):
            mine, theirs = [h for h in p[2] if h not in same[2]], [h for h in same[2] if h not in p[2]]
            rows.append((name, "header at " + p[0], " | ".join(mine) or "(order) " + ",".join(h.split(":")[0] for h in p[2]), " | ".join(theirs) or "(order) " + ",".join(h.split(":")[0] for h in same[2])))
        if same[3] != p[3]:
            x, y = p[3].split("\n"), same[3].split("\n")
            rows.append((name, "body at " + p[0], " | ".join(l for l in x if l not in y)[:300], " | ".join(l for l in y if l not in x)[:300]))
    return rows + [(name, "went to", "nowhere like it", f"{q[0]} {q[1]}") for q in left]


def compare(theirs, ours):
    rows = []
    if theirs.check.returncode != ours.check.returncode:
        rows.append(("check", "exit code", f"{theirs.check.returncode} {theirs.check.stderr[-300:]}", f"{ours.check.returncode} {ours.check.stderr[-300:]}"))
    for name in theirs.replies:
        rows += reply_rows(name, theirs.replies[name], ours.replies.get(name, []))
    for name in sorted({*theirs.fates, *ours.fates}):
        rows += fate_rows(name, theirs.fates.get(name, []), ours.fates.get(name, []))
    for name in sorted({*theirs.places, *ours.places}):
        rows += place_rows(name, theirs.places.get(name, []), ours.places.get(name, []))
    return [r for r in rows if not expected(r)]


def expected(row):
    """An envelope with fewer recipients is never expected, but for the twin."""
    if row[1].startswith("envelope at") and row[2].count("ORCPT=") != row[3].count("ORCPT=") and row[0] != "final-dot-twin":
        return False
    return any(re.fullmatch(m or ".*", row[0]) and re.search(w, row[1]) and re.match(x, row[2].strip()) and re.match(y, row[3].strip()) for m, w, x, y, _ in EXPECTED)


def table(rows):
    out = []
    for message, what, x, y in rows:
        out += [f"{message}: {what}", f"    Postfix  {x}", f"    Postern  {y}"]
    return out


def keep(config, theirs, ours):
    where = os.environ.get("SIDES_KEEP")
    if where:
        os.makedirs(f"{where}/{config.name}", exist_ok=True)
        for name, r in (("postfix", theirs), ("postern", ours)):
            write(f"{where}/{config.name}/{name}.log", r.log)
        for name in ("main.cf", "master.cf"):
            shutil.copy(f"/etc/postfix/{name}", f"{where}/{config.name}/{name}")


def test(t, config, systems, names):
    domains = install(config)
    names.own = {domains["hostname"].lower()}
    text = {n: open(f"/etc/postfix/{n}").read() for n in ("main.cf", "master.cf")}
    sessions = chosen(domains) + submitted(domains) + drawn(domains, SEED, DRAWN)
    if MESSAGES:
        sessions = [s for s in sessions if s.name in MESSAGES]
    began = time.monotonic()
    theirs = run(systems[0], sessions, text)
    middle = time.monotonic()
    ours = run(systems[1], sessions, text)
    keep(config, theirs, ours)
    if not theirs.started:
        reason = re.search(r"fatal: (.*)", theirs.log)
        t.ok(not ours.started and reason and reason.group(1)[:60] in ours.log, f"{config.name}: Postfix does not start with it, nor does Postern, for the same reason: {reason and reason.group(1)}",
             theirs.log[-500:], ours.log[-500:])
        return
    if not ours.started:
        missing = re.search(r"table type \"\w+\" is not supported here yet", ours.check.stderr + ours.log)
        t.ok(False, f"{config.name}: starts" + (f" # TODO {missing.group(0)}" if missing else ""), ours.check.stderr[-3000:], ours.log[-3000:])
        return
    rows = compare(theirs, ours)
    died = [l for l in ours.log.splitlines() if re.search(r"panic|Assertion|killed by signal", l)]
    t.ok(not rows and not died, f"{config.name}: {len(sessions)} sessions, {sum(len(v) for v in theirs.places.values())} deliveries, {len(rows)} differences "
         f"({middle - began:.1f} s and {time.monotonic() - middle:.1f} s) {domains}", *table(rows), *died[:5])


def main():
    why = why_not()
    if why:
        print(f"1..0 # SKIP {why}")
        return
    enter()
    t = Tap()
    with Instance() as i:
        set_up()
        names = NameServer(("127.0.0.1", 53), SINK, STRANGER)
        for config in configurations():
            if not ONLY or config.name in ONLY:
                test(t, config, (Postfix(), Postern(i)), names)
        names.s.close()
    if not CONFIGS:
        t.ok(True, "configurations of public sites # SKIP POSTFIX_CONFIGS names no directory")
    t.end()


if __name__ == "__main__":
    main()

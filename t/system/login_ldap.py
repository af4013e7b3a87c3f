#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""login_ldap.py - users in a directory: Dovecot's dovecot-ldap.conf.ext by IMAP and SMTP, with Debian's slapd; passwords that are read
and passwords that are tried by a bind; TLS; names of strangers; a server that hangs, goes and comes; the same file read by Dovecot"""
import base64, imaplib, os, pwd, shutil, signal, smtplib, socket, subprocess, sys, tempfile, threading

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from instance import Instance, Tap, free_port, freeze, wait_for

t = Tap()
ok = t.ok
IMAP, SMTP, LDAP, LDAPS = free_port(), free_port(), free_port(), free_port()
MASTER = f"127.0.0.1:{IMAP} inet n - n - - imap-login\n127.0.0.1:{SMTP} inet n - n - - smtpd\n"
BASE = "dc=example,dc=net"
OWNER = pwd.getpwnam("nobody") if os.getuid() == 0 else pwd.getpwuid(os.getuid())
here = tempfile.mkdtemp(prefix="postern.ldap.")
os.chmod(here, 0o755)


def plain(user, password):
    return f"\0{user}\0{password}".encode()


def login(user, password, response=None):
    """The reply, or "OK" when INBOX opens."""
    m = imaplib.IMAP4("127.0.0.1", IMAP, timeout=60)
    try:
        m.authenticate("PLAIN", lambda _: response or plain(user, password))
        return m.select()[0]
    except imaplib.IMAP4.error as e:
        return str(e)
    finally:
        m.shutdown()


def smtp(user, password):
    with smtplib.SMTP("127.0.0.1", SMTP, timeout=60) as s:
        s.ehlo()
        return s.docmd("AUTH PLAIN " + base64.b64encode(plain(user, password)).decode())[0]


class Slapd:
    """A directory of the test's own, plain, with STARTTLS and with TLS."""
    def __init__(self):
        self.p = None
        self.server = shutil.which("slapd") or (os.path.exists("/usr/sbin/slapd") and "/usr/sbin/slapd")
        if not self.server or not os.path.isdir("/etc/ldap/schema"):
            raise OSError("slapd is not installed")
        os.mkdir(f"{here}/data")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1",
                        "-keyout", f"{here}/key.pem", "-out", f"{here}/cert.pem"], check=True, capture_output=True)
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=other", "-keyout", f"{here}/key2.pem", "-out", f"{here}/other.pem"],
                       check=True, capture_output=True)
        with open(f"{here}/slapd.conf", "w") as f:
            f.write(f"""include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/nis.schema
include /etc/ldap/schema/inetorgperson.schema
modulepath /usr/lib/ldap
moduleload back_mdb
pidfile {here}/pid
TLSCertificateFile {here}/cert.pem
TLSCertificateKeyFile {here}/key.pem
database mdb
maxsize 10000000
suffix "{BASE}"
rootdn "cn=admin,{BASE}"
rootpw secret
directory {here}/data
access to attrs=userPassword by dn.exact="cn=mail,{BASE}" read by anonymous auth
access to * by dn.exact="cn=mail,{BASE}" read by anonymous auth
limits dn.exact="cn=mail,{BASE}" size.soft=500 size.hard=500 size.prtotal=unlimited
""")
        people = ""
        for n, (uid, stored, more) in enumerate(PEOPLE):
            passwords = "".join(f"userPassword: {p}\n" for p in stored)
            people += f"""dn: uid={uid.replace(",", chr(92) + ",")},ou=people,{BASE}
objectClass: inetOrgPerson
objectClass: posixAccount
uid: {uid}
cn: {uid}
sn: x
uidNumber: {OWNER.pw_uid}
gidNumber: {OWNER.pw_gid}
homeDirectory: {here}/home/{n}
{passwords}{more}
"""
        with open(f"{here}/ldif", "w") as f:
            f.write(f"""dn: {BASE}
objectClass: dcObject
objectClass: organization
dc: example
o: e

dn: cn=mail,{BASE}
objectClass: organizationalRole
objectClass: simpleSecurityObject
cn: mail
userPassword: pa#w'ord

dn: ou=people,{BASE}
objectClass: organizationalUnit
ou: people

{people}dn: ou=crowd,{BASE}
objectClass: organizationalUnit
ou: crowd

""" + "".join(f"dn: cn=c{n},ou=crowd,{BASE}\nobjectClass: organizationalRole\ncn: c{n}\n\n" for n in range(CROWD)))
        r = subprocess.run([shutil.which("slapadd") or "/usr/sbin/slapadd", "-f", f"{here}/slapd.conf", "-l", f"{here}/ldif"], capture_output=True, text=True)
        if r.returncode:
            raise OSError("slapadd: " + r.stderr[-500:])

    def start(self):
        urls = f"ldap://127.0.0.1:{LDAP} ldaps://127.0.0.1:{LDAPS} ldapi://{(here + '/ldapi').replace('/', '%2f')}"
        self.p = subprocess.Popen([self.server, "-d", "0", "-f", f"{here}/slapd.conf", "-h", urls], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                  stderr=open(f"{here}/slapd.log", "a"))

        def up():
            try:
                socket.create_connection(("127.0.0.1", LDAP)).close()
                return True
            except OSError:
                return False
        if not wait_for(up):
            raise OSError("slapd does not start: " + open(f"{here}/slapd.log").read()[-500:])

    def stop(self):
        if self.p and self.p.poll() is None:
            self.p.send_signal(signal.SIGCONT)
            self.p.terminate()
            try:
                self.p.wait(20)
            except subprocess.TimeoutExpired:
                self.p.kill()
                self.p.wait()


CROWD = 1100      # more than slapd gives at once
# uid, what is stored as password, further lines
PEOPLE = (("anna", ["{SSHA}" + base64.b64encode(__import__("hashlib").sha1(b"pencil1234").digest() + b"1234").decode()], "mail: anna@example.net\nmail: second@example.net\nemployeeNumber: 5000000\n"),
          ("bert", ["brush"], "mail: bert@example.net\n"), ("away", ["x"], "mail: away@example.net\ndescription: 192.0.2.0/24\n"),
          ("near", ["x"], "mail: near@example.net\ndescription: 127.0.0.0/8\n"), ("null", [], "mail: null@example.net\n"),
          ("two1", ["x"], "mail: two@example.net\n"), ("two2", ["x"], "mail: two@example.net\n"), ("o(b)*r", ["x"], "mail: o'brien@example.net\n"),
          ("paren", ["y"], "mail: a(b)@example.net\n"), ("last, first", ["z"], "mail: comma@example.net\n"), ("evil", ["x"], "mail: evil@example.net\ntitle: ../../evil\n"))
STRANGERS = ("*", "a*", "anna@example.net)(uid=*", "*)(uid=*))(|(uid=*", "\\2a", "anna@example.net\\00", "anna)(|(mail=*", "%u", "%{ldap:uid}", "nobody@example.net", "anna,ou=people", "+", "#", "cn=mail",
             "\u00e9*@example.net", "x" * 200)


def conf(name, **rows):
    rows = {"hosts": f"127.0.0.1:{LDAP}", "dn": f"cn=mail,{BASE}", "dnpass": '"pa#w\'ord"', "base": BASE, "pass_filter": "(&(objectClass=posixAccount)(mail=%Lu))",
            "user_filter": "(&(objectClass=posixAccount)(mail=%u))",
            "pass_attrs": "userPassword=password, title=user, description=allow_nets, \\\n  =userdb_home=%{ldap:homeDirectory}, uidNumber=userdb_uid, gidNumber=userdb_gid",
            "user_attrs": "homeDirectory=home, uidNumber=uid, gidNumber=gid, employeeNumber=quota_rule=*:bytes=%$", "default_pass_scheme": "PLAIN",
            "iterate_attrs": "mail=user", **rows}
    path = f"{here}/{name}.conf.ext"
    with open(path, "w") as f:
        f.write("# as a site has it\n" + "".join(f"  {k} = {v}\n" for k, v in rows.items() if v is not None))
    os.chmod(path, 0o600)
    return path


def run_as(i, passdb, userdb, more=""):
    """The system with these databases; false and a note when it does not start."""
    if i.master_pid():
        i.run("stop")
        wait_for(lambda: not i.master_pid(), 20)
    i.configure(f"""auth_mechanisms = plain login cram-md5
auth_passdb = {passdb}
auth_userdb = {userdb}
auth_failure_delay = 0s
auth_penalty = no
smtpd_sasl_auth_enable = yes
smtpd_sasl_type = dovecot
smtpd_relay_restrictions = reject_unauth_destination
{more}""", MASTER)
    return ok(i.start().returncode == 0, f"the system starts with {os.path.basename(passdb.split()[0].rstrip(','))}", i.log()[-1500:])


def common(i, what, injected):
    got = login("anna@example.net", "pencil")
    ok(got == "OK", f"{what}: a good password", got, i.log()[-1500:])
    ok(all("FAILED" in login(*w) for w in (("anna@example.net", "pencils"), ("anna@example.net", " "), ("null@example.net", "x"))), f"{what}: bad ones")
    bad = [u for u in STRANGERS if "FAILED" not in login(u, "x")]
    ok(not bad, f"{what}: names of strangers are nobody's", bad, i.log()[-1500:])
    for user, password in injected:
        got = login(user, password)
        ok(got == "OK", f"{what}: {user} is a name as others", got, i.log()[-1500:])
    got = smtp("bert@example.net", "brush"), smtp("bert@example.net", "x")
    ok(got == (235, 535), f"{what}: SMTP", got, i.log()[-1500:])


def read_test(i):
    path = conf("read")
    if not run_as(i, f"ldap:{path}", f"ldap:{path}"):
        return
    common(i, "read", (("a(b)@example.net", "y"), ("o'brien@example.net", "x"), ("comma@example.net", "z"), ("ANNA@example.net", "pencil")))
    ok(os.path.isdir(f"{here}/home/0/Maildir"), "the mailbox is where the entry says")
    r = i.run("user", "anna@example.net")
    ok(r.returncode == 0 and "5000000" in r.stdout and f"{here}/home/0" in r.stdout, "postern user tells home and quota", r.stdout, r.stderr)
    r = i.run("user", "nobody@example.net")
    ok(r.returncode == 67, "and that there is no such user", r.returncode, r.stderr)
    r = i.run("user", "*")
    ok(set(r.stdout.split()) == {p[2].split("\n")[0][6:] for p in PEOPLE}, "iterate_attrs: user '*' lists all", r.stdout, r.stderr)
    ok("FAILED" in login("away@example.net", "x") and login("near@example.net", "x") == "OK", "allow_nets of an attribute")
    got = login("two@example.net", "x")
    ok("UNAVAILABLE" in got and i.logged("finds several users"), "two entries are trouble, not a choice", got)
    ok("FAILED" in login("evil@example.net", "x"), "an entry's user is no path")
    m = imaplib.IMAP4("127.0.0.1", IMAP)
    ok(m.login_cram_md5("bert@example.net", "brush")[0] == "OK", "CRAM-MD5 of a password in the directory")
    m.logout()
    ok(i.logged("auth: ldap(anna@example.net,127.0.0.1): Password mismatch") and i.logged("auth: ldap(nobody@example.net,127.0.0.1): unknown user"), "reasons are logged as Dovecot's", i.log()[-1500:])


def crowd_test(i):
    path = conf("crowd", base=f"ou=crowd,{BASE}", iterate_filter="(objectClass=organizationalRole)", iterate_attrs="cn=user")
    if not run_as(i, f"ldap:{path}", f"ldap:{path}"):
        return
    r = i.run("user", "*")
    ok(sorted(r.stdout.split()) == sorted(f"c{n}" for n in range(CROWD)), "iterate_filter: more than the server gives at once, page by page", len(r.stdout.split()), r.stderr)


def bind_test(i):
    path = conf("bind", auth_bind="yes", userdb_warning_disable="yes")
    if not run_as(i, f"ldap:{path}", "prefetch"):
        return
    common(i, "bind", (("a(b)@example.net", "y"), ("comma@example.net", "z")))
    ok("FAILED" in login("", "", plain("anna@example.net", "")) and i.logged("auth: ldap(anna@example.net,127.0.0.1): empty password"), "no password is no way in (RFC 4513, 5.1.2)", i.log()[-800:])
    ok("FAILED" in login("away@example.net", "x") and login("near@example.net", "x") == "OK", "bind: allow_nets")
    ok("UNAVAILABLE" in login("two@example.net", "x"), "bind: two entries are trouble")
    path = conf("template", auth_bind="yes", auth_bind_userdn=f"uid=%n,ou=people,{BASE}", dn=None, dnpass=None)
    users = conf("users", user_attrs="homeDirectory=home, uidNumber=uid, gidNumber=gid, uid=user")
    if not run_as(i, f"ldap:{path}", f"ldap:{users}"):
        return
    common(i, "template", (("bert@example.net", "brush"),))
    ok(i.logged("imap(bert)<"), "user= of the userdb: the session is bert's", i.log()[-800:])
    got = [login(u, "x") for u in ("bert,ou=people@example.net", "bert+uid=bert@example.net", "\\62ert@example.net", "")]
    ok(all("FAILED" in g for g in got), "template: a name stays within its RDN", got)


def tls_test(i):
    """Each way has one user whom it alone finds."""
    people = {"anna": "pencil", "bert": "brush", "near": "x", "paren": "y", "last, first": "z", "o(b)*r": "x"}
    ways = (("STARTTLS", "anna", True, dict(tls="yes", tls_ca_cert_file=f"{here}/cert.pem")),
            ("ldaps", "bert", True, dict(uris=f"ldaps://127.0.0.1:{LDAPS}", hosts=None, tls_ca_cert_file=f"{here}/cert.pem")),
            ("STARTTLS, an unknown authority", "near", False, dict(tls="yes", tls_ca_cert_file=f"{here}/other.pem")),
            ("ldaps, no authority at all", "two1", False, dict(uris=f"ldaps://127.0.0.1:{LDAPS}", hosts=None)),
            ("no check", "paren", True, dict(tls="yes", tls_require_cert="never")),
            ("ldapi", "last, first", True, dict(uris=f"ldapi://{(here + '/ldapi').replace('/', '%2f')}", hosts=None)),
            ("the second server", "o(b)*r", True, dict(hosts=f"127.0.0.1:1 127.0.0.1:{LDAP}")))
    escape = str.maketrans({"(": "\\28", ")": "\\29", "*": "\\2a"})
    mails = {p[0]: p[2].split("\n")[0][6:] for p in PEOPLE}
    paths = [conf(f"tls{n}", auth_bind="yes", pass_filter=f"(&(mail=%u)(uid={uid.translate(escape)}))", **rows) for n, (_, uid, _, rows) in enumerate(ways)]
    paths.append(conf("sasl", sasl_bind="yes"))
    if not run_as(i, ", ".join(f"ldap:{p}" for p in paths), "prefetch"):
        return
    for what, uid, good, _ in ways:
        got = login(mails[uid], people.get(uid, "x"))
        ok(got == "OK" if good else "UNAVAILABLE" in got, f"tls: {what}", got, i.log()[-1500:])
    ok(i.logged("sasl_bind = yes is not supported here"), "what cannot be done is said", i.log()[-1500:])


def trouble_test(i, slapd):
    """Who is in a file does not wait for a directory that hangs."""
    path = conf("trouble", auth_bind="yes")
    with open(f"{here}/file", "w") as f:
        f.write(f"carl:{{PLAIN}}file:{OWNER.pw_uid}:{OWNER.pw_gid}::{here}/home/carl::\n")
    if not run_as(i, f"passwd-file:{here}/file, ldap:{path}", f"passwd-file:{here}/file, prefetch", "mail_max_userip_connections = 100\n"):
        return
    ok(login("anna@example.net", "pencil") == "OK", "both are asked in their order")
    got = []
    freeze(slapd.p.pid)
    waiting = [threading.Thread(target=lambda: got.append(login("anna@example.net", "pencil"))) for _ in range(30)]
    for w in waiting:
        w.start()
    fine = [login("carl", "file") for _ in range(5)]
    ok(fine == ["OK"] * 5 and not got, "a directory that hangs holds up nobody else", fine, got)
    os.kill(slapd.p.pid, signal.SIGCONT)
    for w in waiting:
        w.join(60)
    ok(got == ["OK"] * 30, "and who asked of it gets in when it goes on", got, i.log()[-1500:])
    slapd.stop()
    got = login("anna@example.net", "pencil"), smtp("anna@example.net", "pencil"), login("carl", "file")
    ok("UNAVAILABLE" in got[0] and got[1] == 454 and got[2] == "OK", "it has gone: not now", got, i.log()[-1500:])
    slapd.start()
    ok(wait_for(lambda: login("anna@example.net", "pencil") == "OK", 30), "it is back: no restart is needed", i.log()[-1500:])


def stranger_test(i):
    """It is no table: nobody asks proxymap for it as one."""
    path = conf("read")
    r = subprocess.run([f"{i.dir}/sbin/postconf", "-c", f"{i.dir}/etc", "-n"], capture_output=True, text=True)
    ok("warning" not in r.stderr, "postconf finds nothing strange", r.stderr)
    ok("unused parameter" not in i.log() and f"ldap:{path}: server_host" not in i.log(), "the file is no table's", i.log()[-1500:])
    ok("signal 31" not in i.log(), "all keep to their promises", i.log()[-1500:])


def dovecot_test(i):
    """The same file, read by Debian's Dovecot."""
    if not shutil.which("dovecot") or not os.path.exists("/usr/lib/dovecot/modules/auth/libauthdb_ldap.so") or os.getuid():
        return ok(True, "as Dovecot has it # SKIP dovecot-ldap is not installed, or this is not root")
    path = conf("both", pass_attrs="mail=user,userPassword=password,description=allow_nets", pass_filter="(&(objectClass=posixAccount)(|(uid=%n)(mail=%u)))",
                user_filter="(&(objectClass=posixAccount)(|(uid=%n)(mail=%u)))", user_attrs="=home=/v/%d/%n/%{ldap:uid}, =mail=maildir:%{ldap:homeDirectory}/Maildir, uidNumber=uid, =gid=%{ldap:none:" + str(OWNER.pw_gid) + "}, "
                "employeeNumber=quota_rule=*:bytes=%$")
    if not run_as(i, f"ldap:{path}", f"ldap:{path}", "first_valid_uid = 1"):
        return
    os.mkdir(f"{here}/dovecot")
    with open(f"{here}/dovecot.conf", "w") as f:
        f.write(f"""base_dir = {here}/dovecot
log_path = {here}/dovecot.log
protocols =
ssl = no
auth_failure_delay = 0
first_valid_uid = 1
passdb {{
  driver = ldap
  args = {path}
}}
userdb {{
  driver = ldap
  args = {path}
}}
""")
    p = subprocess.Popen(["dovecot", "-F", "-c", f"{here}/dovecot.conf"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for(lambda: os.path.exists(f"{here}/dovecot/auth-userdb"))

        def dovecot(*words):
            return subprocess.run(["doveadm", "-c", f"{here}/dovecot.conf", *words], capture_output=True, text=True, timeout=60)
        for user, password in (("anna@example.net", "pencil"), ("near@example.net", "x"), ("away@example.net", "x"), ("two@example.net", "x")):
            theirs = dovecot("auth", "test", "-x", "rip=127.0.0.1", user, password).returncode == 0
            ours = login(user, password)
            ok((ours == "OK") == theirs, f"as Dovecot: {user} {'logs in' if theirs else 'does not'}", ours, i.log()[-800:])
        for user in ("anna@example.net", "bert@example.net", "paren@example.net", "nobody@example.net"):
            theirs, ours = dovecot("user", user), i.run("user", user)
            facts = [dict(line.split(None, 1) for line in r.stdout.splitlines() if len(line.split(None, 1)) == 2) for r in (theirs, ours)]
            facts = [{k: v.strip() for k, v in f.items()} for f in facts]
            both = all(facts[0].get(k, "") == facts[1].get(k, "") for k in ("uid", "gid", "home", "mail"))
            quota = facts[0].get("quota_rule", "") == facts[1].get("quota", "").replace("quota_rule=", "")
            ok(both and quota and (theirs.returncode == 0) == (ours.returncode == 0), f"as Dovecot: who {user} is", theirs.stdout, theirs.stderr, ours.stdout, ours.stderr)
    finally:
        p.terminate()
        p.wait(20)


def main():
    os.mkdir(f"{here}/home")
    os.chown(f"{here}/home", OWNER.pw_uid, OWNER.pw_gid)
    slapd = None
    try:
        with Instance(master=MASTER) as i:
            if "ldap" not in subprocess.run([f"{i.dir}/sbin/postconf", "-c", f"{i.dir}/etc", "-m"], capture_output=True, text=True).stdout.split():
                return ok(True, "ldap # SKIP this build has no client library for it")
            try:
                slapd = Slapd()
                slapd.start()
            except OSError as e:
                return ok(True, f"ldap # SKIP {e}")
            read_test(i)
            crowd_test(i)
            bind_test(i)
            tls_test(i)
            trouble_test(i, slapd)
            dovecot_test(i)
            stranger_test(i)
    finally:
        if slapd:
            slapd.stop()
        shutil.rmtree(here, ignore_errors=True)


main()
t.end()

#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""remote_databases.py - mysql:, pgsql: and ldap: with real servers of the test's own: answers, quoting, TLS, SASL, failover, a server that goes or hangs

A server that is not installed, or does not start here, is a skip that says so.
"""
import glob, os, pwd, shutil, signal, smtplib, subprocess, sys, tempfile
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from instance import *

t = Tap()
here = tempfile.mkdtemp(prefix="postern.db.")
os.chmod(here, 0o777)
started = []
# Databases refuse to be root.
user = next((u for u in ("nobody", "daemon") if os.getuid() == 0), pwd.getpwuid(os.getuid()).pw_name)
who = pwd.getpwnam(user)


def as_user():
    if os.getuid() == 0:
        os.setgid(who.pw_gid)
        os.setuid(who.pw_uid)


def run(*words, **more):
    return subprocess.run(words, capture_output=True, text=True, timeout=60, preexec_fn=as_user, cwd=here, env=dict(os.environ, HOME=here), **more)


def start(*words):
    log = open(f"{here}/{os.path.basename(words[0])}.log", "a")
    p = subprocess.Popen(words, stdout=log, stderr=log, stdin=subprocess.DEVNULL, preexec_fn=as_user, cwd=here)
    started.append(p)
    return p


def stop(p):
    if p.poll() is None:
        p.send_signal(signal.SIGINT if "postgres" in p.args[0] else signal.SIGTERM)      # postgres: without waiting for clients
        try:
            p.wait(20)
        except subprocess.TimeoutExpired:
            p.kill()
            p.wait()


def directory(name):
    path = f"{here}/{name}"
    os.mkdir(path)
    if os.getuid() == 0:
        os.chown(path, who.pw_uid, who.pw_gid)
    return path


def find(name, *places):
    return shutil.which(name) or next((p for pattern in places for p in sorted(glob.glob(pattern), reverse=True)), None)


def skip(title, why):
    t.n += 1
    print(f"ok {t.n} - {title} # SKIP {why}", flush=True)


def certificates():
    """An authority, a certificate of it for 127.0.0.1, and another authority that signed nothing here."""
    made = []

    def make(*words):
        r = subprocess.run(["openssl", *words], cwd=here, capture_output=True, text=True, timeout=60)
        made.append(r.stderr if r.returncode else "")
    for name in ("ca", "other"):
        make("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.pem")
    make("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", "/CN=127.0.0.1", "-keyout", "server.key", "-out", "server.csr")
    with open(f"{here}/server.ext", "w") as f:
        f.write("subjectAltName=IP:127.0.0.1\n")
    make("x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-extfile", "server.ext", "-out", "server.pem")
    if any(made):
        raise OSError("openssl: " + " ".join(made)[-300:])
    os.chmod(f"{here}/server.pem", 0o644)
    if os.getuid() == 0:
        os.chown(f"{here}/server.key", who.pw_uid, who.pw_gid)
    os.chmod(f"{here}/server.key", 0o600)


SQL = """CREATE TABLE alias (address varchar(200), goto varchar(200), n int);
INSERT INTO alias VALUES ('a@example.net', 'u@example.net', 1), ('two@example.net', 'x@e.com', 2), ('two@example.net', 'y@e.com', 3),
 ('o''brien@example.net', 'ob@e.com', 4), ('null@example.net', NULL, 5), ('back\\\\slash@example.net', 'bs@e.com', 6);
CREATE TABLE box (name varchar(200), dom varchar(200), path varchar(200));
INSERT INTO box VALUES ('u', 'example.net', 'u/');
"""
ATTACKS = ("' OR '1'='1", "x' UNION SELECT path FROM box --  ", "x';DELETE FROM alias;--@example.net", "\\' OR 1=1 --  ", "\\", "'", "%s%u", "x\u00bf' OR 1=1 --  ",
           "\u00e9' OR '1'='1", "' OR 1=1 #@example.net")


class MySQL:
    name, port = "mysql", free_port()

    def __init__(self):
        self.data, self.socket = directory("mysql"), f"{here}/mysql.sock"
        self.base = ["--no-defaults", f"--datadir={self.data}", f"--socket={self.socket}", f"--port={self.port}", "--bind-address=127.0.0.1",
                     f"--tmpdir={self.data}", "--innodb-buffer-pool-size=8M", "--innodb-log-file-size=4M", "--innodb-flush-method=fsync",
                     "--skip-name-resolve", f"--pid-file={self.data}/pid", f"--ssl-ca={here}/ca.pem", f"--ssl-cert={here}/server.pem", f"--ssl-key={here}/server.key"]
        self.server = find("mariadbd", "/usr/sbin/mariadbd")
        install = find("mariadb-install-db", "/usr/bin/mariadb-install-db")
        self.client = find("mariadb", "/usr/bin/mariadb")
        if not self.server or not install or not self.client:
            raise OSError("mariadb-server is not installed")
        r = run(install, "--no-defaults", f"--datadir={self.data}", "--auth-root-authentication-method=normal", "--skip-test-db", "--skip-name-resolve",
                "--innodb-log-file-size=4M", "--innodb-buffer-pool-size=8M")
        if r.returncode:
            raise OSError("mariadb-install-db: " + r.stdout[-300:] + r.stderr[-300:])

    def start(self):
        self.p = start(self.server, *self.base)

    def ask(self, sql):
        return run(self.client, "--no-defaults", "-u", "root", f"--socket={self.socket}", "-N", "-B", "-e", sql)

    def is_up(self):
        return self.ask("select 1").returncode == 0

    def fill(self):
        return self.ask("CREATE DATABASE mail CHARACTER SET utf8mb4; USE mail;" + SQL + "CREATE USER mail IDENTIFIED BY 'pa$$w''ord'; GRANT SELECT, EXECUTE ON mail.* TO mail;"
                        "CREATE USER tls IDENTIFIED BY 't' REQUIRE SSL; GRANT SELECT ON mail.* TO tls;"
                        "CREATE PROCEDURE get(IN a varchar(200)) SELECT goto FROM alias WHERE address = a ORDER BY n;")

    def count(self):
        return self.ask("select count(*) from mail.alias").stdout.strip()

    rows = dict(user="mail", password="pa$$w'ord", dbname="mail")

    def places(self):
        return f"unix:{self.socket}", f"127.0.0.1:{self.port}"

    def more(self, table, answers):
        def tls(**rows):
            return "mysql:" + table(f"tls{t.n}", hosts=f"127.0.0.1:{self.port}", user="tls", password="t", dbname="mail", query="SELECT goto FROM alias WHERE address='%s'", **rows)
        self.fails(tls(), "a@example.net", "Access denied")
        answers(tls(tls_CAfile=f"{here}/ca.pem"), ("a@example.net", "u@example.net"))
        answers(tls(tls_CAfile=f"{here}/ca.pem", tls_verify_cert="yes"), ("a@example.net", "u@example.net"))
        answers(tls(tls_ciphers="ECDHE-ECDSA-AES256-GCM-SHA384", tls_CAfile=f"{here}/ca.pem", tls_verify_cert="yes"), ("a@example.net", "u@example.net"))
        self.fails(tls(tls_CAfile=f"{here}/other.pem", tls_verify_cert="yes"), "a@example.net", "TLS")
        answers("mysql:" + table("call", hosts=f"unix:{self.socket}", query="CALL get('%s')", **self.rows), ("two@example.net", "x@e.com,y@e.com"))
        self.ask("SET GLOBAL sql_mode = 'NO_BACKSLASH_ESCAPES'")
        answers("mysql:" + table("nobs", hosts=f"unix:{self.socket}", query="SELECT goto FROM alias WHERE address='%s'", **self.rows), ("\\' OR 1=1 --  ", None),
                ("' OR '1'='1", None), ("o'brien@example.net", "ob@e.com"))
        twice = "mysql:" + table("twice", hosts=f"unix:{self.socket}", query='SELECT goto FROM alias WHERE address="%s"', **self.rows)
        answers(twice, ("a@example.net", "u@example.net"))
        self.fails(twice, '" OR "1"="1', "double quote")
        self.ask("SET GLOBAL sql_mode = DEFAULT")
        with open(f"{here}/my.cnf", "w") as f:
            f.write("[mine]\nuser = mail\npassword = pa$$w'ord\n")
        os.chmod(f"{here}/my.cnf", 0o644)
        answers("mysql:" + table("opt", hosts=f"unix:{self.socket}", dbname="mail", option_file=f"{here}/my.cnf", option_group="mine",
                                 query="SELECT goto FROM alias WHERE address='%s'"), ("a@example.net", "u@example.net"))


class PgSQL:
    name, port = "pgsql", free_port()

    def __init__(self):
        self.data = directory("pgsql")
        self.server = find("postgres", "/usr/lib/postgresql/*/bin/postgres")
        self.client = find("psql", "/usr/lib/postgresql/*/bin/psql")
        if not self.server or not self.client:
            raise OSError("postgresql is not installed")
        r = run(os.path.dirname(os.path.realpath(self.server)) + "/initdb", "-D", self.data, "-U", "root", "-A", "trust", "-E", "UTF8", "--locale=C", "-N")
        if r.returncode:
            raise OSError("initdb: " + r.stderr[-300:])
        with open(self.data + "/pg_hba.conf", "w") as f:
            f.write("local all root trust\nlocal all all scram-sha-256\nhostnossl all tls all reject\nhost all all 127.0.0.1/32 scram-sha-256\n")

    def start(self):
        self.p = start(self.server, "-D", self.data, "-k", here, "-p", str(self.port), "-c", "listen_addresses=127.0.0.1", "-c", "fsync=off",
                       "-c", "ssl=on", "-c", f"ssl_cert_file={here}/server.pem", "-c", f"ssl_key_file={here}/server.key", "-c", "shared_buffers=1MB", "-c", "max_connections=40")

    def ask(self, sql, base="postgres"):
        return run(self.client, "-h", here, "-p", str(self.port), "-U", "root", "-d", base, "-At", "-v", "ON_ERROR_STOP=1", "-c", sql)

    def is_up(self):
        return self.ask("select 1").returncode == 0

    def fill(self):
        self.ask("CREATE ROLE mail LOGIN PASSWORD 'pa$$w''ord'")
        self.ask("CREATE ROLE tls LOGIN PASSWORD 't'")
        self.ask("CREATE DATABASE mail")
        return self.ask(SQL.replace("\\\\", "\\") + "GRANT SELECT ON alias, box TO mail, tls", "mail")

    def count(self):
        return self.ask("select count(*) from alias", "mail").stdout.strip()

    rows = dict(user="mail", password="pa$$w'ord", dbname="mail")

    def places(self):
        return f"unix:{here}", f"127.0.0.1:{self.port}"       # the socket's port is 5432: see below

    def more(self, table, answers):
        def tls(more, user="tls:t"):
            return "pgsql:" + table(f"tls{t.n}", hosts=f"postgresql://{user}@127.0.0.1:{self.port}/mail?{more}", query="SELECT goto FROM alias WHERE address='%s'")
        self.fails(tls("sslmode=disable"), "a@example.net", "pg_hba")
        answers(tls("sslmode=require"), ("a@example.net", "u@example.net"))
        answers(tls(f"sslmode=verify-full&sslrootcert={here}/ca.pem"), ("a@example.net", "u@example.net"))
        self.fails(tls(f"sslmode=verify-full&sslrootcert={here}/other.pem"), "a@example.net", "certificate verify failed")
        uri = f"postgresql://mail:pa%24%24w%27ord@127.0.0.1:{self.port}/mail"
        answers("pgsql:" + table("uri", hosts=uri, query="SELECT goto FROM alias WHERE address='%s'"), ("a@example.net", "u@example.net"))


class LDAP:
    name, port, tls = "ldap", free_port(), free_port()
    base = "dc=example,dc=net"

    def __init__(self):
        self.data = directory("slapd")
        self.server = find("slapd", "/usr/sbin/slapd")
        self.add = find("slapadd", "/usr/sbin/slapadd")
        if not self.server or not os.path.isdir("/etc/ldap/schema"):
            raise OSError("slapd is not installed")
        with open(f"{here}/slapd.conf", "w") as f:
            f.write(f"""include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
modulepath /usr/lib/ldap
moduleload back_mdb
TLSCACertificateFile {here}/ca.pem
TLSCertificateFile {here}/server.pem
TLSCertificateKeyFile {here}/server.key
TLSVerifyClient never
sasl-auxprops slapd
sasl-host 127.0.0.1
sasl-realm example.net
password-hash {{CLEARTEXT}}
authz-policy to
authz-regexp uid=([^,]*),(cn=[^,]*,)?cn=[^,]*,cn=auth cn=$1,{self.base}
pidfile {self.data}/pid
database mdb
maxsize 10000000
suffix "{self.base}"
rootdn "cn=admin,{self.base}"
rootpw secret
directory {self.data}
access to * by dn.exact="cn=mail,{self.base}" read by anonymous auth
""")
        people = "".join(f"dn: uid={u},ou=people,{self.base}\nobjectClass: inetOrgPerson\nuid: {u}\ncn: {u}\nsn: {u}\nmail: {u}@example.net\n"
                         + "".join(f"description: {d}\n" for d in more) + "\n" for u, *more in (("u", "a@example.net"), ("v",), ("w", "two@example.net")))
        with open(f"{here}/ldif", "w") as f:
            f.write(f"""dn: {self.base}
objectClass: dcObject
objectClass: organization
dc: example
o: e

dn: cn=mail,{self.base}
objectClass: organizationalRole
objectClass: simpleSecurityObject
cn: mail
userPassword: pa$$w'ord

dn: ou=people,{self.base}
objectClass: organizationalUnit
ou: people

{people}dn: cn=team,{self.base}
objectClass: groupOfNames
cn: team
description: team@example.net
member: uid=u,ou=people,{self.base}
member: uid=v,ou=people,{self.base}
member: cn=inner,{self.base}
member: uid=gone,ou=people,{self.base}

dn: cn=inner,{self.base}
objectClass: groupOfNames
cn: inner
member: uid=w,ou=people,{self.base}

dn: cn=loop,{self.base}
objectClass: groupOfNames
cn: loop
description: loop@example.net
member: cn=loop,{self.base}

dn: cn=urls,{self.base}
objectClass: groupOfNames
objectClass: labeledURIObject
cn: urls
description: urls@example.net
member: cn=mail,{self.base}
labeledURI: ldap:///ou=people,{self.base}?mail?one?(uid=v)

""")
        for name in ("slapd.conf", "ldif"):
            os.chmod(f"{here}/{name}", 0o644)
        r = run(self.add, "-f", f"{here}/slapd.conf", "-l", f"{here}/ldif")
        if r.returncode:
            raise OSError("slapadd: " + r.stderr[-500:])

    def start(self):
        self.p = start(self.server, "-d", "0", "-f", f"{here}/slapd.conf", "-h", f"ldap://127.0.0.1:{self.port} ldaps://127.0.0.1:{self.tls} ldapi://{(here + '/ldapi').replace('/', '%2f')}")

    def is_up(self):
        try:
            socket.create_connection(("127.0.0.1", self.port)).close()
            return True
        except OSError:
            return False

    rows = dict(version=3, bind="yes", bind_dn=f"cn=mail,{base}", bind_pw="pa$$w'ord", search_base=base)

    def test(self, table, answers, fails):
        def ldap(**rows):
            return "ldap:" + table(f"ldap{t.n}", **{**self.rows, "server_host": f"127.0.0.1:{self.port}", "query_filter": "description=%s", "result_attribute": "mail", **rows})
        answers(ldap(), ("A@example.net", "u@example.net"), ("nobody@example.net", None), ("*", None), ("a@example.net)(uid=*", None), ("\\2a", None), ("team@example.net", None))
        answers(ldap(server_host=f"ldapi://{(here + '/ldapi').replace('/', '%2f')}"), ("a@example.net", "u@example.net"))
        answers(ldap(server_host=f"ldap://127.0.0.1:1 ldap://127.0.0.1:{self.port}"), ("a@example.net", "u@example.net"))
        answers(ldap(server_host="127.0.0.1", server_port=self.port, query_filter="(&(uid=%u)(objectClass=inetOrgPerson))", domain="example.net", result_format="%u/"),
                ("v@example.net", "v/"), ("v@example.com", None), ("v", None))
        answers(ldap(special_result_attribute="member"), ("team@example.net", "u@example.net,v@example.net,w@example.net"))
        answers(ldap(special_result_attribute="member", result_attribute="description", leaf_result_attribute="mail", query_filter="cn=%s"),
                ("inner", "two@example.net,w@example.net"))
        answers(ldap(special_result_attribute="labeledURI"), ("urls@example.net", "v@example.net"))
        answers(ldap(special_result_attribute="member", terminal_result_attribute="description", result_attribute="cn"), ("team@example.net", "team"))
        answers(ldap(search_base="ou=people,dc=%2,dc=%1", query_filter="mail=%s"), ("u@example.net", "u@example.net"), ("u@example.org", None), ("u@x,dc=e.net", None))
        answers(ldap(special_result_attribute="member", result_attribute="cn"), ("loop@example.net", "loop"))
        fails(ldap(special_result_attribute="member", recursion_limit=1), "team@example.net", "recursion_limit")
        answers(ldap(special_result_attribute="member", recursion_limit=2), ("team@example.net", "u@example.net,v@example.net,w@example.net"))
        fails(ldap(special_result_attribute="member", expansion_limit=2), "team@example.net", "expansion_limit")
        fails(ldap(bind_pw="wrong"), "a@example.net", "Invalid credentials")
        fails(ldap(search_base="dc=nowhere"), "a@example.net")
        fails(ldap(query_filter="(((%s"), "a@example.net", "filter")
        fails(ldap(bind="perhaps"), "a@example.net", "simple, sasl")
        self.test_tls(ldap, answers, fails)
        self.test_sasl(ldap, answers, fails)
        fails(ldap(server_host="127.0.0.1:1"), "a@example.net", "contact LDAP server")


    def test_tls(self, ldap, answers, fails):
        for place in ({"server_host": f"ldaps://127.0.0.1:{self.tls}"}, {"start_tls": "yes"}):
            answers(ldap(**place), ("a@example.net", "u@example.net"))
            answers(ldap(**place, tls_require_cert="yes", tls_ca_cert_file=f"{here}/ca.pem"), ("a@example.net", "u@example.net"))
            fails(ldap(**place, tls_require_cert="yes", tls_ca_cert_file=f"{here}/other.pem"), "a@example.net")

    def test_sasl(self, ldap, answers, fails):
        as_mail = dict(bind="sasl", bind_dn="mail")
        offered = [m for m in ("SCRAM-SHA-256", "SCRAM-SHA-1", "DIGEST-MD5") if "offers no mechanism" not in postmap(ldap(**as_mail, sasl_mechs=m), "a@example.net")[2]]
        if not offered:
            skip("ldap: bind = sasl", "slapd offers no mechanism that we have")
            return
        answers(ldap(**as_mail), ("a@example.net", "u@example.net"))
        for m in offered:
            answers(ldap(**as_mail, sasl_mechs=m), ("a@example.net", "u@example.net"))
            fails(ldap(**{**as_mail, "bind_pw": "wrong"}, sasl_mechs=m), "a@example.net", m)
        answers(ldap(**as_mail, start_tls="yes", sasl_minssf=56), ("a@example.net", "u@example.net"))
        answers(ldap(**as_mail, sasl_mechs=offered[0], sasl_authz_id=f"dn:cn=mail,{self.base}"), ("a@example.net", "u@example.net"))
        fails(ldap(**as_mail, sasl_mechs=offered[0], sasl_authz_id=f"dn:cn=admin,{self.base}"), "a@example.net")
        fails(ldap(**as_mail, sasl_minssf=56), "a@example.net", "without TLS")
        fails(ldap(**as_mail, sasl_mechs="GSSAPI"), "a@example.net", "not known here")


def sql_test(server, table, answers, fails):
    s = server.name
    unix, inet = server.places()
    query = "SELECT goto FROM alias WHERE address = '%s' ORDER BY n"
    if s == "pgsql":
        os.symlink(f"{here}/.s.PGSQL.{server.port}", f"{here}/.s.PGSQL.5432")       # a Unix socket's name has the default port
    spec = f"{s}:" + table(s, hosts=f"{unix} {inet}", query=query, **server.rows)
    answers(spec, ("A@example.NET", "u@example.net"), ("two@example.net", "x@e.com,y@e.com"), ("o'brien@example.net", "ob@e.com"), ("nobody@example.net", None),
            ("null@example.net", None), ("back\\slash@example.net", "bs@e.com"))
    answers(spec, *((a, None) for a in ATTACKS))
    t.ok(server.count() == "6", f"{s}: and nothing was changed", server.count())
    answers(f"{s}:" + table("tcp" + s, hosts=f"inet:{inet}", query="SELECT path FROM box WHERE name='%u' AND dom='%d'", domain="example.net", **server.rows),
            ("u@example.net", "u/"), ("u", None), ("u@example.com", None), ("u@x'||'", None))
    answers(f"{s}:" + table("fail" + s, hosts=f"127.0.0.1:1 {inet} unix:{here}/none", query=query, **server.rows), ("a@example.net", "u@example.net"))
    fails(f"{s}:" + table("pw" + s, hosts=inet, query=query, **{**server.rows, "password": "wrong"}), "a@example.net")
    fails(f"{s}:" + table("bad" + s, hosts=inet, query="SELECT goto FROM nowhere", **server.rows), "a@example.net", "nowhere")
    fails(f"{s}:" + table("lim" + s, hosts=inet, query=query, expansion_limit=1, **server.rows), "two@example.net", "expansion_limit")
    fails(f"{s}:" + table("off" + s, hosts="127.0.0.1:1", query=query, **server.rows), "a@example.net")
    server.more(table, answers)


def mail_test(i, server, spec):
    """The table as virtual_alias_maps: the server goes, comes back, and hangs."""
    port = free_port()
    i.configure(f"""mydestination =
virtual_alias_domains = example.net
virtual_alias_maps = {spec}
smtpd_peername_lookup = no
""" + ("" if server.name == "ldap" else ""), f"127.0.0.1:{port} inet n - n - - smtpd\ncleanup unix n - n - 0 cleanup\nqmgr unix n - n 300 1 qmgr\nbounce unix - - n - 0 bounce\n")

    def rcpt(address):
        with smtplib.SMTP("127.0.0.1", port, timeout=60) as c:
            c.helo("x")
            c.docmd("MAIL FROM:<>")
            return c.docmd(f"RCPT TO:<{address}>")[0]
    s = server.name
    t.ok(i.run("check").returncode == 0 and i.start().returncode == 0, f"{s}: start", i.log())
    t.ok(rcpt("a@example.net") == 250 and rcpt("nobody@example.net") == 550, f"{s}: known and unknown", i.log()[-1500:])
    slow = "team@example.net" if s == "ldap" else "o'brien@example.net"
    if s == os.environ.get("HANGS"):        # takes half a minute: by hand, HANGS=pgsql
        frozen = [server.p.pid] + children_of(server.p.pid)
        freeze(*frozen)
        code = rcpt(slow)
        for pid in frozen:
            os.kill(pid, signal.SIGCONT)
        t.ok(code == 451, f"{s}: the server hangs: 451", code, i.log()[-1500:])
        t.ok(wait_for(lambda: rcpt(slow) == 250, 60), f"{s}: and goes on", i.log()[-1500:])
    stop(server.p)
    code = rcpt("two@example.net")
    t.ok(code == 451, f"{s}: the server has gone: 451", code, i.log()[-1500:])
    server.start()
    t.ok(wait_for(lambda: server.is_up() and rcpt("two@example.net") == 250, 60), f"{s}: it is back: no restart is needed", i.log()[-1500:])
    t.ok("signal 31" not in i.log(), f"{s}: proxymap keeps to its promises", i.log()[-1500:])
    i.run("stop")


def login_test(i, server):
    """The users of Dovecot's dovecot-sql.conf.ext; their passwords are what the other tables have for addresses."""
    import imaplib
    port, s = free_port(), server.name
    unix, inet = server.places()
    with open(f"{i.dir}/etc/sql.conf", "w") as f:
        f.write(f"""driver = {s}
connect = host={unix[5:]} host=127.0.0.1 port={server.port} dbname=mail user=mail password="pa$$w'ord"
default_pass_scheme = PLAIN
password_query = SELECT address AS "user", goto AS password FROM alias WHERE address = '%u'
""".replace('"user"', "`user`" if s == "mysql" else '"user"'))
    i.configure(f"auth_passdb = sql:{i.dir}/etc/sql.conf\nauth_userdb = static:uid={who.pw_uid} gid={who.pw_gid} home={here}/home/%u\nauth_failure_delay = 0s\nauth_penalty = no\n",
                f"127.0.0.1:{port} inet n - n - - imap-login\n")
    if not os.path.isdir(f"{here}/home"):
        directory("home")

    def login(user, password):
        m = imaplib.IMAP4("127.0.0.1", port)
        try:
            return m.authenticate("PLAIN", lambda _: f"\0{user}\0{password}".encode())[0]
        except imaplib.IMAP4.error as e:
            return str(e)
        finally:
            m.shutdown()
    t.ok(i.start().returncode == 0, f"{s}: start for logins", i.log()[-1500:])
    got = login("a@example.net", "u@example.net")
    t.ok(got == "OK", f"{s}: a user logs in", got, i.log()[-1500:])
    t.ok("FAILED" in login("a@example.net", "x") and login("o'brien@example.net", "ob@e.com") == "OK" and "FAILED" in login("null@example.net", ""), f"{s}: others, or not")
    t.ok("UNAVAILABLE" in login("two@example.net", "x@e.com"), f"{s}: two rows are trouble")
    bad = [a for a in ATTACKS if "\0" not in a and "FAILED" not in login(a, "x")]
    t.ok(not bad, f"{s}: injected names are nobody's", bad, i.log()[-1500:])
    t.ok(server.count() == "6" and "signal 31" not in i.log(), f"{s}: and nothing was changed")
    i.run("stop")


try:
    with Instance() as i:
        def postmap(spec, key):
            r = subprocess.run([f"{i.dir}/sbin/postmap", "-c", f"{i.dir}/etc", "-q", key, spec], capture_output=True, text=True, timeout=60)
            return r.returncode, r.stdout.rstrip("\n"), r.stderr

        def table(name, **rows):
            path = f"{i.dir}/etc/{name}.cf"
            with open(path, "w") as f:
                f.writelines(f"{k} = {v}\n" for k, v in rows.items())
            os.chmod(path, 0o600)
            return path

        def answers(spec, *cases):
            if len(cases) > 1:           # one process: a key a line
                r = subprocess.run([f"{i.dir}/sbin/postmap", "-c", f"{i.dir}/etc", "-q", "-", spec], input="".join(k + "\n" for k, _ in cases),
                                   capture_output=True, text=True, timeout=60)
                want = "".join(f"{k}\t{v}\n" for k, v in cases if v)
                t.ok(r.stdout == want and r.returncode in (0, 1) and not r.stderr, f"{spec.split(':')[0]}: {', '.join(k for k, _ in cases)}", r.stdout, want, r.stderr)
                return
            key, value = cases[0]
            code, out, err = postmap(spec, key)
            t.ok((code, out) == (0, value), f"{spec.split(':')[0]}: {key}", code, out, err)

        def fails(spec, key, text=""):
            code, out, err = postmap(spec, key)
            t.ok(code == 1 and not out and "fatal" in err and text in err, f"{spec.split(':')[0]}: {key} fails, {text}", code, out, err)

        MySQL.fails = PgSQL.fails = staticmethod(fails)
        certificates()
        types = subprocess.run([f"{i.dir}/sbin/postconf", "-c", f"{i.dir}/etc", "-m"], capture_output=True, text=True).stdout.split()
        wanted = sys.argv[1:] or ("mysql", "pgsql", "ldap")
        for kind in (MySQL, PgSQL, LDAP):
            if kind.name not in wanted:
                continue
            if kind.name not in types:
                skip(kind.name, "this build has no client library for it")
                continue
            try:
                server = kind()
            except OSError as e:
                skip(kind.name, str(e).replace("\n", " ").replace("#", ""))
                continue
            server.start()
            if not wait_for(server.is_up, 30):
                skip(kind.name, "the server does not start here")
                continue
            if kind is LDAP:
                server.test(table, answers, fails)
                mail_test(i, server, "ldap:" + table("mail", **server.rows, server_host=f"127.0.0.1:{server.port}", query_filter="description=%s", result_attribute="mail, cn"))
            else:
                r = server.fill()
                t.ok(r.returncode == 0, f"{kind.name}: filled", r.stdout, r.stderr)
                sql_test(server, table, answers, fails)
                mail_test(i, server, f"{kind.name}:" + table("mail" + kind.name, **server.rows, hosts=server.places()[1], query="SELECT goto FROM alias WHERE address='%s'"))
                login_test(i, server)
            stop(server.p)
finally:
    for p in started:
        stop(p)
    shutil.rmtree(here, ignore_errors=True)
t.end()

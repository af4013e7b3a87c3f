#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""login_tokens.py - OAUTHBEARER (RFC 7628) and XOAUTH2 by IMAP, POP3 and SMTP, with tokens signed by openssl(1); curl as a client"""
import base64, hmac, imaplib, json, os, poplib, pwd, shutil, smtplib, ssl, subprocess, sys, time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from certificates import Authority
from instance import Instance, Tap, free_port, wait_for

IMAP, IMAPS, POP, SMTP = (free_port() for _ in range(4))
t = Tap()
ok = t.ok
MASTER = f"""
127.0.0.1:{IMAP}   inet n - n - - imap-login
127.0.0.1:{IMAPS}  inet n - n - - imap-login -o imap_tls_wrappermode=yes
127.0.0.1:{POP}    inet n - n - - pop3-login
127.0.0.1:{SMTP}   inet n - n - - smtpd
"""
SECRET = b"a secret of thirty-two bytes ...."


def url(b):
    return base64.urlsafe_b64encode(b).rstrip(b"=").decode()


def token(i, alg="RS256", kid="site", **claims):
    claims = {"iss": "https://issuer.example", "email": "anna@example.net", "exp": int(time.time()) + 300, "scope": "openid mail", **claims}
    message = url(json.dumps({"alg": alg, "typ": "JWT", "kid": kid}).encode()) + "." + url(json.dumps(claims).encode())
    if alg == "HS256":
        signature = hmac.new(SECRET, message.encode(), "sha256").digest()
    else:
        signature = subprocess.run(["openssl", "dgst", "-sha256", "-sign", f"{i.dir}/rs.key"], input=message.encode(), capture_output=True, check=True).stdout
    return message + "." + url(signature)


def bearer(user, tok):
    return lambda _: f"n,a={user},\1host=localhost\1port={IMAP}\1auth=Bearer {tok}\1\1".encode()


def xoauth2(user, tok):
    return lambda _: f"user={user}\1auth=Bearer {tok}\1\1".encode()


def client_context(ca, chain, key):
    c = ssl.create_default_context(cafile=ca)
    c.check_hostname = False
    c.load_cert_chain(chain, key)
    return c


def imap(mechanism, first, tls=None):
    """(logged in, what the server said)"""
    m, said = imaplib.IMAP4_SSL("127.0.0.1", IMAPS, ssl_context=tls) if tls else imaplib.IMAP4("127.0.0.1", IMAP), []

    def client(challenge):
        said.append(challenge)
        return first(challenge) if len(said) == 1 else b"\1" if mechanism == "OAUTHBEARER" else b""
    try:
        good = m.authenticate(mechanism, client)[0] == "OK" and m.select()[0] == "OK"
    except imaplib.IMAP4.error:
        good = False
    m.shutdown()
    return good, said


def smtp(mechanism, message):
    s = smtplib.SMTP("127.0.0.1", SMTP)
    s.ehlo()
    code, text = s.docmd("AUTH", mechanism + " " + base64.b64encode(message).decode())
    challenge = base64.b64decode(text) if code == 334 else b""
    if code == 334:
        code, text = s.docmd(base64.b64encode(b"\1").decode())
    s.quit()
    return code, challenge


def main():
    owner = pwd.getpwnam("nobody") if os.getuid() == 0 else pwd.getpwuid(os.getuid())
    with Instance(master=MASTER) as i:
        a = Authority(f"{i.dir}/ca")
        chain, key = a.server("localhost")
        subprocess.run(["openssl", "genrsa", "-out", f"{i.dir}/rs.key", "2048"], check=True, capture_output=True)
        keys = f"{i.dir}/keys/shared/default"
        os.makedirs(f"{keys}/RS256"), os.makedirs(f"{keys}/HS256")
        subprocess.run(["openssl", "rsa", "-in", f"{i.dir}/rs.key", "-pubout", "-out", f"{keys}/RS256/site"], check=True, capture_output=True)
        with open(f"{keys}/HS256/a%2fb", "w") as f:
            f.write(base64.b64encode(SECRET).decode() + "\n")
        with open(f"{i.dir}/oauth2.conf", "w") as f:
            f.write(f"introspection_mode = local\nlocal_validation_key_dict = fs:posix:prefix={i.dir}/keys/\nissuers = https://issuer.example\n"
                    "scope = mail\n# username_attribute = email\nopenid_configuration_url = https://issuer.example/.well-known/openid-configuration\n")
        main = f"""auth_mechanisms = plain oauthbearer xoauth2
auth_passdb = oauth2:{i.dir}/oauth2.conf
auth_userdb = static:uid={owner.pw_uid} gid={owner.pw_gid} home={i.dir}/home/%u
auth_failure_delay = 0s
auth_penalty = no
smtpd_sasl_auth_enable = yes
smtpd_sasl_type = dovecot
smtpd_relay_restrictions = reject_unauth_destination
imap_tls_cert_file = {chain}
imap_tls_key_file = {key}
"""
        os.makedirs(f"{i.dir}/home"), os.chown(f"{i.dir}/home", owner.pw_uid, owner.pw_gid)
        i.configure(main, MASTER)
        if not ok(i.start().returncode == 0, "the system starts"):
            return print(i.log())
        m = imaplib.IMAP4("127.0.0.1", IMAP)
        ok({"AUTH=OAUTHBEARER", "AUTH=XOAUTH2"} <= set(m.capabilities), "they are offered", m.capabilities)
        m.logout()
        good = token(i)
        for name, make in (("OAUTHBEARER", bearer), ("XOAUTH2", xoauth2)):
            ok(imap(name, make("anna@example.net", good))[0], f"{name}: a good token")
            ok(imap(name, make("ANNA@example.net", good))[0], "the name is made uniform")
            got, said = imap(name, make("bert@example.net", good))
            ok(not got and len(said) == 2, f"{name}: of somebody else's", said)
            got, said = imap(name, make("anna@example.net", good[:-3] + ("AAA" if good[-3:] != "AAA" else "BBB")))
            status = json.loads(said[1]) if len(said) == 2 else {}
            ok(not got and status.get("scope") == "mail" and status.get("status") == ("invalid_token" if name == "OAUTHBEARER" else "401"), f"{name}: a forged one", said)
            ok(not imap(name, make("anna@example.net", token(i, exp=int(time.time()) - 5)))[0], f"{name}: too old")
            ok(not imap(name, make("anna@example.net", token(i, scope="openid")))[0], f"{name}: of another scope")
            ok(not imap(name, make("anna@example.net", token(i, iss="https://other.example")))[0], f"{name}: of another issuer")
            ok(not imap(name, make("anna@example.net", token(i, kid="../RS256/site")))[0], f"{name}: a kid that would be a path")
        ok(imap("OAUTHBEARER", lambda _: f"n,,\1auth=Bearer {good}\1\1".encode())[0], "OAUTHBEARER without a name: the token's")
        ok(imap("XOAUTH2", xoauth2("anna@example.net", token(i, "HS256", "a/b")))[0], "HS256; a slash in kid is %2f")
        ok(not imap("XOAUTH2", xoauth2("../../etc", token(i, email="../../etc")))[0], "a name that would be a path")
        ok(wait_for(lambda: "auth: oauth2(,127.0.0.1): RS256 key '../RS256/site' not found" in i.log(), 5), "why is logged")
        ok(i.logged("user=<anna@example.net>, method=OAUTHBEARER") and i.logged("method=XOAUTH2") and good not in i.log(), "logins are logged, tokens are not")
        p = poplib.POP3("127.0.0.1", POP)
        ok({"OAUTHBEARER", "XOAUTH2"} <= set(p.capa()["SASL"]) and p._shortcmd("AUTH XOAUTH2 " + base64.b64encode(xoauth2("anna@example.net", good)(None)).decode()).startswith(b"+OK"), "POP3")
        p.quit()
        ok(smtp("OAUTHBEARER", bearer("anna@example.net", good)(None))[0] == 235, "SMTP")
        code, challenge = smtp("OAUTHBEARER", bearer("anna@example.net", token(i, scope=""))(None))
        ok(code == 535 and b"invalid_token" in challenge, "SMTP: refused", code, challenge)
        ok(smtp("OAUTHBEARER", b"p=tls-exporter,,\1auth=Bearer x\1\1")[0] == 535, "SMTP: no channel binding with this")
        if shutil.which("curl"):
            for tok, want in ((good, 0), (token(i, scope="x"), 67)):
                for option in ("AUTH=OAUTHBEARER", "AUTH=XOAUTH2"):
                    done = subprocess.run(["curl", "-sS", "--cacert", a.pem, f"imaps://localhost:{IMAPS}/", "--login-options", option, "--user", "anna@example.net",
                                           "--oauth2-bearer", tok, "-X", "NOOP"], capture_output=True, text=True, timeout=60)
                    ok(done.returncode == want, f"curl with {option}: {'in' if want == 0 else 'refused'}", done.returncode, done.stderr)
        i.run("stop")
        wait_for(lambda: not i.master_pid(), 20)
        with open(f"{i.dir}/banned", "w") as f:
            f.write("bert@example.net:{PLAIN}x\n")
        rules = f"auth_passdb = passwd-file:{i.dir}/banned deny=yes, oauth2:{i.dir}/oauth2.conf username_filter={{!x*}}\n"
        i.configure(main.replace(f"auth_passdb = oauth2:{i.dir}/oauth2.conf\n", rules), MASTER)
        ok(i.start().returncode == 0 and imap("OAUTHBEARER", bearer("ANNA@example.net", good))[0], "rules of passdbs: a token of hers")
        for who in ("bert", "xaver"):
            his = token(i, email=f"{who}@example.net")
            for told in (f"{who}@example.net", f"{who.upper()}@example.net"):
                ok(not imap("XOAUTH2", xoauth2(told, his))[0], f"not of {who}, who is {told}", i.log()[-300:])
            ok(not imap("OAUTHBEARER", lambda _: f"n,,\1auth=Bearer {his}\1\1".encode())[0], f"nor of {who}, who does not say so", i.log()[-300:])
        ok(i.logged("auth: passwd-file(bert@example.net,127.0.0.1): User found from deny passdb"), "and the log has it")
        i.run("stop")
        wait_for(lambda: not i.master_pid(), 20)
        i.configure(main + f"auth_ssl_username_from_cert = yes\nimap_tls_ask_ccert = yes\nimap_tls_CAfile = {a.pem}\n", MASTER)
        i.start()
        anna, bert = a.server("anna@example.net", ["x.example"]), a.server("bert@example.net", ["x.example"])
        ok(imap("XOAUTH2", xoauth2("anna@example.net", good), client_context(a.pem, *anna))[0], "auth_ssl_username_from_cert: her own certificate and token")
        for user in ("anna@example.net", "bert@example.net"):
            ok(not imap("XOAUTH2", xoauth2(user, good), client_context(a.pem, *bert))[0], f"his certificate and her token open nothing, to {user}", i.log()[-300:])
        ok(not imap("OAUTHBEARER", lambda _: f"n,,\1auth=Bearer {good}\1\1".encode(), client_context(a.pem, *bert))[0], "nor without a name")
        for name, text in (("introspection_mode = post", "introspection_mode = post\nintrospection_url = https://x\n"),
                           ("an unknown word", f"introspection_mode = local\nlocal_validation_key_dict = {i.dir}/keys\ngrant_url = x\n"),
                           ("no keys", f"introspection_mode = local\nlocal_validation_key_dict = {i.dir}/home\n")):
            with open(f"{i.dir}/oauth2.conf", "w") as f:
                f.write(text)
            i.run("stop")
            wait_for(lambda: not i.master_pid(), 20)
            before = len(i.log())
            i.start()
            try:
                imaplib.IMAP4("127.0.0.1", IMAP, timeout=5)
            except (OSError, imaplib.IMAP4.error):
                pass
            ok(wait_for(lambda: "auth_passdb: oauth2:" in i.log()[before:], 10), f"{name} is refused at start", i.log()[before:])


main()
t.end()

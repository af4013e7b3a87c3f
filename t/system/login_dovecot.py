# SPDX-License-Identifier: ISC
"""login_dovecot.py - a Dovecot of a test's own with a passwd-file, for tests of logins that go through more than one server"""
import os, shutil, socket, subprocess

from instance import wait_for

DOVECOT = shutil.which("dovecot", path="/usr/sbin:/usr/local/sbin")


def listens(host, port):
    with socket.socket() as s:
        return s.connect_ex((host, port)) == 0


def dovecot(base, owner, passdb, ports, host="127.0.0.1", more=""):
    """The process; `ports` by protocol; its mail, log and configuration are at `base`; what `more` says counts."""
    os.makedirs(f"{base}/mail")
    os.chmod(base, 0o755)
    os.chmod(f"{base}/mail", 0o777)
    services = "".join(f"service {p}-login {{\n  inet_listener {p} {{\n    address = {host}\n    port = {n}\n  }}\n  inet_listener {p}s {{\n    port = 0\n  }}\n}}\n"
                       for p, n in ports.items())
    with open(f"{base}.conf", "w") as f:
        f.write(f"""base_dir = {base}/run
state_dir = {base}/state
log_path = {base}.log
ssl = no
protocols = {" ".join(ports)}
disable_plaintext_auth = no
auth_failure_delay = 0
first_valid_uid = 1
first_valid_gid = 1
mail_location = maildir:{base}/mail/%u
passdb {{
  driver = passwd-file
  args = {passdb}
}}
userdb {{
  driver = static
  args = uid={owner.pw_uid} gid={owner.pw_gid} home={base}/mail/%u allow_all_users=yes
}}
{services}service stats {{
  unix_listener stats-writer {{
    mode = 0666
  }}
}}
service anvil {{
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
{more}""")
    p = subprocess.Popen([DOVECOT, "-F", "-c", f"{base}.conf"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for port in ports.values():
        wait_for(lambda: listens(host, port))
    return p

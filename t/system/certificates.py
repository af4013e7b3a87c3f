# SPDX-License-Identifier: ISC
"""certificates.py - an authority and server certificates for a test, made by openssl(1)"""
import hashlib, os, subprocess


def run(*words):
    subprocess.run(["openssl", *words], check=True, capture_output=True)


class Authority:
    def __init__(self, directory, name="Test CA"):
        self.dir = directory
        os.makedirs(directory, exist_ok=True)
        self.pem = f"{directory}/ca.pem"
        run("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "3", "-subj", f"/CN={name}", "-addext", "basicConstraints=critical,CA:TRUE",
            "-keyout", f"{directory}/ca.key", "-out", self.pem)

    def server(self, name, alternatives=None):
        """(chain, key): the certificate with the authority's behind it."""
        base = f"{self.dir}/{name}"
        with open(f"{base}.ext", "w") as f:
            f.write("subjectAltName=" + ",".join(f"DNS:{n}" for n in alternatives or [name]) + "\n")
        run("req", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={name}", "-keyout", f"{base}.key", "-out", f"{base}.csr")
        run("x509", "-req", "-in", f"{base}.csr", "-CA", self.pem, "-CAkey", f"{self.dir}/ca.key", "-CAcreateserial", "-days", "3",
            "-extfile", f"{base}.ext", "-out", f"{base}.crt")
        with open(f"{base}.pem", "w") as f:
            f.write(open(f"{base}.crt").read() + open(self.pem).read())
        os.chmod(f"{base}.key", 0o644)
        return f"{base}.pem", f"{base}.key"


def der(pem):
    return subprocess.run(["openssl", "x509", "-in", pem, "-outform", "DER"], check=True, capture_output=True).stdout


def key_der(pem):
    key = subprocess.run(["openssl", "x509", "-in", pem, "-noout", "-pubkey"], check=True, capture_output=True).stdout
    return subprocess.run(["openssl", "pkey", "-pubin", "-outform", "DER"], input=key, check=True, capture_output=True).stdout


def fingerprint(data, digest="sha256"):
    h = hashlib.new(digest, data).hexdigest().upper()
    return ":".join(h[i:i + 2] for i in range(0, len(h), 2))

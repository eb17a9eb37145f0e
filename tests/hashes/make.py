#!/usr/bin/env python3
"""Writes vectors.tsv beside this file: one password, hashed by the software that people come from.

    $VESTIBULE_TOOLS/venv/bin/python tests/hashes/make.py

Each line is a name, the hash, and the call that made it. The costs are low where the software lets
one choose, so that the tests take no time.
"""

import base64
import hashlib
import hmac
import json
import pathlib
import subprocess

import argon2
import bcrypt
import django
from django.conf import settings
from passlib import hash as passlib

PASSWORD = "Tr0ubadör & 3"
OCTETS = PASSWORD.encode()
lines = []


def add(name, made, by):
    assert "\t" not in made and "\n" not in made, name
    lines.append(f"{name}\t{made}\t{by}")


def run(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def php(code):
    return run("php", "-r", code.replace("TYPED", json.dumps(PASSWORD, ensure_ascii=False)))


def node(code):
    return run("node", "-e", "const c = require('crypto'); console.log(" + code.replace("TYPED", json.dumps(PASSWORD)) + ")")


def argon2s():
    for kind in argon2.Type:
        hasher = argon2.PasswordHasher(time_cost=2, memory_cost=1024, parallelism=2, type=kind)
        add(f"argon2{kind.name.lower()}", hasher.hash(PASSWORD), f"argon2-cffi, type {kind.name}")
    old = argon2.low_level.hash_secret(
        OCTETS, b"saltsaltsaltsalt", 2, 512, 1, 32, argon2.Type.I, version=16)
    add("argon2i-v16", old.decode(), "argon2-cffi, version 16")
    add("argon2i-no-version", old.decode().replace("$v=16", ""), "the same as argon2 1.0 wrote it")


def bcrypts():
    for version in (b"2a", b"2b"):
        made = bcrypt.hashpw(OCTETS, bcrypt.gensalt(5, prefix=version)).decode()
        add(f"bcrypt-{version.decode()}", made, "bcrypt.hashpw")
    add("bcrypt-php", php("echo password_hash(TYPED, PASSWORD_BCRYPT, ['cost' => 5]);"), "php password_hash, also Laravel's")
    add("bcrypt-crypt", run("mkpasswd", "-m", "bcrypt", "-R", "5", PASSWORD), "mkpasswd -m bcrypt")
    digest = base64.b64encode(hmac.digest(b"wp-sha384", OCTETS, "sha384"))
    made = "$wp" + bcrypt.hashpw(digest, bcrypt.gensalt(5)).decode().replace("$2b$", "$2y$")
    add("wordpress", php(
        "echo '$wp' . password_hash(base64_encode(hash_hmac('sha384', trim(TYPED), 'wp-sha384', true)), PASSWORD_BCRYPT, ['cost' => 5]);"),
        "php, wp_hash_password of WordPress 6.8")
    add("wordpress-bcrypt", made, "bcrypt.hashpw of the same")
    # passlib asks the bcrypt module for its version in a way that is gone
    bcrypt.__about__ = type("about", (), {"__version__": bcrypt.__version__})
    real = bcrypt.hashpw
    bcrypt.hashpw = lambda secret, salt: real(secret[:72], salt)
    add("passlib-bcrypt-sha256", passlib.bcrypt_sha256.using(rounds=5).hash(PASSWORD), "passlib bcrypt_sha256")
    add("passlib-bcrypt-sha256-v1", passlib.bcrypt_sha256.using(rounds=5, version=1).hash(PASSWORD), "passlib bcrypt_sha256, version 1")


def crypts():
    for method, options in (("md5crypt", ()), ("sha256crypt", ()), ("sha256crypt", ("-R", "1500")),
                            ("sha512crypt", ()), ("sha512crypt", ("-R", "1000")), ("scrypt", ()),
                            ("yescrypt", ("-R", "1")), ("yescrypt", ())):
        made = run("mkpasswd", "-m", method, *options, PASSWORD)
        name = "-".join([method, *options[1:]])
        add(f"crypt-{name}", made, f"mkpasswd -m {method} {' '.join(options)}".strip())
    add("apache-md5", run("openssl", "passwd", "-apr1", PASSWORD), "openssl passwd -apr1")
    add("passlib-apr-md5", passlib.apr_md5_crypt.hash(PASSWORD), "passlib apr_md5_crypt")
    add("passlib-md5-crypt", passlib.md5_crypt.hash(PASSWORD), "passlib md5_crypt")
    add("passlib-sha256-crypt", passlib.sha256_crypt.using(rounds=1000).hash(PASSWORD), "passlib sha256_crypt")
    add("passlib-sha512-crypt", passlib.sha512_crypt.using(rounds=5000).hash(PASSWORD), "passlib sha512_crypt")


def ldaps():
    for scheme in ("{SSHA}", "{SHA}", "{SMD5}", "{MD5}"):
        add(f"ldap-{scheme[1:-1].lower()}", run("slappasswd", "-h", scheme, "-s", PASSWORD), f"slappasswd -h {scheme}")
    for bits in ("256", "384", "512"):
        for scheme in ("{SHA%s}" % bits, "{SSHA%s}" % bits):
            made = run("slappasswd", "-o", "module-path=/usr/lib/ldap", "-o", "module-load=pw-sha2", "-h", scheme, "-s", PASSWORD)
            add(f"ldap-{scheme[1:-1].lower()}", made, f"slappasswd, pw-sha2, -h {scheme}")
    for digest in ("sha1", "sha256", "sha512"):
        made = getattr(passlib, f"ldap_pbkdf2_{digest}").using(rounds=1000).hash(PASSWORD)
        add(f"ldap-pbkdf2-{digest}", made, f"passlib ldap_pbkdf2_{digest}, as OpenLDAP's pw-pbkdf2")
    made = run("slappasswd", "-o", "module-path=/usr/lib/ldap", "-o", "module-load=argon2", "-h", "{ARGON2}", "-s", PASSWORD)
    add("ldap-argon2", made, "slappasswd, argon2, -h {ARGON2}")
    add("ldap-crypt", run("slappasswd", "-h", "{CRYPT}", "-c", "$6$rounds=1000$%.12s", "-s", PASSWORD), "slappasswd -h {CRYPT} -c '$6$rounds=1000$%.12s'")
    add("atlassian", passlib.atlassian_pbkdf2_sha1.hash(PASSWORD), "passlib atlassian_pbkdf2_sha1")


def frameworks():
    settings.configure()
    django.setup()
    from django.contrib.auth import hashers

    for name in ("PBKDF2PasswordHasher", "PBKDF2SHA1PasswordHasher", "Argon2PasswordHasher",
                 "BCryptSHA256PasswordHasher", "BCryptPasswordHasher", "ScryptPasswordHasher",
                 "MD5PasswordHasher"):
        hasher = getattr(hashers, name)()
        if hasattr(hasher, "iterations"):
            hasher.iterations = 1000
        if name.startswith("BCrypt"):
            hasher.rounds = 5
        if name.startswith("Argon2"):
            hasher.memory_cost = 1024
        add("django-" + hasher.algorithm, hasher.encode(PASSWORD, hasher.salt()), f"django {name}")
    add("django-sha1", "sha1$abc$" + hashlib.sha1(b"abc" + OCTETS).hexdigest(), "hashlib, as Django's SHA1PasswordHasher")
    add("django-unsalted-md5", "md5$$" + hashlib.md5(OCTETS).hexdigest(), "hashlib, as Django's UnsaltedMD5PasswordHasher")
    add("django-unsalted-sha1", "sha1$$" + hashlib.sha1(OCTETS).hexdigest(), "hashlib, as Django's UnsaltedSHA1PasswordHasher")
    made = hashlib.pbkdf2_hmac("sha256", OCTETS, b"s4ltS4lt", 1000).hex()
    add("werkzeug-pbkdf2", f"pbkdf2:sha256:1000$s4ltS4lt${made}", "hashlib, as Werkzeug's generate_password_hash")
    made = hashlib.scrypt(OCTETS, salt=b"s4ltS4lt", n=1024, r=8, p=1, maxmem=1 << 25).hex()
    add("werkzeug-scrypt", f"scrypt:1024:8:1$s4ltS4lt${made}", "hashlib, as Werkzeug's generate_password_hash")
    v2 = b"\0" + b"s" * 16 + hashlib.pbkdf2_hmac("sha1", OCTETS, b"s" * 16, 1000, 32)
    add("aspnet-2", base64.b64encode(v2).decode(), "hashlib, as PasswordHasher v2 of ASP.NET Identity")
    for function, digest in enumerate(("sha1", "sha256", "sha512")):
        head = b"\1" + b"".join(n.to_bytes(4, "big") for n in (function, 1000, 16))
        v3 = head + b"s" * 16 + hashlib.pbkdf2_hmac(digest, OCTETS, b"s" * 16, 1000, 32)
        add(f"aspnet-3-{digest}", base64.b64encode(v3).decode(), "hashlib, as PasswordHasher v3 of ASP.NET Identity")
    add("phpass", passlib.phpass.using(rounds=8).hash(PASSWORD), "passlib phpass")
    add("phpbb", passlib.phpass.using(rounds=8, ident="H").hash(PASSWORD), "passlib phpass, ident H")
    md5 = hashlib.md5(OCTETS).hexdigest()
    add("phpass-updated", "U" + passlib.phpass.using(rounds=8).hash(md5), "passlib phpass of the MD5")
    add("drupal-7", php(r"""
        $itoa = './0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
        $salt = 'aBcD./12'; $h = hash('sha512', $salt . TYPED, true);
        for ($i = 0; $i < 1 << 8; $i++) $h = hash('sha512', $h . TYPED, true);
        $out = ''; $i = 0; $n = strlen($h);
        do { $v = ord($h[$i++]); $out .= $itoa[$v & 63]; if ($i < $n) $v |= ord($h[$i]) << 8;
             $out .= $itoa[$v >> 6 & 63]; if ($i++ >= $n) break; if ($i < $n) $v |= ord($h[$i]) << 16;
             $out .= $itoa[$v >> 12 & 63]; if ($i++ >= $n) break; $out .= $itoa[$v >> 18 & 63];
        } while ($i < $n);
        echo substr('$S$' . $itoa[8] . $salt . $out, 0, 55);"""), "php, _password_crypt of Drupal 7")


def derived():
    for digest in ("", "-sha256", "-sha512"):
        made = getattr(passlib, "pbkdf2_" + (digest[1:] or "sha1")).using(rounds=1000).hash(PASSWORD)
        add("passlib-pbkdf2" + (digest or "-sha1"), made, "passlib")
    add("passlib-scrypt", passlib.scrypt.using(rounds=10).hash(PASSWORD), "passlib scrypt")
    b64 = "s => s.toString('base64').replace(/=/g, '')"
    for digest, length in (("sha1", 20), ("sha256", 32), ("sha512", 64)):
        made = node(f"((b) => '$pbkdf2-{digest}$i=1000,l={length}$' + b(Buffer.from('0123456789abcdef')) + '$' + b(c.pbkdf2Sync(TYPED, '0123456789abcdef', 1000, {length}, '{digest}')))({b64})")
        add(f"pbkdf2-phc-{digest}", made, "node crypto.pbkdf2Sync")
    made = node(f"((b) => '$pbkdf2-sha256$' + b(Buffer.from('0123456789abcdef')) + '$' + b(c.pbkdf2Sync(TYPED, '0123456789abcdef', 100000, 64, 'sha256')))({b64})")
    add("pbkdf2-phc-defaults", made, "node crypto.pbkdf2Sync, i and l left out")
    made = node("((d, s) => { const x = c.createCipheriv('aes-256-ctr', d, Buffer.alloc(16)); return '$fbscrypt$v=1,n=10,r=8,p=1,ss=Bw==,sk=' + s.toString('base64') + '$' + Buffer.from('salt-of-it').toString('base64') + '$' + Buffer.concat([x.update(s), x.final()]).toString('base64'); })(c.scryptSync(TYPED, Buffer.concat([Buffer.from('salt-of-it'), Buffer.from('Bw==', 'base64')]), 32, { N: 1024, r: 8, p: 1 }), c.createHash('sha512').update('signer').digest())")
    add("firebase", made, "node crypto.scryptSync and aes-256-ctr, as Firebase describes it")


def custom(name, by, **fields):
    add("custom-" + name, "custom:" + json.dumps(fields, separators=(",", ":"), ensure_ascii=False), by)


def declared():
    """One for each algorithm of Auth0's custom_password_hash, and the ways to write them."""
    md4 = passlib.hex_md4.hash(PASSWORD)
    custom("md4", "passlib hex_md4", algorithm="md4", hash={"value": md4, "encoding": "hex"})
    for digest in ("md5", "sha1", "sha256", "sha512"):
        made = node(f"c.createHash('{digest}').update('pepper' + TYPED).digest('hex')")
        custom(digest + "-prefix", "node crypto.createHash", algorithm=digest,
               hash={"value": made, "encoding": "hex"}, salt={"value": "pepper"})
        made = node(f"c.createHash('{digest}').update(TYPED).update(Buffer.from('00ff10', 'hex')).digest('base64')")
        custom(digest + "-suffix", "node crypto.createHash", algorithm=digest,
               hash={"value": made, "encoding": "base64"},
               salt={"value": "00ff10", "encoding": "hex", "position": "suffix"})
    for encoding in ("utf16le", "ucs2", "latin1", "binary", "utf8"):
        made = node(f"c.createHash('sha256').update(Buffer.from(TYPED, '{encoding}')).digest('hex')")
        custom("sha256-" + encoding, f"node Buffer.from(…, '{encoding}')", algorithm="sha256",
               hash={"value": made, "encoding": "hex"}, password={"encoding": encoding})
    for digest in ("md5", "sha1", "sha224", "sha256", "sha384", "sha512"):
        made = node(f"c.createHmac('{digest}', Buffer.from('a2V5', 'base64')).update(TYPED).digest('base64')")
        custom("hmac-" + digest, "node crypto.createHmac", algorithm="hmac",
               hash={"value": made, "encoding": "base64", "digest": digest, "key": {"value": "a2V5", "encoding": "base64"}})
    for digest in ("md4", "ripemd160", "whirlpool"):
        made = php(f"echo hash_hmac('{digest}', TYPED, 'key');")
        custom("hmac-" + digest, "php hash_hmac", algorithm="hmac",
               hash={"value": made, "encoding": "hex", "digest": digest, "key": {"value": "key"}})
    made = node("c.scryptSync(TYPED, 'pepper', 64, { N: 1024, r: 4, p: 2 }).toString('hex')")
    custom("scrypt", "node crypto.scryptSync", algorithm="scrypt", hash={"value": made, "encoding": "hex"},
           salt={"value": "pepper"}, keylen=64, cost=1024, blockSize=4, parallelization=2)
    made = node("c.scryptSync(TYPED, 'pepper', 32).toString('base64')")
    custom("scrypt-defaults", "node crypto.scryptSync", algorithm="scrypt",
           hash={"value": made, "encoding": "base64"}, salt={"value": "pepper"}, keylen=32)
    made = bcrypt.hashpw(b"pepper" + OCTETS, bcrypt.gensalt(5)).decode()
    custom("bcrypt-salted", "bcrypt.hashpw", algorithm="bcrypt", hash={"value": made}, salt={"value": "pepper"})
    made = bcrypt.hashpw(OCTETS, bcrypt.gensalt(5)).decode()
    custom("bcrypt", "bcrypt.hashpw", algorithm="bcrypt", hash={"value": made, "encoding": "utf8"})
    made = next(line.split("\t")[1] for line in lines if line.startswith("argon2id\t"))
    custom("argon2", "argon2-cffi", algorithm="argon2", hash={"value": made})
    made = next(line.split("\t")[1] for line in lines if line.startswith("pbkdf2-phc-sha512\t"))
    custom("pbkdf2", "node crypto.pbkdf2Sync", algorithm="pbkdf2", hash={"value": made, "encoding": "utf8"})
    made = next(line.split("\t")[1] for line in lines if line.startswith("ldap-ssha\t"))
    custom("ldap", "slappasswd", algorithm="ldap", hash={"value": made})


for part in (argon2s, bcrypts, crypts, ldaps, frameworks, derived, declared):
    part()
head = f"# Written by make.py. The password is {PASSWORD!r}.\n"
text = head + "".join(line + "\n" for line in lines)
(pathlib.Path(__file__).parent / "vectors.tsv").write_text(text, encoding="utf-8")

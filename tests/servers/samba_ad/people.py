"""Fills a new Active Directory domain with people, groups and a service. people.py SMB_CONF"""

import sys

import ldb
from samba.auth import system_session
from samba.param import LoadParm
from samba.samdb import SamDB

conf = LoadParm()
conf.load(sys.argv[1])
directory = SamDB(url=conf.samdb_url(), session_info=system_session(), lp=conf)
base = str(directory.domain_dn())


def change(dn, **values):
    message = ldb.Message(ldb.Dn(directory, dn))
    for name, value in values.items():
        message[name] = ldb.MessageElement(value, ldb.FLAG_MOD_REPLACE, name)
    directory.modify(message)


# Simple passwords are taken, and the third wrong one locks an account.
change(base, pwdProperties="0", minPwdLength="7", minPwdAge="0", maxPwdAge="0",
       lockoutThreshold="3", pwdHistoryLength="3")

for name, given, options in [
    ("alice", "Alice", {}),
    ("bob", "Bob", {"force_password_change_at_next_login_req": True}),
    ("carol", "Carol", {}),
    ("dave", "Dave", {}),
    ("vestibule", "Reader", {}),
    ("svc-http", "Service", {}),
]:
    directory.newuser(name, f"{name}-secret", givenname=given, surname="Ng",
                      mailaddress=f"{name}@corp.test", **options)
directory.toggle_userAccountFlags("(sAMAccountName=carol)", 2, on=True)

for group in ["engineers", "all staff"]:
    directory.newgroup(group)
directory.add_remove_group_members("engineers", ["alice"], add_members_operation=True)
directory.add_remove_group_members("all staff", ["engineers"], add_members_operation=True)

# Somebody whose principal name, of a domain of mail, has the name of somebody else.
directory.newuser("mallory", "mallory-secret", mailaddress="mallory@corp.test")
mallory = str(directory.search(base, expression="(sAMAccountName=mallory)", attrs=[])[0].dn)
change(mallory, userPrincipalName="alice@mail.example")

# A service that takes tickets, by AES alone; its keys are made anew for that.
service = str(directory.search(base, expression="(sAMAccountName=svc-http)", attrs=[])[0].dn)
change(service, servicePrincipalName=["HTTP/localhost", "cifs/localhost"], **{"msDS-SupportedEncryptionTypes": "24"})
directory.setpassword("(sAMAccountName=svc-http)", "svc-http-secret")

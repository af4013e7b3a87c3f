# SPDX-License-Identifier: ISC
"""sides_configs.py - six sites of our own: main.cf, additions to the stock master.cf, and files

They use what the counted public configurations use, so that the comparison runs where those are not at hand.
"""
STOCK = """smtp inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
smtp unix - - n - - smtp
relay unix - - n - - smtp
local unix - n n - - local
"""
SUBMISSION = """submission inet n - n - - smtpd
  -o syslog_name=postfix/submission
  -o smtpd_tls_security_level=encrypt
  -o smtpd_sasl_auth_enable=yes
  -o smtpd_client_restrictions=permit_sasl_authenticated,reject
  -o smtpd_sender_restrictions=reject_sender_login_mismatch
  -o smtpd_relay_restrictions=permit_sasl_authenticated,reject
  -o { smtpd_recipient_restrictions = reject_non_fqdn_recipient, permit_sasl_authenticated, reject }
  -o smtpd_sasl_type=dovecot -o smtpd_sasl_path=private/auth
  -o cleanup_service_name=authclean
authclean unix n - n - 0 cleanup
  -o { header_checks = pcre:{{/^(User-Agent|X-Originating-IP):/ IGNORE} {/^Received:.*ESMTPSA/ IGNORE}} }
submissions inet n - n - - smtpd
  -o syslog_name=postfix/submissions
  -o smtpd_tls_wrappermode=yes
  -o smtpd_sasl_type=dovecot
  -o { smtpd_sasl_path = private/auth }
  -o smtpd_sasl_auth_enable=yes
  -o smtpd_relay_restrictions=permit_sasl_authenticated,reject
"""
TLS = """smtpd_tls_cert_file = /etc/ssl/sides/cert.pem
smtpd_tls_key_file = /etc/ssl/sides/key.pem
smtpd_tls_security_level = may
smtp_tls_security_level = may
"""

OWN = {
    "satellite": {"main": """compatibility_level = 3.6
myhostname = satellite.sides.test
mydestination =
local_recipient_maps =
local_transport = error:local delivery is disabled
myorigin = sides.test
relayhost = [relay.sides.test]
mynetworks = 127.0.0.0/8
smtp_generic_maps = hash:/etc/postfix/generic
recipient_delimiter = +
masquerade_domains = sides.test
masquerade_exceptions = root
append_dot_mydomain = yes
remote_header_rewrite_domain = domain.invalid
""" + TLS, "master": STOCK, "files": {"generic": "bob@sides.test bob.outside@outside.test\n@satellite.sides.test @outside.test\n"}},

    "virtual": {"main": """compatibility_level = 3.6
myhostname = mx.sides.test
mydestination = localhost
virtual_mailbox_domains = /etc/postfix/vdomains
virtual_mailbox_base = /var/mail/vhosts
virtual_mailbox_maps = hash:/etc/postfix/vmailbox
virtual_alias_maps = hash:/etc/postfix/valias, pcre:/etc/postfix/valias.pcre
virtual_uid_maps = static:5000
virtual_gid_maps = static:5000
virtual_minimum_uid = 100
recipient_delimiter = +-
smtpd_sender_login_maps = hash:/etc/postfix/logins
smtpd_helo_required = yes
smtpd_helo_restrictions = permit_mynetworks, reject_invalid_helo_hostname, reject_non_fqdn_helo_hostname
smtpd_sender_restrictions = reject_non_fqdn_sender, reject_unknown_sender_domain
smtpd_recipient_restrictions = check_recipient_access hash:/etc/postfix/rcpt_access, reject_non_fqdn_recipient, reject_unknown_recipient_domain
smtpd_data_restrictions = reject_unauth_pipelining, reject_multi_recipient_bounce
smtpd_client_restrictions = permit_mynetworks, check_client_access cidr:/etc/postfix/clients
smtpd_tls_auth_only = yes
smtpd_tls_received_header = yes
smtpd_sasl_authenticated_header = yes
smtputf8_enable = yes
message_size_limit = 1000000
relocated_maps = hash:/etc/postfix/relocated
disable_vrfy_command = yes
""" + TLS, "master": STOCK + SUBMISSION, "files": {
        "vdomains": "# domains\nbox.test\nsecond.test\n",
        "vmailbox": "alice@box.test box.test/alice/\nbob@box.test box.test/bob\npostmaster@box.test box.test/post/\nalice+lists@box.test box.test/lists/\n@second.test second.test/all/\n",
        "valias": "sales@box.test alice, bob@box.test\nchain@box.test sales@box.test\nforward@box.test somebody@outside.test\nabuse@box.test postmaster@box.test\nwords@box.test alice bob@box.test,postmaster@box.test\nlocal@box.test alice@localhost\nroot@box.test alice+root@box.test\n",
        "valias.pcre": "/^x(.*)@box\\.test$/ alice+$1@box.test\n",
        "logins": "alice@box.test alice@box.test\nbob@box.test bob@box.test, alice@second.test\n",
        "rcpt_access": "blocked@box.test REJECT no mail here\nheld@box.test HOLD\ntwice@box.test 450 4.7.1 come back\n",
        "clients": "192.0.2.78/32 REJECT unnamed\n0.0.0.0/0 OK\n", "relocated": "x@second.test new@elsewhere.test\n"}},

    "aliases": {"main": """compatibility_level = 3.6
myhostname = host.sides.test
mydomain = sides.test
myorigin = $mydomain
mydestination = $myhostname, localhost.$mydomain, localhost, $mydomain
alias_maps = hash:/etc/aliases
home_mailbox = Maildir/
recipient_delimiter = +
owner_request_special = yes
luser_relay =
allow_mail_to_files = alias,forward
mynetworks_style = host
mynetworks = 127.0.0.1
smtpd_relay_restrictions = permit_mynetworks, defer_unauth_destination
header_checks = regexp:/etc/postfix/header_checks
body_checks = regexp:/etc/postfix/body_checks
append_dot_mydomain = no
local_header_rewrite_clients = permit_inet_interfaces, permit_mynetworks
always_add_missing_headers = no
strict_rfc821_envelopes = yes
delay_warning_time = 4h
""" + TLS, "master": STOCK, "files": {
        "header_checks": "/^Subject:.*Viagra/ REJECT no such offers\n/^X-Mailer:/ IGNORE\n/^User-Agent:/ REPLACE User-Agent: none\n/^X-Spam-Flag:/ PREPEND X-Was-Spam: yes\n/^X-Sides: drawn-.*7$/ WARN a seven\n",
        "body_checks": "/^lll/ REJECT too many\n"}},

    "lists": {"main": """compatibility_level = 2
myhostname = lists.sides.test
mydestination = lists.sides.test, localhost
relay_domains = relay.sides.test, hash:/etc/postfix/relay_domains
relay_recipient_maps =
transport_maps = hash:/etc/postfix/transport
mailman_destination_recipient_limit = 1
virtual_alias_domains = alias.test
virtual_alias_maps = hash:/etc/postfix/virtual
sender_dependent_relayhost_maps = hash:/etc/postfix/by_sender
sender_dependent_default_transport_maps = hash:/etc/postfix/transport_by_sender
default_transport = smtp
fallback_transport_maps = hash:/etc/postfix/fallback
luser_relay = bob+$local
local_recipient_maps =
mailbox_command = /usr/bin/deliver "$EXTENSION" $SENDER
recipient_delimiter = +
propagate_unmatched_extensions = canonical, virtual, alias
swap_bangpath = no
allow_percent_hack = no
smtpd_recipient_restrictions = permit_mynetworks, reject_unauth_destination
mynetworks = 127.0.0.0/8
default_destination_recipient_limit = 2
soft_bounce = no
""" + TLS, "master": STOCK + """mailman unix - n n - - pipe
  flags=FRX user=list argv=/usr/lib/mailman/bin/postfix-to-mailman.py ${nexthop} ${user} ${extension} ${sender} ${domain}
bsmtp unix - n n - - pipe
  flags=Fq. user=bsmtp argv=/usr/lib/bsmtp/bsmtp -t$nexthop -f$sender $recipient
maildrop unix - n n - - pipe
  flags=DRXhu user=vmail argv=/usr/bin/maildrop -d ${recipient} ${original_recipient} ${client_address} ${client_helo} ${sasl_username} ${size} ${mailbox}
slow unix - - n - - smtp
""", "files": {
        "relay_domains": "second.relay.test x\n",
        "transport": "list.test mailman:\nrelay.sides.test smtp:[sink.sides.test]\nrouted.test slow:[sink.sides.test]:25\n.below.test smtp:[sink.sides.test]\nrefusing.test error:5.7.1 not from here\nhere.test :[sink.sides.test]\nuser@outside.test discard:away\ndrop.test maildrop:\nbsmtp.test bsmtp:gate\nalice+lists@relay.sides.test mailman:special\nlater@outside.test retry:4.4.1 later indeed\n",
        "virtual": "sales@alias.test alice, bob\nlist@alias.test list@list.test\n@alias.test bob\nchain@lists.sides.test alice+one@list.test\ndrop@lists.sides.test Two@drop.test, \"odd one\"@drop.test\nforward@lists.sides.test a+b@bsmtp.test\n",
        "by_sender": "bob@lists.sides.test [smart.sides.test]\n@box.test [smart.sides.test]:587\n", "transport_by_sender": "alice@lists.sides.test slow:\n<> smtp:\n", "fallback": "x mailman:fallback\n"}},

    "backup-mx": {"main": """compatibility_level = 3.6
myhostname = mx2.sides.test
mydestination = localhost
relay_domains = relay.sides.test, parent.test
relay_recipient_maps = hash:/etc/postfix/relay_recipients
relay_transport = relay:[primary.sides.test]
parent_domain_matches_subdomains =
smtpd_recipient_restrictions = permit_mynetworks, reject_unauth_destination, check_sender_access hash:/etc/postfix/senders, warn_if_reject reject_unknown_client_hostname, reject_unlisted_sender
smtpd_reject_unlisted_sender = yes
unknown_relay_recipient_reject_code = 551
unknown_address_reject_code = 550
reject_code = 553
smtpd_restriction_classes = strict
strict = reject_unknown_sender_domain, reject_non_fqdn_helo_hostname
smtpd_sender_restrictions = check_recipient_access hash:/etc/postfix/strict
show_user_unknown_table_name = no
virtual_alias_maps = hash:/etc/postfix/virtual
mynetworks = 127.0.0.0/8
smtpd_delay_reject = no
smtpd_banner = $myhostname ESMTP
smtpd_discard_ehlo_keywords = etrn, dsn
maximal_queue_lifetime = 1d
notify_classes = resource, software, bounce
recipient_delimiter = +
""" + TLS, "master": STOCK, "files": {
        "relay_recipients": "alice@relay.sides.test x\n@parent.test x\n", "senders": "blocked@outside.test REJECT not you\nblocked.test 554 5.7.1 nor you\n<> OK\n",
        "strict": "alice@relay.sides.test strict\n", "virtual": "sales@relay.sides.test alice@relay.sides.test, bob@parent.test\nforward@relay.sides.test carol@relay.sides.test\n"}},

    "filter": {"main": """compatibility_level = 3.6
myhostname = filter.sides.test
mydomain = sides.test
myorigin = $mydomain
mydestination = $myhostname, $mydomain, localhost
alias_maps = hash:/etc/aliases
content_filter = scan:[127.0.0.1]:10024
receive_override_options = no_address_mappings
canonical_maps = hash:/etc/postfix/canonical
sender_canonical_maps = hash:/etc/postfix/sender_canonical
recipient_canonical_maps = pcre:/etc/postfix/recipient_canonical
masquerade_domains = !keep.sides.test sides.test
masquerade_classes = envelope_sender, header_sender
always_bcc = archive@sides.test
sender_bcc_maps = hash:/etc/postfix/sender_bcc
recipient_bcc_maps = hash:/etc/postfix/recipient_bcc
mailbox_transport_maps = hash:/etc/postfix/mailbox_transport
mailbox_command_maps = hash:/etc/postfix/commands
home_mailbox = Mailbox
recipient_delimiter = +
smtpd_milters = inet:127.0.0.1:8891
milter_default_action = accept
mynetworks = 127.0.0.0/8
header_checks = pcre:/etc/postfix/header_checks
message_drop_headers = bcc, content-length, resent-bcc, return-path, x-originating-ip
local_recipient_maps = unix:passwd.byname $alias_maps inline:{archive=x new=x}
expand_owner_alias = yes
""" + TLS, "master": STOCK + """scan unix - - n - 4 smtp
  -o smtp_send_xforward_command=yes
  -o disable_mime_output_conversion=yes
127.0.0.1:10025 inet n - n - - smtpd
  -o content_filter=
  -o local_recipient_maps=
  -o relay_recipient_maps=
  -o smtpd_milters=
  -o smtpd_client_restrictions=permit_mynetworks,reject
  -o mynetworks=127.0.0.0/8
  -o smtpd_authorized_xforward_hosts=127.0.0.0/8
  -o receive_override_options=no_unknown_recipient_checks,no_header_body_checks,no_milters
""", "files": {
        "canonical": "alice@host.sides.test alice.host@sides.test\nold@sides.test new@sides.test\n@moved.test @sides.test\n", "sender_canonical": "bob Robert.B@sides.test\nbob@sides.test Robert.B@sides.test\n",
        "recipient_canonical": "/^(.*)-ext@sides\\.test$/ $1@sides.test\n", "sender_bcc": "friend@outside.test watch@outside.test\n", "recipient_bcc": "alice@sides.test copy@outside.test\n",
        "mailbox_transport": "archive lmtp:inet:127.0.0.1:2424\n", "commands": "bob /srv/bin/bobs-command \"$DOMAIN\" $USER\n",
        "header_checks": "/^Subject: .*Viagra/ REJECT\n/^X-Spam-Flag: YES/ REDIRECT spam@outside.test\n/^Subject: x{100}/ HOLD\n"}},
}

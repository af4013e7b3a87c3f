# SPDX-License-Identifier: ISC
# A configuration that is there stays; new samples come beside it.
CONF_FILES = conf/main.cf conf/master.cf conf/aliases
EXTRA_DIST += $(CONF_FILES)
pkgconfdir = $(sysconfdir)/postern

install-data-local: manual/done
	$(MKDIR_P) $(DESTDIR)$(pkgconfdir)
	for f in $(CONF_FILES); do \
		to=$(DESTDIR)$(pkgconfdir)/`basename $$f`; \
		test -f $$to && to=$$to.sample; \
		$(INSTALL_DATA) $(top_srcdir)/$$f $$to || exit 1; \
	done
	for s in man1 man5 man8; do \
		$(MKDIR_P) $(DESTDIR)$(mandir)/$$s && $(INSTALL_DATA) manual/$$s/* $(DESTDIR)$(mandir)/$$s || exit 1; \
	done
uninstall-local: manual/done
	for f in $(CONF_FILES); do \
		to=$(DESTDIR)$(pkgconfdir)/`basename $$f`; \
		if cmp -s $(top_srcdir)/$$f $$to; then rm -f $$to; fi; rm -f $$to.sample; \
	done
	cd manual && for f in man?/*; do rm -f "$(DESTDIR)$(mandir)/$$f"; done
	cd $(DESTDIR)$(sbindir) && rm -f postfix mailq newaliases

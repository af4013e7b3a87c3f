# SPDX-License-Identifier: ISC
# A configuration that is there stays; new samples come beside it.
CONF_FILES = conf/main.cf conf/master.cf conf/aliases
EXTRA_DIST += $(CONF_FILES)
pkgconfdir = $(sysconfdir)/postern

install-data-local:
	$(MKDIR_P) $(DESTDIR)$(pkgconfdir)
	for f in $(CONF_FILES); do \
		to=$(DESTDIR)$(pkgconfdir)/`basename $$f`; \
		test -f $$to && to=$$to.sample; \
		$(INSTALL_DATA) $(top_srcdir)/$$f $$to || exit 1; \
	done
uninstall-local:
	for f in $(CONF_FILES); do \
		to=$(DESTDIR)$(pkgconfdir)/`basename $$f`; \
		if cmp -s $(top_srcdir)/$$f $$to; then rm -f $$to; fi; rm -f $$to.sample; \
	done

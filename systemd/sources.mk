systemdsystemunit_DATA = systemd/ragd.service
CLEANFILES += systemd/ragd.service
EXTRA_DIST += systemd/ragd.service.in

systemd/ragd.service: systemd/ragd.service.in Makefile
	$(AM_V_GEN)$(MKDIR_P) systemd && $(SED) -e 's|@sbindir[@]|$(sbindir)|g' -e 's|@bindir[@]|$(bindir)|g' \
		-e 's|@sysconfdir[@]|$(sysconfdir)|g' -e 's|@localstatedir[@]|$(localstatedir)|g' \
		$(top_srcdir)/systemd/ragd.service.in > $@.tmp && mv $@.tmp $@

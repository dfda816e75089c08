# ragd@STAGE.service: one instance for each stage of a host, on the profile of that name.
systemdsystemunit_DATA = systemd/ragd.service systemd/ragd@.service
CLEANFILES += $(systemdsystemunit_DATA)
EXTRA_DIST += systemd/ragd.service.in systemd/ragd@.service.in

$(systemdsystemunit_DATA): %: %.in Makefile
	$(AM_V_GEN)$(MKDIR_P) systemd && $(SED) -e 's|@sbindir[@]|$(sbindir)|g' \
		-e 's|@bindir[@]|$(bindir)|g' -e 's|@sysconfdir[@]|$(sysconfdir)|g' \
		-e 's|@localstatedir[@]|$(localstatedir)|g' $< > $@.tmp && mv $@.tmp $@

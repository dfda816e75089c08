noinst_LIBRARIES += libconfig.a
libconfig_a_SOURCES = \
	daemon/config/apply.c daemon/config/apply.h \
	daemon/config/check.c daemon/config/check.h \
	daemon/config/check_answer.c \
	daemon/config/check_provider.c \
	daemon/config/check_server.c \
	daemon/config/check_storage.c \
	daemon/config/diagnostics.c daemon/config/diagnostics.h \
	daemon/config/diff.c daemon/config/diff.h \
	daemon/config/document.c daemon/config/document.h \
	daemon/config/effective.c daemon/config/effective.h \
	daemon/config/implied.h \
	daemon/config/listen.c daemon/config/listen.h \
	daemon/config/load.c daemon/config/load.h \
	daemon/config/memory.c \
	daemon/config/preset.c \
	daemon/config/providers.c daemon/config/providers.h \
	daemon/config/schema.c daemon/config/schema.h daemon/config/schema_rows.h \
	daemon/config/schema_answer.c \
	daemon/config/schema_operations.c \
	daemon/config/schema_provider.c \
	daemon/config/schema_server.c \
	daemon/config/schema_storage.c \
	daemon/config/secret.c daemon/config/secret.h \
	daemon/config/spelling.c \
	daemon/config/toml.cc daemon/config/toml.h \
	daemon/config/value.c daemon/config/value.h \
	daemon/config/values.c daemon/config/values.h \
	daemon/config/words.h

# toml++ is C++; programs are linked as C.  Without type information clang's sanitizers need
# nothing of their C++ runtime either.
libconfig_a_CXXFLAGS = $(AM_CXXFLAGS) -fno-rtti
CONFIG_LIBS = libconfig.a $(TOMLPP_LIBS) -lstdc++

# What is made from the schema at build time.
noinst_PROGRAMS += daemon/config/gen
daemon_config_gen_SOURCES = daemon/config/gen.c
daemon_config_gen_LDADD = $(CONFIG_LIBS) $(BASE_LIBS)

nodist_man_MANS += man/ragd.toml.5
man/ragd.toml.5: $(top_srcdir)/man/ragd.toml.5.in daemon/config/gen$(EXEEXT)
	$(AM_V_GEN)$(MKDIR_P) man && daemon/config/gen$(EXEEXT) man \
		$(top_srcdir)/man/ragd.toml.5.in > $@.tmp && mv $@.tmp $@

profiledir = $(sysconfdir)/ragd/profiles
dist_profile_DATA = \
	config-profiles/basic.toml \
	config-profiles/development.toml \
	config-profiles/multi-tenant.toml \
	config-profiles/performance.toml \
	config-profiles/production.toml \
	config-profiles/staging.toml \
	config-profiles/testing.toml

dist_check_SCRIPTS += tests/structure/unread
TESTS += tests/structure/unread
EXTRA_DIST += daemon/config/UNREAD man/ragd.toml.5.in
CLEANFILES += man/ragd.toml.5

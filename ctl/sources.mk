bin_PROGRAMS += ragctl

noinst_LIBRARIES += libctl.a
libctl_a_SOURCES = \
	ctl/audit.c ctl/audit_verify.c \
	ctl/beir.c ctl/beir.h \
	ctl/bundle.c \
	ctl/client.c ctl/client.h \
	ctl/ctl.h \
	ctl/files.c ctl/files.h \
	ctl/follow.c ctl/follow.h \
	ctl/gate.c \
	ctl/grammar.c ctl/grammar.h ctl/grammar_inside.h \
	ctl/grammar_rows.c ctl/grammar_usage.c ctl/grammar_value.c \
	ctl/help.c ctl/help.h ctl/help_run.c ctl/help_shell.c \
	ctl/index.c \
	ctl/ingest.c \
	ctl/job.c \
	ctl/offline.c \
	ctl/operation.c ctl/operation.h \
	ctl/print.c ctl/print.h \
	ctl/print_collection.c ctl/print_index.c ctl/print_job.c ctl/print_provider.c \
	ctl/print_key.c \
	ctl/print_release.c ctl/print_search.c ctl/print_tenant.c ctl/print_trace.c \
	ctl/print_usage.c \
	ctl/profile.c ctl/profile.h \
	ctl/progress.c ctl/progress.h \
	ctl/provider.c \
	ctl/run.c ctl/run.h \
	ctl/screen.c ctl/screen.h \
	ctl/search.c \
	ctl/table.c ctl/table.h \
	ctl/tenant.c
CTL_LIBS = libctl.a $(CONTROLPROTO_LIBS) $(CONFIG_LIBS) $(AUDIT_LIBS)

ragctl_SOURCES = ctl/main.c
ragctl_LDADD = $(CTL_LIBS) $(BASE_LIBS)
ragctl_LDFLAGS = $(AM_LDFLAGS) -Wl,--as-needed

# What is made from the command table at build time.
noinst_PROGRAMS += ctl/gen
ctl_gen_SOURCES = ctl/gen.c
ctl_gen_LDADD = libctl.a $(CONTROLPROTO_LIBS) $(BASE_LIBS)

nodist_man_MANS += man/ragctl.1
man/ragctl.1: $(top_srcdir)/man/ragctl.1.in ctl/gen$(EXEEXT)
	$(AM_V_GEN)$(MKDIR_P) man && ctl/gen$(EXEEXT) man $(top_srcdir)/man/ragctl.1.in > $@.tmp && mv $@.tmp $@

bashcompletiondir = $(datadir)/bash-completion/completions
nodist_bashcompletion_DATA = ctl/completion/ragctl
ctl/completion/ragctl: ctl/gen$(EXEEXT)
	$(AM_V_GEN)$(MKDIR_P) ctl/completion && ctl/gen$(EXEEXT) completion > $@.tmp && mv $@.tmp $@

EXTRA_DIST += man/ragctl.1.in
CLEANFILES += man/ragctl.1 ctl/completion/ragctl

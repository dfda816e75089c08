# The protocol: what ragctl, the manual and the fuzzer need of it, without a daemon.
noinst_LIBRARIES += libcontrolproto.a
libcontrolproto_a_SOURCES = \
	daemon/control/commands.c daemon/control/commands.h daemon/control/commands.inc.h \
	daemon/control/commands_tenants.inc.h \
	daemon/control/interface.c daemon/control/interface.h \
	daemon/control/types.c daemon/control/types.h \
	daemon/control/varlink.c daemon/control/varlink.h
CONTROLPROTO_LIBS = libcontrolproto.a

noinst_LIBRARIES += libcontrol.a
libcontrol_a_SOURCES = \
	daemon/control/amounts.c daemon/control/amounts.h \
	daemon/control/audit.c \
	daemon/control/bench.c daemon/control/bench.h \
	daemon/control/bundle.c \
	daemon/control/call.c daemon/control/call.h daemon/control/call_inside.h \
	daemon/control/call_audit.c daemon/control/call_tenant.c \
	daemon/control/collection.c \
	daemon/control/config.c \
	daemon/control/connection.c daemon/control/connection.h \
	daemon/control/control.c daemon/control/control.h \
	daemon/control/daemon.c \
	daemon/control/document.c \
	daemon/control/follow.c \
	daemon/control/generation.c \
	daemon/control/golden.c \
	daemon/control/handlers.c daemon/control/handlers.h \
	daemon/control/index.c \
	daemon/control/ingest.c \
	daemon/control/job.c \
	daemon/control/key.c \
	daemon/control/operation.c daemon/control/operation.h \
	daemon/control/provider.c \
	daemon/control/release.c \
	daemon/control/search.c \
	daemon/control/source.c daemon/control/source.h \
	daemon/control/tenant.c daemon/control/tenant.h daemon/control/tenant_life.c \
	daemon/control/trace.c \
	daemon/control/usage.c
CONTROL_LIBS = libcontrol.a $(CONTROLPROTO_LIBS) $(SYSTEMD_LIBS)

noinst_LIBRARIES += librelease.a
librelease_a_SOURCES = \
	daemon/release/canary.c daemon/release/canary.h \
	daemon/release/observe.c daemon/release/observe.h \
	daemon/release/record.c daemon/release/record.h \
	daemon/release/spec.c daemon/release/spec.h

RELEASE_LIBS = librelease.a

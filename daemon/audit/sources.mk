noinst_LIBRARIES += libaudit.a
libaudit_a_SOURCES = \
	daemon/audit/audit.h daemon/audit/inside.h \
	daemon/audit/append.c \
	daemon/audit/chain.c daemon/audit/chain.h \
	daemon/audit/judge.c \
	daemon/audit/line.c daemon/audit/line.h daemon/audit/line_read.c \
	daemon/audit/open.c \
	daemon/audit/reader.c \
	daemon/audit/recover.c \
	daemon/audit/retention.c \
	daemon/audit/search.c \
	daemon/audit/seed.c daemon/audit/seed.h \
	daemon/audit/segment.c daemon/audit/segment.h \
	daemon/audit/verdict.c \
	daemon/audit/verify.c daemon/audit/verify.h \
	daemon/audit/writer.c

# What a program that links libaudit.a needs beside the floors below.
AUDIT_LIBS = libaudit.a $(SODIUM_LIBS)

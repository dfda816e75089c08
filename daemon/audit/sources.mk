noinst_LIBRARIES += libaudit.a
libaudit_a_SOURCES = daemon/audit/audit.h

# What a program that links libaudit.a needs beside the floors below.
AUDIT_LIBS = libaudit.a $(SODIUM_LIBS)

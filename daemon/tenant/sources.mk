noinst_LIBRARIES += libtenant.a
libtenant_a_SOURCES = \
	daemon/tenant/key.h daemon/tenant/keyring.h daemon/tenant/lifecycle.h \
	daemon/tenant/rate.c daemon/tenant/rate.h daemon/tenant/tenants.h

# What a program that links libtenant.a needs beside the floors below.
TENANT_LIBS = libtenant.a $(SODIUM_LIBS)

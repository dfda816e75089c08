noinst_LIBRARIES += libtenant.a
libtenant_a_SOURCES = \
	daemon/tenant/key.c daemon/tenant/key.h \
	daemon/tenant/keyring.c daemon/tenant/keyring.h daemon/tenant/keyring_inside.h \
	daemon/tenant/keyring_keys.c daemon/tenant/keyring_table.c \
	daemon/tenant/lifecycle.c daemon/tenant/lifecycle.h daemon/tenant/lifecycle_inside.h \
	daemon/tenant/lifecycle_live.c daemon/tenant/lifecycle_move.c daemon/tenant/lifecycle_purge.c \
	daemon/tenant/lifecycle_receipt.c daemon/tenant/lifecycle_resume.c \
	daemon/tenant/lifecycle_tend.c \
	daemon/tenant/pepper.c \
	daemon/tenant/rate.c daemon/tenant/rate.h \
	daemon/tenant/tenants.c daemon/tenant/tenants.h daemon/tenant/tenants_inside.h \
	daemon/tenant/tenants_table.c daemon/tenant/tenants_requests.c \
	daemon/tenant/tenants_data.c daemon/tenant/tenants_calls.c daemon/tenant/tenants_usage.c

# What a program that links libtenant.a needs beside the floors below.
TENANT_LIBS = libtenant.a $(SODIUM_LIBS) $(ZLIB_LIBS)

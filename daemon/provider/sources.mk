noinst_LIBRARIES += libprovider.a
libprovider_a_SOURCES = \
	daemon/provider/client.c \
	daemon/provider/hashing.c daemon/provider/hashing.h \
	daemon/provider/hashing_provider.c \
	daemon/provider/kinds.h \
	daemon/provider/mock.c \
	daemon/provider/provider.c daemon/provider/provider.h
PROVIDER_LIBS = libprovider.a

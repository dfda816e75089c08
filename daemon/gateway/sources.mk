noinst_LIBRARIES += libgateway.a
libgateway_a_SOURCES = \
	daemon/gateway/batches.c daemon/gateway/batches.h \
	daemon/gateway/gateway.c daemon/gateway/gateway.h \
	daemon/gateway/vectors.c daemon/gateway/vectors.h
GATEWAY_LIBS = libgateway.a

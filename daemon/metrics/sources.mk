noinst_LIBRARIES += libmetrics.a
libmetrics_a_SOURCES = \
	daemon/metrics/metrics.c daemon/metrics/metrics.h \
	daemon/metrics/process.c daemon/metrics/process.h \
	daemon/metrics/table.c

METRICS_LIBS = libmetrics.a

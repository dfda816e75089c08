noinst_LIBRARIES += libmetrics.a
libmetrics_a_SOURCES = \
	daemon/metrics/exposition.c \
	daemon/metrics/metrics.c daemon/metrics/metrics.h daemon/metrics/inside.h \
	daemon/metrics/process.c daemon/metrics/process.h \
	daemon/metrics/table.c

METRICS_LIBS = libmetrics.a

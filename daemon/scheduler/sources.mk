noinst_LIBRARIES += libscheduler.a
libscheduler_a_SOURCES = daemon/scheduler/workers.c daemon/scheduler/workers.h
SCHEDULER_LIBS = libscheduler.a

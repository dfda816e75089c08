# The roof: everything linked into one daemon.
sbin_PROGRAMS += ragd
ragd_SOURCES = \
	daemon/daemon.c daemon/daemon.h \
	daemon/gateway_gauges.c daemon/gateway_gauges.h \
	daemon/gauges.c daemon/gauges.h \
	daemon/housekeeping.c daemon/housekeeping.h \
	daemon/main.c \
	daemon/news.c daemon/news.h \
	daemon/reload.c daemon/reload.h \
	daemon/rooms.c daemon/rooms.h \
	daemon/start.c daemon/start.h \
	daemon/status.c daemon/status.h \
	daemon/tenancy.c daemon/tenancy.h daemon/tenancy_inside.h \
	daemon/tenancy_news.c daemon/tenancy_tasks.c

ragd_LDADD = $(CONTROL_LIBS) $(HTTP_LIBS) $(RELEASE_LIBS) $(ANSWER_LIBS) $(INGEST_LIBS) \
	$(GATEWAY_LIBS) $(PROVIDER_LIBS) $(SCHEDULER_LIBS) $(TENANT_LIBS) $(AUDIT_LIBS) $(STORE_LIBS) $(METRICS_LIBS) \
	$(INDEX_LIBS) $(CONFIG_LIBS) $(EVENT_LIBS) $(BASE_LIBS)

noinst_LIBRARIES += libevent.a
libevent_a_SOURCES = \
	daemon/event/fetch.c daemon/event/fetch.h \
	daemon/event/fetch_exchange.c daemon/event/fetch_inside.h \
	daemon/event/mailbox.c daemon/event/mailbox.h
EVENT_LIBS = libevent.a $(CURL_LIBS) $(SYSTEMD_LIBS)

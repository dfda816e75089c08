noinst_LIBRARIES += libevent.a
libevent_a_SOURCES = daemon/event/mailbox.c daemon/event/mailbox.h
EVENT_LIBS = libevent.a $(SYSTEMD_LIBS)

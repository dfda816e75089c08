noinst_LIBRARIES += libhttp.a
libhttp_a_SOURCES = \
	daemon/http/accept.c daemon/http/accept.h \
	daemon/http/answer.c \
	daemon/http/batch.c \
	daemon/http/caller.c daemon/http/caller.h \
	daemon/http/collections.c \
	daemon/http/dispatch.c daemon/http/dispatch.h \
	daemon/http/documents.c \
	daemon/http/door.c daemon/http/door.h \
	daemon/http/exchange.c \
	daemon/http/flood.c daemon/http/flood.h \
	daemon/http/guard.c daemon/http/guard.h \
	daemon/http/headers.c daemon/http/headers.h \
	daemon/http/health.c \
	daemon/http/http.h \
	daemon/http/idempotent.c daemon/http/idempotent.h \
	daemon/http/jobs.c \
	daemon/http/keys.c \
	daemon/http/limits.c daemon/http/limits.h \
	daemon/http/listen.c daemon/http/listen.h \
	daemon/http/note.c daemon/http/note.h \
	daemon/http/openapi.c \
	daemon/http/origin.c daemon/http/origin.h \
	daemon/http/pin.c \
	daemon/http/pool.c daemon/http/pool.h \
	daemon/http/problem.c daemon/http/problem.h \
	daemon/http/rebind.c \
	daemon/http/reject.c daemon/http/reject.h \
	daemon/http/request.c daemon/http/request.h \
	daemon/http/routes.c daemon/http/routes.h daemon/http/routes.inc.h \
	daemon/http/schemas.c daemon/http/schemas.h \
	daemon/http/search.c \
	daemon/http/server.c daemon/http/server.h \
	daemon/http/shadow.c daemon/http/shadow.h \
	daemon/http/stream.c daemon/http/stream.h \
	daemon/http/tenants.c daemon/http/tenants.h

HTTP_LIBS = libhttp.a $(MHD_LIBS)

noinst_LIBRARIES += libgateway.a
libgateway_a_SOURCES = \
	daemon/gateway/adaptive.c daemon/gateway/adaptive.h \
	daemon/gateway/ask.c daemon/gateway/ask.h \
	daemon/gateway/batches.c daemon/gateway/batches.h \
	daemon/gateway/books.c daemon/gateway/books.h \
	daemon/gateway/breaker.c daemon/gateway/breaker.h \
	daemon/gateway/budget.c daemon/gateway/budget.h \
	daemon/gateway/caches.c daemon/gateway/caches.h \
	daemon/gateway/call.c daemon/gateway/call.h daemon/gateway/call_inside.h \
	daemon/gateway/call_attempt.c daemon/gateway/call_book.c daemon/gateway/call_seek.c \
	daemon/gateway/chat.c \
	daemon/gateway/chat_copy.c daemon/gateway/chat_copy.h \
	daemon/gateway/commons.c daemon/gateway/commons.h \
	daemon/gateway/day.c daemon/gateway/day.h \
	daemon/gateway/embed.c \
	daemon/gateway/embed_job.c daemon/gateway/embed_job.h \
	daemon/gateway/figures.c \
	daemon/gateway/gateway.c daemon/gateway/gateway.h daemon/gateway/inside.h \
	daemon/gateway/lane.c daemon/gateway/lane.h \
	daemon/gateway/lane_state.c daemon/gateway/lane_state.h \
	daemon/gateway/lane_turns.c \
	daemon/gateway/latch.h \
	daemon/gateway/news.c \
	daemon/gateway/operators.c \
	daemon/gateway/prefix.c daemon/gateway/prefix.h \
	daemon/gateway/price.c daemon/gateway/price.h \
	daemon/gateway/queue.c daemon/gateway/queue.h \
	daemon/gateway/ratelimit.c daemon/gateway/ratelimit.h \
	daemon/gateway/record.c daemon/gateway/record.h \
	daemon/gateway/rerank.c \
	daemon/gateway/responses.c daemon/gateway/responses.h \
	daemon/gateway/retry.c daemon/gateway/retry.h \
	daemon/gateway/routing.c daemon/gateway/routing.h \
	daemon/gateway/take.c daemon/gateway/thread.c daemon/gateway/thread.h \
	daemon/gateway/vectors.c daemon/gateway/vectors.h \
	daemon/gateway/window.c daemon/gateway/window.h
# What a program that links libgateway.a needs beside the floors below.
GATEWAY_LIBS = libgateway.a libtenant.a $(SODIUM_LIBS)

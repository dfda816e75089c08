noinst_LIBRARIES += libanswer.a
libanswer_a_SOURCES = \
	daemon/answer/answer.c daemon/answer/answer.h daemon/answer/answering.h \
	daemon/answer/candidates.c daemon/answer/candidates.h \
	daemon/answer/cite.c daemon/answer/cite.h \
	daemon/answer/cursor.c \
	daemon/answer/ended.c \
	daemon/answer/endings.c \
	daemon/answer/eval.c daemon/answer/eval.h \
	daemon/answer/extract.c \
	daemon/answer/floats.c daemon/answer/floats.h \
	daemon/answer/golden.c \
	daemon/answer/highlight.c daemon/answer/highlight.h \
	daemon/answer/inside.h \
	daemon/answer/kept.c daemon/answer/kept.h \
	daemon/answer/legs.c \
	daemon/answer/pin.c \
	daemon/answer/prompt.c daemon/answer/prompt.h \
	daemon/answer/prose.c \
	daemon/answer/quotes.c daemon/answer/quotes.h \
	daemon/answer/recall.c daemon/answer/recall.h \
	daemon/answer/remembered.c daemon/answer/remembered.h \
	daemon/answer/remembering.c \
	daemon/answer/render.c \
	daemon/answer/request.c daemon/answer/request.h \
	daemon/answer/request_answer.c \
	daemon/answer/request_vector.c \
	daemon/answer/rerank.c \
	daemon/answer/rows.c \
	daemon/answer/run.c \
	daemon/answer/search.c daemon/answer/search.h \
	daemon/answer/setup.c \
	daemon/answer/trace.c daemon/answer/trace.h \
	daemon/answer/tune.c daemon/answer/tune.h \
	daemon/answer/writing.c daemon/answer/writing.h

ANSWER_LIBS = libanswer.a

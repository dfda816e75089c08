noinst_LIBRARIES += libanswer.a
libanswer_a_SOURCES = \
	daemon/answer/answer.c daemon/answer/answer.h \
	daemon/answer/candidates.c daemon/answer/candidates.h \
	daemon/answer/cursor.c \
	daemon/answer/eval.c daemon/answer/eval.h \
	daemon/answer/floats.c daemon/answer/floats.h \
	daemon/answer/golden.c \
	daemon/answer/highlight.c daemon/answer/highlight.h \
	daemon/answer/inside.h \
	daemon/answer/kept.c daemon/answer/kept.h \
	daemon/answer/legs.c \
	daemon/answer/pin.c \
	daemon/answer/prose.c \
	daemon/answer/quotes.c daemon/answer/quotes.h \
	daemon/answer/recall.c daemon/answer/recall.h \
	daemon/answer/render.c \
	daemon/answer/request.c daemon/answer/request.h \
	daemon/answer/request_answer.c \
	daemon/answer/request_vector.c \
	daemon/answer/rows.c \
	daemon/answer/search.c daemon/answer/search.h \
	daemon/answer/tune.c daemon/answer/tune.h

ANSWER_LIBS = libanswer.a

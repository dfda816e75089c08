noinst_LIBRARIES += libbase.a
libbase_a_SOURCES = \
	daemon/base/base32.c daemon/base/base32.h \
	daemon/base/buf.c daemon/base/buf.h \
	daemon/base/checksum.c daemon/base/checksum.h \
	daemon/base/cleanup.h \
	daemon/base/clock.c daemon/base/clock.h \
	daemon/base/crash.c daemon/base/crash.h \
	daemon/base/enum.h \
	daemon/base/error.c daemon/base/error.h \
	daemon/base/id.c daemon/base/id.h \
	daemon/base/io.c daemon/base/io.h \
	daemon/base/json.c daemon/base/json.h \
	daemon/base/log.c daemon/base/log.h \
	daemon/base/nearest.c daemon/base/nearest.h \
	daemon/base/text.c daemon/base/text.h daemon/base/text_analyzer.h \
	daemon/base/text_fold.c daemon/base/text_sentences.c \
	daemon/base/text_terms.c daemon/base/text_words.c

# What a program that links libbase.a needs beside it.
BASE_LIBS = libbase.a $(JSONC_LIBS) $(SYSTEMD_LIBS) $(SODIUM_LIBS) $(ICU_LIBS) $(STEMMER_LIBS) -lm

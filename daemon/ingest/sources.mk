noinst_LIBRARIES += libingest.a
libingest_a_SOURCES = \
	daemon/ingest/apply.c \
	daemon/ingest/batch.c \
	daemon/ingest/chunk.c daemon/ingest/chunk.h \
	daemon/ingest/collection.c \
	daemon/ingest/document.c \
	daemon/ingest/donor.c \
	daemon/ingest/embed.c daemon/ingest/embed.h \
	daemon/ingest/estimate.c \
	daemon/ingest/extract.c daemon/ingest/extract.h \
	daemon/ingest/follow.c \
	daemon/ingest/followed.c daemon/ingest/followed.h \
	daemon/ingest/followers.c \
	daemon/ingest/forecast.c \
	daemon/ingest/ingest.c daemon/ingest/ingest.h daemon/ingest/inside.h \
	daemon/ingest/jobs.c daemon/ingest/jobs_end.c \
	daemon/ingest/markdown.c daemon/ingest/markdown.h \
	daemon/ingest/pace.c \
	daemon/ingest/pause.c \
	daemon/ingest/prepare.c daemon/ingest/prepare.h \
	daemon/ingest/progress.c \
	daemon/ingest/put.c \
	daemon/ingest/quota.c daemon/ingest/quota.h \
	daemon/ingest/render.c \
	daemon/ingest/resume.c \
	daemon/ingest/retry.c \
	daemon/ingest/seen.c daemon/ingest/seen.h \
	daemon/ingest/spool.c daemon/ingest/spool.h \
	daemon/ingest/steps.c \
	daemon/ingest/sweep.c \
	daemon/ingest/sync.c \
	daemon/ingest/tenant.c \
	daemon/ingest/upkeep.c \
	daemon/ingest/vector_json.c daemon/ingest/vector_json.h
INGEST_LIBS = libingest.a $(CMARK_LIBS)

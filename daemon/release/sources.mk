noinst_LIBRARIES += librelease.a
librelease_a_SOURCES = \
	daemon/release/bake.c daemon/release/conclude.c daemon/release/deploy.c \
	daemon/release/boot.c daemon/release/boot.h \
	daemon/release/bundle.c daemon/release/bundle.h daemon/release/bundle_inside.h \
	daemon/release/bundle_read.c \
	daemon/release/bundle_vectors.c daemon/release/bundle_vectors_read.c \
	daemon/release/bundle_write.c \
	daemon/release/canary.c daemon/release/canary.h \
	daemon/release/drain.c daemon/release/erase.c \
	daemon/release/gate.c daemon/release/gate.h \
	daemon/release/gate_ask.c daemon/release/gate_inside.h daemon/release/gate_probe.c \
	daemon/release/history.c daemon/release/inside.h \
	daemon/release/journal.c daemon/release/journal.h \
	daemon/release/live.c daemon/release/live.h daemon/release/live_inside.h \
	daemon/release/live_listen.c daemon/release/live_try.c \
	daemon/release/models.c daemon/release/models.h \
	daemon/release/observe.c daemon/release/observe.h \
	daemon/release/operation.c daemon/release/operation_doors.c \
	daemon/release/ops.c daemon/release/ops.h \
	daemon/release/overlay.c daemon/release/override.c \
	daemon/release/plan.c daemon/release/plan_bundle.c daemon/release/plan_profile.c \
	daemon/release/record.c daemon/release/record.h \
	daemon/release/record_check.c daemon/release/record_files.c daemon/release/record_files.h \
	daemon/release/record_state.c daemon/release/record_write.c \
	daemon/release/refuse.c \
	daemon/release/release.c daemon/release/release.h \
	daemon/release/reload.c daemon/release/resume.c daemon/release/rollback.c \
	daemon/release/snapshot.c daemon/release/snapshot.h \
	daemon/release/spec.c daemon/release/spec.h \
	daemon/release/state.c daemon/release/state.h \
	daemon/release/steps.h daemon/release/switch.c daemon/release/trial.c \
	daemon/release/vectors.c daemon/release/vectors.h

RELEASE_LIBS = librelease.a

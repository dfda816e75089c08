if ENABLE_FUZZERS
noinst_PROGRAMS += tests/fuzz/fuzz_audit
tests_fuzz_fuzz_audit_SOURCES = tests/fuzz/fuzz_audit.c
tests_fuzz_fuzz_audit_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
tests_fuzz_fuzz_audit_LDADD = $(AUDIT_LIBS) $(BASE_LIBS)
endif
EXTRA_DIST += tests/fuzz/corpus/audit

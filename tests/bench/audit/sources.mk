EXTRA_PROGRAMS += tests/bench/audit/bench_audit
tests_bench_audit_bench_audit_SOURCES = tests/bench/audit/bench_audit.c
tests_bench_audit_bench_audit_LDADD = $(AUDIT_LIBS) $(BASE_LIBS)

# What a line of the audit log costs; BENCH_SECONDS, BENCH_WRITERS: see the program.
bench-audit: tests/bench/audit/bench_audit$(EXEEXT)
	tests/bench/audit/bench_audit$(EXEEXT)

.PHONY: bench-audit

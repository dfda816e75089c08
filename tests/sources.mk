# System tests run the real daemon; structure tests hold the tree against its own rules.
SYSTEM_TESTS = \
	tests/system/10-start-stop \
	tests/system/20-ingest-search-ask \
	tests/system/30-kill-loop \
	tests/system/32-index-kill \
	tests/system/33-cold-collections \
	tests/system/35-resume \
	tests/system/40-bad-input \
	tests/system/45-everything-at-once \
	tests/system/50-generations \
	tests/system/55-client-vectors \
	tests/system/57-index \
	tests/system/60-retrieval-quality \
	tests/system/62-golden-set \
	tests/system/64-isolation \
	tests/system/65-quotas \
	tests/system/66-keys-over-http \
	tests/system/68-tenant-life \
	tests/system/70-http-hardening \
	tests/system/80-control \
	tests/system/85-scripted-provider \
	tests/system/90-providers \
	tests/system/91-failures \
	tests/system/92-resilience \
	tests/system/93-money \
	tests/system/94-draining \
	tests/system/94-vectors \
	tests/system/95-deploy \
	tests/system/96-promotion \
	tests/system/97-crash-steps \
	tests/system/98-release-bad-input

STRUCTURE_TESTS = tests/structure/floors tests/structure/unread tests/structure/unit

dist_check_SCRIPTS += $(SYSTEM_TESTS) $(STRUCTURE_TESTS)
TESTS += $(STRUCTURE_TESTS) $(SYSTEM_TESTS)
EXTRA_DIST += tests/lib/provider.py tests/lib/provider_faults.py tests/lib/provider_openai.py
EXTRA_DIST += tests/lib/provider_vendors.py tests/lib/provider_wire.py tests/lib/gatewaytest.py
EXTRA_DIST += tests/soak/gateway tests/peers/litellm
EXTRA_DIST += tests/lib/ragdtest.py tests/lib/deploytest.py tests/demo tests/bench/run tests/bench/release/run tests/fuzz/run
EXTRA_DIST += tests/lib/tenanttest.py tests/bench/doors/run
EXTRA_DIST += tests/structure/lint .clang-tidy .clang-format tests/lib/tsan.suppressions

AM_TESTS_ENVIRONMENT = \
	abs_top_srcdir='$(abs_top_srcdir)'; export abs_top_srcdir; \
	abs_top_builddir='$(abs_top_builddir)'; export abs_top_builddir; \
	srcdir='$(srcdir)'; export srcdir; \
	CC='$(CC)'; export CC; \
	CPPFLAGS='$(AM_CPPFLAGS) $(SYSTEMD_CFLAGS) $(JSONC_CFLAGS) $(MHD_CFLAGS) $(SQLITE_CFLAGS) $(ICU_CFLAGS)'; export CPPFLAGS; \
	PYTHONDONTWRITEBYTECODE=1; export PYTHONDONTWRITEBYTECODE;

# ---- Longer campaigns -----------------------------------------------------------------------

# The kill loops at any length: make check-kills KILLS=2000 SEED=7
check-kills: ragd ragctl
	$(AM_TESTS_ENVIRONMENT) KILLS=$${KILLS:-2000} $(PYTHON) $(srcdir)/tests/system/30-kill-loop
	$(AM_TESTS_ENVIRONMENT) KILLS=$${KILLS:-500} $(PYTHON) $(srcdir)/tests/system/32-index-kill

# Providers that fail a third of the time: make check-soak SOAK_SECONDS=600 CLIENTS=64 SEED=7
check-soak: ragd ragctl
	$(AM_TESTS_ENVIRONMENT) SOAK_SECONDS=$${SOAK_SECONDS:-600} CLIENTS=$${CLIENTS:-64} \
		$(PYTHON) $(srcdir)/tests/soak/gateway

# Servers that others wrote, from the package registry; skipped where there is none.
check-peers: ragd ragctl
	@$(AM_TESTS_ENVIRONMENT) $(PYTHON) $(srcdir)/tests/peers/litellm || test $$? = 77

# The whole suite under a sanitizer, in a build folder of its own below this one.
ASAN_FLAGS = -g -O1 -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=undefined
TSAN_FLAGS = -g -O1 -fno-omit-frame-pointer -fsanitize=thread

check-asan:
	$(MAKE) check-sanitized FLAVOUR=asan FLAGS='$(ASAN_FLAGS)'

check-tsan:
	$(MAKE) check-sanitized FLAVOUR=tsan FLAGS='$(TSAN_FLAGS)'

check-sanitized:
	$(MKDIR_P) sanitized/$(FLAVOUR)
	cd sanitized/$(FLAVOUR) && { test -f Makefile || \
		$(abs_top_srcdir)/configure --quiet --disable-hardening \
			CC='$(CC)' CXX='$(CXX)' CFLAGS='$(FLAGS)' CXXFLAGS='$(FLAGS)'; }
	RAGD_TEST_FLAVOUR=$(FLAVOUR) RAGD_TEST_PATIENCE=8 KILLS=$${KILLS:-20} \
	ASAN_OPTIONS=detect_leaks=1:abort_on_error=1 UBSAN_OPTIONS=abort_on_error=1:print_stacktrace=1 \
	TSAN_OPTIONS=suppressions=$(abs_top_srcdir)/tests/lib/tsan.suppressions:halt_on_error=1:second_deadlock_stack=1:print_suppressions=0 \
		$(MAKE) -C sanitized/$(FLAVOUR) check

# Every libFuzzer target for FUZZ_SECONDS, with clang, in a build folder of its own.
FUZZ_FLAGS = -g -O1 -fno-omit-frame-pointer -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=undefined

fuzz:
	$(MKDIR_P) sanitized/fuzz
	cd sanitized/fuzz && { test -f Makefile || \
		$(abs_top_srcdir)/configure --quiet --disable-hardening --enable-fuzzers \
			CC=clang CXX=clang++ CFLAGS='$(FUZZ_FLAGS)' CXXFLAGS='$(FUZZ_FLAGS)'; }
	$(MAKE) -C sanitized/fuzz
	$(srcdir)/tests/fuzz/run $(srcdir)/tests/fuzz/corpus sanitized/fuzz/tests/fuzz $${FUZZ_SECONDS:-60}

EXTRA_PROGRAMS += tests/bench/http_load
tests_bench_http_load_SOURCES = tests/bench/http_load.c

bench: ragd ragctl tests/bench/http_load$(EXEEXT) bench-gateway bench-release bench-doors
	$(AM_TESTS_ENVIRONMENT) $(PYTHON) $(srcdir)/tests/bench/run

# config.h is what the sources need from a build; nothing else is generated into C.
lint: config.h
	$(srcdir)/tests/structure/lint $(srcdir) $(DEFS) $(AM_CPPFLAGS) $(CPPFLAGS) -std=gnu11 \
		$(SYSTEMD_CFLAGS) $(JSONC_CFLAGS) $(MHD_CFLAGS) $(SQLITE_CFLAGS) $(SODIUM_CFLAGS) \
		$(ICU_CFLAGS) $(CMARK_CFLAGS)

clean-local:
	rm -rf sanitized

.PHONY: check-kills check-soak check-peers check-asan check-tsan check-sanitized fuzz bench lint

# What a deployment costs those who search meanwhile.
bench-release: ragd ragctl tests/bench/http_load$(EXEEXT)
	$(AM_TESTS_ENVIRONMENT) $(PYTHON) $(srcdir)/tests/bench/release/run
.PHONY: bench-release

# What keys, limits and the audit log cost a request: make bench-doors BENCH_ROUNDS=9
bench-doors: ragd ragctl tests/bench/http_load$(EXEEXT)
	$(AM_TESTS_ENVIRONMENT) $(PYTHON) $(srcdir)/tests/bench/doors/run
.PHONY: bench-doors

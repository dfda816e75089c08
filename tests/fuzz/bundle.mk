if ENABLE_FUZZERS
noinst_PROGRAMS += tests/fuzz/fuzz_bundle
tests_fuzz_fuzz_bundle_SOURCES = tests/fuzz/fuzz_bundle.c
tests_fuzz_fuzz_bundle_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
tests_fuzz_fuzz_bundle_LDADD = $(RELEASE_LIBS) libprovider.a $(STORE_LIBS) $(INDEX_LIBS) \
	$(CONFIG_LIBS) $(BASE_LIBS)
endif
EXTRA_DIST += tests/fuzz/corpus/bundle

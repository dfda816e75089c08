if HAVE_CMOCKA
check_PROGRAMS += tests/unit/metrics/test_metrics
TESTS += tests/unit/metrics/test_metrics
tests_unit_metrics_test_metrics_SOURCES = tests/unit/metrics/test_metrics.c
tests_unit_metrics_test_metrics_LDADD = $(METRICS_LIBS) $(BASE_LIBS) $(CMOCKA_LIBS)
endif

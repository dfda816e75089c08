if HAVE_CMOCKA
check_PROGRAMS += tests/unit/scheduler/test_workers
TESTS += tests/unit/scheduler/test_workers
tests_unit_scheduler_test_workers_SOURCES = tests/unit/scheduler/test_workers.c
tests_unit_scheduler_test_workers_LDADD = $(SCHEDULER_LIBS) $(BASE_LIBS) $(CMOCKA_LIBS)
endif

if HAVE_CMOCKA
audit_test_fixture = tests/unit/audit/fixture.c tests/unit/audit/fixture.h
audit_test_libs = $(AUDIT_LIBS) $(BASE_LIBS) $(CMOCKA_LIBS)

check_PROGRAMS += tests/unit/audit/test_tampering
TESTS += tests/unit/audit/test_tampering
tests_unit_audit_test_tampering_SOURCES = tests/unit/audit/test_tampering.c $(audit_test_fixture)
tests_unit_audit_test_tampering_LDADD = $(audit_test_libs)
check_PROGRAMS += tests/unit/audit/test_audit
TESTS += tests/unit/audit/test_audit
tests_unit_audit_test_audit_SOURCES = tests/unit/audit/test_audit.c $(audit_test_fixture)
tests_unit_audit_test_audit_LDADD = $(audit_test_libs)

check_PROGRAMS += tests/unit/audit/test_faults
TESTS += tests/unit/audit/test_faults
tests_unit_audit_test_faults_SOURCES = tests/unit/audit/test_faults.c tests/lib/faultfs.c tests/lib/faultfs.h $(audit_test_fixture)
tests_unit_audit_test_faults_LDADD = $(audit_test_libs)

check_PROGRAMS += tests/unit/audit/test_kill
TESTS += tests/unit/audit/test_kill
tests_unit_audit_test_kill_SOURCES = tests/unit/audit/test_kill.c $(audit_test_fixture)
tests_unit_audit_test_kill_LDADD = $(audit_test_libs)

check_PROGRAMS += tests/unit/audit/test_search
TESTS += tests/unit/audit/test_search
tests_unit_audit_test_search_SOURCES = tests/unit/audit/test_search.c $(audit_test_fixture)
tests_unit_audit_test_search_LDADD = $(audit_test_libs)
endif

# Any number of tamperings: make check-audit TAMPERINGS=10000 SEED=1
check-audit: tests/unit/audit/test_tampering$(EXEEXT)
	TAMPERINGS=$${TAMPERINGS:-10000} tests/unit/audit/test_tampering
.PHONY: check-audit

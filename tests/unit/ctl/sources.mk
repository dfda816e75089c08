if HAVE_CMOCKA
ctl_tests = \
	tests/unit/ctl/test_grammar \
	tests/unit/ctl/test_profile \
	tests/unit/ctl/test_screen \
	tests/unit/ctl/test_sources
check_PROGRAMS += $(ctl_tests)
TESTS += $(ctl_tests)

tests_unit_ctl_test_grammar_SOURCES = tests/unit/ctl/test_grammar.c
tests_unit_ctl_test_grammar_LDADD = $(CTL_LIBS) $(BASE_LIBS) $(CMOCKA_LIBS)
tests_unit_ctl_test_profile_SOURCES = tests/unit/ctl/test_profile.c
tests_unit_ctl_test_profile_LDADD = $(CTL_LIBS) $(BASE_LIBS) $(CMOCKA_LIBS)
tests_unit_ctl_test_screen_SOURCES = tests/unit/ctl/test_screen.c
tests_unit_ctl_test_screen_LDADD = $(CTL_LIBS) $(BASE_LIBS) $(CMOCKA_LIBS)
tests_unit_ctl_test_sources_SOURCES = tests/unit/ctl/test_sources.c
tests_unit_ctl_test_sources_LDADD = $(CTL_LIBS) $(BASE_LIBS) $(CMOCKA_LIBS)
endif

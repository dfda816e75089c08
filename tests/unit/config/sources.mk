if HAVE_CMOCKA
config_test_libs = $(CONFIG_LIBS) $(BASE_LIBS) $(CMOCKA_LIBS)
config_tests = \
	tests/unit/config/test_check \
	tests/unit/config/test_load \
	tests/unit/config/test_memory \
	tests/unit/config/test_preset \
	tests/unit/config/test_rows \
	tests/unit/config/test_secret \
	tests/unit/config/test_toml
check_PROGRAMS += $(config_tests)
TESTS += $(config_tests)

tests_unit_config_test_check_SOURCES = tests/unit/config/test_check.c tests/unit/config/profile.h
tests_unit_config_test_check_LDADD = $(config_test_libs)
tests_unit_config_test_load_SOURCES = tests/unit/config/test_load.c tests/unit/config/profile.h
tests_unit_config_test_load_LDADD = $(config_test_libs)
tests_unit_config_test_memory_SOURCES = tests/unit/config/test_memory.c tests/unit/config/profile.h
tests_unit_config_test_memory_LDADD = $(config_test_libs)
tests_unit_config_test_memory_LDFLAGS = $(AM_LDFLAGS) \
	-Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc \
	-Wl,--wrap=reallocarray,--wrap=strdup,--wrap=strndup
tests_unit_config_test_preset_SOURCES = tests/unit/config/test_preset.c tests/unit/config/profile.h
tests_unit_config_test_preset_LDADD = $(config_test_libs)
tests_unit_config_test_rows_SOURCES = tests/unit/config/test_rows.c tests/unit/config/profile.h
tests_unit_config_test_rows_LDADD = $(config_test_libs)
tests_unit_config_test_secret_SOURCES = tests/unit/config/test_secret.c tests/unit/config/profile.h
tests_unit_config_test_secret_LDADD = $(config_test_libs)
tests_unit_config_test_toml_SOURCES = tests/unit/config/test_toml.c tests/unit/config/profile.h
tests_unit_config_test_toml_LDADD = $(config_test_libs)
endif

EXTRA_DIST += \
	tests/fixtures/original/basic.toml \
	tests/fixtures/original/development.toml \
	tests/fixtures/original/multi-tenant.toml \
	tests/fixtures/original/performance.toml \
	tests/fixtures/original/production.toml

SYSTEM_TESTS += tests/system/25-every-command

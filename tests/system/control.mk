SYSTEM_TESTS += tests/system/25-every-command tests/system/46-audit tests/system/67-tenants

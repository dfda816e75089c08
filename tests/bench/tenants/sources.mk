EXTRA_DIST += tests/bench/tenants/run

# Many tenants of whom few are there: start-up, memory, descriptors, first searches; TENANTS,
# DOCUMENTS, FOLDER and others: see the program.
bench-tenants: ragd$(EXEEXT) ragctl$(EXEEXT)
	abs_top_srcdir=$(abs_top_srcdir) abs_top_builddir=$(abs_top_builddir) \
	TENANTS="$(or $(TENANTS),1000)" DOCUMENTS="$(or $(DOCUMENTS),100)" \
	$(srcdir)/tests/bench/tenants/run

.PHONY: bench-tenants

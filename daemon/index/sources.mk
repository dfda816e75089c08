noinst_LIBRARIES += libindex.a libkernelgeneric.a
libindex_a_SOURCES = \
	daemon/index/attributes.c daemon/index/attributes.h \
	daemon/index/best.c daemon/index/best.h \
	daemon/index/budget.c daemon/index/budget.h \
	daemon/index/crew.c daemon/index/crew.h \
	daemon/index/engine.h \
	daemon/index/filter.c daemon/index/filter.h \
	daemon/index/flat.c \
	daemon/index/graph.c daemon/index/graph.h \
	daemon/index/graph_file.c daemon/index/graph_file.h \
	daemon/index/graph_read.c daemon/index/graph_verify.c daemon/index/graph_write.c \
	daemon/index/hnsw.c daemon/index/hnsw.h daemon/index/hnsw_maintain.c \
	daemon/index/hnsw_file.c daemon/index/hnsw_search.c \
	daemon/index/index.c daemon/index/index.h \
	daemon/index/link.c daemon/index/link.h daemon/index/link_inside.h \
	daemon/index/link_answer.c daemon/index/link_look.c \
	daemon/index/mend.c daemon/index/mend.h \
	daemon/index/kernel.c daemon/index/kernel.h daemon/index/kernel_table.h \
	daemon/index/postings.c daemon/index/postings.h daemon/index/postings_inside.h \
	daemon/index/postings_build.c daemon/index/postings_build.h \
	daemon/index/postings_cursor.c daemon/index/postings_cursor.h \
	daemon/index/postings_file.c daemon/index/postings_maintain.c \
	daemon/index/postings_merge.c daemon/index/postings_merge.h \
	daemon/index/postings_pack.c daemon/index/postings_pack.h \
	daemon/index/postings_prefix.c daemon/index/postings_prefix.h \
	daemon/index/postings_scan.c daemon/index/postings_scan.h \
	daemon/index/postings_search.c \
	daemon/index/postings_segment.c daemon/index/postings_segment.h \
	daemon/index/postings_writer.c daemon/index/postings_writer.h \
	daemon/index/region.c daemon/index/region.h \
	daemon/index/select.c daemon/index/select.h \
	daemon/index/walk.c daemon/index/walk_inside.h daemon/index/walk_matching.c \
	daemon/index/walker.c daemon/index/walker.h \
	daemon/index/vector.c daemon/index/vector.h

EXTRA_DIST += daemon/index/kernel.inc.c

# One library per instruction set, each with its own flags; kernel.c chooses at run time.
libkernelgeneric_a_SOURCES = daemon/index/kernel_generic.c \
	daemon/index/quantizer.c daemon/index/quantizer.h
libkernelgeneric_a_CFLAGS = $(AM_CFLAGS) $(KERNEL_CFLAGS)
KERNEL_LIBS = libkernelgeneric.a

if KERNELS_X86
noinst_LIBRARIES += libkernelavx2.a libkernelavx512.a libkernelavx512vnni.a
libkernelavx2_a_SOURCES = daemon/index/kernel_avx2.c
libkernelavx2_a_CFLAGS = $(AM_CFLAGS) $(KERNEL_CFLAGS) -mavx2 -mfma
libkernelavx512_a_SOURCES = daemon/index/kernel_avx512.c daemon/index/kernel_avx512.h
libkernelavx512_a_CFLAGS = $(AM_CFLAGS) $(KERNEL_CFLAGS) -mavx512f -mavx512bw
libkernelavx512vnni_a_SOURCES = daemon/index/kernel_avx512vnni.c daemon/index/kernel_avx512.h
libkernelavx512vnni_a_CFLAGS = $(AM_CFLAGS) $(KERNEL_CFLAGS) -mavx512f -mavx512bw -mavx512vnni
KERNEL_LIBS += libkernelavx2.a libkernelavx512.a libkernelavx512vnni.a
endif

if KERNELS_NEON
noinst_LIBRARIES += libkernelneon.a
libkernelneon_a_SOURCES = daemon/index/kernel_neon.c
libkernelneon_a_CFLAGS = $(AM_CFLAGS) $(KERNEL_CFLAGS)
KERNEL_LIBS += libkernelneon.a
endif

INDEX_LIBS = libindex.a $(KERNEL_LIBS) $(ROARING_LIBS) -lm

noinst_LIBRARIES += libprovider.a
libprovider_a_SOURCES = \
	daemon/provider/anthropic.c \
	daemon/provider/azure_openai.c \
	daemon/provider/builtin.c daemon/provider/builtin.h \
	daemon/provider/call.c \
	daemon/provider/client.c \
	daemon/provider/cohere.c \
	daemon/provider/embeddings.c daemon/provider/embeddings.h \
	daemon/provider/fault.c daemon/provider/fault.h daemon/provider/fault_read.c \
	daemon/provider/framing.c daemon/provider/framing.h \
	daemon/provider/groq.c \
	daemon/provider/hashing.c daemon/provider/hashing.h \
	daemon/provider/hashing_provider.c \
	daemon/provider/hints.c daemon/provider/hints.h \
	daemon/provider/kinds.h \
	daemon/provider/lmstudio.c \
	daemon/provider/mock.c \
	daemon/provider/ollama.c \
	daemon/provider/openai.c \
	daemon/provider/openai_compatible.c \
	daemon/provider/openai_shape.c daemon/provider/openai_shape.h \
	daemon/provider/provider.c daemon/provider/provider.h \
	daemon/provider/recorded.c daemon/provider/recorded.h daemon/provider/recorded_write.c \
	daemon/provider/think.c daemon/provider/think.h \
	daemon/provider/wire.c daemon/provider/wire.h \
	daemon/provider/wire_lists.c daemon/provider/wire_request.c
PROVIDER_LIBS = libprovider.a $(EVENT_LIBS)

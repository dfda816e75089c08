/* SPDX-License-Identifier: Apache-2.0 */
/* The rows of commands.h.  No include guard: each reader defines the macros it needs.
 *
 *   CONTROL(usage, Method, handler, effect, role, audit, style, doc, IN(fields), OUT(fields))
 *   SERVICE(Method, handler, effect, role, audit, doc, IN(fields), OUT(fields))
 *   LOCAL(usage, doc, IN(fields))                  ragctl alone, without a daemon
 *
 * ARG(name, type, doc)               on the command line and on the wire
 * ARG_AS(option, name, type, doc)    the same, under another name on the command line
 * WIRE(name, type, doc)              on the wire only
 * CLIENT(name, type, doc)            on the command line only                              */

/* ---- The daemon ------------------------------------------------------------------------- */

CONTROL("status", Status, on_daemon_status, READ, OBSERVE, PLAIN, ONCE,
        "Show what runs: stage, release, addresses, collections and work under way.", IN(),
        OUT("version: string, stage: string, release: int, profile: string, state: string,"
            " pid: int, started_at: string, uptime_sec: int, log_level: LogLevel,"
            " listen: ?[]string, control: []string, collections: int, line: ?string,"
            " free_bytes: ?int, index_bytes: ?int, index_limit_bytes: ?int, documents_put: ?int, documents_applied: ?int,"
            " documents_failed: ?int, collections_behind: ?int, control_clients: int,"
            " control_calls: int, control_denied: int, control_malformed: int"))

CONTROL("log level", LogLevel, on_daemon_log_level, READ, OBSERVE, PLAIN, ONCE,
        "Show which messages are logged.", IN(), OUT("level: LogLevel"))

CONTROL("log level <level>", SetLogLevel, on_daemon_set_log_level, WRITE, ADMIN, AUDITED, ONCE,
        "Change which messages are logged, until the next start.",
        IN(ARG("level", "LogLevel", "The least severe messages to log.")), OUT("level: LogLevel"))

CONTROL("stop", Stop, on_daemon_stop, WRITE, ADMIN, AUDITED, ONCE,
        "Stop the daemon once the requests under way are finished.", IN(), OUT(""))

/* ---- Configuration ---------------------------------------------------------------------- */

LOCAL("validate <profile>", "Check a profile and report every mistake in it.",
      IN(CLIENT("profile", "string", "The TOML file.")))

CONTROL("config show [<profile>]", ConfigShow, on_config_show, READ, ADMIN, PLAIN, ONCE,
        "Show a profile's keys, or those of the daemon's profile.",
        IN(CLIENT("profile", "?string", "A TOML file to read instead of asking the daemon."),
           ARG("effective", "?bool", "Every key with its default, not only what is set."),
           ARG("origin", "?bool", "Say where each value comes from.")),
        OUT("profile: string, keys: []object, text: string"))

LOCAL("config diff <from> <to>", "Compare two profiles key by key, with the impact of each change.",
      IN(CLIENT("from", "string", "The TOML file that is in force."),
         CLIENT("to", "string", "The TOML file that would replace it.")))

LOCAL("config schema", "Print the JSON Schema of a profile.", IN())

/* ---- Collections ------------------------------------------------------------------------ */

CONTROL("collection create <name>", CollectionCreate, on_collection_create,
        WRITE, ADMIN, AUDITED, ONCE,
        "Make an empty collection.",
        IN(ARG("name", "string", "Its name: a-z, 0-9, '-' and '_', at most 64 characters."),
           ARG("language", "?string", "The language of its documents, for stemming (english)."),
           ARG("description", "?string", "What it is for.")),
        OUT("collection: Collection"))

CONTROL("collection list", CollectionList, on_collection_list, READ, OBSERVE, PLAIN, ONCE,
        "List the collections by name.",
        IN(ARG("after", "?string", "Go on after this name."),
           ARG("limit", "?int", "How many at most (1000).")),
        OUT("collections: []Collection"))

CONTROL("collection show <name>", CollectionShow, on_collection_show, READ, OBSERVE, PLAIN, ONCE,
        "Show one collection with its counts.",
        IN(ARG("name", "string", "The collection.")), OUT("collection: Collection"))

CONTROL("collection delete <name>", CollectionDelete, on_collection_delete,
        WRITE, ADMIN, AUDITED, ONCE,
        "Delete a collection and all its documents.",
        IN(ARG("name", "string", "The collection."),
           ARG("yes", "string", "Its name once more, as confirmation.")),
        OUT(""))

/* ---- Documents -------------------------------------------------------------------------- */

CONTROL("ingest <path>...", Ingest, on_document_ingest, WRITE, ADMIN, AUDITED, UPGRADE,
        "Put files, folders or a stream of JSON lines into a collection.",
        IN(CLIENT("path", "[]string",
                  "Files (.md .txt .jsonl .ndjson .json), folders, or - for JSON lines from"
                  " standard input."),
           ARG("collection", "?string", "The collection (default)."),
           CLIENT("detach", "?bool", "Do not wait until the documents can be found.")),
        OUT("collection: string"))

CONTROL("estimate <path>...", Estimate, on_document_estimate, READ, ADMIN, PLAIN, UPGRADE,
        "Say what ingesting files would cost, and change nothing.",
        IN(CLIENT("path", "[]string",
                  "Files (.md .txt .jsonl .ndjson .json), folders, or - for JSON lines from"
                  " standard input."),
           ARG("collection", "?string",
               "The collection (default; where that is not there every document is new).")),
        OUT("collection: string"))

CONTROL("document list <collection>", DocumentList, on_document_list, READ, ADMIN, PLAIN, ONCE,
        "List documents by external id.",
        IN(ARG("collection", "string", "The collection."),
           ARG("after", "?string", "Go on after this external id."),
           ARG("limit", "?int", "How many at most (1000).")),
        OUT("documents: []Document"))

CONTROL("document show <collection> <external_id>", DocumentShow, on_document_show,
        READ, ADMIN, PLAIN, ONCE,
        "Show one document.",
        IN(ARG("collection", "string", "The collection."),
           ARG("external_id", "string", "The document.")),
        OUT("document: Document"))

CONTROL("document chunks <collection> <external_id>", DocumentChunks, on_document_chunks,
        READ, ADMIN, PLAIN, ONCE,
        "Show the chunks of a document as they are searched.",
        IN(ARG("collection", "string", "The collection."),
           ARG("external_id", "string", "The document.")),
        OUT("chunks: []Chunk"))

CONTROL("document delete <collection> <external_id>", DocumentDelete, on_document_delete,
        WRITE, ADMIN, AUDITED, ONCE,
        "Delete one document.",
        IN(ARG("collection", "string", "The collection."),
           ARG("external_id", "string", "The document.")),
        OUT(""))

/* ---- Search and answers ----------------------------------------------------------------- */

CONTROL("search <query>...", Search, on_search_search, READ, ADMIN, PLAIN, ONCE,
        "Search by meaning and by words.",
        IN(ARG("query", "?string", "What to look for."),
           ARG_AS("collection", "collections", "?[]string",
                  "A collection to search; several are allowed (default)."),
           ARG("limit", "?int", "How many results (the profile's top_k)."),
           ARG("mode", "?SearchMode", "Which legs to use (hybrid)."),
           ARG("filter", "?object", "Only documents whose attributes match, as JSON."),
           ARG("exact", "?bool", "Compare with every vector instead of using the index."),
           ARG("ef_search", "?int", "Candidates that the index keeps (the profile's ef_search)."),
           ARG("explain", "?bool", "Say how each score came about."),
           WIRE("vector", "?[]float", "The query's vector, where the client embeds."),
           WIRE("vector_base64", "?string", "The same as little-endian float32."),
           WIRE("cursor", "?string", "next_cursor of the page before."),
           WIRE("fusion", "?object", "{method, k, weights}."),
           WIRE("mmr", "?object", "{lambda}."),
           WIRE("group_by", "?string", "document: at most group_size results of each."),
           WIRE("group_size", "?int", "See group_by."),
           WIRE("threshold", "?object", "{score, min}."),
           WIRE("highlight", "?bool", "Add the places of the query's terms."),
           WIRE("include", "?[]string", "text, metadata.")),
        OUT("results: []object, plan: object, degraded: []string, index: ?object, explain: ?object,"
            " took_ms: float, next_cursor: ?string"))

CONTROL("ask <question>...", Ask, on_search_ask, READ, ADMIN, PLAIN, MAY_MORE,
        "Answer a question from the documents, with citations.",
        IN(ARG("question", "string", "The question."),
           ARG("max_tokens", "?int", "How long the answer may be."),
           ARG_AS("collection", "collections", "?[]string",
                  "A collection to search; several are allowed (default)."),
           ARG("limit", "?int", "How many passages to consider."),
           ARG("mode", "?SearchMode", "Which legs of the search to use (hybrid)."),
           ARG("filter", "?object", "Only documents whose attributes match, as JSON."),
           WIRE("messages", "?[]object", "The conversation before the question.")),
        OUT("event: (sources, delta, citation, done), data: object"))

CONTROL("eval <golden>", Eval, on_search_eval, READ, ADMIN, PLAIN, MAY_MORE,
        "Measure retrieval quality with questions whose answers are known.",
        IN(ARG("golden", "string",
               "JSON lines of {query, relevant: {external_id: gain}}, or a folder in BEIR form."),
           ARG("collection", "?string", "The collection (default)."),
           ARG("mode", "?SearchMode", "One leg only (all three, one after the other).")),
        OUT("mode: ?string, done: ?int, total: ?int, modes: ?[](mode: string, ndcg_at_10: float,"
            " recall_at_100: float, questions: int, missing: int, p50_usec: int, p99_usec: int)"))

/* ---- Jobs ------------------------------------------------------------------------------- */

CONTROL("job list", JobList, on_job_list, READ, OBSERVE, PLAIN, ONCE, "List the newest jobs.",
        IN(ARG("limit", "?int", "How many at most (20)."),
           ARG("before", "?string", "Only jobs older than this one.")),
        OUT("jobs: []Job"))

CONTROL("job show <id>", JobShow, on_job_show, READ, OBSERVE, PLAIN, ONCE, "Show one job.",
        IN(ARG("id", "string", "The job.")), OUT("job: Job"))

CONTROL("job watch <id>", JobWatch, on_job_watch, READ, OBSERVE, PLAIN, MORE,
        "Follow a job until it ends.",
        IN(ARG("id", "string", "The job.")), OUT("job: Job"))

CONTROL("job cancel <id>", JobCancel, on_job_cancel, WRITE, ADMIN, AUDITED, ONCE,
        "Stop a job; what it has done stays.",
        IN(ARG("id", "string", "The job.")), OUT("job: Job"))

CONTROL("job retry <id>", JobRetry, on_job_retry, WRITE, ADMIN, AUDITED, ONCE,
        "Try the documents of a job that failed once more.",
        IN(ARG("id", "string", "The job.")), OUT("job: Job"))

/* ---- Generations ------------------------------------------------------------------------ */

CONTROL("generation list <collection>", GenerationList, on_generation_list,
        READ, OBSERVE, PLAIN, ONCE,
        "List the indexes of a collection.",
        IN(ARG("collection", "string", "The collection.")), OUT("generations: []Generation"))

CONTROL("generation rebuild <collection>", GenerationRebuild, on_generation_rebuild,
        WRITE, ADMIN, AUDITED, ONCE,
        "Build the index that the profile asks for beside the serving one, then switch.",
        IN(ARG("collection", "string", "The collection."),
           CLIENT("detach", "?bool", "Do not wait until it is built.")),
        OUT("job: Job"))

CONTROL("generation estimate <collection>", GenerationEstimate, on_generation_estimate,
        READ, ADMIN, PLAIN, ONCE,
        "Say what a rebuild would embed and cost, and change nothing.",
        IN(ARG("collection", "string", "The collection.")),
        OUT("estimate: (documents: int, chunks: int, tokens: int, embedder: string, remote: bool,"
            " cost_microusd: ?int)"))

CONTROL("generation remove <collection> <number>", GenerationRemove, on_generation_remove,
        WRITE, ADMIN, AUDITED, ONCE,
        "Remove an index.",
        IN(ARG("collection", "string", "The collection."),
           ARG("number", "int", "The generation's number.")),
        OUT(""))

/* ---- Indexes ---------------------------------------------------------------------------- */

CONTROL("index status [<collection>]", IndexStatus, on_index_status, READ, OBSERVE, PLAIN, ONCE,
        "Show what the indexes of vectors and words are at: all, or those of one collection.",
        IN(ARG("collection", "?string", "The collection.")), OUT("indexes: []Index"))

CONTROL("index tune <collection>", IndexTune, on_index_tune, READ, ADMIN, PLAIN, MAY_MORE,
        "Measure recall and latency of a collection and propose the smallest ef_search.",
        IN(ARG("collection", "string", "The collection."),
           ARG("recall", "?float", "The share of the true results that is to be found (0.95)."),
           ARG("k", "?int", "Results of a search (10)."),
           ARG("samples", "?int", "Queries, made from the collection's own vectors (256).")),
        OUT("what: ?string, done: ?int, total: ?int, report: ?(collection: string, recall: float,"
            " k: int, samples: int, vectors: int, unindexed: int, exact: Rung, rungs: []Rung,"
            " present: int, proposed: ?int)"))

/* ---- Providers -------------------------------------------------------------------------- */

CONTROL("provider list", ProviderList, on_provider_list, READ, OBSERVE, PLAIN, ONCE,
        "List the models that the profile uses: what for, how they do, what they cost today.",
        IN(), OUT("providers: []object, embedding_cache: ?object"))

CONTROL("provider show <name>", ProviderShow, on_provider_show, READ, OBSERVE, PLAIN, ONCE,
        "Show everything about one provider: limits, breaker, prices, today's figures.",
        IN(ARG("name", "string", "The provider, as the profile names its table.")),
        OUT("provider: object"))

CONTROL("provider test <name>", ProviderTest, on_provider_test, WRITE, ADMIN, AUDITED, ONCE,
        "Ask a provider whether it is there, free of charge, then make one tiny call.",
        IN(ARG("name", "string", "The provider."),
           ARG("probe_only", "?bool", "Only what costs nothing.")),
        OUT("provider: string, model_listed: bool, probe_usec: int,"
            " call_usec: ?int, width: ?int, model: ?string, text: ?string, input_tokens: ?int,"
            " output_tokens: ?int, cost_microusd: ?int"))

CONTROL("provider bench <a> <b>", ProviderBench, on_provider_bench,
        WRITE, ADMIN, AUDITED, MAY_MORE,
        "Compare two language models on the same questions: latency, errors, tokens, price.",
        IN(ARG("a", "string", "A provider."), ARG("b", "string", "Another one."),
           CLIENT("questions", "?string", "A file with a question on each line (built-in ones)."),
           WIRE("texts", "?[]string", "The questions."),
           ARG("rounds", "?int", "How often each question is asked (3).")),
        OUT("what: ?string, done: ?int, total: ?int, report: ?(questions: int, rounds: int,"
            " providers: []Measured)"))

CONTROL("provider record <name>", ProviderRecord, on_provider_record,
        WRITE, ADMIN, AUDITED, ONCE,
        "Write what a provider answers to a file that a provider of kind recorded can play.",
        IN(ARG("name", "string", "The provider."),
           ARG("stop", "?bool", "Stop recording.")),
        OUT("provider: string, recording: bool, path: string"))

/* ---- Money and traces ------------------------------------------------------------------- */

CONTROL("usage", Usage, on_usage, READ, OBSERVE, PLAIN, ONCE,
        "Show what calls to providers used and cost, the budgets, and where the month goes.",
        IN(ARG("by", "?UsageBy", "What to sum by (day)."),
           ARG("month", "?string", "A month, as 2026-11 (this one)."),
           ARG("days", "?int", "The last days instead of a month.")),
        OUT("by: UsageBy, first_day: string, last_day: string, rows: []UsageRow, total: UsageRow,"
            " budgets: []Budget, projection_microusd: ?int"))

CONTROL("trace [<id>]", Trace, on_trace, READ, ADMIN, PLAIN, ONCE,
        "Show how an answer came about, or list the newest answers.",
        IN(ARG("id", "?string", "The answer's trace_id."),
           ARG("limit", "?int", "How many to list at most (20).")),
        OUT("traces: ?[](id: string, at: string), trace: ?object"))

/* ---- ragctl itself ---------------------------------------------------------------------- */

LOCAL("completion", "Print the completion of bash; source it.", IN())
LOCAL("help [<command>...]", "Explain a command, or list them all.",
      IN(CLIENT("command", "?[]string", "The command's words.")))
LOCAL("version", "Print the version of ragctl.", IN())

/* ---- What every service of a systemd machine may be asked --------------------------------- */

SERVICE(Ping, on_service_ping, READ, OBSERVE, PLAIN, "Answers; nothing else.", IN(), OUT(""))
SERVICE(SetLogLevel, on_service_set_log_level, WRITE, ADMIN, AUDITED,
        "Changes which messages are logged: a severity of syslog, 0 to 7.",
        IN(WIRE("level", "int", "The least severe messages to log.")), OUT(""))

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
 * ARG_TEXT, WIRE_TEXT                the same for texts of documents, questions and profiles
 * CLIENT(name, type, doc)            on the command line only
 * TENANT                             whose data it works on: see call_tenant()             */

/* ---- The daemon ------------------------------------------------------------------------- */

CONTROL("status", Status, on_daemon_status, READ, OBSERVE, PLAIN, ONCE,
        "Show what runs: stage, release, addresses, collections and work under way.", IN(),
        OUT("version: string, stage: string, release: int, profile: string, state: string,"
            " pid: int, started_at: string, uptime_sec: int, log_level: LogLevel,"
            " listen: ?[]string, control: []string, collections: int, line: ?string,"
            " free_bytes: ?int, index_bytes: ?int, index_limit_bytes: ?int,"
            " documents_put: ?int, documents_applied: ?int, documents_failed: ?int,"
            " collections_behind: ?int, releases: object,"
            " control_clients: int, control_calls: int, control_denied: int,"
            " control_malformed: int"))

CONTROL("log level", LogLevel, on_daemon_log_level, READ, OBSERVE, PLAIN, ONCE,
        "Show which messages are logged.", IN(), OUT("level: LogLevel"))

CONTROL("log level <level>", SetLogLevel, on_daemon_set_log_level, WRITE, ADMIN, AUDITED, ONCE,
        "Change which messages are logged, until the next start.",
        IN(ARG("level", "LogLevel", "The least severe messages to log.")), OUT("level: LogLevel"))

CONTROL("stop", Stop, on_daemon_stop, WRITE, ADMIN, AUDITED, ONCE,
        "Stop the daemon once the requests under way are finished.", IN(), OUT(""))

/* ---- Configuration ---------------------------------------------------------------------- */

CONTROL("validate <profile>", Validate, on_release_validate, READ, ADMIN, PLAIN, ONCE,
        "Check a profile and report every mistake in it.",
        IN(CLIENT("profile", "string", "The TOML file."),
           WIRE_TEXT("source", "?Source", "Its text."),
           ARG("live", "?bool",
               "Let the daemon try what only a try can tell: addresses, secrets, providers, the"
               " width of a vector, room on disk and in memory.")),
        OUT("ok: bool, diagnostics: []Diagnostic"))

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

/* ---- Releases --------------------------------------------------------------------------- */

CONTROL("plan [<profile>]", Plan, on_release_plan, READ, ADMIN, PLAIN, ONCE,
        "Say what a profile would change, which class each change is of, and what it costs.",
        IN(CLIENT("profile", "?string", "The TOML file (the daemon's own one)."),
           WIRE_TEXT("source", "?Source", "Its text."),
           CLIENT("detailed_exitcode", "?bool", "Exit with 10 where there are changes.")),
        OUT("plan: object"))

CONTROL("deploy [<profile>]", Deploy, on_operation_deploy, WRITE, ADMIN, AUDITED, MAY_MORE,
        "Carry out a plan: build beside what runs, check, switch, and wait to be confirmed.",
        IN(CLIENT("profile", "?string", "The TOML file to plan and deploy in one go."),
           ARG_AS("plan", "plan_id", "?string", "The plan, as plan or release import names it."),
           ARG("reason", "string", "Why; it is kept with the release."),
           CLIENT("confirm", "?string",
                  "Time to confirm it, as 10m, 90s or 1h; 0: none (the profile's)."),
           CLIENT("canary", "?string",
                  "Shares of the traffic to try it with first, as 10,50; profile: the profile's."),
           CLIENT("detach", "?bool", "Do not wait for the end; see watch."),
           CLIENT("yes", "?bool", "Deploy the profile's plan without asking."),
           WIRE("confirm_sec", "?int", "Time to confirm it in seconds; 0: none."),
           WIRE("canary_percent", "?[]int", "Shares of the traffic, rising; []: the profile's."),
           WIRE("request_id", "?string", "The same again is the same operation.")),
        OUT(COMMAND_OPERATION))

CONTROL("watch [<op>]", Watch, on_operation_watch, READ, OBSERVE, PLAIN, MAY_MORE,
        "Follow an operation until it ends.",
        IN(ARG("op", "?string", "The operation, as o-91 (the newest).")),
        OUT(COMMAND_OPERATION))

CONTROL("confirm [<id>]", Confirm, on_operation_confirm, WRITE, ADMIN, AUDITED, ONCE,
        "Keep the release that serves: ends its confirm window, its watch, or a hold.",
        IN(ARG("id", "?string", "Of the window, the operation or the release (the one there is).")),
        OUT(COMMAND_OPERATION))

CONTROL("cancel [<id>]", Cancel, on_operation_cancel, WRITE, ADMIN, AUDITED, ONCE,
        "Give up the operation under way; where its release serves, the one before returns.",
        IN(ARG("id", "?string", "Of the window, the operation or the release (the one there is).")),
        OUT(COMMAND_OPERATION))

CONTROL("extend <time> [<id>]", Extend, on_operation_extend, WRITE, ADMIN, AUDITED, ONCE,
        "Give more time to confirm.",
        IN(CLIENT("time", "string", "How much more, as 5m, 90s or 1h."),
           ARG("id", "?string", "Of the window, the operation or the release (the one there is)."),
           WIRE("seconds", "int", "How much more.")),
        OUT(COMMAND_OPERATION))

CONTROL("rollback [<release>]", Rollback, on_operation_rollback, WRITE, ADMIN, AUDITED, MAY_MORE,
        "Let an earlier release serve again, with its configuration and its data.",
        IN(ARG("release", "?int", "Which one (the newest that was stable and does not serve)."),
           ARG("reason", "string", "Why; it is kept with the release."),
           ARG("config_only", "?bool", "Its configuration over the data that serves now."),
           ARG("accept_cost", "?bool", "Also where it takes work that was told before."),
           CLIENT("detach", "?bool", "Do not wait for the end; see watch."),
           WIRE("request_id", "?string", "The same again is the same operation.")),
        OUT(COMMAND_OPERATION))

CONTROL("reload", Reload, on_operation_reload, WRITE, ADMIN, AUDITED, MAY_MORE,
        "Take over the profile on disk, where that needs no work on data.",
        IN(CLIENT("wait", "?bool", "Wait for the verdict."),
           WIRE("request_id", "?string", "The same again is the same operation.")),
        OUT(COMMAND_OPERATION))

CONTROL("history", History, on_release_history, READ, OBSERVE, PLAIN, ONCE,
        "List the releases: number, state, when, who, why.", IN(),
        OUT("releases: []object, damaged: int"))

CONTROL("show <release>", ReleaseShow, on_release_show, READ, ADMIN, PLAIN, ONCE,
        "Show one release: its plan, its states, what was found out about it.",
        IN(ARG("release", "int", "Its number.")), OUT("release: object"))

CONTROL("diff <from> [<to>]", ReleaseDiff, on_release_diff, READ, ADMIN, PLAIN, ONCE,
        "Compare two releases key by key.",
        IN(ARG("from", "int", "A release."),
           ARG("to", "?int", "Another one (the one that serves).")),
        OUT("from: int, to: int, changes: []Change, impact: object"))

CONTROL("drift", Drift, on_release_drift, READ, ADMIN, PLAIN, ONCE,
        "Compare the profile on disk with the release that serves.", IN(),
        OUT("profile: string, drift: bool, changes: []Change, diagnostics: []Diagnostic"))

CONTROL("gc", Gc, on_release_gc, WRITE, ADMIN, AUDITED, ONCE,
        "Remove old releases and the indexes that no other one asks for.",
        IN(ARG("dry_run", "?bool", "Only say what would go.")),
        OUT("removed: []int, generations: int, bytes: int"))

CONTROL("override <code>", Override, on_release_override, WRITE, ADMIN, AUDITED, ONCE,
        "Allow for a while what plans are refused for.",
        IN(ARG("code", "OverrideCode", "What is allowed."),
           ARG("until", "string", "The day or time it ends, as 2026-12-01; at most 30 days ahead."),
           ARG("reason", "string", "Why; it is recorded.")),
        OUT("overrides: []object"))

CONTROL("override list", OverrideList, on_release_override_list, READ, ADMIN, PLAIN, ONCE,
        "List the overrides that are in force.", IN(), OUT("overrides: []object"))

CONTROL("gate run [<release>]", GateRun, on_release_gate, READ, ADMIN, PLAIN, MAY_MORE,
        "Ask the golden questions and compare: the release that serves, or another one against it.",
        IN(ARG("release", "?int", "A release whose indexes are built (the one that serves).")),
        OUT("what: ?string, done: ?int, total: ?int, report: ?object"))

CONTROL("golden add <collection> <query> <ids>...", GoldenAdd, on_golden_add,
        WRITE, ADMIN, AUDITED, ONCE,
        "Keep a question with the documents that answer it.",
        IN(ARG("collection", "string", "The collection."),
           ARG_TEXT("query", "string", "The question."),
           ARG("ids", "[]string", "The documents' external ids; id=3 gives one more weight."),
           ARG("set", "?string", "The golden set (default)."),
           TENANT),
        OUT("added: int, changed: int, removed: int"))

CONTROL("golden list <collection>", GoldenList, on_golden_list, READ, ADMIN, PLAIN, ONCE,
        "List the golden questions of a collection.",
        IN(ARG("collection", "string", "The collection."),
           ARG("set", "?string", "One golden set (all)."),
           TENANT),
        OUT("questions: []GoldenQuestion"))

CONTROL("golden import <collection> <golden>", GoldenImport, on_golden_import,
        WRITE, ADMIN, AUDITED, ONCE,
        "Take over golden questions from a file.",
        IN(ARG("collection", "string", "The collection."),
           ARG_TEXT("golden", "string",
                    "JSON lines of {query, relevant: {external_id: gain}}, or a folder in BEIR"
                    " form."),
           ARG("set", "?string", "The golden set (default)."),
           ARG("replace", "?bool", "Remove what the set held before."),
           TENANT),
        OUT("added: int, changed: int, removed: int"))

CONTROL("golden remove <collection> [<query>]", GoldenRemove, on_golden_remove,
        WRITE, ADMIN, AUDITED, ONCE,
        "Remove a golden question, or a whole set.",
        IN(ARG("collection", "string", "The collection."),
           ARG_TEXT("query", "?string", "The question."),
           ARG("set", "?string", "The golden set (default)."),
           ARG("all", "?bool", "The whole set."),
           TENANT),
        OUT("removed: int"))

CONTROL("release export <release> <file>", ReleaseExport, on_bundle_export,
        READ, ADMIN, AUDITED, UPGRADE,
        "Write a release into one file, to be carried to another stage or host.",
        IN(ARG("release", "int", "Its number."),
           CLIENT("file", "string", "The file to write, as release.tar.gz."),
           ARG("with_vectors", "?bool", "With the vectors of its indexes, which are then not"
                                        " embedded anew.")),
        OUT("size: int"))

CONTROL("release import <file> [<profile>]", ReleaseImport, on_bundle_import,
        WRITE, ADMIN, AUDITED, UPGRADE,
        "Plan the release of such a file; deploy --plan then carries it out.",
        IN(CLIENT("file", "string", "The file."),
           CLIENT("profile", "?string",
                  "The TOML file with what is this stage's own (the daemon's own one)."),
           WIRE_TEXT("source", "?Source", "Its text.")),
        OUT(""))

LOCAL("promote",
      "Carry the release that serves from one stage to the next one and deploy it there.",
      IN(CLIENT("from", "string", "A stage of this host (ragd@STAGE), or a control socket's path."),
         CLIENT("to", "string", "Another one."),
         CLIENT("reason", "string", "Why; it is kept with the release."),
         CLIENT("with_vectors", "?bool", "Carry the vectors, too, so that they are not embedded"
                                         " anew."),
         CLIENT("confirm", "?string",
                "Time to confirm it, as 10m, 90s or 1h; 0: none (the profile's)."),
         CLIENT("canary", "?string",
                "Shares of the traffic to try it with first, as 10,50; profile: the profile's."),
         CLIENT("detach", "?bool", "Do not wait for the end; see watch."),
         CLIENT("yes", "?bool", "Deploy without asking.")))

/* ---- Tenants, keys, audit ---------------------------------------------------------------- */

#include "control/commands_tenants.inc.h"

/* ---- Collections ------------------------------------------------------------------------ */

CONTROL("collection create <name>", CollectionCreate, on_collection_create,
        WRITE, ADMIN, AUDITED, ONCE,
        "Make an empty collection.",
        IN(ARG("name", "string", "Its name: a-z, 0-9, '-' and '_', at most 64 characters."),
           ARG("language", "?string", "The language of its documents, for stemming (english)."),
           ARG("description", "?string", "What it is for."),
           TENANT),
        OUT("collection: Collection"))

CONTROL("collection list", CollectionList, on_collection_list, READ, OBSERVE, PLAIN, ONCE,
        "List the collections by name.",
        IN(ARG("after", "?string", "Go on after this name."),
           ARG("limit", "?int", "How many at most (1000)."),
           TENANT),
        OUT("collections: []Collection"))

CONTROL("collection show <name>", CollectionShow, on_collection_show, READ, OBSERVE, PLAIN, ONCE,
        "Show one collection with its counts.",
        IN(ARG("name", "string", "The collection."),
           TENANT), OUT("collection: Collection"))

CONTROL("collection delete <name>", CollectionDelete, on_collection_delete,
        WRITE, ADMIN, AUDITED, ONCE,
        "Delete a collection and all its documents.",
        IN(ARG("name", "string", "The collection."),
           ARG("yes", "string", "Its name once more, as confirmation."),
           TENANT),
        OUT(""))

/* ---- Documents -------------------------------------------------------------------------- */

CONTROL("ingest <path>...", Ingest, on_document_ingest, WRITE, ADMIN, AUDITED, UPGRADE,
        "Put files, folders or a stream of JSON lines into a collection.",
        IN(CLIENT("path", "[]string",
                  "Files (.md .txt .jsonl .ndjson .json), folders, or - for JSON lines from"
                  " standard input."),
           ARG("collection", "?string", "The collection (default)."),
           CLIENT("detach", "?bool", "Do not wait until the documents can be found."),
           TENANT),
        OUT("collection: string"))

CONTROL("estimate <path>...", Estimate, on_document_estimate, READ, ADMIN, PLAIN, UPGRADE,
        "Say what ingesting files would cost, and change nothing.",
        IN(CLIENT("path", "[]string",
                  "Files (.md .txt .jsonl .ndjson .json), folders, or - for JSON lines from"
                  " standard input."),
           ARG("collection", "?string",
               "The collection (default; where that is not there every document is new)."),
           TENANT),
        OUT("collection: string"))

CONTROL("document list <collection>", DocumentList, on_document_list, READ, ADMIN, PLAIN, ONCE,
        "List documents by external id.",
        IN(ARG("collection", "string", "The collection."),
           ARG("after", "?string", "Go on after this external id."),
           ARG("limit", "?int", "How many at most (1000)."),
           TENANT),
        OUT("documents: []Document"))

CONTROL("document show <collection> <external_id>", DocumentShow, on_document_show,
        READ, ADMIN, PLAIN, ONCE,
        "Show one document.",
        IN(ARG("collection", "string", "The collection."),
           ARG("external_id", "string", "The document."),
           TENANT),
        OUT("document: Document"))

CONTROL("document chunks <collection> <external_id>", DocumentChunks, on_document_chunks,
        READ, ADMIN, PLAIN, ONCE,
        "Show the chunks of a document as they are searched.",
        IN(ARG("collection", "string", "The collection."),
           ARG("external_id", "string", "The document."),
           TENANT),
        OUT("chunks: []Chunk"))

CONTROL("document delete <collection> <external_id>", DocumentDelete, on_document_delete,
        WRITE, ADMIN, AUDITED, ONCE,
        "Delete one document.",
        IN(ARG("collection", "string", "The collection."),
           ARG("external_id", "string", "The document."),
           TENANT),
        OUT(""))

/* ---- Search and answers ----------------------------------------------------------------- */

CONTROL("search <query>...", Search, on_search_search, READ, ADMIN, PLAIN, ONCE,
        "Search by meaning and by words.",
        IN(ARG_TEXT("query", "?string", "What to look for."),
           ARG_AS("collection", "collections", "?[]string",
                  "A collection to search; several are allowed (default)."),
           ARG("limit", "?int", "How many results (the profile's top_k)."),
           ARG("mode", "?SearchMode", "Which legs to use (hybrid)."),
           ARG("filter", "?object", "Only documents whose attributes match, as JSON."),
           ARG("exact", "?bool", "Compare with every vector instead of using the index."),
           ARG("ef_search", "?int", "Candidates that the index keeps (the profile's ef_search)."),
           ARG("explain", "?bool", "Say how each score came about."),
           WIRE_TEXT("vector", "?[]float", "The query's vector, where the client embeds."),
           WIRE_TEXT("vector_base64", "?string", "The same as little-endian float32."),
           WIRE("cursor", "?string", "next_cursor of the page before."),
           WIRE("fusion", "?object", "{method, k, weights}."),
           WIRE("mmr", "?object", "{lambda}."),
           WIRE("group_by", "?string", "document: at most group_size results of each."),
           WIRE("group_size", "?int", "See group_by."),
           WIRE("threshold", "?object", "{score, min}."),
           WIRE("highlight", "?bool", "Add the places of the query's terms."),
           WIRE("include", "?[]string", "text, metadata."),
           TENANT),
        OUT("results: []object, plan: object, degraded: []string, index: ?object, explain: ?object,"
            " took_ms: float, next_cursor: ?string"))

CONTROL("ask <question>...", Ask, on_search_ask, READ, ADMIN, PLAIN, MAY_MORE,
        "Answer a question from the documents, with citations.",
        IN(ARG_TEXT("question", "string", "The question."),
           ARG("max_tokens", "?int", "How long the answer may be."),
           ARG_AS("collection", "collections", "?[]string",
                  "A collection to search; several are allowed (default)."),
           ARG("limit", "?int", "How many passages to consider."),
           ARG("mode", "?SearchMode", "Which legs of the search to use (hybrid)."),
           ARG("filter", "?object", "Only documents whose attributes match, as JSON."),
           WIRE_TEXT("messages", "?[]object", "The conversation before the question."),
           TENANT),
        OUT("event: (sources, delta, citation, done), data: object"))

CONTROL("eval <golden>", Eval, on_search_eval, READ, ADMIN, PLAIN, MAY_MORE,
        "Measure retrieval quality with questions whose answers are known.",
        IN(ARG_TEXT("golden", "string",
                    "JSON lines of {query, relevant: {external_id: gain}}, or a folder in BEIR"
                    " form."),
           ARG("collection", "?string", "The collection (default)."),
           ARG("mode", "?SearchMode", "One leg only (all three, one after the other)."),
           TENANT),
        OUT("mode: ?string, done: ?int, total: ?int, modes: ?[](mode: string, ndcg_at_10: float,"
            " recall_at_100: float, questions: int, missing: int, p50_usec: int, p99_usec: int)"))

/* ---- Jobs ------------------------------------------------------------------------------- */

CONTROL("job list", JobList, on_job_list, READ, OBSERVE, PLAIN, ONCE, "List the newest jobs.",
        IN(ARG("limit", "?int", "How many at most (20)."),
           ARG("before", "?string", "Only jobs older than this one."),
           TENANT),
        OUT("jobs: []Job"))

CONTROL("job show <id>", JobShow, on_job_show, READ, OBSERVE, PLAIN, ONCE, "Show one job.",
        IN(ARG("id", "string", "The job."),
           TENANT), OUT("job: Job"))

CONTROL("job watch <id>", JobWatch, on_job_watch, READ, OBSERVE, PLAIN, MORE,
        "Follow a job until it ends.",
        IN(ARG("id", "string", "The job."),
           TENANT), OUT("job: Job"))

CONTROL("job cancel <id>", JobCancel, on_job_cancel, WRITE, ADMIN, AUDITED, ONCE,
        "Stop a job; what it has done stays.",
        IN(ARG("id", "string", "The job."),
           TENANT), OUT("job: Job"))

CONTROL("job retry <id>", JobRetry, on_job_retry, WRITE, ADMIN, AUDITED, ONCE,
        "Try the documents of a job that failed once more.",
        IN(ARG("id", "string", "The job."),
           TENANT), OUT("job: Job"))

/* ---- Generations ------------------------------------------------------------------------ */

CONTROL("generation list <collection>", GenerationList, on_generation_list,
        READ, OBSERVE, PLAIN, ONCE,
        "List the indexes of a collection.",
        IN(ARG("collection", "string", "The collection."),
           TENANT), OUT("generations: []Generation"))

CONTROL("generation rebuild <collection>", GenerationRebuild, on_generation_rebuild,
        WRITE, ADMIN, AUDITED, ONCE,
        "Build the index that the profile asks for beside the serving one, then switch.",
        IN(ARG("collection", "string", "The collection."),
           CLIENT("detach", "?bool", "Do not wait until it is built."),
           TENANT),
        OUT("job: Job"))

CONTROL("generation estimate <collection>", GenerationEstimate, on_generation_estimate,
        READ, ADMIN, PLAIN, ONCE,
        "Say what a rebuild would embed and cost, and change nothing.",
        IN(ARG("collection", "string", "The collection."),
           TENANT),
        OUT("estimate: (documents: int, chunks: int, tokens: int, embedder: string, remote: bool,"
            " cost_microusd: ?int)"))

CONTROL("generation remove <collection> <number>", GenerationRemove, on_generation_remove,
        WRITE, ADMIN, AUDITED, ONCE,
        "Remove an index.",
        IN(ARG("collection", "string", "The collection."),
           ARG("number", "int", "The generation's number."),
           TENANT),
        OUT(""))

/* ---- Indexes ---------------------------------------------------------------------------- */

CONTROL("index status [<collection>]", IndexStatus, on_index_status, READ, OBSERVE, PLAIN, ONCE,
        "Show what the indexes of vectors and words are at: all, or those of one collection.",
        IN(ARG("collection", "?string", "The collection."),
           TENANT), OUT("indexes: []Index"))

CONTROL("index tune <collection>", IndexTune, on_index_tune, READ, ADMIN, PLAIN, MAY_MORE,
        "Measure recall and latency of a collection and propose the smallest ef_search.",
        IN(ARG("collection", "string", "The collection."),
           ARG("recall", "?float", "The share of the true results that is to be found (0.95)."),
           ARG("k", "?int", "Results of a search (10)."),
           ARG("samples", "?int", "Queries, made from the collection's own vectors (256)."),
           TENANT),
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
           WIRE_TEXT("texts", "?[]string", "The questions."),
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
           ARG("days", "?int", "The last days instead of a month."),
           TENANT),
        OUT("by: UsageBy, first_day: string, last_day: string, rows: []UsageRow, total: UsageRow,"
            " budgets: []Budget, projection_microusd: ?int"))

CONTROL("trace [<id>]", Trace, on_trace, READ, ADMIN, PLAIN, ONCE,
        "Show how an answer came about, or list the newest answers.",
        IN(ARG("id", "?string", "The answer's trace_id."),
           ARG("limit", "?int", "How many to list at most (20)."),
           TENANT),
        OUT("traces: ?[](id: string, at: string), trace: ?object"))

/* ---- ragctl itself ---------------------------------------------------------------------- */

LOCAL("completion", "Print the completion of bash; source it.", IN())
LOCAL("help [<command>...]", "Explain a command, or list them all.",
      IN(CLIENT("command", "?[]string", "The command's words.")))
LOCAL("version", "Print the version of ragctl.", IN())

/* ---- What every service of a systemd machine may be asked --------------------------------- */

SERVICE(Ping, on_service_ping, READ, OBSERVE, PLAIN, "Answers; nothing else.", IN(), OUT(""))
SERVICE(Reload, on_service_reload, WRITE, ADMIN, AUDITED,
        "Takes over the profile on disk; its errors are those of io.ragd.Control.", IN(), OUT(""))
SERVICE(SetLogLevel, on_service_set_log_level, WRITE, ADMIN, AUDITED,
        "Changes which messages are logged: a severity of syslog, 0 to 7.",
        IN(WIRE("level", "int", "The least severe messages to log.")), OUT(""))

/* SPDX-License-Identifier: Apache-2.0 */
/* The rows about tenants, their keys, and the audit log; read by commands.inc.h.  No include
 * guard, as there. */

/* ---- Tenants ---------------------------------------------------------------------------- */

CONTROL("tenant create <name>", TenantCreate, on_tenant_create, WRITE, ADMIN, AUDITED, ONCE,
        "Make a tenant with nothing in it.",
        IN(ARG("name", "string", "Its name: a-z, 0-9, '-' and '_', at most 64 characters."),
           ARG("quota", "?[]string",
               "Limits of its own, as documents=10k,bytes=5G; see tenant quota set.")),
        OUT("tenant: Tenant"))

CONTROL("tenant list", TenantList, on_tenant_list, READ, ADMIN, PLAIN, ONCE,
        "List the tenants by name.",
        IN(ARG("deleted", "?bool", "Those that were deleted and are not purged."),
           ARG("after", "?string", "Go on after this name."),
           ARG("limit", "?int", "How many at most (1000).")),
        OUT("tenants: []Tenant"))

CONTROL("tenant show <name>", TenantShow, on_tenant_show, READ, ADMIN, PLAIN, ONCE,
        "Show one tenant: its state, what it uses of its limits, its keys.",
        IN(ARG("name", "string", "The tenant; of a deleted one also its id."),
           ARG("deleted", "?bool", "The one of this name that was deleted last.")),
        OUT("tenant: Tenant"))

CONTROL("tenant suspend <name>", TenantSuspend, on_tenant_suspend, WRITE, ADMIN, AUDITED, ONCE,
        "Refuse every request of a tenant; its data stays.",
        IN(ARG("name", "string", "The tenant.")), OUT("tenant: Tenant"))

CONTROL("tenant resume <name>", TenantResume, on_tenant_resume, WRITE, ADMIN, AUDITED, ONCE,
        "Serve a tenant again that is suspended or offloaded.",
        IN(ARG("name", "string", "The tenant.")), OUT("tenant: Tenant"))

CONTROL("tenant offload <name>", TenantOffload, on_tenant_offload, WRITE, ADMIN, AUDITED, ONCE,
        "Put a tenant's data into an archive; its next request brings it back.",
        IN(ARG("name", "string", "The tenant.")), OUT("tenant: Tenant"))

CONTROL("tenant delete <name>", TenantDelete, on_tenant_delete, WRITE, ADMIN, AUDITED, ONCE,
        "Delete a tenant with its data and keys; an archive is kept for a while.",
        IN(ARG("name", "string", "The tenant."),
           ARG("yes_delete", "string", "Its name once more, as confirmation.")),
        OUT("tenant: Tenant"))

CONTROL("tenant purge <name>", TenantPurge, on_tenant_purge, WRITE, ADMIN, AUDITED, ONCE,
        "Remove for good what a deleted tenant left, or what a tenant's deleted documents did.",
        IN(ARG("name", "string", "The tenant; of a deleted one also its id."),
           ARG("yes_purge", "string", "The same once more, as confirmation."),
           ARG("deleted", "?bool", "The one of this name that was deleted last, though there is"
                                   " a new one."),
           CLIENT("receipt", "?string", "A new file to write the receipt to, as JSON.")),
        OUT("receipt: object"))

CONTROL("tenant quota set <name> <limits>...", TenantQuotaSet, on_tenant_quota_set,
        WRITE, ADMIN, AUDITED, ONCE,
        "Change what a tenant may use.",
        IN(ARG("name", "string", "The tenant."),
           ARG("limits", "[]string",
               "As documents=10k, bytes=5G, usd_per_day=2.50; none: no limit, default: the"
               " profile's.")),
        OUT("limits: object"))

CONTROL("tenant quota show <name>", TenantQuotaShow, on_tenant_quota_show,
        READ, ADMIN, PLAIN, ONCE,
        "Show what a tenant may use, and how much of it is used.",
        IN(ARG("name", "string", "The tenant.")), OUT("limits: object"))

/* ---- Keys ------------------------------------------------------------------------------- */

CONTROL("key create <tenant>", KeyCreate, on_key_create, WRITE, ADMIN, AUDITED, ONCE,
        "Make a key for requests over HTTP; it is shown this once.",
        IN(ARG("tenant", "string", "Whose requests they are."),
           ARG("name", "string", "What the key is for: a-z, 0-9, '-' and '_'."),
           ARG("scopes", "?[]string",
               "What it may do: read, write, admin, operator, by commas (read)."),
           ARG("collections", "?[]string", "The collections it may use, by commas (all)."),
           ARG("expires", "?string", "When it ends, as 90d, 12h or 2027-01-01 (never)."),
           ARG("requests_per_minute", "?int", "How often it may ask (as the profile says).")),
        OUT("key: Key, token: string"))

CONTROL("key list <tenant>", KeyList, on_key_list, READ, ADMIN, PLAIN, ONCE,
        "List the keys of a tenant, the oldest first.",
        IN(ARG("tenant", "string", "The tenant.")), OUT("keys: []Key"))

CONTROL("key show <tenant> <key>", KeyShow, on_key_show, READ, ADMIN, PLAIN, ONCE,
        "Show one key, but not its secret.",
        IN(ARG("tenant", "string", "The tenant."),
           ARG("key", "string", "The key's id: its third part.")),
        OUT("key: Key"))

CONTROL("key revoke <tenant> <key>", KeyRevoke, on_key_revoke, WRITE, ADMIN, AUDITED, ONCE,
        "End a key at once.",
        IN(ARG("tenant", "string", "The tenant."),
           ARG("key", "string", "The key's id: its third part.")),
        OUT("key: Key"))

/* ---- Audit ------------------------------------------------------------------------------ */

CONTROL("audit tail", AuditTail, on_audit_tail, READ, ADMIN, PLAIN, MAY_MORE,
        "Show the newest lines of the audit log.",
        IN(ARG("lines", "?int", "How many (20)."),
           ARG("follow", "?bool", "Go on with those that are written.")),
        OUT("lines: []string"))

CONTROL("audit search", AuditSearch, on_audit_search, READ, ADMIN, PLAIN, ONCE,
        "Find lines of the audit log: who did what to which object, and how it ended.",
        IN(ARG("since", "?string",
               "Not before, as 2026-12-01, 2026-12-01T08:00Z, or 2h, 7d: so long ago."),
           ARG("until", "?string", "Not after, written as the same."),
           ARG("action", "?string", "What was done, as auth or documents.*"),
           ARG("tenant", "?string", "The tenant's name."),
           ARG("key", "?string", "The key's id."),
           ARG("user", "?string", "The end user that a request named."),
           ARG("object", "?string", "What its name begins with, as collections/notes."),
           ARG("outcome", "?AuditOutcome", "How it ended."),
           ARG_AS("request_id", "of_request", "?string", "The request's id."),
           ARG("limit", "?int", "How many at most, the newest (100)."),
           WIRE("after", "?int", "Only lines with a higher number, the oldest of them.")),
        OUT("lines: []string, more: bool, seq: int"))

CONTROL("audit verify", AuditVerify, on_audit_verify, READ, ADMIN, PLAIN, ONCE,
        "Check that every line of the audit log is there as it was written; name the first that"
        " is not.",
        IN(CLIENT("path", "?string", "A log's folder, or a copy of one, without a daemon."),
           CLIENT("seed", "?string", "A file with the seed, where it was taken."),
           ARG("anchor", "?string", "A line that must be in it, as SEQ:DIGEST, from an earlier"
                                    " verification."),
           WIRE_TEXT("secret", "?string", "The seed: 64 hexadecimal digits.")),
        OUT("sound: bool, flaw: string, seq: int, segment: int, line: int, what: string,"
            " lines: int, first_seq: int, macs: bool,"
            " head: (seq: int, digest: string, segment: int)"))

LOCAL("audit export <file>", "Write the audit log as JSON lines, as they stand in it.",
      IN(CLIENT("file", "string", "Where to; -: standard output.")))

CONTROL("audit seed take", AuditSeedTake, on_audit_seed_take, WRITE, ADMIN, AUDITED, ONCE,
        "Print the seed that verifies the audit log, once, and remove it from this machine.",
        IN(), OUT("seed: string"))

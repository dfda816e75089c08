/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of a generation, shared by the files of this folder only. */
#pragma once
#include "base/json.h"
#include "index/postings.h"
#include "store/collection_inside.h"
#include "store/db.h"
#include "store/docs.h"
#include "store/generation.h"
#include "store/segment.h"

#include <pthread.h>
#include <stdatomic.h>

/* Of the rows of `version` in gen.db. */
enum version_state {
        VERSION_STAGED, /* its chunks are being collected, no view shows them */
        VERSION_LIVE,   /* what its document is found by */
        VERSION_DEAD,   /* shown by pinned views at most; generation_tidy() removes it */
};

/* What gen.db's row `state` and the tables say: as of the last commit. */
struct generation_facts {
        uint64_t applied_seq;
        uint64_t forgotten_seq; /* every delete up to here has been applied */
        uint64_t documents;     /* live ones */
        uint32_t committed;     /* slots */
        uint32_t last_docver;   /* of the last slot */
        uint32_t settled;       /* slots below are live, or dead for ever */
        roaring_bitmap_t *live; /* slots; owned */
        uint32_t changes;       /* of `live` since gen.db holds it as a whole, see live.h */
        bool unsaved;           /* gen.db does not hold it */
};

struct pinned_view;

/* An index, opened: the generation's current one, or one that pinned views still search. */
struct opened_index {
        atomic_uint refs;
        struct index *index;
};

struct generation {
        struct collection *collection;
        char *path;
        int dirfd;
        uint32_t number;
        uint8_t identity[GENERATION_IDENTITY_BYTES];
        struct generation_spec spec; /* strings are borrowed from `manifest` */
        struct json_object *manifest;
        uint64_t created_usec;
        enum index_metric metric;
        atomic_uint refs; /* one is the collection's */
        atomic_int state; /* enum generation_state */
        atomic_bool doomed; /* the last reference removes the folder */

        /* The writer's, under `lock`. */
        pthread_mutex_t lock; /* recursive */
        struct db *db;
        struct segments *segments;
        struct opened_index *opened; /* exchanged under upkeep_lock, too */
        struct postings *postings;
        struct generation_facts facts;
        bool poisoned; /* writing vectors failed: recover before the next write */

        pthread_mutex_t upkeep_lock; /* held during a step of upkeep */
        pthread_mutex_t adding_lock; /* held while words are added to the postings */
        atomic_bool words_damaged;   /* a search found damage that upkeep has not seen to */
        atomic_bool upkeep_due;      /* it has not come to rest since the last change */
        atomic_bool live_unsaved;    /* facts.unsaved, for those who do not hold the lock */
        atomic_uint damages;

        struct db_pool *readers;

        pthread_mutex_t view_lock; /* held for a few instructions only */
        struct pinned_view *view;  /* the current one; one of its references is ours */
        struct pinned_view *views; /* all that are pinned, newest first */
        char *damage;              /* for generation_take_damage(); also under view_lock */
        uint32_t damages_taken;
};

extern const struct db_schema generation_schema;

/* Makes gNNNN in the collection's folder.  On failure nothing of it is left. */
int generation_create(struct collection *collection, uint32_t number,
                      const struct generation_spec *spec, struct error *reterr);
/* -EBADMSG: damaged or incomplete.  Applies what was deleted since before its first view. */
int generation_open(struct collection *collection, uint32_t number, enum generation_state state,
                    struct generation **ret, struct error *reterr);
struct generation *generation_ref(struct generation *generation); /* and one of the collection */
/* Gives up the collection's own reference. */
void generation_drop(struct generation *generation);
#define GENERATION_NAME_SIZE 16
const char *generation_name(uint32_t number, char text[static GENERATION_NAME_SIZE]);

/* ---- generation_facts.c ----------------------------------------------------------------- */
/* Reads the facts as committed. */
int generation_read_facts(struct generation *generation, struct generation_facts *ret,
                          struct error *reterr);
/* Their `settled`, from their `committed` and the tables. */
int generation_read_settled(struct db *db, struct generation_facts *facts, struct error *reterr);
void generation_facts_done(struct generation_facts *facts);

/* ---- generation_write.c ----------------------------------------------------------------- */
/* Under the lock: ends poisoning by going back to what is committed. */
int generation_recover(struct generation *generation, struct error *reterr);
/* Under the lock: these documents are dead, and deletes up to `forgotten_seq` (0: as before)
 * have been applied.  Publishes a view where something changed. */
int generation_forget_all(struct generation *generation, const uint32_t *doc_nos, size_t n,
                          uint64_t forgotten_seq, struct error *reterr);
/* Makes the bitmap of live slots durable, where gen.db does not hold it. */
int generation_save_live(struct generation *generation, struct error *reterr);

/* ---- generation_index.c ----------------------------------------------------------------- */
/* The index of a generation in that state. */
int opened_index_new(struct generation *generation, enum generation_state state,
                     struct opened_index **ret, struct error *reterr);
struct opened_index *opened_index_ref(struct opened_index *opened);
struct opened_index *opened_index_unref(struct opened_index *opened);
/* Memory that closing it gives back to the budget; while nobody holds the collection. */
uint64_t generation_hot_bytes(const struct generation *generation);
/* Descriptors beside those of gen.db: folders, the newest segment, the files that the index and
 * the postings hold. */
#define GENERATION_FILES 5
/* It is in that state from now on and new views search this index, which is taken in any case;
 * pinned ones go on with theirs.  On failure one that was to rest rests, with its index open. */
int generation_enter(struct generation *generation, enum generation_state state,
                     struct opened_index *takes_opened, struct error *reterr);

/* ---- generation_postings.c -------------------------------------------------------------- */
/* Opens the postings; a short tail that they lack is added from the chunks. */
int generation_open_postings(struct generation *generation, uint32_t committed,
                             struct error *reterr);
/* After the commit: the words of chunks that take the slots from `first` on.  What can't be
 * added now is added by upkeep. */
void generation_add_words(struct generation *generation, uint32_t first,
                          const struct generation_chunk *chunks, size_t n);
/* One bounded step: what is missing is added, then postings_maintain(); enum index_step. */
int generation_maintain_postings(struct generation *generation, const struct index_check *check,
                                 struct error *reterr);

/* ---- generation_rewrite.c --------------------------------------------------------------- */
/* 1: nothing ever died in it, and every version that it holds is its document's newest; else 0. */
int generation_is_clean(struct generation *generation, struct error *reterr);
/* Writes what is live in one, and is the newest version in docs.db, into another one that is empty,
 * up to the same applied_seq.  -EBUSY: somebody follows that one already. */
int generation_copy_live(struct generation *from, struct generation *into, struct error *reterr);

/* ---- generation_room.c ------------------------------------------------------------------ */
/* Under the lock: generation_check_room() of all these. */
int generation_check_chunks(struct generation *generation, const struct generation_chunk *chunks,
                            size_t n, struct error *reterr);

/* ---- generation_maintain.c -------------------------------------------------------------- */
/* Closing it now would give up work, or take time to save it. */
bool generation_is_at_rest(const struct generation *generation);
/* Takes `damage` (heap; NULL: nothing). */
void generation_note_damage(struct generation *generation, char *damage);
/* Before the index is freed: saves what can be saved in time. */
void generation_save(struct generation *generation);

/* ---- view.c ----------------------------------------------------------------------------- */
/* Under the lock: shows `facts`, taking them over, with the postings as they are; on failure they
 * stay the caller's. */
int view_publish(struct generation *generation, const struct generation_facts *facts,
                 struct error *reterr);
/* The same content, with the postings as they have become. */
int view_refresh(struct generation *generation, struct error *reterr);
/* Something new is shown: upkeep is due. */
void view_announce(struct generation *generation);
/* The words that the view finds.  Borrowed. */
const struct postings_view *view_postings(const struct generation_view *view);
/* Gives up the current view; pinned ones live on. */
void view_retire(struct generation *generation);
/* Whether a pinned view, or the current one, may return the slot. */
bool view_shows(struct generation *generation, uint32_t slot);
/* The smallest applied_seq of the views that are pinned or current. */
uint64_t view_oldest_seq(struct generation *generation);

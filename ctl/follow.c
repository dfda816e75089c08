/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "follow.h"

#include "base/clock.h"
#include "base/json.h"
#include "client.h"
#include "print.h"
#include "progress.h"
#include "run.h"
#include "screen.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#define STOPPED 1 /* the operation goes on without us */
#define RATE_AFTER_SECONDS 1.0

struct following {
        const struct ctl *ctl;
        enum follow_until until;
        struct progress progress;
        struct json_object *told; /* the newest reply */
        char phase[32];
        uint64_t phase_usec;  /* since when, monotonic */
        uint64_t phase_begin; /* how much was done then */
        bool window_told;
};

/* What a phase is called while it goes on, and when it is over. */
static const struct {
        const char *phase, *goes_on, *over;
} phases[] = {
        { "recorded", "recording", "recorded" },
        { "build", "building", "built" },
        { "gate", "checking", "checked" },
        { "canary", "canary", "canary passed" },
        { "switch", "switching", "switched" },
        { "confirm", "unconfirmed", "confirmed" },
        { "bake", "watching", "watched" },
        { "done", "done", "done" },
};

static const char *phase_word(const char *phase, bool over)
{
        for (size_t i = 0; i < sizeof phases / sizeof phases[0]; i++)
                if (strcmp(phases[i].phase, phase) == 0)
                        return over ? phases[i].over : phases[i].goes_on;
        return phase;
}

static bool is_held(struct json_object *reply)
{
        bool held = false;

        (void) json_get_bool(reply, "held", &held, NULL);
        return held;
}

/* ---- The confirm window --------------------------------------------------------------------- */

/* Seconds until "2026-11-21T21:16:13…Z"; negative: it is over, or there is none. */
static double seconds_until(const char *deadline)
{
        struct tm tm = { 0 };
        time_t at;

        if (!deadline || !strptime(deadline, "%Y-%m-%dT%H:%M:%S", &tm))
                return -1;
        at = timegm(&tm);
        return (double) at - (double) clock_wall_usec() / (double) USEC_PER_SEC;
}

static void write_window(struct json_object *reply, char *text, size_t size)
{
        double left = seconds_until(member_text(member(reply, "confirm"), "deadline", NULL));
        unsigned seconds = left > 0 ? (unsigned) left : 0;
        char within[32] = "";

        if (left >= 0)
                (void) snprintf(within, sizeof within, " within %u:%02u", seconds / 60,
                                seconds % 60);
        (void) snprintf(text, size, "serving %s, unconfirmed: `ragctl confirm`%s, else %s returns",
                        member_text(reply, "release", "?"), within,
                        member_text(reply, "base", "?"));
}

/* ---- Drawing -------------------------------------------------------------------------------- */

static void write_rate(const struct following *following, uint64_t done, uint64_t total,
                       char *text, size_t size)
{
        double seconds = (double) (clock_monotonic_usec() - following->phase_usec) / 1e6;
        double moved = (double) (done - following->phase_begin);
        char left[SCREEN_NUMBER_SIZE];

        text[0] = '\0';
        if (done <= following->phase_begin || done >= total || seconds < RATE_AFTER_SECONDS)
                return;
        (void) snprintf(text, size, ", %s left",
                        screen_duration((double) (total - done) * seconds / moved, left));
}

static void draw(struct following *following)
{
        struct json_object *reply = following->told;
        uint64_t done = member_u64(reply, "done"), total = member_u64(reply, "total");
        const char *what = member_text(reply, "what", "");
        char detail[512], rate[64], head[96];

        (void) snprintf(head, sizeof head, "%s release %s: %s", member_text(reply, "op", "?"),
                        member_text(reply, "release", "?"), phase_word(following->phase, false));
        if (strcmp(following->phase, "confirm") == 0) {
                write_window(reply, detail, sizeof detail);
                progress_show(&following->progress, head, 0, 0, detail);
        } else if (is_held(reply)) {
                (void) snprintf(detail, sizeof detail, "held: %s; `ragctl confirm` goes on, "
                                                       "`ragctl cancel` gives up",
                                member_text(reply, "why", what));
                progress_show(&following->progress, head, 0, 0, detail);
        } else {
                write_rate(following, done, total, rate, sizeof rate);
                (void) snprintf(detail, sizeof detail, "%s%s", what, rate);
                progress_show(&following->progress, head, done, total, detail);
        }
}


/* A line that stays, for the phase that is over. */
static void leave_line(struct following *following)
{
        double seconds = (double) (clock_monotonic_usec() - following->phase_usec) / 1e6;
        const struct ctl *ctl = following->ctl;
        char text[SCREEN_NUMBER_SIZE];

        if (following->phase[0] == '\0' || strcmp(following->phase, "recorded") == 0)
                return;
        progress_end(&following->progress);
        if (ctl->progress)
                (void) fprintf(stderr, "%s✓%s %s  %s%s%s\n", ctl->err.green, ctl->err.plain,
                               phase_word(following->phase, true), ctl->err.dim,
                               screen_duration(seconds, text), ctl->err.plain);
}

/* What goes on in the phase, where that is more than its name. */
static const char *what_of(const struct following *following)
{
        const char *what = member_text(following->told, "what", "");

        return strcmp(what, following->phase) == 0 ? "" : what;
}

/* Without a terminal: a line for each phase. */
static void print_phase(const struct following *following)
{
        struct json_object *reply = following->told;
        const char *what = what_of(following);
        char text[256];

        if (following->ctl->progress || following->ctl->words.json)
                return;
        if (strcmp(following->phase, "canary") == 0 && !*what) /* there is none */
                return;
        if (strcmp(following->phase, "confirm") == 0)
                write_window(reply, text, sizeof text);
        else
                (void) snprintf(text, sizeof text, "%s%s%s", phase_word(following->phase, false),
                                *what ? ": " : "", what);
        (void) printf("%s release %s: %s\n", member_text(reply, "op", "?"),
                      member_text(reply, "release", "?"), text);
        (void) fflush(stdout);
}

/* A window that is open; a release that needs no confirmation passes by here, too. */
static bool has_window(const struct following *following)
{
        return strcmp(following->phase, "confirm") == 0 && member(following->told, "confirm");
}

static void enter_phase(struct following *following, const char *phase)
{
        if (strcmp(following->phase, phase) == 0)
                return;
        leave_line(following);
        (void) snprintf(following->phase, sizeof following->phase, "%s", phase);
        following->phase_usec = clock_monotonic_usec();
        following->phase_begin = member_u64(following->told, "done");
        if (strcmp(phase, "done") != 0 && strcmp(phase, "recorded") != 0 &&
            strcmp(phase, "confirm") != 0)
                print_phase(following);
}

/* Whether there is nothing more to wait for. */
static bool may_stop(const struct following *following)
{
        bool person = following->ctl->progress;
        bool bakes = strcmp(following->phase, "bake") == 0;

        if (!person && is_held(following->told) && following->until != FOLLOW_RETURN)
                return true;
        if (following->until != FOLLOW_SERVING)
                return false;
        /* One that need not be watched is over at once. */
        return (bakes && clock_monotonic_usec() - following->phase_usec > USEC_PER_SEC) ||
               (!person && has_window(following));
}

static int on_tick(void *data)
{
        struct following *following = data;

        if (!following->told)
                return 0;
        if (may_stop(following))
                return STOPPED;
        draw(following);
        return 0;
}

static int on_reply(void *data, struct json_object *reply)
{
        struct following *following = data;

        json_object_put(following->told);
        following->told = json_object_get(reply);
        enter_phase(following, member_text(reply, "phase", ""));
        if (has_window(following) && !following->window_told) {
                following->window_told = true;
                print_phase(following);
        }
        if (may_stop(following))
                return STOPPED;
        draw(following);
        return 0;
}

/* ---- The outcome ---------------------------------------------------------------------------- */

static int exit_of(struct json_object *reply)
{
        struct json_object *result = member(reply, "result");

        if (is_held(reply))
                return EXIT_PAUSED;
        return member(result, "exit") ? (int) member_u64(result, "exit") : EXIT_OK;
}

static void print_pending(const struct ctl *ctl, struct json_object *result)
{
        struct json_object *keys = member(result, "pending_restart");

        for (size_t i = 0; i < member_count(result, "pending_restart"); i++)
                (void) printf("  %swaits for the next start:%s %s\n", ctl->out.yellow,
                              ctl->out.plain,
                              json_object_get_string(json_object_array_get_idx(keys, i)));
}

/* What the gates found, where that is why. */
static void print_failed_gates(const struct ctl *ctl, struct json_object *result)
{
        struct json_object *rows = member(result, "evidence");

        for (size_t i = 0; i < member_count(result, "evidence"); i++) {
                struct json_object *row = json_object_array_get_idx(rows, i);
                struct json_object *value = member(row, "value");
                const char *verdict = member_text(value, "verdict", "pass");

                if (strcmp(member_text(row, "name", ""), "gate") == 0 &&
                    (strcmp(verdict, "fail") == 0 || strcmp(verdict, "hold") == 0))
                        print_gates(ctl, value);
        }
}

void print_operation(const struct ctl *ctl, struct json_object *reply)
{
        struct json_object *result = member(reply, "result");
        const char *phase = member_text(reply, "phase", ""), *why = member_text(reply, "why", NULL);
        const char *release = member_text(reply, "release", "?");
        int exit_code = exit_of(reply);
        bool good = exit_code == EXIT_OK || exit_code == EXIT_RESTART;
        char window[256];

        if (strcmp(phase, "confirm") == 0) {
                write_window(reply, window, sizeof window);
                (void) printf("%s●%s %s\n", ctl->out.yellow, ctl->out.plain, window);
                return;
        }
        if (strcmp(release, member_text(reply, "base", "")) == 0) /* there was nothing to do */
                (void) printf("%s●%s release %s serves", good ? ctl->out.green : ctl->out.red,
                              ctl->out.plain, release);
        else
                (void) printf("%s●%s release %s is %s%s%s; %s serves",
                              good ? ctl->out.green : ctl->out.red, ctl->out.plain, release,
                              ctl->out.bold, member_text(reply, "state", "?"), ctl->out.plain,
                              member_text(reply, "serving", "?"));
        if (why) {
                (void) fputs(": ", stdout);
                screen_write(stdout, why, strlen(why), false);
        }
        (void) putchar('\n');
        if (strcmp(phase, "done") != 0)
                (void) printf("  %s goes on (%s): ragctl watch %s\n", member_text(reply, "op", "?"),
                              phase_word(phase, false), member_text(reply, "op", ""));
        print_pending(ctl, result);
        if (!good)
                print_failed_gates(ctl, result);
        print_diagnostics(ctl, member(result, "diagnostics"));
}

/* A deploy whose base was asked back ends as that: reverted, or given up before it served. */
static bool has_returned(struct json_object *result)
{
        const char *state = member_text(result, "state", "");

        return strcmp(member_text(result, "kind", ""), "deploy") == 0 &&
               (strcmp(state, "reverted") == 0 || strcmp(state, "aborted") == 0);
}

static int finish(const struct ctl *ctl, struct json_object *reply, enum follow_until until)
{
        struct json_object *result = member(reply, "result");
        int exit_code = exit_of(reply);

        if (until == FOLLOW_RETURN && exit_code == EXIT_REVERTED && has_returned(result))
                exit_code = EXIT_OK;

        if (ctl->words.json)
                (void) ctl_print_json(result ? result : reply);
        else
                print_operation(ctl, reply);
        return exit_code;
}

int follow_call(const struct ctl *ctl, struct client *client, const char *method,
                struct json_object *parameters, enum follow_until until, bool detach)
{
        struct following following = { .ctl = ctl, .until = until };
        cleanup_json_ struct json_object *reply = NULL;
        struct client_failure failure = { 0 };
        int r, exit_code;

        interrupt_catch();
        progress_begin(&following.progress, ctl);
        client_set_tick(client, on_tick, &following);
        r = client_call(client, method, parameters, detach ? VARLINK_PLAIN : VARLINK_MORE, on_reply,
                        &following, &reply, &failure);
        if (r == 0 && !detach && reply)
                enter_phase(&following, member_text(reply, "phase", ""));
        progress_end(&following.progress);
        if (r == -EINTR && following.told) {
                (void) fprintf(stderr, "detached; %s goes on: ragctl watch, confirm or cancel\n",
                               member_text(following.told, "op", "it"));
                exit_code = EXIT_INTERRUPTED;
        } else if (r < 0) {
                exit_code = run_refused(ctl, r, client, &failure);
        } else {
                exit_code = finish(ctl, r == STOPPED ? following.told : reply, until);
        }
        json_object_put(following.told);
        return exit_code;
}

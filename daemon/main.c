/* SPDX-License-Identifier: Apache-2.0 */
/* ragd: arguments, then the daemon from its foundation to its roof, then its exit code. */
#include "config.h"

#include "base/error.h"
#include "base/log.h"
#include "daemon.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *arg_profile;
static const char *arg_state;

/* The exit codes of the service: systemd must not restart what a person has to mend. */
enum { EXIT_OK = 0, EXIT_STARTUP = 1, EXIT_USAGE = 2, EXIT_PROFILE = 3 };

static void print_help(void)
{
        puts("usage: ragd [--profile FILE] [--state DIR]\n"
             "       ragd --help | --version\n"
             "\n"
             "Retrieval-augmented generation server; steered by ragctl.\n"
             "\n"
             "  --profile FILE  the profile to run (else $RAGD_CONFIG,\n"
             "                  else " PROFILE_DIR "/development.toml)\n"
             "  --state DIR     the state folder (else the profile's persistence_path,\n"
             "                  else $STATE_DIRECTORY, else " STATE_DIR ")\n"
             "\n"
             "See ragd(8), ragctl(1), ragd.toml(5).");
}

static const char *environment(const char *name, const char *otherwise)
{
        const char *value = getenv(name);

        return value && *value ? value : otherwise;
}

/* Returns an exit code, or -1 to go on. */
static int parse_arguments(int argc, char *argv[])
{
        static const struct option options[] = {
                { "profile", required_argument, NULL, 'p' },
                { "state", required_argument, NULL, 's' },
                { "help", no_argument, NULL, 'h' },
                { "version", no_argument, NULL, 'v' },
                { 0 },
        };

        for (int c; (c = getopt_long(argc, argv, "", options, NULL)) >= 0;) {
                switch (c) {
                case 'p':
                        arg_profile = optarg;
                        break;
                case 's':
                        arg_state = optarg;
                        break;
                case 'h':
                        print_help();
                        return EXIT_OK;
                case 'v':
                        puts("ragd " PACKAGE_VERSION);
                        return EXIT_OK;
                default:
                        (void) fputs("ragd: see ragd --help\n", stderr);
                        return EXIT_USAGE;
                }
        }
        if (optind < argc) {
                (void) fprintf(stderr, "ragd: unexpected argument %s; see ragd --help\n",
                               argv[optind]);
                return EXIT_USAGE;
        }
        if (!arg_profile)
                arg_profile = environment("RAGD_CONFIG", PROFILE_DIR "/development.toml");
        return -1;
}

static int run(struct error *reterr)
{
        cleanup_(daemon_free_cleanup) struct daemon *daemon = NULL;
        const struct daemon_options options = {
                .profile = arg_profile,
                .state = arg_state,
                .version = PACKAGE_VERSION,
        };
        int r = daemon_new(&options, &daemon, reterr);

        return r < 0 ? r : daemon_run(daemon, reterr);
}

int main(int argc, char *argv[])
{
        struct error error = { 0 };
        int r = parse_arguments(argc, argv);

        if (r >= 0)
                return r;
        log_open();
        r = run(&error);
        if (r == 0)
                return EXIT_OK;
        if (r == -EUCLEAN) /* the profile's diagnostics were printed one by one */
                return EXIT_PROFILE;
        log_error("%s", error_text(&error));
        return EXIT_STARTUP;
}

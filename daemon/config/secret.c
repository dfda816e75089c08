/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "config/secret.h"

#include "base/cleanup.h"
#include "base/io.h"

#include <fcntl.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
#define DIGITS "0123456789"
#define NAME_MAX_BYTES 255

enum form {
        FORM_CREDENTIAL,
        FORM_FILE,
        FORM_ENV,
        FORM_INVALID = -EINVAL,
};

static const char *const prefixes[] = {
        [FORM_CREDENTIAL] = "credential:",
        [FORM_FILE] = "file:",
        [FORM_ENV] = "env:",
};

static bool made_of(const char *text, const char *characters)
{
        return *text && text[strspn(text, characters)] == 0;
}

static enum form split(const char *reference, const char **ret_name)
{
        for (size_t i = 0; i < ELEMENTSOF(prefixes); i++) {
                size_t len = strlen(prefixes[i]);
                const char *name = reference + len;
                bool good;

                if (strncmp(reference, prefixes[i], len) != 0)
                        continue;
                good = i == FORM_CREDENTIAL ? made_of(name, LETTERS DIGITS "._-") && name[0] != '.'
                       : i == FORM_ENV      ? made_of(name, LETTERS DIGITS "_") &&
                                                 !strchr(DIGITS, name[0])
                                            : name[0] == '/';
                if (!good || (i != FORM_FILE && strlen(name) > NAME_MAX_BYTES))
                        return FORM_INVALID;
                *ret_name = name;
                return (enum form) i;
        }
        return FORM_INVALID;
}

bool config_secret_valid(const char *reference)
{
        const char *name;

        return split(reference, &name) != FORM_INVALID;
}

/* The file of a credential or file reference; NULL: the service manager passed none, or out
 * of memory. */
static char *file_of(enum form form, const char *name)
{
        const char *folder = getenv("CREDENTIALS_DIRECTORY");
        char *path;

        if (form == FORM_FILE)
                return strdup(name);
        if (!folder || asprintf(&path, "%s/%s", folder, name) < 0)
                return NULL;
        return path;
}

bool config_secret_present(const char *reference)
{
        cleanup_free_ char *path = NULL;
        const char *name, *value;
        enum form form = split(reference, &name);

        if (form == FORM_INVALID)
                return false;
        if (form == FORM_ENV) {
                value = getenv(name);
                return value && *value;
        }
        path = file_of(form, name);
        return path && access(path, R_OK) == 0;
}

char *config_secret_free(char *secret)
{
        if (secret)
                sodium_memzero(secret, strlen(secret));
        free(secret);
        return NULL;
}

static int read_reference(enum form form, const char *name, const char *reference, char **ret,
                          size_t *ret_len, struct error *reterr)
{
        cleanup_free_ char *path = NULL;
        const char *value;
        int r;

        if (form == FORM_ENV) {
                value = getenv(name);
                if (!value)
                        return error_set(reterr, -ENOENT, "%s: the variable is not set",
                                         reference);
                *ret = strdup(value);
                if (!*ret)
                        return error_oom(reterr);
                *ret_len = strlen(value);
                return 0;
        }
        if (form == FORM_CREDENTIAL && !getenv("CREDENTIALS_DIRECTORY"))
                return error_set(reterr, -ENOENT,
                                 "%s: no credentials were passed (LoadCredential= in the unit)",
                                 reference);
        path = file_of(form, name);
        if (!path)
                return error_oom(reterr);
        r = io_read_file(AT_FDCWD, path, CONFIG_SECRET_MAX, ret, ret_len, reterr);
        return r < 0 ? error_prefix(reterr, r, "%s", reference) : 0;
}

int config_secret_read(const char *reference, char **ret_secret, struct error *reterr)
{
        const char *name;
        enum form form = split(reference, &name);
        char *secret = NULL;
        size_t len = 0;
        int r;

        if (form == FORM_INVALID)
                return error_set(reterr, -EINVAL,
                                 "a secret is named as credential:NAME, file:PATH or env:NAME");
        r = read_reference(form, name, reference, &secret, &len, reterr);
        if (r < 0)
                return r;
        if (len > 0 && secret[len - 1] == '\n')
                secret[--len] = 0;
        if (len == 0 || memchr(secret, 0, len)) {
                sodium_memzero(secret, len);
                free(secret);
                return error_set(reterr, -EINVAL, "%s: the secret is %s", reference,
                                 len == 0 ? "empty" : "not text");
        }
        *ret_secret = secret;
        return 0;
}

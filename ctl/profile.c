/* SPDX-License-Identifier: Apache-2.0 */
#include "profile.h"

#include "base/cleanup.h"
#include "base/id.h"
#include "base/io.h"
#include "base/json.h"
#include "base/text.h"
#include "config/load.h"
#include "config/toml.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

/* ---- Profiles ------------------------------------------------------------------------------- */

/* What the text says it extends (heap), or NULL; the daemon tells what is wrong with it. */
static char *extended_name(const char *text, size_t len)
{
        cleanup_toml_ struct toml_node *root = NULL;
        struct toml_failure failure;

        if (toml_read(text, len, &root, &failure) < 0)
                return NULL;
        for (size_t i = 0; i < root->count; i++)
                if (strcmp(root->children[i].key, "extends") == 0 &&
                    root->children[i].kind == TOML_KIND_STRING)
                        return strdup(root->children[i].string);
        return NULL;
}

static int read_text(const struct ctl *ctl, const char *path, char **ret, size_t *ret_len)
{
        struct error error = { 0 };

        if (io_read_file(AT_FDCWD, path, TOML_INPUT_MAX, ret, ret_len, &error) < 0)
                return ctl_fail(ctl, EXIT_INVALID, "%s", error_text(&error));
        if (utf8_valid_prefix(*ret, *ret_len) < *ret_len || strlen(*ret) < *ret_len)
                return ctl_fail(ctl, EXIT_INVALID, "%s is not UTF-8 text", path);
        return EXIT_OK;
}

static struct json_object *text_json(const char *path, const char *text)
{
        cleanup_free_ char *absolute = realpath(path, NULL);
        struct json_object *object = json_object_new_object();

        json_add_string(object, "name", absolute ? absolute : path);
        json_add_string(object, "text", text);
        return object;
}

struct json_object *profile_source(const struct ctl *ctl, const char *path, int *ret_exit)
{
        cleanup_json_ struct json_object *source = NULL;
        cleanup_free_ char *text = NULL, *base = NULL, *name = NULL;
        char base_path[PATH_MAX];
        size_t len;

        *ret_exit = read_text(ctl, path, &text, &len);
        if (*ret_exit != EXIT_OK)
                return NULL;
        source = text_json(path, text);
        name = extended_name(text, len);
        if (name && !strchr(name, '/') && config_extends_path(path, name, base_path) == 0) {
                *ret_exit = read_text(ctl, base_path, &base, &len);
                if (*ret_exit != EXIT_OK)
                        return NULL;
                json_add(source, "extends", text_json(base_path, base));
        }
        return take_ptr(source);
}

/* ---- Words ---------------------------------------------------------------------------------- */

int duration_parse(const char *text, uint64_t *ret_seconds)
{
        static const struct {
                char unit;
                uint64_t seconds;
        } units[] = { { 's', 1 }, { 'm', 60 }, { 'h', 3600 }, { 'd', 86400 } };
        size_t digits = strspn(text, "0123456789");
        uint64_t number = digits > 0 && digits <= 7 ? strtoull(text, NULL, 10) : 0;

        if (digits == 0 || digits > 7)
                return -EINVAL;
        if (number == 0 && text[digits] == '\0') {
                *ret_seconds = 0;
                return 0;
        }
        for (size_t i = 0; i < ELEMENTSOF(units); i++)
                if (text[digits] == units[i].unit && text[digits + 1] == '\0') {
                        *ret_seconds = number * units[i].seconds;
                        return 0;
                }
        return -EINVAL;
}

/* "10,50" or "profile". */
static struct json_object *read_canary(const char *text)
{
        cleanup_json_ struct json_object *array = json_object_new_array();

        if (strcmp(text, "profile") == 0)
                return take_ptr(array);
        while (*text) {
                size_t digits = strspn(text, "0123456789");
                uint64_t percent = digits > 0 && digits <= 3 ? strtoull(text, NULL, 10) : 0;

                if (percent < 1 || percent > 100)
                        return NULL;
                json_add_u64(array, NULL, percent);
                text += digits;
                if (*text == ',' && text[1] != '\0')
                        text++;
                else if (*text != '\0')
                        return NULL;
        }
        return json_object_array_length(array) > 0 ? take_ptr(array) : NULL;
}

void add_request_id(struct json_object *parameters)
{
        char text[ID_TEXT_SIZE];

        json_add_string(parameters, "request_id", id_format(id_random(), text));
}

int deploy_parameters(const struct ctl *ctl, struct json_object *parameters)
{
        const char *confirm = words_string(&ctl->words, "confirm", NULL);
        const char *canary = words_string(&ctl->words, "canary", NULL);
        struct json_object *percents;
        uint64_t seconds;

        if (confirm) {
                if (duration_parse(confirm, &seconds) < 0)
                        return ctl_fail(ctl, EXIT_USAGE,
                                        "--confirm is \"%s\": write a time as 10m, 90s or 1h, or 0",
                                        confirm);
                json_add_u64(parameters, "confirm_sec", seconds);
        }
        if (canary) {
                percents = read_canary(canary);
                if (!percents)
                        return ctl_fail(ctl, EXIT_USAGE,
                                        "--canary is \"%s\": write shares in percent that rise, as "
                                        "10,50, or profile", canary);
                json_add(parameters, "canary_percent", percents);
        }
        add_request_id(parameters);
        return EXIT_OK;
}

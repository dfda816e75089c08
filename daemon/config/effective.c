/* SPDX-License-Identifier: Apache-2.0 */
#include "config/effective.h"

#include "base/cleanup.h"
#include "base/json.h"
#include "config/value.h"

#include <assert.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

static void write_header(const struct config_value *value, struct buf *buf)
{
        assert(value->section);
        buf_append_text(buf, buf->len > 0 ? "\n" : "");
        if (value->provider)
                buf_append_format(buf, "[" CONFIG_PROVIDERS ".%s]\n", value->provider->name);
        else if (*value->section->path)
                buf_append_format(buf, "[%s]\n", value->section->path);
}

void config_write_effective(const struct config *config, struct buf *buf)
{
        const struct config_section *section = NULL;
        const struct provider_config *provider = NULL;

        for (struct config_value value = { 0 }; config_value_next(config, &value);) {
                if (value.row->flags & CONFIG_SOURCE_ONLY)
                        continue;
                if (config_value_unset(&value))
                        continue;
                if (value.section != section || value.provider != provider) {
                        write_header(&value, buf);
                        section = value.section;
                        provider = value.provider;
                }
                buf_append_format(buf, "%s = ", config_row_leaf(value.row));
                config_value_format(&value, buf);
                buf_append_char(buf, '\n');
        }
}

int config_digest(const struct config *config, char digest[static CONFIG_DIGEST_SIZE])
{
        unsigned char hash[(CONFIG_DIGEST_SIZE - 1) / 2];
        struct buf text = BUF_EMPTY;
        int r = 0;

        config_write_effective(config, &text);
        if (buf_failed(&text))
                r = -ENOMEM;
        else
                (void) crypto_generichash(hash, sizeof hash,
                                          (const unsigned char *) buf_text(&text), text.len, NULL,
                                          0);
        buf_done(&text);
        if (r == 0)
                (void) sodium_bin2hex(digest, CONFIG_DIGEST_SIZE, hash, sizeof hash);
        return r;
}

#define ORIGIN_COLUMN 64

void config_show(const struct config *config, bool effective, bool origin, struct buf *buf)
{
        for (struct config_value value = { 0 }; config_value_next(config, &value);) {
                size_t start = buf->len;

                if (!effective && !value.origin->line)
                        continue;
                if (config_value_unset(&value))
                        continue;
                config_value_path(&value, buf);
                buf_append_text(buf, " = ");
                config_value_format(&value, buf);
                if (origin && buf->len - start < ORIGIN_COLUMN)
                        buf_append_format(buf, "%*s", (int) (ORIGIN_COLUMN - (buf->len - start)),
                                          "");
                if (origin && value.origin->line)
                        buf_append_format(buf, "  # %s:%u", value.origin->file,
                                          value.origin->line);
                else if (origin)
                        buf_append_format(buf, "  # %s", value.origin->implied
                                                                 ? value.origin->implied
                                                                 : "default");
                buf_append_char(buf, '\n');
        }
}

/* The TOML of each value but a string's is JSON too; strings differ in their escapes. */
static struct json_object *value_json(const struct config_value *value)
{
        struct buf text = BUF_EMPTY;
        struct json_object *json = NULL;

        if (config_value_unset(value))
                return NULL;
        if (value->row->type == CONFIG_STRING)
                return json_object_new_string(*(char **) value->field);
        if (value->row->type == CONFIG_STRINGS) {
                const struct config_strings *strings = value->field;

                json = json_object_new_array();
                for (size_t i = 0; json && i < strings->count; i++)
                        json_add_string(json, NULL, strings->items[i]);
                return json;
        }
        config_value_format(value, &text);
        if (!buf_failed(&text))
                (void) json_parse(buf_text(&text), text.len, &json, NULL);
        buf_done(&text);
        return json;
}

struct json_object *config_show_json(const struct config *config, bool effective)
{
        cleanup_json_ struct json_object *array = json_object_new_array();

        for (struct config_value value = { 0 }; array && config_value_next(config, &value);) {
                struct json_object *object;
                struct buf path = BUF_EMPTY;

                if (!effective && !value.origin->line)
                        continue;
                object = json_object_new_object();
                if (!object)
                        return NULL;
                json_add(array, NULL, object);
                config_value_path(&value, &path);
                json_add_string(object, "key", buf_text(&path));
                buf_done(&path);
                json_add(object, "value", value_json(&value));
                json_add_string(object, "file", value.origin->line ? value.origin->file : NULL);
                if (value.origin->line)
                        json_add_u64(object, "line", value.origin->line);
                if (value.origin->implied)
                        json_add_string(object, "implied_by", value.origin->implied);
                json_add_string(object, "impact", config_impact_name(value.row->impact));
        }
        return take_ptr(array);
}

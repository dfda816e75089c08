/* SPDX-License-Identifier: Apache-2.0 */
#include "screen.h"

#include "base/cleanup.h"
#include "base/text.h"

#include <stdint.h>
#include <string.h>

struct range {
        uint32_t first, last;
};

/* The common ones of Unicode's East Asian Width (W, F) and of the marks that combine. */
static const struct range wide[] = {
        { 0x1100, 0x115F },   { 0x2E80, 0x303E },   { 0x3041, 0x33FF },   { 0x3400, 0x4DBF },
        { 0x4E00, 0x9FFF },   { 0xA000, 0xA4CF },   { 0xAC00, 0xD7A3 },   { 0xF900, 0xFAFF },
        { 0xFE30, 0xFE6F },   { 0xFF00, 0xFF60 },   { 0xFFE0, 0xFFE6 },   { 0x1F300, 0x1F64F },
        { 0x1F680, 0x1F6FF }, { 0x1F900, 0x1F9FF }, { 0x20000, 0x3FFFD },
};
static const struct range none[] = {
        { 0x0300, 0x036F }, { 0x0483, 0x0489 }, { 0x0591, 0x05BD }, { 0x064B, 0x065F },
        { 0x0E31, 0x0E31 }, { 0x0E34, 0x0E3A }, { 0x1AB0, 0x1AFF }, { 0x1DC0, 0x1DFF },
        { 0x200B, 0x200F }, { 0x20D0, 0x20FF }, { 0xFE00, 0xFE0F }, { 0xFE20, 0xFE2F },
};

static bool within(const struct range *ranges, size_t n, uint32_t c)
{
        for (size_t i = 0; i < n; i++)
                if (c >= ranges[i].first && c <= ranges[i].last)
                        return true;
        return false;
}

static size_t character_width(uint32_t c)
{
        if (c < 0x300)
                return 1;
        if (within(none, ELEMENTSOF(none), c))
                return 0;
        return within(wide, ELEMENTSOF(wide), c) ? 2 : 1;
}

size_t screen_fit(const char *text, size_t len, size_t columns)
{
        size_t at = 0, used = 0;

        while (at < len) {
                size_t bytes, width;

                width = character_width(utf8_character(text + at, len - at, &bytes));
                if (used + width > columns)
                        break;
                used += width;
                at += bytes;
        }
        return at;
}

size_t screen_width(const char *text, size_t len)
{
        size_t width = 0, bytes;

        for (size_t at = 0; at < len; at += bytes)
                width += character_width(utf8_character(text + at, len - at, &bytes));
        return width;
}

/* C0, DEL, C1, and what turns the direction of writing. */
static bool is_control(uint32_t c)
{
        return c < 0x20 || (c >= 0x7F && c < 0xA0) || (c >= 0x202A && c <= 0x202E) ||
               (c >= 0x2066 && c <= 0x2069);
}

void screen_write(FILE *file, const char *text, size_t len, bool lines)
{
        size_t bytes;

        for (size_t at = 0; at < len; at += bytes) {
                uint32_t c = utf8_character(text + at, len - at, &bytes);
                char valid[4] = { 0 };

                if (is_control(c) && !(lines && c == '\n'))
                        (void) fputc(' ', file);
                else
                        (void) fwrite(valid, 1, utf8_write(c, valid), file);
        }
}

void screen_write_cell(FILE *file, const char *text, size_t columns, bool right, bool fill)
{
        size_t len = strlen(text), width = screen_width(text, len);
        bool cut = width > columns;

        if (cut) {
                len = screen_fit(text, len, columns > 0 ? columns - 1 : 0);
                width = screen_width(text, len) + 1;
        }
        for (size_t i = width; right && i < columns; i++)
                (void) fputc(' ', file);
        screen_write(file, text, len, false);
        if (cut && columns > 0)
                (void) fputs("…", file);
        for (size_t i = width; !right && fill && i < columns; i++)
                (void) fputc(' ', file);
}

const char *screen_bytes(double bytes, char text[static SCREEN_NUMBER_SIZE])
{
        static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB" };
        size_t unit = 0;

        while (bytes >= 1024 && unit + 1 < ELEMENTSOF(units)) {
                bytes /= 1024;
                unit++;
        }
        (void) snprintf(text, SCREEN_NUMBER_SIZE, "%.*f %s", unit > 0 && bytes < 100 ? 1 : 0, bytes,
                        units[unit]);
        return text;
}

const char *screen_duration(double seconds, char text[static SCREEN_NUMBER_SIZE])
{
        unsigned long whole = (unsigned long) seconds;

        if (seconds < 1)
                (void) snprintf(text, SCREEN_NUMBER_SIZE, "%.0f ms", seconds * 1000);
        else if (whole < 60)
                (void) snprintf(text, SCREEN_NUMBER_SIZE, "%.1f s", seconds);
        else if (whole < 3600)
                (void) snprintf(text, SCREEN_NUMBER_SIZE, "%lu min %lu s", whole / 60, whole % 60);
        else if (whole < 48UL * 3600)
                (void) snprintf(text, SCREEN_NUMBER_SIZE, "%lu h %lu min", whole / 3600,
                                whole / 60 % 60);
        else
                (void) snprintf(text, SCREEN_NUMBER_SIZE, "%lu days %lu h", whole / 86400,
                                whole / 3600 % 24);
        return text;
}

const char *screen_dollars(double microusd, char text[static SCREEN_NUMBER_SIZE])
{
        double dollars = microusd / 1e6;
        int digits = dollars >= 1 ? 2 : dollars >= 0.01 ? 4 : 6;

        (void) snprintf(text, SCREEN_NUMBER_SIZE, "$%.*f", dollars > 0 ? digits : 2, dollars);
        return text;
}

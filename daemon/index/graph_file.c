/* SPDX-License-Identifier: Apache-2.0 */
#include "index/graph_file.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BYTE_ORDER_MARK 0x01020304U
#define NUMBER_DIGITS_MAX 9

void graph_file_done(struct graph_file *file)
{
        if (file->fd >= 0)
                (void) close(file->fd);
        *file = (struct graph_file){ .fd = -1 };
}

/* ---- The header ------------------------------------------------------------------------- */

static uint64_t align(uint64_t bytes)
{
        return (bytes + GRAPH_FILE_ALIGN - 1) / GRAPH_FILE_ALIGN * GRAPH_FILE_ALIGN;
}

static uint64_t place(struct graph_section *section, uint64_t offset, uint64_t n, uint64_t each)
{
        *section = (struct graph_section){ offset, n * each, (uint32_t) each, 0 };
        return align(offset + n * each);
}

size_t graph_header_blocks(const struct graph_header *header)
{
        uint64_t bytes = header->sections[GRAPH_SECTION_CHECKSUMS].offset - GRAPH_FILE_ALIGN;

        return (size_t) ((bytes + GRAPH_FILE_BLOCK - 1) / GRAPH_FILE_BLOCK);
}

/* Nothing overflows: a count of nodes has 31 bits, the bytes of one element have 32. */
void graph_header_complete(struct graph_header *header)
{
        bool coded = header->code_bytes > 0;
        uint64_t nodes = header->n_nodes, at = GRAPH_FILE_ALIGN, blocks;
        struct graph_section *sections = header->sections;

        memcpy(header->magic, "ragdgrph", sizeof header->magic);
        header->byte_order = BYTE_ORDER_MARK;
        header->version = GRAPH_FILE_VERSION;
        at = place(&sections[GRAPH_CODES], at, nodes, header->code_bytes);
        at = place(&sections[GRAPH_FACTORS], at, nodes, coded ? sizeof(struct code_factors) : 0);
        at = place(&sections[GRAPH_SLOTS], at, nodes, sizeof(uint32_t));
        at = place(&sections[GRAPH_LINKS], at, nodes, (uint64_t) 2 * header->m * sizeof(graph_link));
        at = place(&sections[GRAPH_NODES], at, header->linked_slot, sizeof(uint32_t));
        at = place(&sections[GRAPH_ENTRIES], at, header->n_entries,
                   ((uint64_t) ENTRY_HEAD + header->m) * sizeof(graph_link));
        at = place(&sections[GRAPH_SECTION_MEAN], at, coded ? header->dimensions : 0,
                   sizeof(float));
        sections[GRAPH_SECTION_CHECKSUMS].offset = at;
        blocks = graph_header_blocks(header);
        (void) place(&sections[GRAPH_SECTION_CHECKSUMS], at, blocks, sizeof(uint32_t));
        header->file_bytes = at + blocks * sizeof(uint32_t);
}

/* ---- Names ------------------------------------------------------------------------------ */

const char *graph_file_name(uint32_t number, const char *end, char text[static GRAPH_NAME_SIZE])
{
        (void) snprintf(text, GRAPH_NAME_SIZE, "graph.%04u%s", number, end);
        return text;
}

/* What follows the number in a name; NULL: it is none of ours. */
static const char *parse_name(const char *name, uint32_t *ret_number)
{
        static const char prefix[] = "graph.";
        uint32_t number = 0;
        size_t digits = 0;

        if (strncmp(name, prefix, sizeof prefix - 1) != 0)
                return NULL;
        for (name += sizeof prefix - 1; *name >= '0' && *name <= '9'; name++, digits++) {
                if (digits == NUMBER_DIGITS_MAX)
                        return NULL;
                number = 10 * number + (uint32_t) (*name - '0');
        }
        if (digits < 4 || number == 0)
                return NULL;
        *ret_number = number;
        return name;
}

/* ---- The folder ------------------------------------------------------------------------- */

/* Called for each file of a graph: what its name says. */
typedef int (*file_function)(void *userdata, int dirfd, uint32_t number, const char *end);

static int each_file(int dirfd, file_function function, void *userdata)
{
        int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = 0;
        DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;

        if (!dir) {
                r = -errno;
                if (fd >= 0)
                        (void) close(fd);
                return r;
        }
        for (struct dirent *entry; r == 0 && (entry = readdir(dir));) {
                uint32_t number;
                const char *end = parse_name(entry->d_name, &number);

                if (end)
                        r = function(userdata, dirfd, number, end);
        }
        (void) closedir(dir);
        return r;
}

static void remove_file(int dirfd, uint32_t number, const char *end)
{
        char name[GRAPH_NAME_SIZE];

        (void) unlinkat(dirfd, graph_file_name(number, end, name), 0);
}

struct listing {
        uint32_t *numbers;
        size_t n, room;
        uint32_t next;
};

static int take_file(void *userdata, int dirfd, uint32_t number, const char *end)
{
        struct listing *listing = userdata;

        if (number >= listing->next)
                listing->next = number + 1;
        if (strcmp(end, ".partial") == 0)
                remove_file(dirfd, number, end);
        if (*end != '\0')
                return 0;
        if (listing->n == listing->room) {
                size_t room = listing->room ? listing->room * 2 : 16;
                uint32_t *grown = reallocarray(listing->numbers, room, sizeof *grown);

                if (!grown)
                        return -ENOMEM;
                listing->numbers = grown;
                listing->room = room;
        }
        listing->numbers[listing->n++] = number;
        return 0;
}

static int falling(const void *left, const void *right)
{
        uint32_t a = *(const uint32_t *) left, b = *(const uint32_t *) right;

        return (a < b) - (a > b);
}

int graph_files_list(int dirfd, uint32_t **ret, size_t *ret_n, uint32_t *ret_next,
                     struct error *reterr)
{
        struct listing listing = { .next = 1 };
        int r = each_file(dirfd, take_file, &listing);

        if (r < 0) {
                free(listing.numbers);
                return error_set_errno(reterr, r, "cannot read the index's folder");
        }
        if (listing.n > 0)
                qsort(listing.numbers, listing.n, sizeof *listing.numbers, falling);
        *ret = listing.numbers;
        *ret_n = listing.n;
        *ret_next = listing.next;
        return 0;
}

static int newest_aside(void *userdata, int dirfd, uint32_t number, const char *end)
{
        uint32_t *newest = userdata;

        (void) dirfd;
        if (strcmp(end, ".damaged") == 0 && number > *newest)
                *newest = number;
        return 0;
}

struct former {
        uint32_t number, aside; /* what stays */
};

static int remove_former(void *userdata, int dirfd, uint32_t number, const char *end)
{
        const struct former *former = userdata;

        if (*end == '\0' ? number < former->number
                         : strcmp(end, ".damaged") == 0 && number < former->aside)
                remove_file(dirfd, number, end);
        return 0;
}

void graph_files_remove_older(int dirfd, uint32_t number)
{
        struct former former = { .number = number };

        if (each_file(dirfd, newest_aside, &former.aside) == 0)
                (void) each_file(dirfd, remove_former, &former);
}

void graph_file_set_aside(int dirfd, uint32_t number)
{
        char name[GRAPH_NAME_SIZE], aside[GRAPH_NAME_SIZE];

        (void) renameat(dirfd, graph_file_name(number, "", name), dirfd,
                        graph_file_name(number, ".damaged", aside));
        (void) fsync(dirfd);
}

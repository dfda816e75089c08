/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes of a client, cut into messages, read as calls, and held against the commands, as either
 * role; bytes of a server, read as replies.  What was read is written and must read the same. */
#include "base/json.h"
#include "control/interface.h"
#include "control/varlink.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
        if (!condition)
                abort();
}

static void answer(const struct varlink_call *call, enum control_role role)
{
        cleanup_json_ struct json_object *reply = NULL;
        cleanup_(buf_done) struct buf out = BUF_EMPTY;
        struct varlink_reply back = { 0 };
        const struct command *command = NULL;
        const char *error = NULL;

        if (!interface_serve(call, "1", &error, &reply))
                error = interface_check(call, role, &command, &reply);
        if (!error && command) {
                require(role >= command->role);
                return;
        }
        if (error)
                varlink_write_error(&out, error, reply);
        else
                varlink_write_reply(&out, reply, false);
        require(!buf_failed(&out) && strlen(out.data) == out.len - 1);
        require(varlink_parse_reply(out.data, out.len - 1, &back, NULL) == 0);
        varlink_reply_done(&back);
}

static void read_call(const char *text, size_t len)
{
        struct varlink_call call = { 0 }, again = { 0 };
        cleanup_(buf_done) struct buf out = BUF_EMPTY;
        enum varlink_flag flag;

        if (varlink_parse_call(text, len, &call, NULL) < 0)
                return;
        answer(&call, CONTROL_OBSERVE);
        answer(&call, CONTROL_ADMIN);
        flag = call.oneway    ? VARLINK_ONEWAY
               : call.more    ? VARLINK_MORE
               : call.upgrade ? VARLINK_UPGRADE
                              : VARLINK_PLAIN;
        varlink_write_call(&out, call.method, call.parameters, flag);
        if (varlink_parse_call(out.data, out.len - 1, &again, NULL) == 0)
                require(strcmp(again.method, call.method) == 0 && again.more == call.more);
        varlink_call_done(&again);
        varlink_call_done(&call);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        const char *text = (const char *) data;
        size_t scanned = 0, len;

        while (varlink_find_message(text, size, &scanned, &len) > 0) {
                struct varlink_reply reply = { 0 };

                read_call(text, len);
                if (varlink_parse_reply(text, len, &reply, NULL) == 0)
                        varlink_reply_done(&reply);
                text += len + 1;
                size -= len + 1;
        }
        return 0;
}
